//! What weights learned on some scenarios are worth on others.
//!
//! A fleet in which somebody attacks is split by scenario: profile and weights are learned without those held out. A fleet
//! in which nobody does is watched for its first quarter, from which its profile comes, and judged on the rest; half of its
//! devices teach, the other half test.

use std::collections::BTreeSet;

use super::fleets;
use super::logistic::{self, Row, Settings};
use super::metrics::{Quality, Scored, judge};
use super::replay::{DeviceHour, Profiles, TraceEvent, learn, replay};
use crate::features::Features;
use crate::file::Unit;
use crate::score::{LogOdds, Weights};

/// A fleet's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// Its name.
    pub name: String,
    /// What it is billed for.
    pub unit: Unit,
    /// Names of its devices, by index.
    pub devices: Vec<String>,
    /// Its events, sorted by time.
    pub events: Vec<TraceEvent>,
}

/// Which of a fleet's devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those that teach.
    Train,
    /// Those that test.
    Test,
    /// All.
    All,
}

/// Hours in sixteenths of a second.
const HOUR: u64 = 3600 * 16;
/// How often features are taken at what the newest weights hold for an hour's worst moment.
const ROUNDS: u32 = 3;

impl Fleet {
    /// A generated fleet (see [`fleets`]).
    pub fn generated(name: &str, habit: fleets::Habit, devices: u32, days: u32, seed: u64) -> Self {
        let events = fleets::fleet(habit, devices, days, seed);
        let devices = (0..devices).map(|index| format!("{name}-{index}")).collect();
        Self { name: name.to_owned(), unit: Unit::Octets, devices, events }
    }

    /// Several fleets as one; their devices keep their names.
    pub fn merged<'a>(name: &str, unit: Unit, fleets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self { name: name.to_owned(), unit, devices: Vec::new(), events: Vec::new() };
        for fleet in fleets {
            let first = u32::try_from(merged.devices.len()).unwrap_or(u32::MAX);
            merged.devices.extend_from_slice(&fleet.devices);
            let shifted = |event: &TraceEvent| TraceEvent { device: event.device.saturating_add(first), ..*event };
            merged.events.extend(fleet.events.iter().map(shifted));
        }
        merged.events.sort_by_key(|event| event.at);
        merged
    }

    /// The scenario of a device.
    pub fn scenario(&self, device: u32) -> &str {
        let name = usize::try_from(device).ok().and_then(|device| self.devices.get(device)).map_or("", String::as_str);
        name.split_once('/').map_or(self.name.as_str(), |(scenario, _)| scenario)
    }

    /// Whether somebody attacks in it.
    pub fn is_attacked(&self) -> bool {
        self.events.iter().any(|event| event.attacking)
    }

    /// Its scenarios, and whether somebody attacks in each.
    fn scenarios(&self) -> Vec<(String, bool)> {
        let of = |attacking: Option<bool>| -> BTreeSet<&str> {
            let events = self.events.iter().filter(|event| attacking.is_none_or(|wanted| event.attacking == wanted));
            events.map(|event| self.scenario(event.device)).collect()
        };
        let attacked = of(Some(true));
        of(None).into_iter().map(|name| (name.to_owned(), attacked.contains(name))).collect()
    }

    /// When the time in which it is only watched ends, sixteenths of a second since 1970; nought where somebody attacks in it.
    pub fn watched_until(&self) -> u64 {
        match (self.events.first(), self.events.last()) {
            (Some(first), Some(last)) if !self.is_attacked() => first.at + (last.at - first.at) / 4,
            _ => 0,
        }
    }

    /// What is usual in it, leaving out scenarios that are held out and hours in which a device attacks.
    pub fn profiles(&self, held_out: &BTreeSet<String>) -> Profiles {
        if !self.is_attacked() {
            let until = self.watched_until();
            return learn(&self.events, |event| event.at < until);
        }
        let hour = |event: &TraceEvent| (event.device, event.at / HOUR);
        let attacking: BTreeSet<(u32, u64)> = self.events.iter().filter(|event| event.attacking).map(hour).collect();
        learn(&self.events, |event| {
            !held_out.contains(self.scenario(event.device)) && !attacking.contains(&hour(event))
        })
    }

    /// Its device-hours under profiles and weights.
    pub fn hours(
        &self,
        profiles: &Profiles,
        weights: &Weights,
        part: Part,
        held_out: &BTreeSet<String>,
    ) -> Vec<DeviceHour> {
        let attacked = self.is_attacked();
        let from = self.watched_until();
        let belongs = |device: u32| match (part, attacked) {
            (Part::All, _) => true,
            (Part::Train, true) => !held_out.contains(self.scenario(device)),
            (Part::Test, true) => held_out.contains(self.scenario(device)),
            (Part::Train, false) => device.is_multiple_of(2),
            (Part::Test, false) => !device.is_multiple_of(2),
        };
        let hours = replay(&self.events, profiles, weights);
        hours.into_iter().filter(|hour| belongs(hour.device) && hour.at >= from).collect()
    }
}

