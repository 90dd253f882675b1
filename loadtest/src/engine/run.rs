//! A run from its beginning to its result.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::args::BenchArgs;
use super::driver::{Driver, DriverSettings, Mode};
use super::ground::Ground;
use super::process::{CpuTime, Memory, pin, pin_threads};
use super::result::{BenchResult, Period};
use super::schedule::Schedule;
use super::shape::{Profile, Shape};
use super::stock;
use crate::clock;
use crate::quic::{Client, ClientSettings, Traffic, Trust, config};
use crate::report::Latencies;

/// How long a fleet may take to gather, and to make its first payments.
const GATHER_MAX: Duration = Duration::from_secs(1800);

/// How long late acknowledgements are waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// A silent connection is given up by a device after this; hubs have shorter limits of their own.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

const CHAIN_LENGTH_MAX: usize = 4096;
const CHAIN_LENGTH_MIN: usize = 64;
const LINK_BYTES: usize = 32;

/// Cores of `--pin`.
const HUB_CORE: usize = 0;
const GENERATOR_CORE: usize = 1;

/// How the hub names the threads that carry payments.
const DATA_PLANE: &str = "data-plane";

/// A run under way.
#[derive(Debug)]
pub struct Run {
    pub(super) args: BenchArgs,
    pub(super) shape: Shape,
    pub(super) ground: Ground,
    pub(super) driver: Driver,
    pub(super) result: BenchResult,
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

impl Run {
    /// Sets up the ground, the devices and what they will pay with.
    ///
    /// # Errors
    /// Where the site or the sockets fail.
    pub fn prepare(args: &BenchArgs, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let shape = Shape::of(args)?;
        let mut ground = Ground::prepare(args, &shape)?;
        let chain_length = chain_length(args, &shape);
        let keys = std::mem::take(&mut ground.keys);
        let lanes = keys.into_iter().enumerate().map(|(place, key)| ground.lane(key, place, &shape, chain_length));
        let mut lanes: Vec<_> = lanes.collect();
        let ledger = ground.fleet.contact.ledger;
        let (chains, vouchers) = laid_in(args, &shape, chain_length);
        stock::fill(&mut lanes, &ledger, chain_length, chains, vouchers);

        let keep_alive = Some(args.storm.keep_alive).filter(|time| !time.is_zero());
        let trust = Trust::Pin(ground.fleet.contact.pin);
        let sockets = u16::try_from(shape.connections.div_ceil(25_000)).unwrap_or(u16::MAX);
        let settings = ClientSettings {
            remote: ground.remote,
            config: config::client_config(trust, b"farthing/1", IDLE_TIMEOUT, keep_alive)?,
            sockets: args.sockets.unwrap_or(sockets),
        };
        if args.pin {
            pin(None, GENERATOR_CORE)?;
            let pid = ground.hub_pid.context("--pin needs the hub's process")?;
            ensure!(pin_threads(pid, DATA_PLANE, HUB_CORE)? > 0, "the hub has no thread named {DATA_PLANE}");
        }
        let now = clock::now();
        let client = Client::new(settings, now)?;
        let settings = DriverSettings {
            fleet: ground.fleet.clone(),
            shape,
            gathering_max: args.gather,
            repeat_after: args.repeat_after,
            stop,
        };
        let driver = Driver::new(client, lanes, settings, now);
        let hub_memory_before = ground.hub_pid.map(Memory::of).transpose()?;
        let result = BenchResult {
            profile: args.profile,
            shape,
            rate: args.rate,
            pinned: args.pin,
            chain_length,
            gather_ms: 0,
            periods: Vec::new(),
            hub_memory_before,
            hub_bytes_per_connection: None,
            hub_bytes_per_channel: None,
            restart_ms: None,
            back_after_seconds: None,
            strangers: None,
            p99_during_by_before: None,
            lost: 0,
            refused: std::collections::BTreeMap::new(),
            dropped: std::collections::BTreeMap::new(),
            unsent: 0,
            seconds: Vec::new(),
        };
        Ok(Self { args: args.clone(), shape, ground, driver, result, before: None })
    }

