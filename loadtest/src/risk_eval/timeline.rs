//! When who pays what: the events of all judged fleets on one clock, in rounds.
//!
//! All fleets begin at the same moment. Each is moved by whole multiples of 16 hours, so that hours and the steps of the
//! model's windows stay where they were. The clock advances in steps of four seconds, which is as fine as the model's
//! finest window: to it an event at any moment of a step is the same. Of a device's events within a step each has a
//! round of its own, for payments that reach a hub together would be one to it.

use farthing_risk::file::Unit;
use farthing_risk::fit::replay::TraceEvent;

use super::cast::Judged;

/// Sixteenths of a second in a step of the clock.
pub const STEP: u64 = 4 * 16;

/// Sixteenths of a second in an hour.
pub const HOUR: u64 = 3600 * 16;

/// The least time that is whole in hours and in windows of 64 seconds.
const GRID: u64 = 16 * HOUR;

/// A device that is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Which of the judged fleets.
    pub fleet: usize,
    /// Which device of it.
    pub device: u32,
    /// What it pays in all for units.
    pub units: u64,
    /// Its events.
    pub events: u64,
}

/// A payment for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Which actor.
    pub actor: usize,
    /// Units of its tariff.
    pub quantity: u64,
}

/// What is paid at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Sixteenths of a second since the beginning of the play.
    pub at: u64,
    /// At most one for each actor.
    pub uses: Vec<Use>,
}

/// The whole play.
#[derive(Debug)]
pub struct Timeline {
    /// Devices.
    pub actors: Vec<Actor>,
    /// By what each fleet's times are moved: sixteenths of a second since 1970 that are nought in the play.
    pub origins: Vec<u64>,
    events: Vec<(u64, usize, TraceEvent)>,
}

impl Timeline {
    /// Lays out the judged fleets.
    #[must_use]
    pub fn of(judged: &[Judged]) -> Self {
        let (mut actors, mut origins, mut events) = (Vec::<Actor>::new(), Vec::new(), Vec::new());
        for (fleet, judged) in judged.iter().enumerate() {
            let first = judged.fleet.events.first().map_or(0, |event| event.at);
            let origin = first - first % GRID;
            origins.push(origin);
            let mut places = vec![usize::MAX; judged.fleet.devices.len()];
            for event in &judged.fleet.events {
                let Some(place) = usize::try_from(event.device).ok().and_then(|device| places.get_mut(device)) else {
                    continue;
                };
                if *place == usize::MAX {
                    *place = actors.len();
                    actors.push(Actor { fleet, device: event.device, units: 0, events: 0 });
                }
                actors[*place].units = actors[*place].units.saturating_add(event.quantity);
                actors[*place].events += 1;
                events.push((event.at - origin, *place, *event));
            }
        }
        events.sort_by_key(|(at, ..)| *at);
        Self { actors, origins, events }
    }

    /// Payments for events, of all actors.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// The rounds, in order of time.
    pub fn rounds(&self) -> Rounds<'_> {
        Rounds { rest: &self.events, waiting: Vec::new().into_iter(), turn: vec![(u64::MAX, 0); self.actors.len()] }
    }
}

/// Goes through a play.
#[derive(Debug)]
pub struct Rounds<'a> {
    rest: &'a [(u64, usize, TraceEvent)],
    waiting: std::vec::IntoIter<Round>,
    /// Of each actor: its last step, and its events in it.
    turn: Vec<(u64, usize)>,
}

impl Iterator for Rounds<'_> {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if let Some(round) = self.waiting.next() {
            return Some(round);
        }
        let step = self.rest.first()?.0 / STEP;
        let length = self.rest.partition_point(|(at, ..)| at / STEP == step);
        let (now, rest) = self.rest.split_at(length);
        self.rest = rest;
        let mut rounds = Vec::<Round>::new();
        for (_, actor, event) in now {
            let (last, count) = &mut self.turn[*actor];
            *count = if *last == step { *count + 1 } else { 0 };
            *last = step;
            if rounds.len() == *count {
                rounds.push(Round { at: step * STEP, uses: Vec::new() });
            }
            rounds[*count].uses.push(Use { actor: *actor, quantity: event.quantity });
        }
        self.waiting = rounds.into_iter();
        self.waiting.next()
    }
}

/// The rating group of a unit at the provider.
#[must_use]
pub fn rating_group(unit: Unit) -> u32 {
    match unit {
        Unit::Octets => 1,
        Unit::Events => 2,
        Unit::Seconds => 3,
    }
}

#[cfg(test)]
mod tests {
    use farthing_risk::fit::study::Fleet;

    use super::*;

    fn judged(name: &str, from: u64, times: &[(u64, u32)]) -> Judged {
        let events = times.iter().map(|(at, device)| TraceEvent {
            at: from + at,
            device: *device,
            quantity: 7,
            attacking: false,
        });
        let fleet = Fleet {
            name: name.to_owned(),
            unit: Unit::Octets,
            devices: vec!["a".into(), "b".into()],
            events: events.collect(),
        };
        Judged { fleet, labelled: false, from: 0, update: None }
    }

    #[test]
    fn fleets_of_other_years_play_together_and_nobody_pays_twice_in_a_round() {
        let one = judged("one", 1000 * GRID, &[(5, 0), (6, 0), (7, 1), (HOUR, 0)]);
        let other = judged("other", 9000 * GRID + 3, &[(0, 1)]);
        let timeline = Timeline::of(&[one, other]);
        assert_eq!(timeline.origins, [1000 * GRID, 9000 * GRID]);
        assert_eq!(timeline.actors.iter().map(|actor| actor.events).collect::<Vec<_>>(), [3, 1, 1]);
        let rounds: Vec<(u64, Vec<usize>)> =
            timeline.rounds().map(|round| (round.at, round.uses.iter().map(|paid| paid.actor).collect())).collect();
        assert_eq!(rounds, [(0, vec![2, 0, 1]), (0, vec![0]), (HOUR, vec![0])]);
    }
}
