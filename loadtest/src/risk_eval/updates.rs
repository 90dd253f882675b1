//! Honest fleets that are updated while they are judged.

use std::ops::Range;

use farthing_risk::fit::fleets::Habit;
use farthing_risk::fit::study::Fleet;
use farthing_risk::fit::surges::{Rollout, Shape, Surge};

use super::cast::GENERATED_DAYS;

/// A fleet, and how it is updated.
const UPDATED: [(&str, Habit, Surge); 4] = [
    (
        "updated-at-once",
        Habit::Telemetry { period: 900, bytes: 1200 },
        Surge { shape: Shape::Both, rollout: Rollout::AtOnce, factor: 50, minutes_max: 60 },
    ),
    (
        "updated-in-stages",
        Habit::Telemetry { period: 300, bytes: 400 },
        Surge { shape: Shape::Larger, rollout: Rollout::Staged, factor: 50, minutes_max: 45 },
    ),
    (
        "updated-within-an-hour",
        Habit::Switch,
        Surge { shape: Shape::MoreOften, rollout: Rollout::RandomHour, factor: 20, minutes_max: 30 },
    ),
    (
        "updated-often",
        Habit::Telemetry { period: 120, bytes: 180 },
        Surge { shape: Shape::MoreOften, rollout: Rollout::Staged, factor: 50, minutes_max: 15 },
    ),
];

/// Devices of such a fleet in each fold: enough to be a crowd.
const DEVICES: u32 = 32;

const HOUR: u64 = 3600 * 16;
/// When the update begins, after the fleet's first event: on its fifth day, at ten.
const BEGINS: u64 = (4 * 24 + 10) * HOUR;
/// For so long after the last download the windows of the signals hold something of it.
const REMEMBERED: u64 = 2 * HOUR;

/// The updated fleets; of each, one in `turns` devices is judged in a fold.
pub(super) fn updated(turns: u32, seed: u64) -> Vec<Fleet> {
    let made = (1_u64..).zip(UPDATED).map(|(index, (name, habit, surge))| {
        let seed = seed.wrapping_mul(31).wrapping_add(index);
        let mut fleet = Fleet::generated(name, habit, DEVICES * turns, GENERATED_DAYS, seed);
        if let Some(update) = update_of(&fleet) {
            // Each fold sees its own part of the fleet, which is rolled out in stages of its own.
            for turn in 0..turns {
                let is_of = |device: u32| device % turns == turn;
                let own: Vec<_> = fleet.events.iter().filter(|event| is_of(event.device)).copied().collect();
                fleet.events.extend(surge.downloads(&own, update.start, seed));
            }
            fleet.events.sort_by_key(|event| event.at);
        }
        fleet
    });
    made.collect()
}

/// When the devices of a fleet are updated, the time included in which they are remembered for it, in sixteenths of a second since 1970.
pub(super) fn update_of(fleet: &Fleet) -> Option<Range<u64>> {
    let (_, _, surge) = UPDATED.iter().find(|(name, ..)| *name == fleet.name)?;
    let begins = fleet.events.first()?.at + BEGINS;
    Some(begins..begins + surge.lasts() + REMEMBERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_s_part_of_an_updated_fleet_uses_more_than_twice_as_much() {
        for fleet in updated(2, 1) {
            let update = update_of(&fleet).unwrap();
            let used = |hours: &Range<u64>| -> u64 {
                let own = fleet.events.iter().filter(|event| event.device % 2 == 1 && hours.contains(&event.at));
                own.map(|event| event.quantity).sum()
            };
            let before = update.start - (update.end - update.start)..update.start;
            // Hours of an update hold minutes of downloads.
            assert!(used(&update) > 2 * used(&before), "{}: {} {}", fleet.name, used(&update), used(&before));
            assert!(before.start > fleet.watched_until());
        }
    }
}
