//! A site under attack: honest devices pay at their rate and are measured, the attacker does what it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use farthing_channel::id::{ChannelId, LaneId, RatingGroup};
use farthing_channel::sign::Signer as _;
use farthing_channel::wire::LaneOffer;
use serde::Serialize;

use super::args::{AttackArgs, Kind};
use super::crew::{Crew, Intruder, Outcome};
use super::{Attack, Pace, Profile, attack};
use crate::clock;
use crate::engine::driver::{Driver, DriverSettings, Mode};
use crate::engine::lane::{Lane, Means};
use crate::engine::process::{Memory, give_way, rest};
use crate::engine::schedule::Schedule;
use crate::engine::shape::Shape;
use crate::engine::side::Side;
use crate::fleet::Fleet;
use crate::quic::{Client, ClientSettings, Trust, config};
use crate::report::Table;
use crate::site::{Provider, Site, SiteFolder, SiteOptions};

const RATING_GROUP: u32 = 1;
/// What an honest device may owe, base units.
const LIMIT: u64 = 1_000_000_000;
const CHAIN_LENGTH: u16 = 4096;
const GATHER_MAX: Duration = Duration::from_secs(60);
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const REPEAT_AFTER: Duration = Duration::from_secs(1);
/// Between two looks at the hub's memory.
const MEMORY_EVERY: Duration = Duration::from_millis(100);
/// A turn of the attacker's loop takes at most so long.
const TURN: Duration = Duration::from_millis(2);
/// UDP datagrams that the attacker takes in per turn, each of which may cost it a handshake's mathematics.
const DATAGRAMS_PER_TURN: usize = 4;
/// Payments per second of each of the attacker's devices while it behaves.
const CALM_PER_SECOND: u64 = 1;

/// What an attack came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttackResult {
    /// Which attack.
    pub attack: Kind,
    /// Honest devices.
    pub honest_devices: usize,
    /// Honest payments acknowledged per second, before.
    pub honest_per_second_before: f64,
    /// And during.
    pub honest_per_second_during: f64,
    /// 99 of 100 honest payments were acknowledged within so many microseconds, before.
    pub honest_p99_before_us: u64,
    /// And during.
    pub honest_p99_during_us: u64,
    /// The second by the first.
    pub honest_p99_ratio: f64,
    /// Honest payments that were refused.
    pub honest_refused: u64,
    /// The hub's resident memory before, bytes.
    pub hub_memory_before: u64,
    /// Its greatest during the attack.
    pub hub_memory_during_max: u64,
    /// Base units beyond the limits of the attacker's mandates that the hub acknowledged: nought, always.
    pub base_units_beyond_limits: u64,
    /// What became of the attacker's messages.
    pub attacker: Outcome,
}

/// Limits that would rightly stop so many devices of one address; those of a connection stay as they ship.
fn settings(args: &AttackArgs) -> Vec<(String, String)> {
    let settings = [
        ("TRANSPORT__CONNECTIONS_MAX", "100000"),
        ("TRANSPORT__CONNECTIONS_PER_ADDRESS_MAX", "100000"),
        ("TRANSPORT__HANDSHAKES_PER_ADDRESS_MAX", "1000000"),
        ("TRANSPORT__ATTEMPTS_PER_ADDRESS_PER_SECOND", "1000000"),
        ("TRANSPORT__ATTEMPTS_PER_ADDRESS_BURST", "1000000"),
        ("DATA_PLANE__THREADS", "1"),
        ("LOG__FILTER", "warn"),
    ];
    let settings = settings.map(|(name, value)| (format!("FARTHING_HUB__{name}"), value.to_owned()));
    settings.into_iter().chain(args.hub_setting.iter().cloned()).collect()
}

