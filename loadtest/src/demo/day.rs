//! The day: fleets pay, providers listen, and at noon the hub's power is cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use farthing_client::Connector;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use super::service::Service;
use super::till::Till;
use super::witness::Witness;
use crate::clock;
use crate::fleet::{Crowd, Drive, Fleet, Meter, Recruit, Step, drive};
use crate::replay::query_all;
use crate::report::{self, Latencies};
use crate::site::{Provider, Site};

/// How long a request, and the return of a device after the cut, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub that is silent for this long is taken to be gone. A killed hub cannot say so itself, and after its restart it
/// tells those who still write to the old one only at a bounded rate.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// An attempt to reach the hub that began while it was down is given up after this, and the next one begins.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2_500);

/// After the kill, before it is noted what was acknowledged: answers that had left the hub are still being read.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// What the service of one fleet came to in a day.
#[derive(Debug)]
pub(crate) struct FleetDay {
    /// Payments covered by an acknowledgement.
    pub(crate) payments: u64,
    /// What the hub says is owed, base units.
    pub(crate) authorised: u128,
    /// What was acknowledged to the devices, base units.
    pub(crate) acknowledged: u128,
    /// What the provider was told, base units.
    pub(crate) told: u128,
    /// Notices that the provider got.
    pub(crate) notices: u64,
    /// Connections of the fleet.
    pub(crate) connections: usize,
}

/// What the day came to.
#[derive(Debug)]
pub(crate) struct Day {
    /// In the order of the services.
    pub(crate) fleets: Vec<FleetDay>,
    /// Payments that were acknowledged before the cut and that the hub did not know after it.
    pub(crate) lost_payments: u64,
    /// Payments that were acknowledged before the cut.
    pub(crate) payments_before_cut: u64,
    /// From the start of the new hub process until it served.
    pub(crate) restart: Duration,
    /// From due to acknowledged.
    pub(crate) latencies: Latencies,
}

/// A service with its people.
struct Shift<'s> {
    service: &'s Service,
    crowd: Crowd,
    till: Till,
    meter: Arc<Meter>,
}

/// Lets the day pass.
pub(crate) async fn pass(
    site: &mut Site,
    services: &[Service],
    providers: &[Provider],
    fleets: &[Fleet],
    day: Duration,
) -> anyhow::Result<Day> {
    let contact = fleets.first().context("there is no fleet")?.contact.clone();
    let mut config = contact.config(PATIENCE);
    config.connect_timeout = CONNECT_TIMEOUT;
    config.idle_timeout = IDLE_TIMEOUT;
    config.keep_alive = Some(KEEP_ALIVE);
    let connector = Connector::new(config)?;
    let payments: usize = services.iter().map(|service| service.bill.payments()).sum();
    let bar = report::bar(0, "payments acknowledged");
    let mut shifts = Vec::with_capacity(services.len());
    let devices: usize = services.iter().map(|service| service.trace.devices.len()).sum();
    let attaching = report::bar(u64::try_from(devices).unwrap_or(u64::MAX), "devices attach");
    for ((service, provider), fleet) in services.iter().zip(providers).zip(fleets) {
        let till = Till::open(&connector, provider.key.clone()).await?;
        let crowd = gather(service, fleet, &connector, &attaching).await?;
        shifts.push(Shift { service, crowd, till, meter: Arc::new(Meter::with_bar(bar.clone())) });
    }
    attaching.finish_and_clear();

    bar.set_length(u64::try_from(payments).unwrap_or(u64::MAX));
    bar.reset();
    let start = clock::now();
    let mut paying = begin(&shifts, start, day);
    let noon = day / 2;
    tokio::time::sleep(noon).await;
    let (lost_payments, payments_before_cut, restart) = cut(site, &shifts, &bar).await?;
    while let Some(paid) = paying.join_next().await {
        paid.context("a device's task ended early")??;
    }
    bar.finish_and_clear();

    let mut latencies = Latencies::default();
    let mut fleets = Vec::with_capacity(shifts.len());
    for shift in shifts {
        latencies.add(&shift.meter.latencies());
        fleets.push(shift.end().await?);
    }
    Ok(Day { fleets, lost_payments, payments_before_cut, restart, latencies })
}

