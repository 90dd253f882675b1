//! Why there are no positions.

use farthing_channel::id::EscrowId;

use crate::netting::NettingError;
use crate::netting::terms::ExclusionReason;

/// Why there are no positions: the inputs contradict each other, which no retry cures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// What was collected from the lanes is not what the ledger settled.
    #[error(
        "the lanes of escrow {escrow} were settled at {ours} base units in these books and at {ledgers} on the ledger"
    )]
    BooksDiffer {
        /// The escrow.
        escrow: EscrowId,
        /// Sum over our lanes.
        ours: u128,
        /// The ledger's sum.
        ledgers: u64,
    },
    /// The hub itself cannot be part of the run: what it collects is more than one run may move, or it is in default.
    #[error("the hub would pay {amount} base units net, and its terms for the netting do not allow it ({reason:?})")]
    HubHeld {
        /// What it would pay.
        amount: u128,
        /// Which term.
        reason: ExclusionReason,
    },
    /// A lane is named as disputed by something that is no lane id.
    #[error("{0:?} is named as a disputed lane and is no lane id")]
    NoLane(String),
    /// The netting of an attempt.
    #[error(transparent)]
    Netting(#[from] NettingError),
    /// A bug: the lanes do not add up to the draws.
    #[error("not conserved: lanes collect {lanes}, escrows are asked for {draws}, payees receive {payees}")]
    NotConserved {
        /// Sum over lanes.
        lanes: u128,
        /// Sum over escrows.
        draws: u128,
        /// Sum over payees.
        payees: u128,
    },
}