/// Runs one attack on a site of its own.
///
/// # Errors
/// Where the site cannot be set up, or honest devices cannot attach.
pub fn run(kind: Kind, args: &AttackArgs) -> anyhow::Result<AttackResult> {
    let attack = attack(kind);
    let profile = attack.profile();
    let folder = SiteFolder::new(None)?;
    let options = SiteOptions { hub_environment: settings(args), ..SiteOptions::default() };
    let mut site = Site::create_with(folder.path(), &options)?;
    site.start_hub()?;
    let provider = site.add_provider("attacked service")?;
    let honest = fleet(&mut site, "honest devices", &provider, args.honest, LIMIT)?;
    let owned = fleet(&mut site, "attacker", &provider, args.attackers, profile.limit)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut side = Side::new("hub", driver(args, &honest, &stop)?, Some(site.hub_process_id()?), "data-plane");
    gather(&mut side.driver)?;

    let crew = crew(args, &owned, profile)?;
    let attacking = Arc::new(AtomicBool::new(false));
    let (over, wanted) = (Arc::new(AtomicBool::new(false)), Arc::clone(&attacking));
    let end = Arc::clone(&over);
    let thread =
        std::thread::Builder::new().name("attacker".to_owned()).spawn(move || live(crew, attack, &wanted, &end))?;
    let measured = measure(args, &mut side, &attacking);
    over.store(true, Ordering::Release);
    let outcome = thread.join().map_err(|_| anyhow::anyhow!("the attacker's thread has panicked"))?;
    let (before, during, memory) = measured?;
    let outcome = outcome?;
    let limits = profile.limit.saturating_mul(u64::try_from(args.attackers)?);
    let taken = owed(&site, &owned)?;
    side.driver.set_mode(Mode::Still);
    let honest_refused = side.driver.measure.refused.values().sum();
    drop(side);
    site.finish()?;
    let [p99_before, p99_during] = [&before, &during].map(|period| period.latency.p99_us);
    let microseconds = |us: u64| Duration::from_micros(us).as_secs_f64();
    Ok(AttackResult {
        attack: kind,
        honest_devices: args.honest,
        honest_per_second_before: before.payments_per_second,
        honest_per_second_during: during.payments_per_second,
        honest_p99_before_us: p99_before,
        honest_p99_during_us: p99_during,
        honest_p99_ratio: microseconds(p99_during) / microseconds(p99_before.max(1)),
        honest_refused,
        hub_memory_before: before.hub_memory.map_or(0, |memory| memory.resident),
        hub_memory_during_max: memory,
        base_units_beyond_limits: taken.saturating_sub(limits),
        attacker: outcome,
    })
}

type Measured = (crate::engine::result::Period, crate::engine::result::Period, u64);

/// The calm, then the attack; and the hub's greatest memory in the second.
fn measure(args: &AttackArgs, side: &mut Side, attacking: &AtomicBool) -> anyhow::Result<Measured> {
    let time = Duration::from_secs(args.seconds);
    side.driver.set_mode(Mode::Open { schedule: Schedule::new(clock::now(), f64::from(args.rate)) });
    side.driver.run(clock::now() + Duration::from_secs(2), |_| false)?;
    let before = side.period("before", time, |_| false)?;
    attacking.store(true, Ordering::Release);
    let pid = side.pid.context("the hub has no process")?;
    let (mut greatest, mut next) = (0, clock::now());
    let during = side.period("during", time, |_| {
        let now = clock::now();
        if now >= next {
            next = now + MEMORY_EVERY;
            greatest = Memory::of(pid).map_or(greatest, |memory| memory.resident.max(greatest));
        }
        false
    })?;
    Ok((before, during, greatest))
}

/// Devices with mandates that the hub knows.
fn fleet(site: &mut Site, name: &str, provider: &Provider, devices: usize, limit: u64) -> anyhow::Result<Fleet> {
    let deposit = limit.saturating_mul(u64::try_from(devices.max(1))?);
    let fleet = site.open_fleet(name, deposit, provider, RATING_GROUP)?;
    let limits: Vec<_> = (0..devices).map(|device| (device.to_string(), limit)).collect();
    site.import_mandates(&fleet, &limits)?;
    Ok(fleet)
}

fn lane(fleet: &Fleet, device: usize, offer: &LaneOffer, means: Means) -> anyhow::Result<Lane> {
    let key = fleet.seed.signer(&device.to_string())?;
    let channel = ChannelId::derive(&fleet.escrow, &key.address());
    let id = LaneId::derive(&channel, &offer.payee, offer.rating_group);
    Ok(Lane::new(key, id, means, CHAIN_LENGTH))
}

fn client(fleet: &Fleet) -> anyhow::Result<Client> {
    let remote = fleet.contact.hub.parse().context("the hub's address")?;
    let config = config::client_config(Trust::Pin(fleet.contact.pin), b"farthing/1", IDLE_TIMEOUT, None)?;
    Client::new(ClientSettings { remote, config, sockets: 1 }, clock::now())
}

fn driver(args: &AttackArgs, fleet: &Fleet, stop: &Arc<AtomicBool>) -> anyhow::Result<Driver> {
    let shape = Shape {
        connections: args.honest,
        lanes_per_connection: 1,
        payments_per_packet: 1,
        in_flight: 1,
        vouchers_even: false,
        vouchers_odd: false,
    };
    let lanes = (0..args.honest).map(|device| lane(fleet, device, &fleet.lane, Means::Ticks));
    let settings = DriverSettings {
        fleet: fleet.clone(),
        shape,
        gathering_max: 64,
        repeat_after: REPEAT_AFTER,
        attempt_max: Duration::from_secs(10),
        echo_bytes: None,
        stop: Arc::clone(stop),
    };
    let mut driver = Driver::new(client(fleet)?, lanes.collect::<anyhow::Result<_>>()?, settings, clock::now());
    driver.live = false;
    Ok(driver)
}

