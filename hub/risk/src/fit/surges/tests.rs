//! Fleets that are updated, and fleets that are driven, through the shipped weights and policy as a hub applies them.

use std::collections::BTreeSet;

use farthing_channel::time::UnixSeconds;

use super::*;
use crate::features::{Excuse, Facts};
use crate::file::{SHIPPED, WeightsFile};
use crate::fit::fleets::{HABITS, Habit, fleet};
use crate::fit::replay::{LaneKind, Profiles, learn};
use crate::fleet::{Change, Finding, Watch};
use crate::ladder::{Level, Standing};
use crate::model::{LaneView, Model};
use crate::policy::{Mode, Tenant};
use crate::pulse::{Kind, Kinds, Pulse};
use crate::score::LogOdds;
use crate::signals::{Event, Signals, Sixteenths};

const DEVICES: u32 = 40;
const DAY: u64 = 24 * HOUR;
const ACTS: Tenant = Tenant { mode: Mode::On, most: Level::Block };

#[derive(Clone, Copy, Default)]
struct Lane {
    signals: Signals,
    standing: Standing,
    moves: Kinds,
}

#[derive(Clone, Default)]
struct Watched {
    pulse: Pulse,
    watch: Watch,
    excuse: Excuse,
}

/// What a hub does of a fleet's events, without the hub: lanes, the fleet's pulse, assessments.
#[derive(Clone)]
struct Hub<'a> {
    model: &'a Model,
    profiles: &'a Profiles,
    origin: u64,
    lanes: Vec<[Lane; 2]>,
    fleets: [Watched; 2],
    looked: u64,
    raised: Vec<Finding>,
    /// The highest level of each device since they were last asked for.
    highest: Vec<Level>,
    /// The highest log-odds of each device since then.
    worst: Vec<LogOdds>,
}

/// Something else that happens on a device's lanes with one of its events.
type Beside = fn(u32) -> Option<Event>;

impl<'a> Hub<'a> {
    fn new(model: &'a Model, profiles: &'a Profiles, origin: u64) -> Self {
        Self {
            model,
            profiles,
            origin,
            lanes: vec![[Lane::default(); 2]; DEVICES as usize],
            fleets: [Watched::default(), Watched::default()],
            looked: 0,
            raised: Vec::new(),
            highest: vec![Level::Trusted; DEVICES as usize],
            worst: vec![LogOdds(i32::MIN); DEVICES as usize],
        }
    }

    fn play(&mut self, events: &[TraceEvent], beside: Beside) {
        for event in events {
            let now = Sixteenths(u32::try_from(event.at - self.origin).unwrap() + 16);
            if event.at >= self.looked + 16 {
                self.looked = event.at;
                for fleet in &mut self.fleets {
                    if let Some(Change::Raised(raised)) = fleet.watch.look(&fleet.pulse, now) {
                        self.raised.push(raised.finding);
                    }
                    fleet.excuse = fleet.watch.excuse(&fleet.pulse, now);
                }
            }
            // What costs nothing is no payment.
            if event.quantity > 0 {
                self.pays(event, LaneKind::Units, event.quantity, beside, now);
            }
            self.pays(event, LaneKind::Events, 1, beside, now);
        }
    }

    fn pays(&mut self, event: &TraceEvent, kind: LaneKind, units: u64, beside: Beside, now: Sixteenths) {
        let (lane, fleet) = (&mut self.lanes[event.device as usize][kind as usize], &mut self.fleets[kind as usize]);
        let profile = if kind == LaneKind::Units { &self.profiles.units } else { &self.profiles.events };
        let steps = lane.signals.steps_to(now);
        if steps > 0 {
            lane.moves = fleet.pulse.observe(lane.signals.rises(), lane.moves, steps, now);
        }
        lane.signals.observe(Event::Served { units }, now, profile);
        if let Some(other) = beside(event.device).filter(|_| event.attacking) {
            lane.signals.observe(other, now, profile);
        }
        let facts = Facts { excuse: fleet.excuse, ..Facts::NOTHING };
        let (signals, standing) = (&lane.signals, lane.standing);
        let view = LaneView { signals, profile, facts: &facts, standing, tenant: ACTS, overriding: None };
        let assessment = self.model.assess(&view, now, UnixSeconds(event.at / 16));
        lane.standing = assessment.standing;
        let suspected =
            assessment.level >= Level::Pace || (assessment.level > Level::Trusted && assessment.corroborated);
        if suspected != lane.moves.has(Kind::Levels) {
            fleet.pulse.suspect(suspected, now);
            lane.moves = lane.moves.with(Kind::Levels, suspected);
        }
        let highest = &mut self.highest[event.device as usize];
        *highest = assessment.level.max(*highest);
        let worst = &mut self.worst[event.device as usize];
        *worst = assessment.odds.max(*worst);
    }

