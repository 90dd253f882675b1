//! Bills a recorded trace: one device per device of the trace, each paying by the tariff for its cumulative units.

mod args;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use farthing_channel::tariff::{Tariff, Unit};
use farthing_client::PayMode;
use serde::Serialize;
use tokio::task::JoinSet;

pub use args::ReplayArgs;

use crate::clock;
use crate::fleet::{Crowd, Drive, Fleet, FleetDescription, Meter, Recruit, Step, drive};
use crate::report::{self, Percentiles, grouped};
use crate::site::{Site, SiteFolder};
use crate::trace::{self, Bill, Trace};

/// How long a single request may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Lanes asked for at once after the end.
const QUERIES_AT_ONCE: usize = 64;

/// Rating group of the service that a trace is billed under on an own hub.
pub(crate) const RATING_GROUP: u32 = 1;

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayResult {
    /// Rows of the trace.
    pub rows: usize,
    /// Devices of the trace.
    pub devices: usize,
    /// Units of all rows.
    pub units: u128,
    /// What the hub says the devices owe, base units.
    pub authorised_base_units: u128,
    /// What was acknowledged to the devices as durable, base units.
    pub acknowledged_base_units: u128,
    /// What the tariff makes of the trace, base units.
    pub billed_base_units: u128,
    /// Rows that raised a device's total.
    pub payments: u64,
    /// QUIC connections.
    pub connections: usize,
    /// Milliseconds from the first payment to the last acknowledgement.
    pub elapsed_ms: u128,
    /// Rows per second of that time.
    pub rows_per_second: u64,
    /// From when a payment was due, or handed over, to its acknowledgement.
    pub latency: Percentiles,
    /// Failures by reason; all were waited out.
    pub refused: std::collections::BTreeMap<String, u64>,
}

/// Reads, bills and replays the trace, writes the result and says it.
///
/// # Errors
/// Where anything fails, or the hub's totals are not the tariff's.
pub async fn run(args: &ReplayArgs) -> anyhow::Result<ReplayResult> {
    let trace = trace::read(&args.trace).with_context(|| format!("cannot read {}", args.trace.display()))?;
    let tariff = args.price.tariff(trace.unit, 1)?;
    let bill = Bill::of(&trace, &tariff)?;
    let result = match &args.fleet {
        Some(path) => {
            let fleet = FleetDescription::load(path, args.hub.as_deref())?;
            replay(&fleet, &trace, &bill, args, u64::MAX).await?
        }
        None => on_own_hub(&trace, &tariff, &bill, args).await?,
    };
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    say(&result, trace.unit);
    Ok(result)
}

async fn on_own_hub(trace: &Trace, tariff: &Tariff, bill: &Bill, args: &ReplayArgs) -> anyhow::Result<ReplayResult> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let (site, fleet) = tokio::task::block_in_place(|| {
        let mut site = Site::create(folder.path())?;
        site.start_hub()?;
        let provider = site.add_provider("replayed service")?;
        site.set_tariff(&provider, RATING_GROUP, tariff)?;
        let deposit = u64::try_from(bill.total).context("the trace costs more than an escrow can hold")?;
        let fleet = site.open_fleet("replayed devices", deposit.max(1), &provider, RATING_GROUP)?;
        let devices = trace.devices.iter().zip(&bill.devices);
        let limits: Vec<_> = devices.map(|(name, device)| (name.clone(), device.total().max(1))).collect();
        site.import_mandates(&fleet, &limits)?;
        anyhow::Ok((site, fleet))
    })?;
    let result = replay(&fleet, trace, bill, args, 0).await;
    tokio::task::block_in_place(|| site.finish())?;
    result
}

