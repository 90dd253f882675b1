//! What an evaluation came to.

use std::collections::{BTreeMap, BTreeSet};

use farthing_risk::fit::metrics::{Interval, Quality, Scored, judge, proportion};
use serde::Serialize;

use super::curves::{Exceedance, Point, curve, exceedance};
use super::verdict::{Attack, BLOCKED, DeviceHour, FELT};
use crate::report::Table;

/// A figure with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl From<Interval> for Figure {
    fn from(interval: Interval) -> Self {
        Self { value: interval.value, low: interval.low, high: interval.high }
    }
}

/// A fleet, or a scenario of the labelled trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Whether it is of the labelled trace.
    pub labelled: bool,
    /// Devices that were judged.
    pub devices: usize,
    /// Attacking device-hours.
    pub attacking_device_hours: usize,
    /// Of them, those above the threshold at which a thousandth of all honest ones lies.
    pub attacking_found: usize,
    /// Honest device-hours.
    pub honest_device_hours: usize,
    /// Of them, those in which the hub would have throttled: the standing was above trusted.
    pub wrongly_throttled: usize,
    /// Devices that never attacked and would have been blocked at some time.
    pub honest_blocked: usize,
}

/// An attack on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttackLine {
    /// The scenario.
    pub scenario: String,
    /// The device.
    pub device: String,
    /// Seconds from its first event to the throttle; null if there was none.
    pub throttled_after_seconds: Option<u64>,
    /// Units that it paid for before, of all.
    pub units_before_throttle: u64,
    /// Units in all.
    pub units: u64,
    /// Events that it paid for before, of all.
    pub events_before_throttle: u64,
    /// Events in all.
    pub events: u64,
}

/// A play at one hub.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoldLine {
    /// What was held out.
    pub held_out: String,
    /// Fleets and scenarios that taught.
    pub taught_by: Vec<String>,
    /// Payments that the hub took.
    pub payments: u64,
    /// Seconds for learning.
    pub learning_seconds: f64,
    /// Seconds for playing.
    pub playing_seconds: f64,
}

/// What an evaluation came to. A device-hour is an hour in which a device paid; its score is the hub's own, at its worst moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalResult {
    /// Area under the curve of precision over recall, as average precision.
    pub pr_auc: f64,
    /// Its 95% interval, device-hours resampled.
    pub pr_auc_interval: Figure,
    /// Part of the attacking device-hours above the threshold that a thousandth of the honest ones passes.
    pub recall_at_0_1_percent_fpr: f64,
    /// Its 95% interval after Wilson.
    pub recall_interval: Figure,
    /// The same, scenarios with attacks and honest devices resampled as wholes: hours of one device are alike.
    pub recall_interval_by_device: Figure,
    /// That threshold: log-odds, 1/256. Nought is a score of a half, at which the shipped ladder begins.
    pub threshold_log_odds: i32,
    /// Attacking device-hours.
    pub attacking_device_hours: usize,
    /// Honest device-hours.
    pub honest_device_hours: usize,
    /// Of them, those of devices of recorded traces.
    pub honest_device_hours_recorded: usize,
    /// Devices that never attacked and would have been blocked at some time.
    pub honest_blocked: usize,
    /// Honest device-hours in which the hub would have throttled, by its ladder as it is.
    pub wrongly_throttled_device_hours: usize,
    /// Their part of all honest ones.
    pub wrongly_throttled_share: Figure,
    /// Of them, those in which payments would have been paced or more done: what a device notices.
    pub wrongly_paced_device_hours: usize,
    /// Honest device-hours in which a device's fleet is updated, or in the two hours after.
    pub surge_device_hours: usize,
    /// Of them, those in which payments would have been paced or more done.
    pub surge_throttled: usize,
    /// Of them, those in which anything would have been done: a smaller grant, or one for a shorter time.
    pub surge_above_trusted: usize,
    /// Part of the attacking device-hours in which the hub would have throttled, by its ladder as it is.
    pub recall_by_ladder: Figure,
    /// Attacks in order of their scenarios.
    pub attacks: Vec<AttackLine>,
    /// Median seconds from an attack's first event to the throttle; those never throttled count as longest.
    pub time_to_throttle_seconds_median: Option<u64>,
    /// Units paid for before the throttle, over all attacks, of all that attacks paid for.
    pub units_before_throttle: u64,
    /// Units of all attacks.
    pub attack_units: u64,
    /// Fleets and scenarios.
    pub sources: Vec<Source>,
    /// Plays.
    pub folds: Vec<FoldLine>,
    /// The curve.
    pub precision_recall: Vec<Point>,
    /// For honest and attacking device-hours, the part at or above each score in log-odds.
    pub exceedance: Exceedance,
}

