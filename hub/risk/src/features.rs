//! What the score looks at: each feature from 0 to 8, greater is more suspicious, in 1/256.

use serde::{Deserialize, Serialize};

use crate::fixed::Octaves;
use crate::profile::Profile;
use crate::signals::Signals;

/// How many features there are.
pub const FEATURES: usize = 18;

/// The greatest value of a feature: 8.
pub const FEATURE_MAX: u16 = 2048;

/// One feature each, by its place in a [`Features`]. The numbers are kept in exports and weights files by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Feature {
    /// Events above the lane's own level, octaves.
    EventsAboveOwn,
    /// Events above the fleet's, twice over its 99th percentile's distance from the median.
    EventsAboveFleet,
    /// Units above the lane's own level, octaves.
    UnitsAboveOwn,
    /// Units above the fleet's.
    UnitsAboveFleet,
    /// CUSUM of events above the own level.
    EventsDrift,
    /// CUSUM of units above the own level.
    UnitsDrift,
    /// Events of a minute above the level of a quarter of an hour, octaves.
    Burst,
    /// Sizes that the fleet does not have: `log2` of bits of surprise.
    OddSizes,
    /// The greatest size above the lane's own mean, beyond the steps that its fleet has, octaves.
    SizeJump,
    /// Failed and malformed proofs.
    FailedProofs,
    /// Old states presented.
    StaleStates,
    /// Attachments and changes of address.
    Churn,
    /// One key at two places.
    TwoPlaces,
    /// Steps skipped in chains.
    Gaps,
    /// Part of the credit window in use.
    Exposure,
    /// Spending that leaves little of mandate or escrow.
    DrawDown,
    /// Granted and not used.
    IdleGrant,
    /// How unlike all others, by the half-space trees.
    Anomaly,
}

impl Feature {
    /// All of them, in order.
    pub const ALL: [Self; FEATURES] = [
        Self::EventsAboveOwn,
        Self::EventsAboveFleet,
        Self::UnitsAboveOwn,
        Self::UnitsAboveFleet,
        Self::EventsDrift,
        Self::UnitsDrift,
        Self::Burst,
        Self::OddSizes,
        Self::SizeJump,
        Self::FailedProofs,
        Self::StaleStates,
        Self::Churn,
        Self::TwoPlaces,
        Self::Gaps,
        Self::Exposure,
        Self::DrawDown,
        Self::IdleGrant,
        Self::Anomaly,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventsAboveOwn => "events_above_own",
            Self::EventsAboveFleet => "events_above_fleet",
            Self::UnitsAboveOwn => "units_above_own",
            Self::UnitsAboveFleet => "units_above_fleet",
            Self::EventsDrift => "events_drift",
            Self::UnitsDrift => "units_drift",
            Self::Burst => "burst",
            Self::OddSizes => "odd_sizes",
            Self::SizeJump => "size_jump",
            Self::FailedProofs => "failed_proofs",
            Self::StaleStates => "stale_states",
            Self::Churn => "churn",
            Self::TwoPlaces => "two_places",
            Self::Gaps => "gaps",
            Self::Exposure => "exposure",
            Self::DrawDown => "draw_down",
            Self::IdleGrant => "idle_grant",
            Self::Anomaly => "anomaly",
        }
    }
}

/// The values of all features, by [`Feature`]'s order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(pub [u16; FEATURES]);

impl Features {
    /// The value of one.
    pub fn get(&self, feature: Feature) -> u16 {
        self.0[feature as usize]
    }
}

/// What the hub knows of a lane beside its signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Service units that the lesser of what is left of mandate and escrow still pays for.
    pub units_left: u64,
    /// Units granted and not used.
    pub units_idle: u64,
    /// What the half-space trees last said of the lane, 0 to [`FEATURE_MAX`].
    pub anomaly: u16,
    /// What the lane's fleet does as a whole, of which nothing is held against the lane.
    pub excuse: Excuse,
}

/// By how much a lane may stand above the usual because its fleet does, or because an operator said that it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excuse {
    /// In units, and so in the sizes of its events; octaves.
    pub units: Octaves,
    /// In how often it has events, octaves.
    pub events: Octaves,
}

impl Excuse {
    /// None.
    pub const NONE: Self = Self { units: 0, events: 0 };

    /// Whatever it uses, and however often.
    pub const ALL: Self = Self { units: Octaves::MAX, events: Octaves::MAX };
}

impl Facts {
    /// Nothing known that speaks against a lane.
    pub const NOTHING: Self = Self { units_left: u64::MAX, units_idle: 0, anomaly: 0, excuse: Excuse::NONE };
}

/// The features of a lane as its signals stand.
pub fn features(signals: &Signals, profile: &Profile, facts: &Facts) -> Features {
    let (events, units) = signals.levels();
    let (own_events, own_units) = signals.own_levels();
    let (drift_events, drift_units) = signals.drifts();
    // What the whole fleet does at once, a firmware update, is nobody's own.
    let excuse = facts.excuse;
    let (units, used) = (units.saturating_sub(excuse.units), units);
    let (events, fast) = (events.saturating_sub(excuse.events), signals.fast_level().saturating_sub(excuse.events));
    let drift_events = if excuse.events > 0 { 0 } else { drift_events };
    let units_above_own = units.saturating_sub(own_units);
    let jump = u16::from(signals.jump().saturating_sub(profile.jump_high)) * 16;
    let (drift_units, jump, large) =
        if excuse.units > 0 { (0, 0, 0) } else { (drift_units, jump, signals.surprise_large()) };
    let surprise = signals.surprise().saturating_add(large);
    Features([
        cap(events.saturating_sub(own_events)),
        above_fleet(events, profile.events_typical, profile.events_high),
        cap(units_above_own),
        above_fleet(units, profile.units_typical, profile.units_high),
        cap(u16::from(drift_events) * 8),
        cap(u16::from(drift_units) * 8),
        cap(fast.saturating_sub(own_events)),
        cap(crate::fixed::log2_sixteenths(u64::from(surprise))),
        cap(jump),
        cap(u16::from(signals.failures()) * 8),
        cap(u16::from(signals.stale()) * 8),
        cap(u16::from(signals.churn()) * 8),
        cap(u16::from(signals.places()) * 8),
        cap(u16::from(signals.gap()) * 16),
        cap(u16::from(signals.exposure()) * 8),
        cap(draw_down(used, facts.units_left).min(units_above_own.saturating_mul(2))),
        cap(idle_grant(used, facts.units_idle)),
        cap(facts.anomaly),
    ])
}

fn cap(value: u16) -> u16 {
    value.min(FEATURE_MAX)
}

/// Two at the fleet's 99th percentile, in units of its distance from the median (at least half an octave).
fn above_fleet(level: Octaves, typical: Octaves, high: Octaves) -> u16 {
    let spread = u32::from(high.saturating_sub(typical).max(128));
    let above = u32::from(level.saturating_sub(typical));
    u16::try_from(above * 512 / spread).unwrap_or(u16::MAX).min(FEATURE_MAX)
}

/// Octaves by which what is left would be gone within a day (64 windows) at the present rate.
fn draw_down(units: Octaves, units_left: u64) -> Octaves {
    let day = if units == 0 { 0 } else { units.saturating_add(6 * 256) };
    day.saturating_sub(crate::fixed::log2(units_left))
}

/// Octaves by which what lies granted and unused exceeds what sixteen windows use.
fn idle_grant(units: Octaves, units_idle: u64) -> Octaves {
    crate::fixed::log2(units_idle).saturating_sub(units.saturating_add(4 * 256))
}