    fn highest(&mut self) -> Vec<Level> {
        self.worst.fill(LogOdds(i32::MIN));
        std::mem::replace(&mut self.highest, vec![Level::Trusted; DEVICES as usize])
    }
}

fn model() -> Model {
    WeightsFile::parse(SHIPPED).and_then(|file| file.model()).expect("the shipped model")
}

fn nothing(_: u32) -> Option<Event> {
    None
}

fn merged(one: &[TraceEvent], other: &[TraceEvent]) -> Vec<TraceEvent> {
    let mut all = [one, other].concat();
    all.sort_by_key(|event| event.at);
    all
}

/// A fleet that is known: what is usual in it was learned on its first day, and its second went by.
struct Known {
    events: Vec<TraceEvent>,
    model: Model,
    profiles: Profiles,
    /// When what is told of it begins: its third day, ten o'clock.
    from: u64,
}

impl Known {
    fn new(habit: Habit, seed: u64) -> Self {
        let mut events = fleet(habit, DEVICES, 3, seed);
        let first = events[0].at;
        let profiles = learn(&events, |event| event.at < first + DAY);
        let from = first - first % DAY + 2 * DAY + 10 * HOUR;
        // Generated devices have bad days of their own, which are not what is looked at here.
        events.retain(|event| event.at < from + 8 * HOUR && event.quantity < 1_000_000);
        Self { events, model: model(), profiles, from }
    }

    fn hub(&self) -> Hub<'_> {
        let mut hub = Hub::new(&self.model, &self.profiles, self.events[0].at);
        let day = self.events.partition_point(|event| event.at < self.from - 30 * HOUR);
        let until = self.events.partition_point(|event| event.at < self.from);
        hub.play(&self.events[day..until], nothing);
        hub.highest();
        hub
    }

    /// What the fleet does from then on, without what happens anyway to those that stood out before.
    fn rest(&self) -> &[TraceEvent] {
        &self.events[self.events.partition_point(|event| event.at < self.from)..]
    }
}

fn surges() -> Vec<(String, Surge)> {
    let mut all = Vec::new();
    for (shape_name, shape) in SHAPES {
        for (rollout_name, rollout) in ROLLOUTS {
            for (factor, minutes_max) in [(20, 60), (50, 15), (50, 60)] {
                let name = format!("{shape_name} x{factor} {rollout_name} up to {minutes_max} min");
                all.push((name, Surge { shape, rollout, factor, minutes_max }));
            }
        }
    }
    all
}

/// Log-odds of a device that has a bad hour of its own.
const BAD_HOUR: LogOdds = LogOdds(-1400);

/// Devices that stand out without the update, by an outage at the time, are none of the update's.
#[test]
fn no_device_of_a_fleet_that_is_updated_notices() {
    for (habit_name, habit) in HABITS {
        let known = Known::new(habit, 7);
        let calm = known.hub();
        let mut without = calm.clone();
        without.play(known.rest(), nothing);
        let stands_out: Vec<bool> = without.worst.iter().map(|worst| *worst > BAD_HOUR).collect();
        let counted = stands_out.iter().filter(|stands_out| !**stands_out).count();
        assert!(counted >= DEVICES as usize / 2, "{habit_name}: {counted}");
        for (name, surge) in surges() {
            let until = known.from + surge.lasts() + 2 * HOUR;
            let downloads = surge.downloads(&known.events, known.from, 11);
            let mut events = merged(known.rest(), &downloads);
            events.retain(|event| event.at < until);
            let mut hub = calm.clone();
            hub.play(&events, nothing);
            let highest = hub.highest();
            let felt: BTreeSet<usize> =
                (0..highest.len()).filter(|at| highest[*at] >= Level::Pace && !stands_out[*at]).collect();
            assert!(felt.is_empty(), "{habit_name}, {name}: {felt:?} of {highest:?}, {:?}", hub.raised);
        }
    }
}