    /// Runs the profile to its end.
    ///
    /// # Errors
    /// Where the fleet does not gather, or the system fails.
    pub fn execute(mut self) -> anyhow::Result<(BenchResult, Vec<(Duration, Latencies)>)> {
        self.gather()?;
        match self.args.profile {
            Profile::Idle => self.idle()?,
            Profile::IdleChannels => self.idle_channels()?,
            Profile::ReconnectStorm => self.reconnect_storm()?,
            Profile::HandshakeStorm => self.handshake_storm()?,
            _ => self.pay()?,
        }
        let measure = &mut self.driver.measure;
        self.result.lost = measure.lost;
        self.result.unsent = measure.unsent;
        self.result.refused = std::mem::take(&mut measure.refused);
        self.result.dropped = std::mem::take(&mut measure.dropped);
        self.result.seconds = std::mem::take(&mut measure.seconds);
        let intervals = std::mem::take(&mut measure.intervals);
        drop(self.driver);
        self.ground.finish()?;
        Ok((self.result, intervals))
    }

    fn gather(&mut self) -> anyhow::Result<()> {
        let begun = clock::now();
        let all = self.shape.connections;
        self.driver.call(0..all);
        let gathered = self.driver.run(begun + GATHER_MAX, |driver| driver.ready() == all)?;
        ensure!(gathered, "only {} of {all} devices attached: {:?}", self.driver.ready(), self.driver.measure.dropped);
        self.result.gather_ms = clock::now().duration_since(begun).as_millis();
        Ok(())
    }

    /// Every lane pays once, so that its chain is known to the hub before anything is measured.
    pub(super) fn first_payments(&mut self) -> anyhow::Result<()> {
        self.driver.set_mode(Mode::First);
        let prepared = self.driver.run(clock::now() + GATHER_MAX, Driver::is_prepared)?;
        ensure!(prepared, "first payments were not acknowledged; refused: {:?}", self.driver.measure.refused);
        self.driver.set_mode(Mode::Still);
        Ok(())
    }

    fn pay(&mut self) -> anyhow::Result<()> {
        self.first_payments()?;
        for cycle in 1..=self.args.cycles {
            match self.args.rate {
                None => self.driver.set_mode(Mode::Closed),
                Some(rate) => {
                    let members = self.shape.connections;
                    self.driver.set_mode(self.open(rate, members));
                }
            }
            self.driver.run(clock::now() + self.args.warm_up, |_| false)?;
            self.period(&format!("cycle {cycle}"), self.args.duration, |_| false)?;
            self.drain()?;
        }
        Ok(())
    }

    /// An open loop of `rate` payments per second over the first members.
    pub(super) fn open(&self, rate: f64, members: usize) -> Mode {
        let payments = u32::try_from(self.shape.payments_per_packet).map_or(1.0, f64::from);
        Mode::Open { schedule: Schedule::new(clock::now(), rate / payments), members }
    }

    /// Waits for late acknowledgements.
    pub(super) fn drain(&mut self) -> anyhow::Result<()> {
        self.driver.set_mode(Mode::Still);
        self.driver.run(clock::now() + DRAIN, |driver| !driver.is_waiting())?;
        Ok(())
    }

    /// Measures until `time` has passed or `done` says so, and keeps what was measured.
    pub(super) fn period(
        &mut self,
        name: &str,
        time: Duration,
        done: impl FnMut(&Driver) -> bool,
    ) -> anyhow::Result<()> {
        self.begin_period()?;
        self.driver.run(clock::now() + time, done)?;
        self.end_period(name)
    }

    /// Begins to measure.
    pub(super) fn begin_period(&mut self) -> anyhow::Result<()> {
        let before = self.read()?;
        self.driver.measure.record_from(before.at);
        self.before = Some(before);
        Ok(())
    }

