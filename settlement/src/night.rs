//! The night, stage by stage: each looks whether its output is kept already, and goes on from there.

use std::path::{Path, PathBuf};

use farthing_channel::codec::decode_exact;
use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{LibSecpKey, Signer};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::BaseLedger;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::approval::{self, ApprovalError, Approvers};
use crate::book::{ApprovalRow, Book};
use crate::netting::{Netting, NettingTerms};
use crate::proposal::Proposal;
use crate::stage::Stage;
use crate::stage::cut_off::CutOff;
use crate::stage::positions::Positions;
use crate::stage::reconcile::Reconciliation;
use crate::submit::Submitted;

mod error;
mod lane_facts;
mod record;
mod stages;

pub use error::NightError;
pub use record::{EpochRecord, Submissions};

/// Where a night stands after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Progress {
    /// Nothing was proven since the last epoch, and nothing that waited can be paid.
    NothingToSettle,
    /// The proposal waits for approvals.
    NeedsApprovals {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
        /// Approvals there are.
        approvals: usize,
        /// Approvals that are needed.
        needed: usize,
    },
    /// Batches are posted, and the ledger decides them later; a run after that time goes on.
    WaitsForLedger {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
        /// Not before then, Unix seconds.
        until: u64,
    },
    /// The epoch is settled, reconciled and closed.
    Closed {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
}

/// Whose night it is, and what it works with.
#[derive(Debug)]
pub struct Night<'a> {
    /// Settlement's own book.
    pub book: &'a Book,
    /// The ledger.
    pub ledger: &'a dyn BaseLedger,
    /// The hub.
    pub hub: Address,
    /// The hub's journal directory.
    pub journal: PathBuf,
    /// The hub's key, needed from submission on.
    pub hub_key: Option<&'a LibSecpKey>,
    /// The time.
    pub now: UnixSeconds,
    /// What the night is netted under.
    pub terms: NettingTerms,
}

/// After which stage a run shall stop; for tests of resumption and for operators who want to look first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The journal was restored from a backup, and the operator has confirmed it.
    pub confirm_restore: bool,
    /// Stop once this stage's output is kept.
    pub stop_after: Option<Stage>,
}

/// Everything known of an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochOutputs {
    /// The cut-off.
    pub cut_off: CutOff,
    /// The positions.
    pub positions: Positions,
    /// The netting.
    pub netting: Netting,
    /// The proposal.
    pub proposal: Proposal,
    /// The approvals so far.
    pub approvals: Vec<ApprovalRow>,
    /// The reconciliation, once there is one.
    pub reconciliation: Option<Reconciliation>,
    /// The record of the closed epoch.
    pub closed: Option<EpochRecord>,
}

