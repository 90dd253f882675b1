//! How far a lane is trusted: what the operator's limits allow, and what the risk model leaves of that.
//!
//! The data plane tells the model what happens on a lane ([`plane`]), asks it before it merges a payment (for the lane's limit, and
//! whether anything hinders it) and when it answers (for the grant). A decision is a proposal's condition, never a
//! correction after the fact, so a model has nothing to undo.
//!
//! | file | holds |
//! | --- | --- |
//! | [`engine`] | the model in force, for the whole hub |
//! | [`plane`] | one thread's part: events in, assessments out |
//! | [`fleets`] | what threads see of fleets, added up; what is found in that |
//! | [`lane`] | what is remembered of a lane |
//! | [`levels`] | how many lanes stand at which level |
//! | [`replay`] | a recorded journal under other weights |
//! | [`clock`] | time as the signals have it |

pub mod clock;
pub mod engine;
pub mod fleets;
pub mod lane;
pub mod levels;
pub mod plane;
pub mod replay;

use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Grant, Reason};
use serde::{Deserialize, Serialize};

use self::lane::Reasons;
use crate::table::Lane;

/// The operator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskLimits {
    /// Most that any one lane may owe in all, base units.
    pub lane_limit_base_units: u64,
    /// What may be served beyond what is authorised, base units: the exposure per lane.
    pub credit_window_base_units: u64,
    /// Seconds for which a grant is good.
    pub validity_seconds: u32,
    /// Least milliseconds between two payments of a lane; 0 for none.
    pub pace_ms: u32,
    /// From this part of a mandate or deposit left, in thousandths, devices are told that it nears its end.
    pub nearly_spent_permille: u32,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            lane_limit_base_units: u64::MAX,
            credit_window_base_units: 0,
            validity_seconds: 300,
            pace_ms: 0,
            nearly_spent_permille: 50,
        }
    }
}

/// What a model decides about a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What may be served beyond what is authorised, base units.
    pub credit_window: u64,
    /// Seconds for which the grant is good.
    pub validity_seconds: u32,
    /// Least milliseconds between two payments; 0 for none.
    pub pace_ms: u32,
    /// Why.
    pub reasons: Reasons,
}

/// What is granted on a lane, before it becomes a message: asked for with each acknowledgement, told only where it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// As in a [`Grant`].
    pub units: u64,
    /// As in a [`Grant`].
    pub validity_seconds: u32,
    /// As in a [`Grant`].
    pub pace_ms: u32,
    /// As in a [`Grant`].
    pub final_unit: bool,
    /// Why.
    pub reasons: Reasons,
}

impl Granted {
    /// The same as a message's part, the codes of its reasons in the given memory.
    pub fn told_in(self, mut reasons: Vec<u16>) -> Grant {
        let Self { units, validity_seconds, pace_ms, final_unit, reasons: why } = self;
        reasons.clear();
        reasons.extend(why.iter().map(|reason| reason as u16));
        Grant { units, validity_seconds, pace_ms, final_unit, reasons }
    }
}

impl From<Granted> for Grant {
    fn from(granted: Granted) -> Self {
        granted.told_in(Vec::new())
    }
}

fn nearly_spent(limit: u64, spent: u64, permille: u32) -> bool {
    let left = u128::from(limit.saturating_sub(spent));
    left.saturating_mul(1000) < u128::from(limit).saturating_mul(u128::from(permille))
}

/// What the operator's limits alone come to for a lane.
fn hard_decision(limits: &RiskLimits, lane: &Lane, now: UnixSeconds) -> Decision {
    let channel = lane.channel();
    let escrow = channel.escrow();
    let mut reasons = Reasons::default();
    if nearly_spent(channel.limit(), channel.authorised(), limits.nearly_spent_permille) {
        reasons = reasons.and(Reason::MandateNearlySpent);
    }
    if nearly_spent(escrow.deposit(), escrow.authorised(), limits.nearly_spent_permille) {
        reasons = reasons.and(Reason::EscrowNearlySpent);
    }
    let left_seconds = channel.expiry().0.saturating_sub(now.0);
    let mut validity_seconds = limits.validity_seconds;
    if left_seconds < u64::from(validity_seconds) {
        validity_seconds = u32::try_from(left_seconds).unwrap_or(validity_seconds);
        reasons = reasons.and(Reason::MandateExpiresSoon);
    }
    if let Some(change) = lane.tariff().entry.as_ref().and_then(|entry| entry.next_change(now)) {
        let until = u32::try_from(change.0.saturating_sub(now.0)).unwrap_or(u32::MAX);
        validity_seconds = validity_seconds.min(until);
    }
    Decision { credit_window: limits.credit_window_base_units, validity_seconds, pace_ms: limits.pace_ms, reasons }
}

/// The grant that follows from a decision at an authorised and durable amount.
pub fn grant(lane: &Lane, decision: &Decision, authorised: u64) -> Granted {
    let collectible = authorised.saturating_add(decision.credit_window);
    let channel = lane.channel();
    let escrow = channel.escrow();
    // Where nothing more can be authorised, what is granted now is the last of it.
    let final_unit = channel.authorised() >= channel.limit() || escrow.authorised() >= escrow.deposit();
    Granted {
        units: lane.units_for(collectible),
        validity_seconds: decision.validity_seconds,
        pace_ms: decision.pace_ms,
        final_unit,
        reasons: decision.reasons,
    }
}
