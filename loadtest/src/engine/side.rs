//! One server with its connections, and what is measured of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};

use super::driver::{Driver, Mode};
use super::process::{CpuTime, Memory};
use super::result::Period;
use crate::clock;
use crate::quic::Traffic;
use crate::report::Latencies;

/// How long late acknowledgements are waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// What QUIC itself has still to say is said within its longest acknowledgement delay.
const SETTLE: Duration = Duration::from_millis(100);

/// A server, the connections to it, and the process that serves.
#[derive(Debug)]
pub struct Side {
    /// What it is called in the results.
    pub name: &'static str,
    /// The connections.
    pub driver: Driver,
    /// The server's process, where its cost can be told.
    pub pid: Option<u32>,
    /// How the names of those of its threads begin that carry the load.
    pub threads: &'static str,
    before: Option<Reading>,
}

/// Everything counted at one moment.
#[derive(Debug)]
struct Reading {
    at: Instant,
    acknowledged: u64,
    traffic: Traffic,
    lost: u64,
    repeated: u64,
    generator: Duration,
    hub: Option<CpuTime>,
}

impl Side {
    /// A side of which nothing has been measured.
    #[must_use]
    pub fn new(name: &'static str, driver: Driver, pid: Option<u32>, threads: &'static str) -> Self {
        Self { name, driver, pid, threads, before: None }
    }

    /// Measures until `time` has passed or `done` says so, and keeps what was measured.
    pub fn period(&mut self, name: &str, time: Duration, done: impl FnMut(&Driver) -> bool) -> anyhow::Result<Period> {
        self.begin()?;
        self.driver.run(clock::now() + time, done)?;
        self.end(name)
    }

    /// Begins to measure.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        let before = self.read()?;
        self.driver.measure.record_from(before.at);
        self.before = Some(before);
        Ok(())
    }

    /// Keeps what was measured since it began.
    pub fn end(&mut self, name: &str) -> anyhow::Result<Period> {
        let before = self.before.take().context("no period has begun")?;
        let after = self.read()?;
        let latencies = self.driver.measure.record_to(after.at);
        let hub_memory = self.pid.map(Memory::of).transpose()?;
        let mut period = period(&before, &after, &latencies, self.threads);
        period.name = name.to_owned();
        period.server = self.name.to_owned();
        period.hub_memory = hub_memory;
        Ok(period)
    }

    fn read(&self) -> anyhow::Result<Reading> {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        let nanoseconds = u32::try_from(spent.tv_nsec).unwrap_or(0);
        Ok(Reading {
            acknowledged: self.driver.measure.acknowledged,
            traffic: self.driver.client.traffic(),
            lost: self.driver.client.packets_lost(),
            repeated: self.driver.measure.repeated,
            generator: Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), nanoseconds),
            hub: self.pid.map(CpuTime::of).transpose()?,
            at: clock::now(),
        })
    }
}

/// Waits for late acknowledgements.
///
/// # Errors
/// As [`Driver::run`].
pub(super) fn drain(driver: &mut Driver) -> anyhow::Result<()> {
    driver.set_mode(Mode::Still);
    driver.run(clock::now() + DRAIN, |driver| !driver.is_waiting())?;
    driver.run(clock::now() + SETTLE, |_| false)?;
    driver.measure.pause(clock::now());
    Ok(())
}

pub(super) fn float(number: u64) -> f64 {
    // Counts of a run stay far below 2^53.
    let [high, low] = [number >> 32, number & 0xffff_ffff].map(|part| u32::try_from(part).map_or(0.0, f64::from));
    high * 4_294_967_296.0 + low
}

fn period(before: &Reading, after: &Reading, latencies: &Latencies, threads: &str) -> Period {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let acknowledged = after.acknowledged - before.acknowledged;
    let payments = float(acknowledged);
    let each = |later: u64, earlier: u64| float(later - earlier) / payments.max(1.0);
    let hub_cpu = after.hub.as_ref().zip(before.hub.as_ref()).map(|(after, before)| after.since(before));
    let per = |seconds: f64| (seconds > 0.0).then(|| payments / seconds);
    let (from, to) = (&before.traffic, &after.traffic);
    Period {
        name: String::new(),
        server: String::new(),
        seconds,
        acknowledged,
        payments_per_second: payments / seconds,
        latency: latencies.percentiles(),
        latency_curve: latencies.curve(),
        payments_per_hub_cpu_second: hub_cpu.as_ref().and_then(|cpu| per(cpu.process)),
        payments_per_data_plane_second: hub_cpu.as_ref().and_then(|cpu| per(cpu.of_threads(threads))),
        hub_cpu,
        generator_busy: (after.generator.saturating_sub(before.generator)).as_secs_f64() / seconds,
        bytes_to_hub: each(to.bytes_out, from.bytes_out),
        bytes_from_hub: each(to.bytes_in, from.bytes_in),
        packets_to_hub: each(to.packets_out, from.packets_out),
        packets_from_hub: each(to.packets_in, from.packets_in),
        packets_lost: after.lost.saturating_sub(before.lost),
        repeated: after.repeated - before.repeated,
        hub_memory: None,
    }
}
