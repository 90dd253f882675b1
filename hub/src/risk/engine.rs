//! The model that is in force, and for whom: one for the hub, replaced as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use farthing_channel::id::EscrowId;
use farthing_channel::tariff;
use farthing_channel::time::UnixSeconds;
use farthing_risk::features::{Excuse, Facts};
use farthing_risk::file::{SHIPPED, Unit, WeightsFile};
use farthing_risk::ladder::Level;
use farthing_risk::model::{Assessment, LaneView, Model, Part};
use farthing_risk::policy::{AnnouncedUpdate, Mode, Tenant, Terms};
use farthing_risk::profile::Profile;
use serde::Deserialize;

use super::clock::{RiskClock, sixteenths};
use super::fleets::WatchedFleets;
use super::lane::LaneRisk;
use super::{Decision, RiskLimits, hard_decision};
use crate::table::Lane;

/// Whether there is a model beside the operator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelMode {
    /// None: no signal is kept.
    Off,
    /// It watches, scores and writes down what it would do, and does nothing.
    #[default]
    Shadow,
    /// It acts, on the tenants that the weights file lets it act on, and on all that have no policy of their own there.
    Enforce,
}

impl ModelMode {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        }
    }
}

/// `[risk_model]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelSettings {
    /// Whether there is a model.
    pub mode: ModelMode,
    /// Its weights file; those that ship with the hub where absent.
    pub weights: Option<PathBuf>,
    /// The name of an escrow's fleet, which is that of its tenant too.
    pub fleets: BTreeMap<EscrowId, String>,
}

/// Why a weights file was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is not in order.
    #[error("{0}: {1}")]
    Invalid(String, farthing_risk::file::WeightsFileError),
}

/// A fleet as the model sees it.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) tenant: Tenant,
    /// What is usual, by unit: octets, seconds, events.
    usual: [Profile; 3],
    updates: Vec<AnnouncedUpdate>,
}

impl Fleet {
    pub(crate) fn profile(&self, unit: u8) -> &Profile {
        &self.usual[usize::from(unit).min(2)]
    }

    /// What its lanes are excused for: all of their use while an update goes on that was announced, or else what the fleet as a whole
    /// is `seen` to do.
    pub(crate) fn excuse(&self, now: UnixSeconds, seen: Excuse) -> Excuse {
        if self.updates.iter().any(|update| update.holds(now)) { Excuse::ALL } else { seen }
    }
}

/// A model, with what it says of every fleet looked up.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) model: Model,
    fleets: Vec<Fleet>,
}

impl Loaded {
    fn new(model: Model, names: &[String]) -> Self {
        let fleet = |name: &String| Fleet {
            tenant: model.tenant(name),
            updates: model.updates(name).cloned().collect(),
            usual: [Unit::Octets, Unit::Seconds, Unit::Events]
                .map(|unit| model.profile(name, unit).cloned().unwrap_or_else(Profile::unknown)),
        };
        let fleets = names.iter().map(fleet).collect();
        Self { model, fleets }
    }

    /// The fleet with this number; those without a name are number 0.
    pub(crate) fn fleet(&self, number: u16) -> &Fleet {
        self.fleets.get(usize::from(number)).unwrap_or(&self.fleets[0])
    }
}

/// How far lanes are trusted: the operator's limits, and a model within them.
#[derive(Debug)]
pub struct RiskEngine {
    limits: RiskLimits,
    mode: ModelMode,
    weights: Option<PathBuf>,
    names: Vec<String>,
    escrows: BTreeMap<EscrowId, u16>,
    loaded: ArcSwap<Loaded>,
    watched: WatchedFleets,
}