impl EvalResult {
    /// Puts the plays' device-hours and attacks together.
    #[must_use]
    pub fn of(
        hours: &[DeviceHour],
        attacks: &[Attack],
        folds: Vec<FoldLine>,
        recorded: &BTreeSet<String>,
        resamplings: u32,
    ) -> Self {
        let scored: Vec<Scored> = hours.iter().map(|hour| hour.scored).collect();
        let Quality { pr_auc, recall, threshold, attacking, honest } = judge(&scored, resamplings);
        let sources = sources(hours, |hour| hour.scored.odds > threshold);
        let throttled = |attacking: bool| {
            hours.iter().filter(|hour| hour.scored.attacking == attacking && hour.standing > 0).count()
        };
        let wrongly = throttled(false);
        let honest_at =
            |is: &dyn Fn(&DeviceHour) -> bool| hours.iter().filter(|hour| !hour.scored.attacking && is(hour)).count();
        let is_recorded =
            |hour: &&DeviceHour| !hour.scored.attacking && (hour.labelled || recorded.contains(&hour.source));
        Self {
            pr_auc: pr_auc.value,
            pr_auc_interval: pr_auc.into(),
            recall_at_0_1_percent_fpr: recall.value,
            recall_interval: recall.into(),
            recall_interval_by_device: super::bootstrap::recall_by_device(hours, resamplings),
            threshold_log_odds: threshold.0,
            attacking_device_hours: attacking,
            honest_device_hours: honest,
            honest_device_hours_recorded: hours.iter().filter(is_recorded).count(),
            honest_blocked: sources.iter().map(|source| source.honest_blocked).sum(),
            wrongly_throttled_device_hours: wrongly,
            wrongly_throttled_share: proportion(wrongly, honest).into(),
            wrongly_paced_device_hours: honest_at(&|hour| hour.standing >= FELT),
            surge_device_hours: honest_at(&|hour| hour.updated),
            surge_throttled: honest_at(&|hour| hour.updated && hour.standing >= FELT),
            surge_above_trusted: honest_at(&|hour| hour.updated && hour.standing > 0),
            recall_by_ladder: proportion(throttled(true), attacking).into(),
            time_to_throttle_seconds_median: median(attacks),
            units_before_throttle: attacks.iter().map(|attack| attack.units_before).sum(),
            attack_units: attacks.iter().map(|attack| attack.units).sum(),
            attacks: attacks.iter().map(AttackLine::from).collect(),
            sources,
            folds,
            precision_recall: curve(&scored),
            exceedance: exceedance(&scored),
        }
    }

    /// Says it.
    pub fn say(&self) {
        let percent = |figure: &Figure| {
            format!("{:.2}% ({:.2} to {:.2})", figure.value * 100.0, figure.low * 100.0, figure.high * 100.0)
        };
        let mut table = Table::new(["", ""]);
        let mut row = |label: &str, value: String| table.row([label.to_owned(), value]);
        row("attacking device-hours", self.attacking_device_hours.to_string());
        row("honest device-hours", self.honest_device_hours.to_string());
        row("recall at 0.1% false positives", percent(&self.recall_interval));
        row("  devices resampled as wholes", percent(&self.recall_interval_by_device));
        row("PR-AUC", percent(&self.pr_auc_interval));
        row("recall by the ladder as it is", percent(&self.recall_by_ladder));
        row("wrongly throttled device-hours", self.wrongly_throttled_device_hours.to_string());
        row("  of all honest ones", percent(&self.wrongly_throttled_share));
        row("  of them paced or more", self.wrongly_paced_device_hours.to_string());
        let updated = format!("{} of {}", self.surge_throttled, self.surge_device_hours);
        row("device-hours of updates paced or more", updated);
        row("  with a smaller or shorter grant at least", self.surge_above_trusted.to_string());
        row("honest devices blocked", self.honest_blocked.to_string());
        let median = self.time_to_throttle_seconds_median.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
        row("median time to throttle", median);
        row("units paid for before it", format!("{} of {}", self.units_before_throttle, self.attack_units));
        print!("{table}");
    }
}

