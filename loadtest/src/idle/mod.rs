//! Channels that nobody uses: how long a hub with millions of them takes to start, and what memory each costs.

mod journal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use farthing_channel::id::{Address, ChannelId, LaneId, TariffHash};
use farthing_channel::lane::SignedVoucher;
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::time::UnixSeconds;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::fleet::{Fleet, Sample};
use crate::report::{self, Table, grouped};
use crate::site::{Site, SiteFolder, SiteOptions};
use journal::JournalAppender;

/// Mandates under one signature.
const BUNDLE: usize = 256;

const RATING_GROUP: u32 = 1;

/// Longest wait for a start, the first of which takes in the whole journal.
const START_DEADLINE: Duration = Duration::from_secs(1800);

/// How long the hub is left alone before its memory is read.
const SETTLING: Duration = Duration::from_secs(10);

/// Hold many idle channels, each with a lane, and start the hub with them.
#[derive(Debug, Clone, Args)]
pub struct IdleArgs {
    /// Channels.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1_000..))]
    pub channels: usize,
    /// Give every lane a proof: a voucher of one base unit, whose signature nobody can check.
    #[arg(long)]
    pub paid: bool,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the site in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What it came to. Times are milliseconds, memory is bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdleResult {
    /// Channels, each with one lane.
    pub channels: usize,
    /// Whether every lane has a proof.
    pub paid: bool,
    /// The first start, which folds the whole journal into the checkpoint.
    pub first_start_ms: u128,
    /// The size of the checkpoint file then.
    pub checkpoint_bytes: u64,
    /// Memory of a hub without channels.
    pub resident_bytes_empty: u64,
    /// From the start of the hub until it served again, after SIGTERM.
    pub start_drained_ms: u128,
    /// The same after SIGKILL.
    pub start_killed_ms: u128,
    /// Memory of the hub after that, in all.
    pub resident_bytes: u64,
    /// What of it is more than a hub without channels takes, for each channel.
    pub bytes_per_channel: u64,
    /// Devices that attached and paid after that.
    pub sample_paid: usize,
}

/// Writes the journal, starts the hub with it three times, lets some devices pay; writes the result and says it.
///
/// # Errors
/// Where anything fails, or a channel is missing.
pub async fn run(args: &IdleArgs) -> anyhow::Result<IdleResult> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let (site, fleet, mut result) = tokio::task::block_in_place(|| hold(&folder, args))?;
    result.sample_paid = Sample::of(args.channels).pay(&fleet).await?;
    tokio::task::block_in_place(|| site.finish())?;
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    say(&result);
    Ok(result)
}

fn hold(folder: &SiteFolder, args: &IdleArgs) -> anyhow::Result<(Site, Fleet, IdleResult)> {
    let working = report::spinner("setting up a site");
    let mut site = Site::create_with(
        folder.path(),
        &SiteOptions { start_deadline: Some(START_DEADLINE), ..SiteOptions::default() },
    )?;
    site.start_hub()?;
    let provider = site.add_provider("metered service")?;
    let deposit = Sample::DEPOSIT.saturating_add(u64::try_from(args.channels)?);
    let fleet = site.open_fleet("metered devices", deposit, &provider, RATING_GROUP)?;
    site.stop_hub()?;
    site.start_hub()?;
    let resident_bytes_empty = settled_memory(&site)?;
    site.stop_hub()?;

    working.set_message("writing the journal");
    let data = folder.path().join("hub").join("data");
    write_journal(&site, &fleet, args, &data.join("journal"), &working)?;
    working.set_message("starting the hub with the journal");
    let first = site.start_hub()?;
    site.stop_hub()?;
    let checkpoint_bytes = std::fs::metadata(data.join("checkpoint.redb")).context("the checkpoint")?.len();
    working.set_message("starting the hub after SIGTERM");
    let drained = site.start_hub()?;
    site.kill_hub()?;
    working.set_message("starting the hub after SIGKILL");
    let killed = site.start_hub()?;
    let resident_bytes = settled_memory(&site)?;
    let known = site.status()?.channels;
    ensure!(known == u64::try_from(args.channels)?, "the hub knows {known} of {} channels", args.channels);
    working.finish_and_clear();
    let of_channels = resident_bytes.saturating_sub(resident_bytes_empty);
    let result = IdleResult {
        channels: args.channels,
        paid: args.paid,
        first_start_ms: first.as_millis(),
        checkpoint_bytes,
        resident_bytes_empty,
        start_drained_ms: drained.as_millis(),
        start_killed_ms: killed.as_millis(),
        resident_bytes,
        bytes_per_channel: of_channels.checked_div(known).unwrap_or(0),
        sample_paid: 0,
    };
    Ok((site, fleet, result))
}