impl Night<'_> {
    /// The epoch that is open, or the next one: one more than the newest closed.
    ///
    /// # Errors
    /// The book's and the ledger's.
    pub fn epoch(&self) -> Result<u64, NightError> {
        if let Some(newest) = self.book.epoch_newest()?
            && self.book.stage(newest, Stage::Close)?.is_none()
        {
            return Ok(newest);
        }
        let last = self.ledger.epoch_last(&self.hub)?.map_or(0, |closed| closed.epoch);
        Ok(last.saturating_add(1))
    }

    /// Goes as far as possible: to the approvals, or, once they are there, to the end.
    ///
    /// # Errors
    /// Any [`NightError`].
    pub fn run(&self, options: &RunOptions) -> Result<Progress, NightError> {
        let epoch = self.epoch()?;
        let cut_off = self.cut_off(epoch, options)?;
        let stop = |stage| options.stop_after == Some(stage);
        if stop(Stage::CutOff) {
            return Ok(Progress::NothingToSettle);
        }
        let positions = self.positions(&cut_off)?;
        let nothing_owed = positions.draws.is_empty() && positions.obligations.is_empty();
        if nothing_owed && cut_off.records == 0 && cut_off.disputes.is_empty() {
            self.discard_quiet(epoch)?;
            return Ok(Progress::NothingToSettle);
        }
        if stop(Stage::Positions) {
            return Ok(Progress::NothingToSettle);
        }
        let netting = self.netting(&cut_off, &positions)?;
        let proposal = self.proposal(&cut_off, &positions, &netting)?;
        let approvers = Approvers::of(self.ledger, &proposal)?;
        let approvals = self.checked_approvals(epoch, &proposal, &approvers)?;
        let needed = approvals.len().saturating_add(approvers.missing(&proposal, &approvals));
        let id = proposal.id();
        let waiting = Progress::NeedsApprovals { epoch, proposal: id, approvals: approvals.len(), needed };
        let Some(approved) = approval::assemble(&proposal, &approvers, &approvals) else { return Ok(waiting) };
        if stop(Stage::Approvals) {
            return Ok(waiting);
        }
        let opening = self.opening(epoch, &proposal)?;
        if stop(Stage::Opening) {
            return Ok(waiting);
        }
        let submission = self.submission(&proposal, &positions)?;
        let mut submitted = Submissions::default();
        let mut decided_at = None;
        for index in 0..proposal.batches.len() {
            match submission.batch(index)? {
                Submitted::Undecided { until } => decided_at = decided_at.max(Some(until.0)),
                other => submitted.count(other),
            }
        }
        if let Some(until) = decided_at {
            return Ok(Progress::WaitsForLedger { epoch, proposal: id, until });
        }
        submitted.count(submission.transfers(&approved)?);
        submitted.count(submission.close(&approved)?);
        let reconciliation = self.reconciliation(epoch, &proposal, &opening)?;
        if stop(Stage::Reconciliation) {
            return Ok(waiting);
        }
        self.close(&proposal, &positions, &reconciliation)?;
        tracing::info!(epoch, proposal = %id, now = submitted.now, before = submitted.before, "epoch closed");
        Ok(Progress::Closed { epoch, proposal: id })
    }

    /// The approvals of the proposal, each checked again.
    fn checked_approvals(
        &self,
        epoch: u64,
        proposal: &Proposal,
        approvers: &Approvers,
    ) -> Result<Vec<ApprovalRow>, NightError> {
        let approvals = self.book.approvals(epoch)?;
        for row in &approvals {
            approval::check(proposal, approvers, row)?;
        }
        Ok(approvals)
    }

    /// Approves the open epoch's proposal with `key`; `asked` guards against approving another one than was read.
    ///
    /// # Errors
    /// [`NightError::NothingProposed`], [`NightError::Approval`], and the book's and ledger's.
    pub fn approve<S: Signer>(&self, key: &S, asked: Option<Hash32>) -> Result<Progress, NightError> {
        let epoch = self.epoch()?;
        let (_, bytes) = self.book.stage(epoch, Stage::Proposal)?.ok_or(NightError::NothingProposed)?;
        let proposal: Proposal = decode_exact(&bytes).map_err(|_| NightError::Output(Stage::Proposal.name()))?;
        let id = proposal.id();
        if let Some(asked) = asked.filter(|asked| *asked != id) {
            return Err(ApprovalError::OtherProposal { asked, proposal: id }.into());
        }
        let approvers = Approvers::of(self.ledger, &proposal)?;
        let row = approval::approve(&proposal, &approvers, key, self.now)?;
        let writer = self.book.write()?;
        writer.put_approval(epoch, &row)?;
        writer.commit()?;
        let approvals = self.checked_approvals(epoch, &proposal, &approvers)?;
        let needed = approvals.len().saturating_add(approvers.missing(&proposal, &approvals));
        Ok(Progress::NeedsApprovals { epoch, proposal: id, approvals: approvals.len(), needed })
    }

    /// Takes back the open epoch's proposal, so that the next run makes a new cut-off. Nothing of it may be on the
    /// ledger.
    ///
    /// # Errors
    /// [`NightError::AlreadySubmitted`], [`NightError::NothingProposed`], and the book's and ledger's.
    pub fn discard(&self) -> Result<u64, NightError> {
        let epoch = self.epoch()?;
        let outputs = self.outputs(epoch)?.ok_or(NightError::NothingProposed)?;
        // Batches already posted show on the ledger alone; the key in hand does not matter for looking.
        let stand_in = LibSecpKey::from_bytes([1; 32]).map_err(|_| NightError::HubKeyMissing)?;
        let submission = self.submission_by(&outputs.proposal, &outputs.positions, &stand_in);
        if submission.anything_submitted()? {
            return Err(NightError::AlreadySubmitted(epoch));
        }
        self.discard_epoch(&outputs.cut_off)?;
        Ok(epoch)
    }

    /// Everything known of `epoch`; `None` before it has a proposal.
    ///
    /// # Errors
    /// The book's.
    pub fn outputs(&self, epoch: u64) -> Result<Option<EpochOutputs>, NightError> {
        outputs_of(self.book, epoch)
    }
}

/// Everything a book knows of `epoch`; `None` before it has a proposal.
///
/// # Errors
/// The book's, and [`NightError::Output`].
pub fn outputs_of(book: &Book, epoch: u64) -> Result<Option<EpochOutputs>, NightError> {
    fn json<T: DeserializeOwned>(book: &Book, epoch: u64, stage: Stage) -> Result<Option<T>, NightError> {
        let Some((_, bytes)) = book.stage(epoch, stage)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| NightError::Output(stage.name()))
    }
    let Some((_, bytes)) = book.stage(epoch, Stage::Proposal)? else { return Ok(None) };
    let missing = |stage: Stage| NightError::Output(stage.name());
    Ok(Some(EpochOutputs {
        cut_off: json(book, epoch, Stage::CutOff)?.ok_or_else(|| missing(Stage::CutOff))?,
        positions: {
            let (_, bytes) = book.stage(epoch, Stage::Positions)?.ok_or_else(|| missing(Stage::Positions))?;
            decode_exact(&bytes).map_err(|_| missing(Stage::Positions))?
        },
        netting: json(book, epoch, Stage::Netting)?.ok_or_else(|| missing(Stage::Netting))?,
        proposal: decode_exact(&bytes).map_err(|_| missing(Stage::Proposal))?,
        approvals: book.approvals(epoch)?,
        reconciliation: json(book, epoch, Stage::Reconciliation)?,
        closed: json(book, epoch, Stage::Close)?,
    }))
}

fn to_json<T: Serialize>(value: &T, stage: Stage) -> Result<Vec<u8>, NightError> {
    serde_json::to_vec(value).map_err(|_| NightError::Output(stage.name()))
}

/// The file of a site's book.
#[must_use]
pub fn book_path(settlement: &Path) -> PathBuf {
    settlement.join("book.redb")
}
