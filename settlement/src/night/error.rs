//! Why a night stops.

use farthing_ledger::LedgerError;

use super::Progress;
use crate::approval::ApprovalError;
use crate::book::BookError;
use crate::ingest::IngestError;
use crate::journal_reader::JournalError;
use crate::netting::{NettingError, OverLimit};
use crate::proposal::ProposalError;
use crate::stage::positions::PositionError;
use crate::stage::three_way::ReconcileError;
use crate::submit::SubmitError;

/// Why the night stopped. Whatever was done stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum NightError {
    /// Journal, ledger or book while reading.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Positions.
    #[error(transparent)]
    Positions(#[from] PositionError),
    /// Netting.
    #[error(transparent)]
    Netting(#[from] NettingError),
    /// The proposal.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// An approval.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The run would move more than one run may.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// A submission.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A stage's output cannot be read back.
    #[error("the output of stage {0} cannot be read back")]
    Output(&'static str),
    /// The hub's key is needed to submit batches.
    #[error("batches are signed with the hub's key; name its file with --hub-key")]
    HubKeyMissing,
    /// The epoch is not as far as what was asked for needs it. Nothing was changed.
    #[error("cannot {word} yet: {standing}")]
    NotYet {
        /// What was asked for.
        word: &'static str,
        /// Where the epoch stands.
        standing: Box<Progress>,
    },
    /// The epoch has been submitted in part and cannot be taken back.
    #[error("epoch {0} is on the ledger in part already and cannot be taken back; `submit` goes on with it")]
    AlreadySubmitted(u64),
    /// The ledger does not add up to the proposal.
    #[error("epoch {epoch} does not reconcile: {differences}")]
    NotReconciled {
        /// The epoch.
        epoch: u64,
        /// What differs.
        differences: String,
    },
    /// A night was cut short after its batches, and its book is gone.
    #[error(
        "the ledger shows batches of epoch {0}, which was never closed, and these books do not know of it: \
         restore the settlement directory of that night"
    )]
    HalfSettled(u64),
}

impl NightError {
    pub(super) fn not_yet(word: &'static str, standing: Progress) -> Self {
        Self::NotYet { word, standing: Box::new(standing) }
    }

    /// Whether it comes from what was planned rather than from disk or ledger, so that the same inputs give it again.
    pub(super) const fn is_of_the_plan(&self) -> bool {
        matches!(self, Self::Positions(_) | Self::Netting(_) | Self::Proposal(_) | Self::OverLimit(_))
    }
}

impl From<ReconcileError> for NightError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Book(error) => error.into(),
            ReconcileError::Ledger(error) => error.into(),
        }
    }
}

impl From<JournalError> for NightError {
    fn from(error: JournalError) -> Self {
        Self::Ingest(error.into())
    }
}
