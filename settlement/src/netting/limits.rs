//! What one run may move at most, whoever approves it: a guard against a night that went wrong as a whole.

use serde::{Deserialize, Serialize};

use crate::proposal::Proposal;

/// Most that one run may move, base units. What is not limited is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Collected from all escrows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_max: Option<u64>,
    /// Paid by all legs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_max: Option<u64>,
    /// Paid by any one leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_max: Option<u64>,
}

/// A run that would move more than it may. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} {amount} base units, and {name} of this site allows {limit} in one run")]
pub struct OverLimit {
    /// What is too much.
    pub what: &'static str,
    /// How much it is, base units.
    pub amount: u128,
    /// The limit's name in `netting.toml`.
    pub name: &'static str,
    /// The limit, base units.
    pub limit: u64,
}

impl RunLimits {
    /// Whether there are none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses a proposal that moves more.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn check(&self, proposal: &Proposal) -> Result<(), OverLimit> {
        let leg = proposal.legs.iter().map(|leg| u128::from(leg.amount)).max().unwrap_or(0);
        let limits = [
            ("the run would collect", proposal.collected(), "collected_max", self.collected_max),
            ("the run would pay", proposal.paid(), "paid_max", self.paid_max),
            ("a leg would pay", leg, "leg_max", self.leg_max),
        ];
        for (what, amount, name, limit) in limits {
            if let Some(limit) = limit.filter(|limit| amount > u128::from(*limit)) {
                return Err(OverLimit { what, amount, name, limit });
            }
        }
        Ok(())
    }
}
