//! Attacks on a generated fleet: what a device does when somebody else has its key, or its software.

use super::fleets::{self, Habit, Random};
use super::replay::TraceEvent;
use super::study::Fleet;
use crate::file::Unit;

/// A kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// A stolen key spends what it can: the device's own events, thirty times as often.
    SpendingFast,
    /// Data is carried off: events of the usual frequency, some hundred times as large.
    CarryingOff,
    /// Empty events, several a second.
    EmptyFlood,
    /// Attempts to connect to whoever answers: bare headers, one a second.
    Scan,
    /// A bot that asks its master for orders: a few bare headers every half a minute.
    Beacon,
    /// Use that doubles every two hours, so that no hour is unlike the one before.
    SlowDrift,
}

/// All attacks, with their names.
pub const ATTACKS: [(&str, Attack); 6] = [
    ("spending-fast", Attack::SpendingFast),
    ("carrying-off", Attack::CarryingOff),
    ("empty-flood", Attack::EmptyFlood),
    ("scan", Attack::Scan),
    ("beacon", Attack::Beacon),
    ("slow-drift", Attack::SlowDrift),
];

/// Honest hours before an attack begins, at least: the fleet's profile comes from its first quarter.
const CALM_HOURS: u64 = 96;
const HOUR: u64 = 3600;

impl Attack {
    /// Hours that it lasts.
    fn hours(self) -> u64 {
        match self {
            Self::EmptyFlood | Self::Scan => 3,
            Self::SlowDrift => 12,
            Self::SpendingFast | Self::CarryingOff | Self::Beacon => 6,
        }
    }

    /// Seconds after which its next event comes, in the given second of it.
    fn wait(self, second: u64, random: &mut Random) -> u64 {
        match self {
            Self::SpendingFast => 1 + random.below(3),
            Self::CarryingOff => 50 + random.below(20),
            Self::EmptyFlood => u64::from(random.one_in(5)),
            Self::Scan => random.below(3),
            Self::Beacon => 8 + random.below(18),
            Self::SlowDrift => (60 >> (second / (2 * HOUR)).min(6)).max(1),
        }
    }

    fn quantity(self, random: &mut Random) -> u64 {
        match self {
            Self::SpendingFast | Self::SlowDrift => 220 + random.below(28),
            Self::CarryingOff => random.log_normal(60_000.0, 0.6),
            Self::EmptyFlood => 0,
            Self::Scan => 40 + 20 * random.below(2),
            Self::Beacon => [60, 60, 180][usize::try_from(random.below(3)).unwrap_or(0)],
        }
    }

    /// Its events in a device that begins at `from` seconds.
    fn events(self, device: u32, from: u64, random: &mut Random) -> Vec<TraceEvent> {
        let (mut events, mut second) = (Vec::new(), 0);
        while second < self.hours() * HOUR {
            let at = (from + second) * 16 + random.below(16);
            // The first doubling of a slow drift is no more than a busy day.
            let attacking = self != Self::SlowDrift || second >= 4 * HOUR;
            events.push(TraceEvent { at, device, quantity: self.quantity(random), attacking });
            second += self.wait(second, random);
        }
        events
    }
}

/// A fleet that reports every minute, of whose devices `devices` are attacked in each way, as scenarios of their own. The other
/// devices of the fleet are honest.
pub fn attacked_fleet(devices: u32, days: u32, seed: u64) -> Fleet {
    let kinds = u32::try_from(ATTACKS.len()).unwrap_or(u32::MAX);
    let honest = 2 * devices * kinds;
    let all = honest + devices * kinds;
    let mut events = fleets::fleet(Habit::Telemetry { period: 60, bytes: 220 }, all, days.max(6), seed);
    let start = events.first().map_or(0, |event| event.at / 16);
    let mut names: Vec<String> = (0..honest).map(|index| format!("reporters/{index}")).collect();
    let mut random = Random::new(seed);
    for (name, attack) in ATTACKS {
        for index in 0..devices {
            let device = u32::try_from(names.len()).unwrap_or(u32::MAX);
            names.push(format!("{name}/{index}"));
            let from = start + (CALM_HOURS + random.below(24)) * HOUR;
            events.extend(attack.events(device, from, &mut random));
        }
    }
    events.sort_unstable_by_key(|event| event.at);
    Fleet { name: "reporters".to_owned(), unit: Unit::Octets, devices: names, events }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attack_is_a_scenario_and_most_hours_are_honest() {
        let fleet = attacked_fleet(1, 6, 5);
        let attacking = fleet.events.iter().filter(|event| event.attacking);
        let scenarios: std::collections::BTreeSet<&str> = attacking.map(|event| fleet.scenario(event.device)).collect();
        assert_eq!(scenarios.len(), ATTACKS.len());
        assert!(fleet.events.is_sorted_by_key(|event| event.at));
        assert!(
            fleet.events.iter().all(|event| usize::try_from(event.device).is_ok_and(|at| at < fleet.devices.len()))
        );
    }
}