impl RiskEngine {
    /// The engine of these limits and settings.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn new(limits: RiskLimits, settings: &ModelSettings) -> Result<Self, WeightsError> {
        // Number 0 is for all that have no name.
        let mut names = vec![String::new()];
        let mut escrows = BTreeMap::new();
        for (escrow, name) in &settings.fleets {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            });
            escrows.insert(*escrow, u16::try_from(at).unwrap_or(0));
        }
        let weights = settings.weights.clone();
        let loaded = ArcSwap::from_pointee(load(weights.as_deref(), settings.mode, &names)?);
        let watched = WatchedFleets::new(names.len());
        Ok(Self { limits, mode: settings.mode, weights, names, escrows, loaded, watched })
    }

    /// Reads the weights file again. What is in force stays where the file is not in order.
    ///
    /// # Errors
    /// [`WeightsError`].
    pub fn reload(&self) -> Result<String, WeightsError> {
        let loaded = load(self.weights.as_deref(), self.mode, &self.names)?;
        let revision = loaded.model.revision().to_owned();
        self.loaded.store(Arc::new(loaded));
        Ok(revision)
    }

    /// Whether there is a model.
    pub fn mode(&self) -> ModelMode {
        self.mode
    }

    /// The most that a lane may owe in all, base units.
    pub fn lane_limit(&self) -> u64 {
        self.limits.lane_limit_base_units
    }

    /// The revision of the weights in force.
    pub fn revision(&self) -> String {
        self.loaded.load().model.revision().to_owned()
    }

    /// A lane as the model sees it now, and nothing is changed: its fleet, the assessment, and what each feature adds under
    /// which weight.
    pub fn look_at(&self, lane: &Lane, unix_ms: u64, of_risk: RiskClock) -> (String, Assessment, Vec<(Part, u16)>) {
        let loaded = self.loaded.load();
        let mut risk = lane.risk().read();
        let now = sixteenths(of_risk.milliseconds(unix_ms));
        risk.signals.advance(now);
        let number = self.fleet_of(&lane.channel().escrow().id());
        let fleet = loaded.fleet(number);
        let unit = unit_number(lane.tariff_unit());
        let clock = UnixSeconds(unix_ms / 1000);
        let facts = facts(lane, &risk, fleet.excuse(clock, self.watched.excuse(number, unit, now)));
        let decision = lane.channel().risk_override();
        let view = LaneView {
            signals: &risk.signals,
            profile: fleet.profile(unit),
            facts: &facts,
            standing: risk.standing,
            tenant: fleet.tenant,
            overriding: decision.as_ref(),
        };
        let assessment = loaded.model.assess(&view, now, clock);
        let weights = &loaded.model.weights().of;
        let parts = loaded.model.parts(&assessment.features).into_iter();
        let parts = parts.map(|part| (part, weights[part.feature as usize])).collect();
        (self.fleet_name(number).to_owned(), assessment, parts)
    }

    /// The name of a fleet; empty for those that have none.
    pub fn fleet_name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }

    /// What the threads see of fleets as wholes.
    pub fn watched(&self) -> &WatchedFleets {
        &self.watched
    }

    pub(crate) fn loaded(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.loaded.load()
    }

    /// The number of an escrow's fleet.
    pub(crate) fn fleet_of(&self, escrow: &EscrowId) -> u16 {
        self.escrows.get(escrow).copied().unwrap_or(0)
    }

    /// What a lane with nothing against it is given, and what is left of it at a level.
    pub(crate) fn terms(&self, level: Level) -> Terms {
        let RiskLimits { credit_window_base_units: credit_window, validity_seconds, pace_ms, .. } = self.limits;
        let full = Terms { credit_window, validity_seconds, pace_ms, vouchers_only: false, blocked: false };
        if level == Level::Trusted { full } else { self.loaded.load().model.measures().at(level, full) }
    }

    /// The decision for a lane at `now`.
    pub fn decide(&self, lane: &Lane, now: UnixSeconds) -> Decision {
        let mut decision = hard_decision(&self.limits, lane, now);
        let (level, reasons) = lane.risk().level();
        if level > Level::Trusted {
            let terms = self.terms(level);
            decision.credit_window = decision.credit_window.min(terms.credit_window);
            decision.validity_seconds = decision.validity_seconds.min(terms.validity_seconds);
            decision.pace_ms = decision.pace_ms.max(terms.pace_ms);
            decision.reasons = decision.reasons.union(reasons);
        }
        decision
    }
}

/// What the hub knows of a lane beside its signals.
pub(crate) fn facts(lane: &Lane, risk: &LaneRisk, excuse: Excuse) -> Facts {
    let units_idle = if risk.reported { lane.units_for(lane.durable()).saturating_sub(risk.units_seen) } else { 0 };
    Facts { units_left: lane.units_left(), units_idle, anomaly: risk.anomaly, excuse }
}

fn load(path: Option<&Path>, mode: ModelMode, names: &[String]) -> Result<Loaded, WeightsError> {
    let (name, text) = match path {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| WeightsError::Unreadable(path.to_owned(), error))?;
            (path.display().to_string(), text)
        }
        None => ("the shipped weights".to_owned(), SHIPPED.to_owned()),
    };
    let model = WeightsFile::parse(&text).and_then(|mut file| {
        file.set_mode(if mode == ModelMode::Enforce { Mode::On } else { Mode::Shadow });
        file.model()
    });
    Ok(Loaded::new(model.map_err(|error| WeightsError::Invalid(name, error))?, names))
}

/// The name of the unit with this number.
pub(crate) fn unit_name(number: u8) -> &'static str {
    ["octets", "seconds", "events"][usize::from(number).min(2)]
}

/// The number of a unit among a fleet's profiles; a lane without a tariff is billed in base units, taken as octets.
pub(crate) fn unit_number(unit: Option<tariff::Unit>) -> u8 {
    match unit {
        None | Some(tariff::Unit::Octets) => 0,
        Some(tariff::Unit::Seconds) => 1,
        Some(tariff::Unit::Events) => 2,
    }
}
