//! The weights file: TOML, versioned, strict. What is not in it, or not known, is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::features::{FEATURES, Feature};
use crate::ladder::{Ladder, LadderError, Rung};
use crate::model::{Model, Rule};
use crate::policy::{AnnouncedUpdate, Measures, Mode, Tenant};
use crate::profile::Profile;
use crate::score::Weights;
use crate::usage::UsageAlone;

/// The version of the form that this crate reads and writes.
pub const FORM: u32 = 1;

/// The tenant whose policy holds for those without one.
pub const DEFAULT_TENANT: &str = "default";

/// The file that ships with the hub.
pub const SHIPPED: &str = include_str!("../weights.toml");

/// A weights file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// [`FORM`].
    pub form: u32,
    /// Which weights these are, for people and for the journal.
    pub revision: String,
    /// The score.
    pub score: ScoreForm,
    /// From scores to actions.
    pub ladder: LadderForm,
    /// When what a lane uses is held against it.
    #[serde(default)]
    pub usage_alone: UsageAlone,
    /// How far the actions go.
    pub measures: Measures,
    /// Policies by tenant; `default` holds for the others.
    pub tenant: BTreeMap<String, Tenant>,
    /// What a single feature demands, whatever the score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
    /// Updates that were announced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub update: Vec<AnnouncedUpdate>,
    /// What is usual in fleets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<ProfileForm>,
}

/// The score's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreForm {
    /// Log-odds with nothing against a lane, 1/256.
    pub bias: i32,
    /// Log-odds for each whole of a feature, 1/256; one for each feature.
    pub weights: BTreeMap<Feature, u16>,
}

/// The ladder's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderForm {
    /// Seconds of restriction before a block.
    pub confirm_seconds: u32,
    /// The rungs, ascending.
    pub rung: Vec<Rung>,
}

/// What is usual in one fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileForm {
    /// The fleet; empty for all those that have no profile of their own.
    pub fleet: String,
    /// What its lanes are billed for.
    pub unit: Unit,
    /// What is usual.
    pub usual: Profile,
}

/// What a lane is billed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Bytes.
    Octets,
    /// Seconds.
    Seconds,
    /// Events.
    Events,
}

/// Why a weights file is refused.
#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    /// Not TOML, or not of this form.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// Another version.
    #[error("form {0} is not known; this hub reads {FORM}")]
    Form(u32),
    /// A weight is missing.
    #[error("no weight for {}", .0.name())]
    NoWeight(Feature),
    /// The rungs are no ladder.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// No policy for tenants without one.
    #[error("no tenant named default")]
    NoDefaultTenant,
    /// A profile is there twice.
    #[error("two profiles of fleet {0:?} for {1:?}")]
    TwoProfiles(String, Unit),
}

impl WeightsFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`WeightsFileError::Syntax`] or [`WeightsFileError::Form`].
    pub fn parse(text: &str) -> Result<Self, WeightsFileError> {
        let file: Self = toml::from_str(text)?;
        if file.form == FORM { Ok(file) } else { Err(WeightsFileError::Form(file.form)) }
    }

    /// Its text; reading it gives the same again.
    pub fn text(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| unreachable!("strings, numbers and tables of them: {error}"))
    }

    /// The weights.
    ///
    /// # Errors
    /// [`WeightsFileError::NoWeight`].
    pub fn weights(&self) -> Result<Weights, WeightsFileError> {
        let mut of = [0; FEATURES];
        for (place, feature) in of.iter_mut().zip(Feature::ALL) {
            *place = *self.score.weights.get(&feature).ok_or(WeightsFileError::NoWeight(feature))?;
        }
        Ok(Weights { bias: self.score.bias, of })
    }

    /// Lets the tenants without a policy of their own be acted on, or takes care that nobody is.
    pub fn set_mode(&mut self, mode: Mode) {
        match mode {
            Mode::Shadow => self.tenant.values_mut().for_each(|tenant| tenant.mode = Mode::Shadow),
            Mode::On => {
                if let Some(tenant) = self.tenant.get_mut(DEFAULT_TENANT) {
                    tenant.mode = Mode::On;
                }
            }
        }
    }

    /// Puts other weights in.
    pub fn set_weights(&mut self, weights: &Weights) {
        let named = Feature::ALL.into_iter().zip(weights.of).collect();
        self.score = ScoreForm { bias: weights.bias, weights: named };
    }

    /// The model that it describes.
    ///
    /// # Errors
    /// [`WeightsFileError`].
    pub fn model(&self) -> Result<Model, WeightsFileError> {
        let ladder = Ladder::new(&self.ladder.rung, self.ladder.confirm_seconds)?;
        let default = *self.tenant.get(DEFAULT_TENANT).ok_or(WeightsFileError::NoDefaultTenant)?;
        let mut profiles = BTreeMap::new();
        for form in &self.profile {
            if profiles.insert((form.fleet.clone(), form.unit), form.usual.clone()).is_some() {
                return Err(WeightsFileError::TwoProfiles(form.fleet.clone(), form.unit));
            }
        }
        let weights = self.weights()?;
        let (rules, measures) = (self.rule.clone(), self.measures);
        let tenants = self.tenant.clone();
        let (usage, unnoticed) = (self.usage_alone, ladder.unnoticed());
        let (revision, updates) = (self.revision.clone(), self.update.clone());
        Ok(Model { revision, weights, ladder, usage, unnoticed, rules, measures, tenants, default, updates, profiles })
    }
}

#[cfg(test)]
mod tests;
