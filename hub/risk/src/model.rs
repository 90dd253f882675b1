//! The model: from a lane's signals to what is done about it, and why.

use std::collections::BTreeMap;

use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Reason;
use serde::{Deserialize, Serialize};

use crate::features::{Excuse, Facts, Feature, Features, features};
use crate::file::Unit;
use crate::ladder::{Ladder, Level, Standing};
use crate::policy::{AnnouncedUpdate, Measures, Mode, Override, Tenant};
use crate::profile::Profile;
use crate::reason;
use crate::score::{LogOdds, Score, Weights};
use crate::signals::{Signals, Sixteenths};
use crate::usage::{UsageAlone, Weighed};

/// What a single feature demands, whatever the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The feature.
    pub feature: Feature,
    /// The value from which it demands, 1/256.
    pub at_least: u16,
    /// What it demands at least.
    pub level: Level,
}

/// All that decides, as a weights file describes it. It is replaced as a whole.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) revision: String,
    pub(crate) weights: Weights,
    pub(crate) ladder: Ladder,
    pub(crate) usage: UsageAlone,
    /// The greatest log-odds of rungs that a device does not notice.
    pub(crate) unnoticed: LogOdds,
    pub(crate) rules: Vec<Rule>,
    pub(crate) measures: Measures,
    pub(crate) tenants: BTreeMap<String, Tenant>,
    pub(crate) default: Tenant,
    pub(crate) updates: Vec<AnnouncedUpdate>,
    pub(crate) profiles: BTreeMap<(String, Unit), Profile>,
}

/// A feature's part in a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The feature.
    pub feature: Feature,
    /// Its value, 1/256.
    pub value: u16,
    /// What it adds to the log-odds, 1/256.
    pub added: u32,
}

/// What the model says of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessment {
    /// What it looked at.
    pub features: Features,
    /// Log-odds of abuse, held back where they are those of use alone.
    pub odds: LogOdds,
    /// Whether they are held back: the features alone would come to more.
    pub held_back: bool,
    /// Whether something else than its use speaks against the lane.
    pub corroborated: bool,
    /// The same as a probability.
    pub score: Score,
    /// The lane's standing from now on; to be kept.
    pub standing: Standing,
    /// What is done: the standing, as mode, policy and operator allow. In shadow mode nothing.
    pub level: Level,
    /// Whether an operator's override decided.
    pub overridden: bool,
}

/// The three greatest reasons are told; more would explain nothing.
const REASONS_MAX: usize = 3;

impl Model {
    /// Which weights these are.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// How far the actions go.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// When what a lane uses is held against it.
    pub fn usage(&self) -> &UsageAlone {
        &self.usage
    }

    /// The ladder.
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The policy of a tenant.
    pub fn tenant(&self, name: &str) -> Tenant {
        self.tenants.get(name).copied().unwrap_or(self.default)
    }

    /// The updates of a fleet that were announced.
    pub fn updates(&self, fleet: &str) -> impl Iterator<Item = &AnnouncedUpdate> {
        self.updates.iter().filter(move |update| update.fleet == fleet)
    }

    /// What is usual in a fleet: its own profile, or that of all others of the unit.
    pub fn profile(&self, fleet: &str, unit: Unit) -> Option<&Profile> {
        let of = |name: &str| self.profiles.get(&(name.to_owned(), unit));
        of(fleet).or_else(|| of(""))
    }

    /// The level that the rules demand at least.
    pub fn floor(&self, features: &Features) -> Level {
        let met = self.rules.iter().filter(|rule| features.get(rule.feature) >= rule.at_least);
        met.map(|rule| rule.level).max().unwrap_or_default()
    }

    /// Assesses a lane, without allocating. The signals are to be advanced to `now` first ([`Signals::advance`]).
    pub fn assess(&self, lane: &LaneView<'_>, now: Sixteenths, clock: UnixSeconds) -> Assessment {
        let looked_at = |facts: &Facts| features(lane.signals, lane.profile, facts);
        let mut features = looked_at(lane.facts);
        if lane.facts.excuse != Excuse::NONE && self.usage.is_corroborated(lane.signals, &features, &self.weights) {
            // Who does more than the fleet's update is not part of it.
            features = looked_at(&Facts { excuse: Excuse::NONE, ..*lane.facts });
        }
        let Weighed { odds, held_back, corroborated } =
            self.usage.weigh(lane.signals, &features, &self.weights, self.unnoticed);
        let score = odds.score();
        let standing = lane.standing.after(score, self.floor(&features), now, &self.ladder);
        let overriding = lane.overriding.and_then(|decision| decision.at(clock));
        let level = match (overriding, lane.tenant.mode) {
            (Some(level), _) => level,
            (None, Mode::Shadow) => Level::Trusted,
            (None, Mode::On) => standing.level().min(lane.tenant.most),
        };
        Assessment { features, odds, held_back, corroborated, score, standing, level, overridden: overriding.is_some() }
    }

    /// What each feature adds to the score, greatest first.
    pub fn parts(&self, features: &Features) -> Vec<Part> {
        let of = self.weights.contributions(features).into_iter();
        of.map(|(feature, added)| Part { feature, value: features.get(feature), added }).collect()
    }

    /// Why an assessment is what it is: rules that are met, then what adds most; ascending, without repetition, none where
    /// nothing is done.
    pub fn reasons(&self, assessment: &Assessment) -> Vec<Reason> {
        if assessment.level == Level::Trusted {
            return Vec::new();
        }
        if assessment.overridden {
            return vec![Reason::Operator];
        }
        let met = self.rules.iter().filter(|rule| assessment.features.get(rule.feature) >= rule.at_least);
        let by_rule = met.map(|rule| rule.feature);
        let by_score = self.weights.contributions(&assessment.features).into_iter().map(|(feature, _)| feature);
        let mut reasons: Vec<Reason> = Vec::new();
        for reason in by_rule.chain(by_score).map(reason::of_feature) {
            if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        // A lane on its way down may have nothing left against it; it is still told why it is where it is.
        if reasons.is_empty() {
            reasons.push(Reason::UnlikeOthers);
        }
        reasons.sort_unstable();
        reasons
    }
}

/// A lane, as the model looks at it.
#[derive(Debug, Clone, Copy)]
pub struct LaneView<'a> {
    /// Its signals.
    pub signals: &'a Signals,
    /// What is usual in its fleet.
    pub profile: &'a Profile,
    /// What the hub knows beside.
    pub facts: &'a Facts,
    /// Where it stands.
    pub standing: Standing,
    /// Its tenant's policy.
    pub tenant: Tenant,
    /// An operator's decision about it.
    pub overriding: Option<&'a Override>,
}

#[cfg(test)]
mod tests;