impl From<&Attack> for AttackLine {
    fn from(attack: &Attack) -> Self {
        Self {
            scenario: attack.source.clone(),
            device: attack.device.clone(),
            throttled_after_seconds: attack.throttled_after_seconds,
            units_before_throttle: attack.units_before,
            units: attack.units,
            events_before_throttle: attack.events_before,
            events: attack.events,
        }
    }
}

fn median(attacks: &[Attack]) -> Option<u64> {
    let mut times: Vec<u64> = attacks.iter().map(|attack| attack.throttled_after_seconds.unwrap_or(u64::MAX)).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().filter(|seconds| *seconds < u64::MAX)
}

fn sources(hours: &[DeviceHour], found: impl Fn(&DeviceHour) -> bool) -> Vec<Source> {
    let attackers: BTreeSet<(&str, &str)> = hours
        .iter()
        .filter(|hour| hour.scored.attacking)
        .map(|hour| (hour.source.as_str(), hour.device.as_str()))
        .collect();
    let mut by_name = BTreeMap::<&str, Vec<&DeviceHour>>::new();
    for hour in hours {
        by_name.entry(&hour.source).or_default().push(hour);
    }
    let source = |(name, hours): (&str, Vec<&DeviceHour>)| {
        let devices = |keep: &dyn Fn(&DeviceHour) -> bool| {
            hours.iter().filter(|hour| keep(hour)).map(|hour| hour.device.as_str()).collect::<BTreeSet<_>>()
        };
        let many = |keep: &dyn Fn(&DeviceHour) -> bool| hours.iter().filter(|hour| keep(hour)).count();
        let blocked = devices(&|hour| hour.standing >= BLOCKED);
        Source {
            name: name.to_owned(),
            labelled: hours.iter().any(|hour| hour.labelled),
            devices: devices(&|_| true).len(),
            attacking_device_hours: many(&|hour| hour.scored.attacking),
            attacking_found: many(&|hour| hour.scored.attacking && found(hour)),
            honest_device_hours: many(&|hour| !hour.scored.attacking),
            wrongly_throttled: many(&|hour| !hour.scored.attacking && hour.standing > 0),
            honest_blocked: blocked.iter().filter(|device| !attackers.contains(&(name, **device))).count(),
        }
    };
    by_name.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use farthing_risk::score::LogOdds;

    use super::*;

    fn hour(device: &str, odds: i32, attacking: bool, standing: u8) -> DeviceHour {
        let scored = Scored { odds: LogOdds(odds), attacking };
        DeviceHour { source: "S".into(), device: device.into(), labelled: true, scored, standing, updated: false }
    }

    #[test]
    fn only_devices_that_never_attack_are_wrongly_blocked() {
        let hours = [
            hour("bot", 900, true, 6),
            hour("bot", 10, false, 6),
            hour("lamp", 5, false, 6),
            hour("lamp", 4, false, 0),
        ];
        let result = EvalResult::of(&hours, &[], Vec::new(), &BTreeSet::new(), 10);
        assert_eq!((result.honest_blocked, result.wrongly_throttled_device_hours), (1, 2));
        assert_eq!((result.attacking_device_hours, result.honest_device_hours), (1, 3));
        assert_eq!(result.sources[0].attacking_found, 1);
    }
}
