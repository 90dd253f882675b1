//! An open loop: payments come at their times, whether the hub keeps up or not.

mod args;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::task::JoinSet;

pub use args::{CHAIN_LENGTH, LoadArgs, Mode};

use crate::clock;
use crate::fleet::{Crowd, Drive, Fleet, FleetDescription, Meter, Recruit, Step, drive};
use crate::replay::{query_all, sum_over};
use crate::report::{self, Table, grouped};
use crate::site::{Site, SiteFolder};

/// How long a single request may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long after the last payment its acknowledgement is waited for.
const DRAIN: Duration = Duration::from_secs(30);

const RATING_GROUP: u32 = 1;

/// What a load came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadResult {
    /// Devices.
    pub devices: usize,
    /// QUIC connections.
    pub connections: usize,
    /// Milliseconds until all were attached.
    pub attach_ms: u128,
    /// Payments that came due.
    pub sent: u64,
    /// Payments covered by a durable acknowledgement.
    pub acknowledged: u64,
    /// Failures by reason.
    pub refused: BTreeMap<String, u64>,
    /// From when a payment was due to its acknowledgement, microseconds.
    pub p50_us: u64,
    /// As `p50_us`, for 99 of 100.
    pub p99_us: u64,
    /// As `p50_us`, for 999 of 1,000.
    pub p999_us: u64,
    /// As `p50_us`, the longest.
    pub max_us: u64,
    /// What the hub says the devices owe from this run, base units.
    pub authorised_base_units: u128,
    /// What was acknowledged to them, base units.
    pub acknowledged_base_units: u128,
    /// Payments per second that were asked for.
    pub rate_intended: f64,
    /// Acknowledged payments per second from the first due time to the last acknowledgement.
    pub rate_achieved: f64,
    /// Resident memory of the own hub at the end, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_resident_bytes: Option<u64>,
}

/// Runs the load, writes the result and says it.
///
/// # Errors
/// Where the site or the devices fail. Payments that are not acknowledged in time are a result, not an error.
pub async fn run(args: &LoadArgs) -> anyhow::Result<LoadResult> {
    let result = match &args.fleet {
        Some(path) => load(&FleetDescription::load(path, args.hub.as_deref())?, args).await?,
        None => on_own_hub(args).await?,
    };
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    say(&result);
    Ok(result)
}

/// A limit that no device of this load reaches, room for its last chain included.
fn limit(args: &LoadArgs) -> u64 {
    let payments = u64::from(args.payments_per_device()).saturating_add(2 * u64::from(CHAIN_LENGTH));
    payments.saturating_mul(u64::from(args.amount))
}

fn names(args: &LoadArgs) -> impl Iterator<Item = String> {
    (0..args.devices).map(|place| format!("device-{place}"))
}

async fn on_own_hub(args: &LoadArgs) -> anyhow::Result<LoadResult> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let (site, fleet) = tokio::task::block_in_place(|| {
        let mut site = Site::create(folder.path())?;
        site.start_hub()?;
        let provider = site.add_provider("loaded service")?;
        let devices = u64::try_from(args.devices).unwrap_or(u64::MAX);
        let deposit = limit(args).saturating_mul(devices);
        let fleet = site.open_fleet("loading devices", deposit, &provider, RATING_GROUP)?;
        let limits: Vec<_> = names(args).map(|name| (name, limit(args))).collect();
        site.import_mandates(&fleet, &limits)?;
        anyhow::Ok((site, fleet))
    })?;
    let mut result = load(&fleet, args).await?;
    result.hub_resident_bytes = Some(site.hub_resident_bytes()?);
    tokio::task::block_in_place(|| site.finish())?;
    Ok(result)
}