fn settled_memory(site: &Site) -> anyhow::Result<u64> {
    std::thread::sleep(SETTLING);
    site.hub_resident_bytes()
}

fn write_journal(
    site: &Site,
    fleet: &Fleet,
    args: &IdleArgs,
    folder: &Path,
    working: &ProgressBar,
) -> anyhow::Result<()> {
    let payer = site.payer(&fleet.escrow)?;
    let mut journal = JournalAppender::open(folder)?;
    let sample = Sample::of(args.channels);
    let mut at = 0_usize;
    while at < args.channels {
        let end = at.saturating_add(BUNDLE).min(args.channels);
        let devices: Vec<_> = (at..end).map(|place| sample.address(fleet, place)).collect::<Result<_, _>>()?;
        let terms: Vec<_> = devices
            .iter()
            .map(|device| MandateTerms {
                device: *device,
                limit: Sample::LIMIT.into(),
                expiry: UnixSeconds(u64::from(u32::MAX)),
                serial: 1,
                payees: Vec::new(),
            })
            .collect();
        for bundle in sign_mandates(payer, &fleet.contact.ledger, fleet.escrow, &terms)? {
            journal.record(&Record::Mandates(bundle))?;
        }
        for (place, device) in (at..end).zip(devices) {
            if sample.is_real(place) {
                continue;
            }
            let lane = lane(fleet, device);
            journal.record(&Record::Lane(lane))?;
            if args.paid {
                let voucher = SignedVoucher { amount: 1, signature: UncheckedSignature([1; 64]) };
                journal.record(&Record::Voucher { lane: lane.lane, voucher })?;
            }
        }
        at = end;
        if at.is_multiple_of(BUNDLE * 256) {
            working.set_message(format!("writing the journal: {at} channels"));
        }
    }
    journal.finish()
}

fn lane(fleet: &Fleet, device: Address) -> LaneImage {
    let channel = ChannelId::derive(&fleet.escrow, &device);
    LaneImage {
        lane: LaneId::derive(&channel, &fleet.lane.payee, fleet.lane.rating_group),
        escrow: fleet.escrow,
        device,
        payee: fleet.lane.payee,
        rating_group: fleet.lane.rating_group,
        tariff: TariffHash::ZERO,
        tariff_base_amount: 0,
        tariff_base_units: 0,
    }
}

fn say(result: &IdleResult) {
    let mut table = Table::new(["channels", &grouped(u128::try_from(result.channels).unwrap_or(u128::MAX))]);
    let ms = |label: &str, time: u128| [format!("{label}, ms"), grouped(time)];
    let mib = |label: &str, bytes: u64| [format!("{label}, MiB"), grouped(u128::from(bytes >> 20))];
    table.row(ms("first start, with the whole journal", result.first_start_ms));
    table.row(mib("checkpoint file", result.checkpoint_bytes));
    table.row(ms("start after SIGTERM", result.start_drained_ms));
    table.row(ms("start after SIGKILL", result.start_killed_ms));
    table.row(mib("hub memory without channels", result.resident_bytes_empty));
    table.row(mib("hub memory", result.resident_bytes));
    table.row(["hub memory for each channel, bytes".into(), result.bytes_per_channel.to_string()]);
    table.row(["devices that paid then".into(), result.sample_paid.to_string()]);
    print!("{table}");
}
