//! A trace of events played through the signals, lane by lane: the features of each device-hour at its worst moment.
//!
//! A device has a lane for each thing that it is billed for: its units, and its events. Only times and quantities reach
//! the signals.

use std::collections::BTreeMap;

use crate::features::{Facts, Features, features};
use crate::profile::{Learner, Profile};
use crate::score::{LogOdds, Weights};
use crate::signals::{Event, Signals, Sixteenths};

/// One event of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceEvent {
    /// Sixteenths of a second since 1970.
    pub at: u64,
    /// Which device, as an index.
    pub device: u32,
    /// Units of the tariff.
    pub quantity: u64,
    /// Whether the event is part of an attack.
    pub attacking: bool,
}

/// The lanes of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaneKind {
    /// Pays for each unit.
    Units,
    /// Pays for each event.
    Events,
}

/// Profiles of a fleet, one for each kind of lane.
#[derive(Debug, Clone)]
pub struct Profiles {
    /// Of lanes that pay for units.
    pub units: Profile,
    /// Of lanes that pay for events.
    pub events: Profile,
}

/// A device-hour.
#[derive(Debug, Clone, Copy)]
pub struct DeviceHour {
    /// The device.
    pub device: u32,
    /// Hours since 1970.
    pub hour: u64,
    /// Whether an event of the hour was part of an attack.
    pub attacking: bool,
    /// The highest log-odds of the hour, under the weights of the replay. Nothing is held back of them: weights that are
    /// calibrated by what a policy leaves of the odds would lean on the policy.
    pub odds: LogOdds,
    /// The features at that moment.
    pub features: Features,
    /// When in the hour that was, sixteenths of a second since 1970.
    pub at: u64,
}

const HOUR: u64 = 3600 * 16;

/// Feeds one event to the lanes of its device.
fn feed(lanes: &mut [Signals; 2], profiles: &Profiles, event: &TraceEvent, origin: u64) {
    let now = Sixteenths(u32::try_from(event.at.saturating_sub(origin)).unwrap_or(u32::MAX));
    lanes[0].observe(Event::Served { units: event.quantity }, now, &profiles.units);
    lanes[1].observe(Event::Served { units: 1 }, now, &profiles.events);
}

fn origin(events: &[TraceEvent]) -> u64 {
    events.first().map_or(0, |event| event.at)
}

/// What is usual in a fleet, from those of its events that `counts` lets through.
pub fn learn(events: &[TraceEvent], counts: impl Fn(&TraceEvent) -> bool) -> Profiles {
    let none = Profiles { units: Profile::unknown(), events: Profile::unknown() };
    let mut lanes = BTreeMap::<u32, [Signals; 2]>::new();
    let (mut units, mut of_events) = (Learner::default(), Learner::default());
    let origin = origin(events);
    for event in events.iter().filter(|event| counts(event)) {
        let lanes = lanes.entry(event.device).or_default();
        feed(lanes, &none, event, origin);
        units.observe(event.quantity, &lanes[0]);
        of_events.observe(1, &lanes[1]);
    }
    Profiles { units: units.profile(), events: of_events.profile() }
}

/// Plays a trace, sorted by time, and returns its device-hours in the order in which they begin.
pub fn replay(events: &[TraceEvent], profiles: &Profiles, weights: &Weights) -> Vec<DeviceHour> {
    let mut lanes = BTreeMap::<u32, [Signals; 2]>::new();
    let mut open = BTreeMap::<u32, usize>::new();
    let mut hours = Vec::<DeviceHour>::new();
    let origin = origin(events);
    for event in events {
        let lanes = lanes.entry(event.device).or_default();
        feed(lanes, profiles, event, origin);
        let worst = [(&lanes[0], &profiles.units), (&lanes[1], &profiles.events)].map(|(signals, profile)| {
            let features = features(signals, profile, &Facts::NOTHING);
            (weights.log_odds(&features), features)
        });
        let (odds, features) = if worst[1].0 > worst[0].0 { worst[1] } else { worst[0] };
        let hour = event.at / HOUR;
        let at = open.get(&event.device).copied().filter(|at| hours[*at].hour == hour);
        let Some(at) = at else {
            open.insert(event.device, hours.len());
            let attacking = event.attacking;
            hours.push(DeviceHour { device: event.device, hour, attacking, odds, features, at: event.at });
            continue;
        };
        let known = &mut hours[at];
        known.attacking |= event.attacking;
        if odds > known.odds {
            *known = DeviceHour { odds, features, at: event.at, ..*known };
        }
    }
    hours
}