/// What a single device does for hours, and the fleet does not.
fn alone(known: &Known, device: u32, shape: Shape) -> Vec<TraceEvent> {
    let own: Vec<TraceEvent> = known.events.iter().filter(|event| event.device == device).copied().collect();
    let surge = Surge { shape, rollout: Rollout::AtOnce, factor: 50, minutes_max: 18 * 60 };
    let mut made = surge.downloads(&own, known.from, 5);
    made.iter_mut().for_each(|event| event.attacking = true);
    merged(known.rest(), &made)
}

/// A lane that pays every quarter of an hour is not slowed by a second's pace: it is enough that it is found.
#[test]
fn a_lane_that_pays_seldom_is_found_too() {
    let known = Known::new(Habit::Telemetry { period: 900, bytes: 1200 }, 7);
    for (name, shape) in SHAPES {
        let mut hub = known.hub();
        hub.play(&alone(&known, 3, shape), nothing);
        let highest = hub.highest();
        assert!(highest[3] > Level::Trusted, "{name}: {highest:?}");
    }
}

#[test]
fn a_lane_that_does_so_alone_is_found_and_slowed_when_it_does_not_end() {
    for (habit, hours) in [(Habit::Telemetry { period: 60, bytes: 220 }, 3), (Habit::Switch, 6)] {
        let known = Known::new(habit, 7);
        let calm = known.hub();
        for (name, shape) in SHAPES {
            let events = alone(&known, 3, shape);
            let attack = events.iter().find(|event| event.attacking).expect("an attack").at;
            let mut levels = Vec::new();
            let mut hub = calm.clone();
            for minutes in [45, hours * 60] {
                let mut part = events.clone();
                part.retain(|event| event.at >= hub.looked && event.at < attack + minutes * MINUTE);
                hub.play(&part, nothing);
                levels.push(hub.highest()[3]);
            }
            assert!(levels[0] > Level::Trusted && levels[0] < Level::Pace, "{habit:?}, {name}: {levels:?}");
            assert!(levels[1] >= Level::Pace, "{habit:?}, {name}: {levels:?}");
        }
    }
}

/// Half of a fleet, driven: what its lanes use, with `beside` at each of their events.
fn driven(habit: Habit, of: impl Fn(u64, u32) -> Vec<TraceEvent>, beside: Beside) -> (Vec<Level>, Vec<Finding>) {
    let known = Known::new(habit, 7);
    let mut hub = known.hub();
    let attack: Vec<TraceEvent> = (0..DEVICES / 2).flat_map(|device| of(known.from, device)).collect();
    let mut events = merged(known.rest(), &attack);
    events.retain(|event| event.at < known.from + HOUR);
    hub.play(&events, beside);
    (hub.highest(), hub.raised)
}

/// An event of an attack every so many sixteenths of a second for an hour.
fn every(from: u64, device: u32, pause: u64, quantity: u64) -> Vec<TraceEvent> {
    let at = |index: u64| from + index * pause + u64::from(device);
    let event = |index| TraceEvent { at: at(index), device, quantity, attacking: true };
    (0..HOUR / pause).map(event).collect()
}

#[test]
fn a_botnet_is_no_update() {
    let habit = Habit::Telemetry { period: 60, bytes: 220 };
    type Case = (&'static str, fn(u64, u32) -> Vec<TraceEvent>, Beside);
    let cases: [Case; 5] = [
        ("scan", |from, device| every(from, device, 32, 40), nothing),
        ("empty flood", |from, device| every(from, device, 8, 0), nothing),
        ("bad proofs", |from, device| every(from, device, 160, 11_000), |_| Some(Event::ProofFailed)),
        ("gaps", |from, device| every(from, device, 160, 11_000), |_| Some(Event::Gap { steps: 4000 })),
        ("new places", |from, device| every(from, device, 160, 11_000), |_| Some(Event::AddressChanged)),
    ];
    for (name, of, beside) in cases {
        let (highest, raised) = driven(habit, of, beside);
        let found = highest[..DEVICES as usize / 2].iter().filter(|level| **level >= Level::Pace).count();
        assert_eq!(found, DEVICES as usize / 2, "{name}: {highest:?}");
        assert!(raised.contains(&Finding::Cluster), "{name}: {raised:?}");
        assert!(highest[DEVICES as usize / 2..].iter().all(|level| *level == Level::Trusted), "{name}: {highest:?}");
    }
}
