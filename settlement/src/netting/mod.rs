//! Netting: from who owes whom to the few transfers that discharge it.
//!
//! | step | module | what it keeps |
//! | --- | --- | --- |
//! | positions of a pair cancel | [`bilateral`] | each pair's balance |
//! | every participant's balance over all pairs | [`multilateral`] | sums to zero |
//! | transfers from debtors to creditors | [`legs`], [`exact`] | each participant's balance, at most n-1 transfers, or the fewest |
//! | debts along a cycle cancel | [`cycles`] | each participant's balance, and whom it owes |
//! | caps, collateral, who is left out | [`terms`] | all of a participant's positions are in the batch, or none |
//! | what one run may move | [`limits`] | all of a run, or none |
//!
//! Pure functions over integers. The order of the input never shows in the output, so two people who start
//! from the same positions arrive at the same proposal.

use farthing_channel::id::Address;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

pub mod bilateral;
pub mod cycles;
pub mod exact;
pub mod legs;
pub mod limits;
pub mod multilateral;
pub mod terms;

#[cfg(test)]
mod tests;

pub use cycles::{Clearing, clear_cycles};
pub use exact::{EXACT_PARTICIPANTS_MAX, Exact, fewest_legs};
pub use legs::{Greedy, LegPlanner};
pub use limits::{OverLimit, RunLimits};
pub use multilateral::{Net, Nets, net_all};
pub use terms::{Attempt, Exclusion, NettedAttempt, NettingTerms, Obligation, ParticipantTerms, Planner, net_under};

/// What one participant owes another, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
pub struct Position {
    /// Who owes.
    #[serde(with = "crate::text")]
    #[n(0)]
    pub debtor: Address,
    /// Who is owed.
    #[serde(with = "crate::text")]
    #[n(1)]
    pub creditor: Address,
    /// How much, base units.
    #[cbor(n(2), with = "crate::wide")]
    pub amount: u128,
}

/// One transfer of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Leg {
    /// Whose account pays.
    #[serde(with = "crate::text")]
    pub from: Address,
    /// Whose account receives.
    #[serde(with = "crate::text")]
    pub to: Address,
    /// How much, base units; never zero.
    pub amount: u128,
}

/// Why positions cannot be netted. Each is a fault of whoever made the positions; a retry does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NettingError {
    /// A sum does not fit 128 bits.
    #[error("the positions of {0} do not fit 128 bits")]
    Overflow(Address),
    /// A participant owes itself.
    #[error("{0} owes itself")]
    SelfOwed(Address),
    /// Credits and debts differ, so a position was lost or made on the way here.
    #[error("the nets do not sum to zero: owed {owed}, owing {owing}")]
    NotZeroSum {
        /// Sum of all credits, base units.
        owed: u128,
        /// Sum of all debts, base units.
        owing: u128,
    },
    /// A bug: the transfers, or what is left after clearing, change a participant's balance.
    #[error("a participant's balance is not what its positions sum to")]
    NotConserved,
}

/// Transfers of two ways to plan them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LegCounts {
    /// Of [`Greedy`].
    pub greedy: usize,
    /// The fewest there can be; `None` where there are more than [`EXACT_PARTICIPANTS_MAX`] participants.
    pub exact: Option<usize>,
}

impl LegCounts {
    /// How many transfers more than needed [`Greedy`] makes.
    #[must_use]
    pub fn gap(&self) -> Option<usize> {
        self.exact.map(|exact| self.greedy.saturating_sub(exact))
    }
}

/// Everything the netting of one epoch found out, step by step, for the statement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Netting {
    /// One position per pair and direction at most, ascending.
    pub bilateral: Vec<Position>,
    /// Every participant's balance.
    pub nets: Nets,
    /// The transfers, in the order they are to be made.
    pub legs: Vec<Leg>,
    /// How many transfers each planner comes to.
    #[serde(default)]
    pub counts: LegCounts,
    /// What would be left were debts cleared along cycles alone, each with its counterparty.
    #[serde(default)]
    pub clearing: Clearing,
    /// Runs that came before this one, each of which some participant could not be part of.
    #[serde(default)]
    pub attempts: Vec<NettedAttempt>,
}

/// Nets `positions` and plans the legs with `planner`.
///
/// # Errors
/// Any [`NettingError`].
pub fn net(positions: &[Position], planner: &impl LegPlanner) -> Result<Netting, NettingError> {
    let bilateral = bilateral::net_pairs(positions)?;
    let nets = multilateral::net_all(&bilateral)?;
    let legs = planner.plan(&nets)?;
    require_same_balances(&nets, &legs)?;
    let greedy = Greedy.plan(&nets)?.len();
    let exact = fewest_legs(&nets)?.map(|legs| legs.len());
    let clearing = clear_cycles(&bilateral)?;
    let counts = LegCounts { greedy, exact };
    Ok(Netting { bilateral, nets, legs, counts, clearing, attempts: Vec::new() })
}

/// The transfers move every balance to even: counted over the legs, not the way they were planned.
fn require_same_balances(nets: &Nets, legs: &[Leg]) -> Result<(), NettingError> {
    let as_position = |leg: &Leg| Position { debtor: leg.from, creditor: leg.to, amount: leg.amount };
    let moved = net_all(&legs.iter().map(as_position).collect::<Vec<_>>())?;
    if nets.uneven().eq(moved.uneven()) { Ok(()) } else { Err(NettingError::NotConserved) }
}
