//! A run from its beginning to its result.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::args::BenchArgs;
use super::driver::{Driver, DriverSettings, Mode};
use super::ground::Ground;
use super::lane::Lane;
use super::process::{Memory, pin, pin_threads};
use super::result::{BenchResult, Comparison};
use super::schedule::Schedule;
use super::shape::{Profile, Shape};
use super::side::{Side, drain};
use super::{stock, storm};
use crate::clock;
use crate::echo::{self, EchoProcess};
use crate::quic::{Client, ClientSettings, Trust, config};
use crate::report::Latencies;

/// How long a fleet may take to gather, and to make its first payments.
const GATHER_MAX: Duration = Duration::from_secs(1800);

/// A silent connection is given up by a device after this; hubs have shorter limits of their own.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Cores of `--pin`.
const HUB_CORE: usize = 0;
const GENERATOR_CORE: usize = 1;

/// How the hub names the threads that carry payments.
const DATA_PLANE: &str = "data-plane";

/// Connections of one socket, where the arguments do not say.
const CONNECTIONS_PER_SOCKET: usize = 25_000;

/// A server beside the hub.
#[derive(Debug)]
enum Other {
    Echo(EchoProcess),
    Hub(Box<Ground>),
}

impl Other {
    /// Starts what the arguments ask for.
    fn start(args: &BenchArgs, shape: &Shape) -> anyhow::Result<Option<Self>> {
        if args.echo {
            return Ok(Some(Self::Echo(EchoProcess::start(args.answer_bytes)?)));
        }
        if args.beside.is_empty() {
            return Ok(None);
        }
        let mut args = args.clone();
        args.hub_setting.append(&mut args.beside);
        Ok(Some(Self::Hub(Box::new(Ground::prepare(&args, shape)?))))
    }

    /// Its process, and how those of its threads are named that carry the load.
    fn threads(&self) -> Option<(u32, &'static str)> {
        match self {
            Self::Echo(process) => Some((process.id(), echo::THREAD)),
            Self::Hub(ground) => Some((ground.hub_pid?, DATA_PLANE)),
        }
    }
}

/// A run under way.
#[derive(Debug)]
pub struct Run {
    pub(super) args: BenchArgs,
    pub(super) shape: Shape,
    pub(super) hub: Side,
    /// The devices of a storm that are not measured.
    pub(super) crowd: Option<Driver>,
    /// What takes turns with the hub. Before its process, for it ends first.
    beside: Option<Side>,
    other: Option<Other>,
    pub(super) ground: Ground,
    pub(super) result: BenchResult,
}

impl Run {
    /// Sets up the ground, the devices and what they will pay with.
    ///
    /// # Errors
    /// Where the site or the sockets fail.
    pub fn prepare(args: &BenchArgs, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let shape = Shape::of(args)?;
        let mut ground = Ground::prepare(args, &shape)?;
        let chain_length = stock::chain_length(args, &shape);
        let mut lanes = lanes(args, &shape, &mut ground, chain_length);
        let mut other = Other::start(args, &shape)?;
        if args.pin {
            pin(None, GENERATOR_CORE)?;
            let hub = ground.hub_pid.context("--pin needs the hub's process")?;
            let beside = other.as_ref().and_then(Other::threads);
            for (pid, threads) in [(hub, DATA_PLANE)].into_iter().chain(beside) {
                // What else the server does, it does beside the generator, as it would beside nothing on a machine of its own.
                pin_threads(pid, "", GENERATOR_CORE)?;
                ensure!(pin_threads(pid, threads, HUB_CORE)? > 0, "process {pid} has no thread named {threads}");
            }
        }
        let measured = Shape { connections: storm::honest(args, &shape), ..shape };
        let crowd = lanes.split_off(measured.lanes());
        let crowd = match args.profile {
            Profile::ReconnectStorm | Profile::HandshakeStorm => {
                let shape = Shape { connections: shape.connections - measured.connections, ..shape };
                Some(driver(args, &shape, &ground, None, crowd, &stop)?)
            }
            _ => None,
        };
        let hub = driver(args, &measured, &ground, None, lanes, &stop)?;
        let beside = match &mut other {
            Some(Other::Echo(process)) => {
                let driver = driver(args, &shape, &ground, Some(process), Vec::new(), &stop)?;
                Some(Side::new("echo", driver, Some(process.id()), echo::THREAD))
            }
            Some(Other::Hub(ground)) => {
                let lanes = self::lanes(args, &shape, ground, chain_length);
                Some(Side::new("beside", driver(args, &shape, ground, None, lanes, &stop)?, ground.hub_pid, DATA_PLANE))
            }
            None => None,
        };
        let mut result = BenchResult::new(args, shape, chain_length);
        result.hub_memory_before = ground.hub_pid.map(Memory::of).transpose()?;
        let hub = Side::new("hub", hub, ground.hub_pid, DATA_PLANE);
        Ok(Self { args: args.clone(), shape, hub, crowd, beside, other, ground, result })
    }

