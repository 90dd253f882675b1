//! Many channels at once: how long a million mandates take, what memory a hub with them needs, how long it takes to
//! start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use serde::Serialize;

use crate::clock;
use crate::fleet::{Fleet, Sample};
use crate::report::{self, Table, grouped};
use crate::site::{Site, SiteFolder};

const RATING_GROUP: u32 = 1;

/// Open many channels by one signature, and start the hub again with them.
#[derive(Debug, Clone, Args)]
pub struct OpenArgs {
    /// Channels.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub channels: usize,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the site in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What it came to. Times are milliseconds, memory is bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenResult {
    /// Channels.
    pub channels: usize,
    /// Deriving the devices' addresses; a real fleet has them.
    pub derive_ms: u128,
    /// Building and signing the tree of mandates.
    pub sign_ms: u128,
    /// Importing it into the running hub.
    pub import_ms: u128,
    /// Memory of the hub after that.
    pub resident_bytes_imported: u64,
    /// From the start of the hub until it served again, after SIGKILL.
    pub restart_killed_ms: u128,
    /// From the start of the hub until it served again, after SIGTERM.
    pub restart_drained_ms: u128,
    /// Memory of the hub after the last start.
    pub resident_bytes_restarted: u64,
    /// Devices that attached and paid after that.
    pub sample_paid: usize,
}

/// Opens the channels, restarts the hub twice, lets some devices pay; writes the result and says it.
///
/// # Errors
/// Where anything fails, or a channel is missing.
pub async fn run(args: &OpenArgs) -> anyhow::Result<OpenResult> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let (site, fleet, mut result) = tokio::task::block_in_place(|| open(&folder, args))?;
    result.sample_paid = Sample::of(args.channels).pay(&fleet).await?;
    tokio::task::block_in_place(|| site.finish())?;
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    say(&result);
    Ok(result)
}

fn open(folder: &SiteFolder, args: &OpenArgs) -> anyhow::Result<(Site, Fleet, OpenResult)> {
    let working = report::spinner("setting up a site");
    let mut site = Site::create(folder.path())?;
    site.start_hub()?;
    let provider = site.add_provider("metered service")?;
    let fleet = site.open_fleet("metered devices", Sample::DEPOSIT, &provider, RATING_GROUP)?;

    working.set_message("deriving addresses");
    let (terms, derive) = timed(|| derive(&fleet, args.channels))?;
    working.set_message("signing mandates");
    let payer = site.payer(&fleet.escrow)?.clone();
    let (bundles, sign) = timed(|| Ok(sign_mandates(&payer, &fleet.contact.ledger, fleet.escrow, &terms)?))?;
    drop(terms);
    working.set_message("importing mandates");
    let (imported, import) = timed(|| site.import_bundles(&bundles))?;
    drop(bundles);
    ensure!(imported == u64::try_from(args.channels)?, "{imported} of {} mandates were imported", args.channels);
    let resident_bytes_imported = site.hub_resident_bytes()?;

    working.set_message("killing and starting the hub");
    site.kill_hub()?;
    let killed = site.start_hub()?;
    working.set_message("stopping and starting the hub");
    site.stop_hub()?;
    let drained = site.start_hub()?;
    let channels = site.status()?.channels;
    ensure!(channels == imported, "the hub knows {channels} of {imported} channels after its restart");
    working.finish_and_clear();
    let result = OpenResult {
        channels: args.channels,
        derive_ms: derive.as_millis(),
        sign_ms: sign.as_millis(),
        import_ms: import.as_millis(),
        resident_bytes_imported,
        restart_killed_ms: killed.as_millis(),
        restart_drained_ms: drained.as_millis(),
        resident_bytes_restarted: site.hub_resident_bytes()?,
        sample_paid: 0,
    };
    Ok((site, fleet, result))
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
    let begun = clock::now();
    let done = work()?;
    Ok((done, clock::now().duration_since(begun)))
}

/// Mandates for all devices.
fn derive(fleet: &Fleet, channels: usize) -> anyhow::Result<Vec<MandateTerms>> {
    let sample = Sample::of(channels);
    (0..channels).map(|place| Ok(fleet.terms_of(sample.address(fleet, place)?, Sample::LIMIT))).collect()
}

fn say(result: &OpenResult) {
    let mut table = Table::new(["channels", &grouped(u128::try_from(result.channels).unwrap_or(u128::MAX))]);
    let ms = |label: &str, time: u128| [format!("{label}, ms"), grouped(time)];
    let mib = |label: &str, bytes: u64| [format!("{label}, MiB"), grouped(u128::from(bytes >> 20))];
    table.row(ms("addresses derived", result.derive_ms));
    table.row(ms("mandates signed", result.sign_ms));
    table.row(ms("mandates imported", result.import_ms));
    table.row(mib("hub memory, imported", result.resident_bytes_imported));
    table.row(ms("restart after SIGKILL", result.restart_killed_ms));
    table.row(ms("restart after SIGTERM", result.restart_drained_ms));
    table.row(mib("hub memory, restarted", result.resident_bytes_restarted));
    table.row(["devices that paid then".into(), result.sample_paid.to_string()]);
    print!("{table}");
}
