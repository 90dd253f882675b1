//! The stages of a night. Each is a function of the outputs before it, and each output is kept under the hash of its
//! bytes before the next stage begins, so a night that was cut short goes on where it stopped.

use farthing_channel::id::{Hash32, keccak256};

mod comparison;
pub mod cut_off;
pub mod exclusion;
mod lane_line;
pub mod positions;
pub mod reconcile;
pub mod three_way;

/// A stage. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// How far the journal and the ledger were read, and what was disputed.
    CutOff = 1,
    /// Positions of lanes, escrows and participants.
    Positions = 2,
    /// The netting.
    Netting = 3,
    /// The proposal, by its content.
    Proposal = 4,
    /// Two approvals by different keys.
    Approvals = 5,
    /// Balances just before the first submission.
    Opening = 6,
    /// What the ledger did, compared with the proposal.
    Reconciliation = 7,
    /// The epoch is closed.
    Close = 8,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Self; 8] = [
        Self::CutOff,
        Self::Positions,
        Self::Netting,
        Self::Proposal,
        Self::Approvals,
        Self::Opening,
        Self::Reconciliation,
        Self::Close,
    ];

    /// The number under which it is stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::CutOff => 1,
            Self::Positions => 2,
            Self::Netting => 3,
            Self::Proposal => 4,
            Self::Approvals => 5,
            Self::Opening => 6,
            Self::Reconciliation => 7,
            Self::Close => 8,
        }
    }

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CutOff => "cut-off",
            Self::Positions => "positions",
            Self::Netting => "netting",
            Self::Proposal => "proposal",
            Self::Approvals => "approvals",
            Self::Opening => "opening balances",
            Self::Reconciliation => "reconciliation",
            Self::Close => "close",
        }
    }
}

/// The name of a stage's output: keccak256 over the stage's number and the bytes.
#[must_use]
pub fn content_hash(stage: Stage, bytes: &[u8]) -> Hash32 {
    Hash32(keccak256(&[b"farthing/stage/1", &[stage.code()], bytes]))
}