    /// Runs the profile to its end. Returns its result, and the latencies of each measured second.
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
        self.result.take_in(&self.hub.driver);
        let measure = &mut self.hub.driver.measure;
        self.result.seconds = std::mem::take(&mut measure.seconds);
        if let Some(beside) = &mut self.beside {
            self.result.beside_seconds = std::mem::take(&mut beside.driver.measure.seconds);
        }
        let intervals = std::mem::take(&mut measure.intervals);
        drop((self.hub, self.beside));
        if let Some(Other::Hub(ground)) = self.other {
            ground.finish()?;
        }
        self.ground.finish()?;
        Ok((self.result, intervals))
    }

    fn gather(&mut self) -> anyhow::Result<()> {
        if let Some(beside) = &mut self.beside {
            gather_all(&mut beside.driver)?;
        }
        // The crowd first: it may be left alone the longer.
        let begun = clock::now();
        for driver in [self.crowd.as_mut(), Some(&mut self.hub.driver)].into_iter().flatten() {
            gather_all(driver)?;
        }
        self.result.gather_ms = clock::now().duration_since(begun).as_millis();
        Ok(())
    }

    /// Every lane pays once, so that its chain is known to the hub before anything is measured, and so that there is
    /// something to lose for those who vanish.
    pub(super) fn first_payments(&mut self) -> anyhow::Result<()> {
        let beside = self.beside.as_mut().filter(|side| side.threads == DATA_PLANE).map(|side| &mut side.driver);
        for driver in [self.crowd.as_mut(), beside, Some(&mut self.hub.driver)].into_iter().flatten() {
            driver.set_mode(Mode::First);
            let prepared = driver.run(clock::now() + GATHER_MAX, Driver::is_prepared)?;
            ensure!(prepared, "first payments were not acknowledged; refused: {:?}", driver.measure.refused);
            drain(driver)?;
        }
        Ok(())
    }

    /// Cycles of warm-up and measured period; in turn with what stands beside the hub.
    fn pay(&mut self) -> anyhow::Result<()> {
        self.first_payments()?;
        for cycle in 1..=self.args.cycles {
            for side in [self.beside.as_mut(), Some(&mut self.hub)].into_iter().flatten() {
                let mode = match self.args.rate {
                    None => Mode::Closed,
                    Some(rate) => open(&self.shape, rate),
                };
                side.driver.set_mode(mode);
                side.driver.run(clock::now() + self.args.warm_up, |_| false)?;
                let period = side.period(&format!("cycle {cycle}"), self.args.duration, |_| false)?;
                self.result.periods.push(period);
                drain(&mut side.driver)?;
            }
        }
        self.result.echo = Comparison::of(&self.result.periods, "echo");
        self.result.beside = Comparison::of(&self.result.periods, "beside");
        Ok(())
    }
}

/// An open loop of `rate` payments per second.
pub(super) fn open(shape: &Shape, rate: f64) -> Mode {
    let payments = u32::try_from(shape.payments_per_packet).map_or(1.0, f64::from);
    Mode::Open { schedule: Schedule::new(clock::now(), rate / payments) }
}

/// The lanes of the ground's devices, with what they will pay with.
fn lanes(args: &BenchArgs, shape: &Shape, ground: &mut Ground, chain_length: u16) -> Vec<Lane> {
    let keys = std::mem::take(&mut ground.keys);
    let lanes = keys.into_iter().enumerate().map(|(place, key)| ground.lane(key, place, shape, chain_length));
    let mut lanes: Vec<_> = lanes.collect();
    stock::fill(&mut lanes, &ground.fleet.contact.ledger, chain_length, stock::plan(args, shape, chain_length));
    lanes
}

fn gather_all(driver: &mut Driver) -> anyhow::Result<()> {
    let all = driver.members.len();
    driver.call(0..all);
    let gathered = driver.run(clock::now() + GATHER_MAX, |driver| driver.ready() == all)?;
    ensure!(gathered, "only {} of {all} devices attached: {:?}", driver.ready(), driver.measure.dropped);
    Ok(())
}

/// Connections to the hub, or to an echo.
fn driver(
    args: &BenchArgs,
    shape: &Shape,
    ground: &Ground,
    echo: Option<&EchoProcess>,
    lanes: Vec<Lane>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Driver> {
    let keep_alive = Some(args.storm.keep_alive).filter(|time| !time.is_zero());
    let sockets = u16::try_from(shape.connections.div_ceil(CONNECTIONS_PER_SOCKET)).unwrap_or(u16::MAX);
    let (remote, trust, alpn) = match echo {
        Some(process) => (process.address(), Trust::Anyone, echo::ALPN),
        None => (ground.remote, Trust::Pin(ground.fleet.contact.pin), &b"farthing/1"[..]),
    };
    let config = config::client_config(trust, alpn, IDLE_TIMEOUT, keep_alive)?;
    let now = clock::now();
    let client = Client::new(ClientSettings { remote, config, sockets: args.sockets.unwrap_or(sockets) }, now)?;
    let settings = DriverSettings {
        fleet: ground.fleet.clone(),
        shape: *shape,
        gathering_max: args.gather,
        repeat_after: args.repeat_after,
        attempt_max: args.storm.attempt_max,
        echo_bytes: echo.map(|_| args.message_bytes),
        stop: Arc::clone(stop),
    };
    Ok(Driver::new(client, lanes, settings, now))
}
