//! How much of a proposal the ledger shows: asked without any key, and without changing anything.

use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::CHALLENGE_WINDOW_SECONDS;
use farthing_ledger::{BaseLedger, LedgerError};

use super::SubmitError;
use crate::proposal::Proposal;

/// What of a proposal is on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnLedger {
    /// Whether any escrow of it stands elsewhere than where the proposal begins.
    moved: bool,
    /// Whether every escrow stands where the proposal ends.
    collected: bool,
    /// When the last of the posted batches is decided; `None` where none is pending.
    decided_at: Option<UnixSeconds>,
    /// Whether the legs were paid.
    transferred: bool,
    /// Whether the epoch is closed there by this very proposal.
    closed: bool,
}

impl OnLedger {
    /// Asks the ledger.
    ///
    /// # Errors
    /// [`SubmitError::Ledger`].
    pub fn of(ledger: &dyn BaseLedger, proposal: &Proposal) -> Result<Self, SubmitError> {
        let failed = |error: LedgerError| SubmitError::Ledger { what: "what the ledger shows".to_owned(), error };
        let (mut moved, mut collected, mut decided_at) = (false, true, None);
        for order in &proposal.batches {
            let escrow = ledger.escrow(&order.escrow).map_err(failed)?;
            let settled = escrow.as_ref().map_or(0, |escrow| escrow.settled);
            moved |= settled != order.prev_settled;
            collected &= settled == order.total;
            let pending = escrow.and_then(|escrow| escrow.pending).filter(|pending| pending.batch == *order);
            let until =
                pending.map(|pending| UnixSeconds(pending.posted_at.0.saturating_add(CHALLENGE_WINDOW_SECONDS)));
            decided_at = decided_at.max(until);
        }
        let transferred = ledger.proposal_executed(&proposal.id()).map_err(failed)?;
        let last = ledger.epoch_last(&proposal.hub).map_err(failed)?;
        let closing = proposal.close();
        let closed = last.is_some_and(|last| last.epoch == closing.epoch && last.proposal == closing.proposal);
        Ok(Self { moved, collected, decided_at, transferred, closed })
    }

    /// Whether any part of it is there, decided or not.
    #[must_use]
    pub fn anything(&self) -> bool {
        self.moved || self.decided_at.is_some() || self.transferred || self.closed
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn everything(&self) -> bool {
        // The ledger closes an epoch last, and legs are paid before that.
        self.collected && self.closed
    }

    /// When the ledger decides what is posted, where that is what is waited for.
    #[must_use]
    pub fn decided_at(&self) -> Option<UnixSeconds> {
        self.decided_at
    }
}