    /// Keeps what was measured since it began.
    pub(super) fn end_period(&mut self, name: &str) -> anyhow::Result<()> {
        let before = self.before.take().context("no period has begun")?;
        let after = self.read()?;
        let latencies = self.driver.measure.record_to(after.at);
        let hub_memory = self.ground.hub_pid.map(Memory::of).transpose()?;
        self.result.periods.push(period(name, &before, &after, &latencies, hub_memory));
        Ok(())
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
            hub: self.ground.hub_pid.map(CpuTime::of).transpose()?,
            at: clock::now(),
        })
    }
}

fn float(number: u64) -> f64 {
    // Counts of a run stay far below 2^53.
    let [high, low] = [number >> 32, number & 0xffff_ffff].map(|part| u32::try_from(part).map_or(0.0, f64::from));
    high * 4_294_967_296.0 + low
}

fn period(name: &str, before: &Reading, after: &Reading, latencies: &Latencies, hub_memory: Option<Memory>) -> Period {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let acknowledged = after.acknowledged - before.acknowledged;
    let payments = float(acknowledged);
    let each = |later: u64, earlier: u64| float(later - earlier) / payments.max(1.0);
    let hub_cpu = after.hub.as_ref().zip(before.hub.as_ref()).map(|(after, before)| after.since(before));
    let per = |seconds: f64| (seconds > 0.0).then(|| payments / seconds);
    let (from, to) = (&before.traffic, &after.traffic);
    Period {
        name: name.to_owned(),
        seconds,
        acknowledged,
        payments_per_second: payments / seconds,
        latency: latencies.percentiles(),
        payments_per_hub_cpu_second: hub_cpu.as_ref().and_then(|cpu| per(cpu.process)),
        payments_per_data_plane_second: hub_cpu.as_ref().and_then(|cpu| per(cpu.of_threads(DATA_PLANE))),
        hub_cpu,
        generator_busy: (after.generator.saturating_sub(before.generator)).as_secs_f64() / seconds,
        bytes_to_hub: each(to.bytes_out, from.bytes_out),
        bytes_from_hub: each(to.bytes_in, from.bytes_in),
        packets_to_hub: each(to.packets_out, from.packets_out),
        packets_from_hub: each(to.packets_in, from.packets_in),
        packets_lost: after.lost.saturating_sub(before.lost),
        repeated: after.repeated - before.repeated,
        hub_memory,
    }
}

/// As long as memory allows: a chain for every lane, and one more.
fn chain_length(args: &BenchArgs, shape: &Shape) -> u16 {
    let budget = args.chains_mib.saturating_mul(1 << 20);
    let length = budget / (2 * LINK_BYTES * shape.lanes().max(1));
    u16::try_from(length.clamp(CHAIN_LENGTH_MIN, CHAIN_LENGTH_MAX)).unwrap_or(u16::MAX)
}

/// Chains and vouchers made ahead for each lane.
fn laid_in(args: &BenchArgs, shape: &Shape, chain_length: u16) -> (usize, usize) {
    match args.profile {
        Profile::IdleChannels | Profile::Idle => return (0, 0),
        Profile::ReconnectStorm | Profile::HandshakeStorm => return (1, 0),
        _ => {}
    }
    let lanes = shape.lanes().max(1);
    let per_chain = LINK_BYTES * (usize::from(chain_length) + 1);
    let chains = args.chains_mib.saturating_mul(1 << 20) / per_chain / lanes;
    // No shape comes near so many ticks per second.
    const TICKS_PER_SECOND_MAX: f64 = 8e6;
    let seconds = (args.warm_up + args.duration).as_secs_f64() * f64::from(args.cycles);
    let most = |per_second: f64| {
        let whole = Duration::try_from_secs_f64(per_second * seconds).map_or(u64::MAX, |time| time.as_secs());
        usize::try_from(whole).unwrap_or(usize::MAX)
    };
    let ticks = most(args.rate.unwrap_or(TICKS_PER_SECOND_MAX));
    let needed = ticks / lanes / usize::from(chain_length) + 2;
    let vouchers = most(args.rate.unwrap_or(float(args.presigned_per_second))) / lanes + 2;
    (chains.min(needed).max(1), vouchers)
}