/// A device-hour that was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its fleet, or its scenario in a fleet in which somebody attacks.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// Hours since 1970.
    pub hour: u64,
    /// Its score.
    pub scored: Scored,
    /// Its features at its worst moment.
    pub features: Features,
}

/// One split of the scenarios.
#[derive(Debug, Clone)]
pub struct Fold {
    /// Scenarios that were held out.
    pub held_out: BTreeSet<String>,
    /// What was learned without them.
    pub weights: Weights,
    /// How that does on them and on the honest fleets' test devices.
    pub quality: Quality,
    /// Each device-hour that was judged.
    pub judged: Vec<Judged>,
}

/// Learns from `part` of all fleets.
pub fn train(
    fleets: &[Fleet],
    profiles: &[Profiles],
    held_out: &BTreeSet<String>,
    prior: &Weights,
    part: Part,
) -> Weights {
    let mut weights = *prior;
    for _ in 0..ROUNDS {
        let mut rows = Vec::new();
        for (fleet, profiles) in fleets.iter().zip(profiles) {
            let hours = fleet.hours(profiles, &weights, part, held_out);
            rows.extend(hours.iter().map(|hour| Row { features: hour.features, attacking: hour.attacking }));
        }
        weights = logistic::fit(&rows, prior, &Settings::default());
    }
    weights
}

/// Judges weights on a part of all fleets.
pub fn test(
    fleets: &[Fleet],
    profiles: &[Profiles],
    held_out: &BTreeSet<String>,
    weights: &Weights,
    part: Part,
) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (fleet, profiles) in fleets.iter().zip(profiles) {
        for hour in fleet.hours(profiles, weights, part, held_out) {
            judged.push(Judged {
                source: fleet.scenario(hour.device).to_owned(),
                device: usize::try_from(hour.device)
                    .ok()
                    .and_then(|at| fleet.devices.get(at))
                    .cloned()
                    .unwrap_or_default(),
                hour: hour.hour,
                scored: Scored { odds: hour.odds, attacking: hour.attacking },
                features: hour.features,
            });
        }
    }
    judged
}

/// Holds out each scenario with an attack in turn, with its share of those without.
pub fn cross_validate(fleets: &[Fleet], prior: &Weights, resamplings: u32) -> Vec<Fold> {
    let scenarios: Vec<(String, bool)> =
        fleets.iter().filter(|fleet| fleet.is_attacked()).flat_map(Fleet::scenarios).collect();
    let names = |attacked: bool| scenarios.iter().filter(move |(_, is)| *is == attacked).map(|(name, _)| name.clone());
    let attacked: Vec<String> = names(true).collect();
    let honest: Vec<String> = names(false).collect();
    let folds = attacked.len();
    let fold = |(index, name): (usize, &String)| {
        let shared = honest.iter().enumerate().filter(|(at, _)| at % folds == index).map(|(_, name)| name.clone());
        let held_out: BTreeSet<String> = std::iter::once(name.clone()).chain(shared).collect();
        let profiles: Vec<Profiles> = fleets.iter().map(|fleet| fleet.profiles(&held_out)).collect();
        let weights = train(fleets, &profiles, &held_out, prior, Part::Train);
        let judged = test(fleets, &profiles, &held_out, &weights, Part::Test);
        let scored: Vec<Scored> = judged.iter().map(|judged| judged.scored).collect();
        Fold { held_out, weights, quality: judge(&scored, resamplings), judged }
    };
    attacked.iter().enumerate().map(fold).collect()
}

/// Moves the bias so that what lies above `threshold` has a score of a half or more.
#[must_use]
pub fn calibrated(weights: &Weights, threshold: LogOdds) -> Weights {
    Weights { bias: weights.bias.saturating_sub(threshold.0).saturating_sub(1), of: weights.of }
}