async fn gather(service: &Service, fleet: &Fleet, connector: &Connector, bar: &ProgressBar) -> anyhow::Result<Crowd> {
    let names = service.trace.devices.iter();
    let recruits: Vec<_> =
        names.map(|name| Recruit { name: name.clone(), limit: u64::MAX, mode: service.mode }).collect();
    Crowd::gather(fleet, connector, &recruits, service.devices_per_connection, Duration::ZERO, bar).await
}

/// Lets every device pay its rows, the trace's time compressed to the day.
fn begin(shifts: &[Shift<'_>], start: Instant, day: Duration) -> JoinSet<anyhow::Result<()>> {
    let mut paying = JoinSet::new();
    for shift in shifts {
        let rows = &shift.service.trace.rows;
        let first_us = rows.first().map_or(0, |row| row.at_us);
        let span_us = u128::from(shift.service.trace.span_us().max(1));
        for (member, device) in shift.crowd.members.iter().zip(&shift.service.bill.devices) {
            let due = |at_us: u64| {
                let into_us = u128::from(at_us.saturating_sub(first_us));
                let nanos = into_us.saturating_mul(day.as_nanos()) / span_us;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            };
            let steps: Vec<_> =
                device.totals.iter().map(|(at_us, total)| Step { due: due(*at_us), total: *total }).collect();
            let (lane, meter, name) = (member.lane.clone(), Arc::clone(&shift.meter), member.name.clone());
            paying.spawn(async move {
                let how = Drive { start, window: usize::MAX, latencies: true, meter: &meter };
                drive(&lane, steps.into_iter(), how).await.with_context(|| format!("device {name} cannot pay"))
            });
        }
    }
    paying
}

/// Kills the hub, starts it again while the devices try to come back, and counts what they miss.
async fn cut(site: &mut Site, shifts: &[Shift<'_>], bar: &ProgressBar) -> anyhow::Result<(u64, u64, Duration)> {
    bar.set_message("SIGKILL");
    tokio::task::block_in_place(|| site.kill_hub())?;
    tokio::time::sleep(LAST_ANSWERS).await;
    let before = shifts.iter().map(|shift| shift.meter.read().acknowledged).sum();
    let witnesses: Vec<_> = shifts.iter().map(|shift| Witness::note(&shift.crowd.members)).collect();
    let restart = tokio::task::block_in_place(|| site.start_hub())?;
    bar.set_message("restarted");
    let mut lost = 0_u64;
    for (witness, shift) in witnesses.into_iter().zip(shifts) {
        for loss in witness.compare(PATIENCE).await? {
            let totals = shift.service.bill.devices.get(loss.member).map(|device| device.totals.as_slice());
            let missing = |(_, total): &&(u64, u64)| *total > loss.shown && *total <= loss.acknowledged;
            let count = totals.unwrap_or_default().iter().filter(missing).count();
            lost = lost.saturating_add(u64::try_from(count.max(1)).unwrap_or(u64::MAX));
        }
    }
    bar.set_message("");
    Ok((lost, before, restart))
}

impl Shift<'_> {
    /// Asks the hub for every lane, has the provider report what was used, and closes the till.
    async fn end(self) -> anyhow::Result<FleetDay> {
        let members = &self.crowd.members;
        let authorised: u128 = query_all(&self.crowd).await?.into_iter().map(u128::from).sum();
        let acknowledged = members.iter().map(|member| u128::from(member.lane.acknowledged().total())).sum();
        let devices = members.iter().zip(&self.service.bill.devices);
        let used: Vec<_> = devices.map(|(member, device)| (member.lane.id(), device.units)).collect();
        self.till.report(&used).await?;
        let told = self.wait_until_told(authorised).await;
        let notices = self.till.notices();
        let provider = self.service.provider;
        ensure!(told == authorised, "{provider} was told of {told} base units, the hub holds {authorised}");
        let connections = self.crowd.connections;
        let payments = self.meter.read().acknowledged;
        self.till.close().await;
        Ok(FleetDay { payments, authorised, acknowledged, told, notices, connections })
    }

    /// The last notices may still be on their way.
    async fn wait_until_told(&self, authorised: u128) -> u128 {
        let begun = clock::now();
        loop {
            let told = self.till.authorised();
            if told >= authorised || clock::now().duration_since(begun) > PATIENCE {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
