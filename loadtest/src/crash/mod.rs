//! Many power cuts under load. After each, everything that was acknowledged must still be there, and every sum must
//! be the same wherever it is taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use farthing_client::{Connector, MemoryStore};
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::clock;
use crate::fleet::{Crowd, Drive, Fleet, Meter, Recruit, Step, drive};
use crate::load::Mode;
use crate::report::{self, grouped};
use crate::site::{Site, SiteFolder};

const DEADLINE: Duration = Duration::from_secs(60);

/// After the kill, before it is noted what was acknowledged: answers that had left the hub are still being read.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Far more than devices can pay here; what limits do is tested elsewhere.
const LIMIT: u64 = 1 << 40;

const RATING_GROUP: u32 = 1;

/// Kill the hub with SIGKILL at random moments under load, and see whether anything acknowledged is missing.
#[derive(Debug, Clone, Args)]
pub struct CrashArgs {
    /// Kills.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub rounds: u32,
    /// Devices that pay meanwhile, half by ticks, half by vouchers.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub devices: usize,
    /// A kill comes up to this many milliseconds after the devices began to pay.
    #[arg(long, value_name = "MS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub moment_ms_max: u32,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the site in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What the cuts came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CrashResult {
    /// Kills.
    pub rounds: u32,
    /// Devices.
    pub devices: usize,
    /// Payments acknowledged in all rounds.
    pub payments_acknowledged: u64,
    /// Devices of all rounds to which the hub no longer showed all that it had acknowledged.
    pub lost: u64,
    /// Rounds after which all sums were the same.
    pub conserved: u32,
    /// What is owed in the end, base units.
    pub authorised_base_units: u128,
    /// The longest time from the start of a hub process until it served, milliseconds.
    pub restart_ms_max: u128,
}

/// Runs the rounds, writes the result and says it.
///
/// # Errors
/// Where anything fails, is lost, or does not add up.
pub async fn run(args: &CrashArgs) -> anyhow::Result<CrashResult> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let (mut site, fleet) = tokio::task::block_in_place(|| set_up(&folder, args))?;
    let mut result = CrashResult {
        rounds: 0,
        devices: args.devices,
        payments_acknowledged: 0,
        lost: 0,
        conserved: 0,
        authorised_base_units: 0,
        restart_ms_max: 0,
    };
    let store = Arc::new(MemoryStore::new());
    let bar = report::bar(args.rounds.into(), "kills survived");
    for round in 0..args.rounds {
        // Every other time the devices have forgotten everything as well.
        let store = if round.is_multiple_of(2) { Arc::clone(&store) } else { Arc::new(MemoryStore::new()) };
        cut_once(&mut site, &fleet, store, args, &mut result).await.with_context(|| format!("round {round}"))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    tokio::task::block_in_place(|| site.finish())?;
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    println!(
        "{} kills, {} payments acknowledged, {} lost, {} times everything added up; {} base units are owed",
        result.rounds,
        grouped(result.payments_acknowledged.into()),
        result.lost,
        result.conserved,
        grouped(result.authorised_base_units)
    );
    ensure!(result.lost == 0, "{} times a device missed what was acknowledged to it", result.lost);
    ensure!(result.conserved == result.rounds, "the sums differed {} times", result.rounds - result.conserved);
    Ok(result)
}

fn names(args: &CrashArgs) -> impl Iterator<Item = String> {
    (0..args.devices).map(|place| format!("device-{place}"))
}

fn set_up(folder: &SiteFolder, args: &CrashArgs) -> anyhow::Result<(Site, Fleet)> {
    let mut site = Site::create(folder.path())?;
    site.start_hub()?;
    let provider = site.add_provider("crash service")?;
    let fleet = site.open_fleet("crash devices", LIMIT, &provider, RATING_GROUP)?;
    let limits: Vec<_> = names(args).map(|name| (name, LIMIT)).collect();
    site.import_mandates(&fleet, &limits)?;
    Ok((site, fleet))
}

async fn cut_once(
    site: &mut Site,
    fleet: &Fleet,
    store: Arc<MemoryStore>,
    args: &CrashArgs,
    result: &mut CrashResult,
) -> anyhow::Result<()> {
    let connector = Connector::new(fleet.contact.config(DEADLINE).with_store(store))?;
    let recruits: Vec<_> = names(args)
        .enumerate()
        .map(|(place, name)| Recruit { name, limit: LIMIT, mode: Mode::Mixed.of_device(place, 1) })
        .collect();
    let crowd = Crowd::gather(fleet, &connector, &recruits, 10, Duration::ZERO, &ProgressBar::hidden()).await?;
    let meter = Arc::new(Meter::default());
    let mut paying = pay_on(&crowd, &meter);
    tokio::time::sleep(moment(args)).await;
    tokio::task::block_in_place(|| site.kill_hub())?;
    tokio::time::sleep(LAST_ANSWERS).await;
    let promised: Vec<_> =
        crowd.members.iter().map(|member| (member.device.address(), member.lane.acknowledged().total())).collect();
    paying.abort_all();
    while paying.join_next().await.is_some() {}
    drop(crowd);
    drop(connector);

    // Nobody speaks to the hub now but the operator: what it shows is what it brought back from its disk.
    let (totals, status, restart) = tokio::task::block_in_place(|| {
        let restart = site.start_hub()?;
        anyhow::Ok((site.channel_totals()?, site.status()?, restart))
    })?;
    for (device, acknowledged) in promised {
        if totals.get(&device).copied().unwrap_or(0) < acknowledged {
            result.lost = result.lost.saturating_add(1);
        }
    }
    let sum: u128 = totals.values().map(|total| u128::from(*total)).sum();
    let settled_from = tokio::task::block_in_place(|| site.authorised_in_journal())?;
    if sum == status.authorised && sum == settled_from {
        result.conserved = result.conserved.saturating_add(1);
    } else {
        eprintln!("channels {sum}, hub {}, settlement {settled_from}", status.authorised);
    }
    result.rounds = result.rounds.saturating_add(1);
    result.payments_acknowledged = result.payments_acknowledged.saturating_add(meter.read().acknowledged);
    result.authorised_base_units = sum;
    result.restart_ms_max = result.restart_ms_max.max(restart.as_millis());
    Ok(())
}

/// Lets all devices pay one base unit after the other until they are stopped.
fn pay_on(crowd: &Crowd, meter: &Arc<Meter>) -> JoinSet<()> {
    let start = clock::now();
    let mut paying = JoinSet::new();
    for member in &crowd.members {
        let (lane, meter) = (member.lane.clone(), Arc::clone(meter));
        let base = lane.wanted().max(lane.acknowledged().total());
        paying.spawn(async move {
            let steps = (base.saturating_add(1)..LIMIT).map(|total| Step { due: Duration::ZERO, total });
            let how = Drive { start, window: 4, latencies: false, meter: &meter };
            // It ends with the hub.
            let _ = drive(&lane, steps, how).await;
        });
    }
    paying
}

/// A random time within what was asked for.
fn moment(args: &CrashArgs) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    Duration::from_millis(u64::from(random % args.moment_ms_max))
}