fn gather(driver: &mut Driver) -> anyhow::Result<()> {
    let all = driver.members.len();
    driver.call(0..all);
    let gathered = driver.run(clock::now() + GATHER_MAX, |driver| driver.ready() == all)?;
    ensure!(gathered, "only {} of {all} honest devices attached", driver.ready());
    driver.set_mode(Mode::First);
    let prepared = driver.run(clock::now() + GATHER_MAX, Driver::is_prepared)?;
    ensure!(prepared, "first payments were not acknowledged; refused: {:?}", driver.measure.refused);
    Ok(())
}

fn crew(args: &AttackArgs, fleet: &Fleet, profile: Profile) -> anyhow::Result<Crew> {
    let mut intruders = Vec::new();
    for device in 0..args.attackers {
        for copy in 0..profile.copies {
            let group = if profile.own_lanes { RATING_GROUP + u32::try_from(copy)? } else { RATING_GROUP };
            let offer = LaneOffer { payee: fleet.lane.payee, rating_group: RatingGroup(group) };
            intruders.push(Intruder::new(lane(fleet, device, &offer, profile.means)?, offer));
        }
    }
    Ok(Crew::new(client(fleet)?, fleet.clone(), intruders))
}

/// The attacker's life: it behaves until it is told to attack.
fn live(
    mut crew: Crew,
    mut attack: Box<dyn Attack>,
    wanted: &AtomicBool,
    over: &AtomicBool,
) -> anyhow::Result<Outcome> {
    // The generator's own work for the attack must not be what honest devices wait for.
    give_way()?;
    crew.client.set_datagrams_per_turn(DATAGRAMS_PER_TURN);
    crew.connect()?;
    let (started, mut calm, mut begun) = (clock::now(), Pace::default(), None::<Instant>);
    while !over.load(Ordering::Acquire) {
        let now = clock::now();
        crew.client.wait(now, Some(now + TURN))?;
        let now = clock::now();
        crew.receive(now)?;
        if wanted.load(Ordering::Acquire) && begun.is_none() {
            crew.begin(now);
            begun = Some(now);
        }
        match begun {
            Some(begun) => attack.act(&mut crew, begun, now),
            None if crew.is_ready() => {
                for _ in 0..calm.due(started, now, CALM_PER_SECOND, 1) {
                    (0..crew.intruders.len()).for_each(|intruder| crew.pay(intruder, 1, now));
                }
            }
            None => {}
        }
        crew.client.flush();
        rest();
    }
    Ok(crew.outcome)
}

/// What the hub says that the attacker's escrow owes.
fn owed(site: &Site, fleet: &Fleet) -> anyhow::Result<u64> {
    let shown = site.ask_hub(&["escrow", "show", &fleet.escrow.to_string()])?;
    let owed = shown.get("authorised_base_units").and_then(serde_json::Value::as_u64);
    owed.with_context(|| format!("the hub does not say what is owed: {shown}"))
}

impl AttackResult {
    /// Says it.
    pub fn say(&self) {
        let name = serde_json::to_value(self.attack).map(|name| name.as_str().unwrap_or_default().to_owned());
        let mut table = Table::new([name.unwrap_or_default().as_str(), ""]);
        let mut row = |label: &str, value: String| table.row([label.to_owned(), value]);
        row(
            "honest p99, us, before and during",
            format!("{} {}", self.honest_p99_before_us, self.honest_p99_during_us),
        );
        row("  ratio", format!("{:.2}", self.honest_p99_ratio));
        row("honest payments refused", self.honest_refused.to_string());
        let mib = |bytes: u64| (bytes >> 20).to_string();
        row(
            "hub memory, MiB, before and most",
            format!("{} {}", mib(self.hub_memory_before), mib(self.hub_memory_during_max)),
        );
        let attacker = &self.attacker;
        row("attacker sent, acknowledged", format!("{} {}", attacker.sent, attacker.acknowledged));
        row("  refused, by code", format!("{:?}", attacker.refused));
        row("  connections begun, ended", format!("{} {}", attacker.begun, attacker.ended));
        let slowed = attacker.slowed_after_ms.map_or("never".to_owned(), |after| format!("{after} ms"));
        row("  slowed after", slowed);
        row("  base units before, in all", format!("{} {}", attacker.base_units_before, attacker.base_units));
        row("base units beyond limits", self.base_units_beyond_limits.to_string());
        println!("{table}");
    }
}