async fn replay(
    fleet: &Fleet,
    trace: &Trace,
    bill: &Bill,
    args: &ReplayArgs,
    limit: u64,
) -> anyhow::Result<ReplayResult> {
    let connector = fleet.contact.connector(DEADLINE)?;
    let names = trace.devices.iter();
    let recruits: Vec<_> = names.map(|name| Recruit { name: name.clone(), limit, mode: PayMode::Voucher }).collect();
    let bar = report::bar(u64::try_from(recruits.len()).unwrap_or(u64::MAX), "devices attach");
    let crowd = Crowd::gather(fleet, &connector, &recruits, args.devices_per_connection, Duration::ZERO, &bar).await?;
    bar.finish_and_clear();

    let bar = report::bar(u64::try_from(bill.payments()).unwrap_or(u64::MAX), "payments acknowledged");
    let meter = std::sync::Arc::new(Meter::with_bar(bar.clone()));
    let start = clock::now();
    let bases: Vec<u64> = crowd.members.iter().map(|member| member.lane.acknowledged().total()).collect();
    pay_all(&crowd, &bases, trace, bill, args, start, &meter).await?;
    let elapsed = clock::now().duration_since(start);
    bar.finish_and_clear();

    let acknowledged = sum_over(&bases, crowd.members.iter().map(|member| member.lane.acknowledged().total()))?;
    let authorised = sum_over(&bases, query_all(&crowd).await?.into_iter())?;
    ensure!(
        acknowledged == bill.total && authorised == bill.total,
        "the trace costs {} base units; {acknowledged} were acknowledged, {authorised} are authorised at the hub",
        bill.total
    );
    let reading = meter.read();
    let latencies = meter.latencies();
    if let Some(path) = &args.histogram {
        latencies.write(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let rows = u128::try_from(trace.rows.len()).unwrap_or(u128::MAX);
    let rate = rows.saturating_mul(1_000_000) / elapsed.as_micros().max(1);
    Ok(ReplayResult {
        rows: trace.rows.len(),
        devices: trace.devices.len(),
        units: trace.units(),
        authorised_base_units: authorised,
        acknowledged_base_units: acknowledged,
        billed_base_units: bill.total,
        payments: reading.acknowledged,
        connections: crowd.connections,
        elapsed_ms: elapsed.as_millis(),
        rows_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
        latency: latencies.percentiles(),
        refused: reading.refused,
    })
}

/// Pays every device's bill, and waits for the last acknowledgement.
async fn pay_all(
    crowd: &Crowd,
    bases: &[u64],
    trace: &Trace,
    bill: &Bill,
    args: &ReplayArgs,
    start: std::time::Instant,
    meter: &std::sync::Arc<Meter>,
) -> anyhow::Result<()> {
    let first_us = trace.rows.first().map_or(0, |row| row.at_us);
    let mut paying = JoinSet::new();
    for ((member, base), device) in crowd.members.iter().zip(bases).zip(&bill.devices) {
        let (lane, name, base) = (member.lane.clone(), member.name.clone(), *base);
        let mut steps = Vec::with_capacity(device.totals.len());
        for (at_us, total) in &device.totals {
            let due = args.compression.map_or(Duration::ZERO, |factor| factor.compress(at_us.saturating_sub(first_us)));
            let total = base.checked_add(*total).with_context(|| format!("device {name} passes 64 bits"))?;
            steps.push(Step { due, total });
        }
        let (meter, window) = (std::sync::Arc::clone(meter), args.window(crowd.members.len()));
        paying.spawn(async move {
            let how = Drive { start, window, latencies: true, meter: &meter };
            drive(&lane, steps.into_iter(), how).await.with_context(|| format!("device {name} cannot pay"))
        });
    }
    while let Some(paid) = paying.join_next().await {
        paid.context("a device's task ended early")??;
    }
    Ok(())
}

/// What the hub says each lane has authorised, in the order of the members.
pub(crate) async fn query_all(crowd: &Crowd) -> anyhow::Result<Vec<u64>> {
    let mut totals = vec![0; crowd.members.len()];
    let mut asking = JoinSet::new();
    let mut waiting = crowd.members.iter().enumerate();
    loop {
        while asking.len() < QUERIES_AT_ONCE
            && let Some((place, member)) = waiting.next()
        {
            let lane = member.lane.clone();
            asking.spawn(async move { (place, lane.query().await) });
        }
        let Some(answer) = asking.join_next().await else {
            return Ok(totals);
        };
        let (place, view) = answer.context("a query ended early")?;
        if let Some(total) = totals.get_mut(place) {
            *total = view.context("a lane cannot be asked for")?.authorised;
        }
    }
}

/// The sum of what the lanes grew beyond their bases.
pub(crate) fn sum_over(bases: &[u64], totals: impl Iterator<Item = u64>) -> anyhow::Result<u128> {
    let mut sum = 0_u128;
    for (base, total) in bases.iter().zip(totals) {
        let Some(grown) = total.checked_sub(*base) else { bail!("a lane's total has shrunk") };
        sum = sum.checked_add(u128::from(grown)).context("the sum passes 128 bits")?;
    }
    Ok(sum)
}

fn say(result: &ReplayResult, unit: Unit) {
    let unit = match unit {
        Unit::Octets => "octets",
        Unit::Seconds => "seconds",
        Unit::Events => "events",
    };
    println!(
        "{} rows of {} devices, {} {unit}: {} base units, all acknowledged and authorised, in {:.1} s",
        grouped(u128::try_from(result.rows).unwrap_or(u128::MAX)),
        grouped(u128::try_from(result.devices).unwrap_or(u128::MAX)),
        grouped(result.units),
        grouped(result.acknowledged_base_units),
        Duration::from_millis(u64::try_from(result.elapsed_ms).unwrap_or(u64::MAX)).as_secs_f64(),
    );
}