async fn load(fleet: &Fleet, args: &LoadArgs) -> anyhow::Result<LoadResult> {
    let connector = fleet.contact.connector(DEADLINE)?;
    let recruits: Vec<_> = names(args)
        .enumerate()
        .map(|(place, name)| Recruit { name, limit: u64::MAX, mode: args.mode.of_device(place, args.amount) })
        .collect();
    let bar = report::bar(u64::try_from(args.devices).unwrap_or(u64::MAX), "devices attach");
    let begun = clock::now();
    let per_connection = args.devices_per_connection;
    let crowd = Crowd::gather(fleet, &connector, &recruits, per_connection, args.ramp_up, &bar).await?;
    let attach_ms = clock::now().duration_since(begun).as_millis();
    bar.finish_and_clear();

    let payments =
        u64::from(args.payments_per_device()).saturating_mul(u64::try_from(args.devices).unwrap_or(u64::MAX));
    let bar = report::bar(payments, "payments acknowledged");
    let meter = Arc::new(Meter::with_bar(bar.clone()));
    let bases: Vec<u64> = crowd.members.iter().map(|member| member.lane.acknowledged().total()).collect();
    let start = clock::now();
    pay(&crowd, &bases, args, start, &meter).await?;
    let elapsed = clock::now().duration_since(start);
    bar.finish_and_clear();

    let reading = meter.read();
    let latencies = meter.latencies();
    if let Some(path) = &args.histogram {
        latencies.write(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let told = latencies.percentiles();
    let count = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    Ok(LoadResult {
        devices: args.devices,
        connections: crowd.connections,
        attach_ms,
        sent: reading.sent,
        acknowledged: reading.acknowledged,
        refused: reading.refused,
        p50_us: told.p50_us,
        p99_us: told.p99_us,
        p999_us: told.p999_us,
        max_us: told.max_us,
        authorised_base_units: sum_over(&bases, query_all(&crowd).await?.into_iter())?,
        acknowledged_base_units: sum_over(&bases, crowd.members.iter().map(|m| m.lane.acknowledged().total()))?,
        rate_intended: args.rate * count(u64::try_from(args.devices).unwrap_or(u64::MAX)),
        rate_achieved: count(reading.acknowledged) / elapsed.as_secs_f64(),
        hub_resident_bytes: None,
    })
}

/// Lets all devices pay, their first payments spread evenly over one interval.
async fn pay(
    crowd: &Crowd,
    bases: &[u64],
    args: &LoadArgs,
    start: std::time::Instant,
    meter: &Arc<Meter>,
) -> anyhow::Result<()> {
    let (interval, payments) = (args.interval(), args.payments_per_device());
    let amount = u64::from(args.amount);
    let devices = u32::try_from(crowd.members.len()).unwrap_or(u32::MAX).max(1);
    let give_up = args.duration.saturating_add(DRAIN);
    let mut paying = JoinSet::new();
    for ((place, member), base) in (0_u32..).zip(&crowd.members).zip(bases) {
        let offset = interval / devices * place;
        let base = *base;
        let steps = (0..payments).map(move |number| Step {
            due: offset.saturating_add(interval.saturating_mul(number)),
            total: base.saturating_add(amount.saturating_mul(u64::from(number) + 1)),
        });
        let (lane, meter) = (member.lane.clone(), Arc::clone(meter));
        paying.spawn(async move {
            let how = Drive { start, window: usize::MAX, latencies: true, meter: &meter };
            // What is refused or late is in the meter; the others go on.
            let _ = tokio::time::timeout(give_up, drive(&lane, steps, how)).await;
        });
    }
    while let Some(paid) = paying.join_next().await {
        paid.context("a device's task ended early")?;
    }
    Ok(())
}

fn say(result: &LoadResult) {
    let mut table = Table::new(["load", ""]);
    let count = |number: usize| grouped(u128::try_from(number).unwrap_or(u128::MAX));
    table.row(["devices".into(), count(result.devices)]);
    table.row(["connections".into(), count(result.connections)]);
    table.row(["payments due".into(), grouped(result.sent.into())]);
    table.row(["payments acknowledged".into(), grouped(result.acknowledged.into())]);
    table.row(["per second, intended".into(), format!("{:.0}", result.rate_intended)]);
    table.row(["per second, achieved".into(), format!("{:.0}", result.rate_achieved)]);
    table.row(["acknowledged base units".into(), grouped(result.acknowledged_base_units)]);
    table.row(["latency p50, us".into(), grouped(result.p50_us.into())]);
    table.row(["latency p99, us".into(), grouped(result.p99_us.into())]);
    table.row(["latency p99.9, us".into(), grouped(result.p999_us.into())]);
    table.row(["latency max, us".into(), grouped(result.max_us.into())]);
    if let Some(bytes) = result.hub_resident_bytes {
        table.row(["hub memory, MiB".into(), grouped(u128::from(bytes >> 20))]);
    }
    print!("{table}");
    for (reason, times) in &result.refused {
        println!("  refused {times} times: {reason}");
    }
}
