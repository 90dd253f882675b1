//! Changes that were found good and are not made yet.

use super::{SignedAnchor, SignedVoucher, Total};
use crate::id::Preimage;

/// What a payment comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It raises the total, or adds an anchor: commit it when the limits allow.
    Advance(Proposal),
    /// Nothing new. The acknowledgement says what is known.
    Known,
}

/// A change that was found good against one state of a lane and is not made yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    pub(super) total: Total,
    pub(super) increase: u64,
    pub(super) change: Change,
}

/// What a committed proposal added, for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new highest voucher.
    Voucher(SignedVoucher),
    /// A further anchor.
    Anchor(SignedAnchor),
    /// A preimage further along the anchor with this tag.
    Tick {
        /// [`super::AnchorTerms::tag`] of the anchor.
        anchor: u64,
        /// Its index.
        index: u16,
        /// The preimage.
        link: Preimage,
    },
}

impl Proposal {
    /// Base units by which the lane's whole-unit total grows; may be zero for a fraction or a spare anchor.
    #[must_use]
    pub fn increase(&self) -> u64 {
        self.increase
    }

    /// The lane's total after the change.
    #[must_use]
    pub fn total(&self) -> Total {
        self.total
    }

    /// What it adds.
    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }
}
