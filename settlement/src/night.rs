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
use crate::meter::Meter;
use crate::netting::{Netting, NettingTerms};
use crate::proposal::Proposal;
use crate::stage::Stage;
use crate::stage::cut_off::CutOff;
use crate::stage::positions::Positions;
use crate::stage::reconcile::Reconciliation;
use crate::stage::three_way::ThreeWay;
use crate::submit::OnLedger;
use steps::Planned;

mod error;
mod lane_facts;
mod progress;
mod record;
mod stages;
mod steps;

pub use error::NightError;
pub use progress::Progress;
pub use record::{EpochRecord, Submissions};

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
    /// Told how far long stages are.
    pub meter: &'a dyn Meter,
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

impl EpochOutputs {
    /// Lanes, journal and ledger beside each other, once the ledger has carried the epoch out.
    #[must_use]
    pub fn three_way(&self) -> Option<&ThreeWay> {
        self.reconciliation.as_ref()?.three_way.as_ref()
    }
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
        let Some(planned) = self.planned(options)? else { return Ok(Progress::NothingToSettle) };
        let stop = |stage| options.stop_after == Some(stage);
        let standing = self.standing_of(&planned.proposal)?;
        if matches!(standing, Progress::NeedsApprovals { .. }) || stop(Stage::Approvals) {
            return Ok(standing);
        }
        let submitted = self.submit_planned(&planned, options.stop_after)?;
        let Progress::Submitted { epoch, proposal } = submitted else { return Ok(submitted) };
        self.reconcile_planned(&planned)?;
        if stop(Stage::Reconciliation) {
            return Ok(Progress::Reconciled { epoch, proposal });
        }
        self.close_planned(&planned)?;
        Ok(Progress::Closed { epoch, proposal })
    }

    /// The open epoch's proposal, as it is kept or made now; `None` where there is nothing to propose, or the options stop
    /// short of it.
    ///
    /// A plan that cannot be made leaves nothing behind: terms that are mended count at once.
    fn planned(&self, options: &RunOptions) -> Result<Option<Planned>, NightError> {
        let epoch = self.epoch()?;
        let cut_off = self.cut_off(epoch, options)?;
        let planned = self.planned_from(&cut_off, options);
        if let Err(error) = &planned
            && error.is_of_the_plan()
        {
            self.discard_epoch(&cut_off)?;
        }
        planned
    }

    fn planned_from(&self, cut_off: &CutOff, options: &RunOptions) -> Result<Option<Planned>, NightError> {
        let stop = |stage| options.stop_after == Some(stage);
        if stop(Stage::CutOff) {
            return Ok(None);
        }
        let positions = self.positions(cut_off)?;
        let nothing_owed = positions.draws.is_empty() && positions.obligations.is_empty();
        if nothing_owed && cut_off.records == 0 && cut_off.disputes.is_empty() {
            self.discard_quiet(cut_off.epoch)?;
            return Ok(None);
        }
        if stop(Stage::Positions) {
            return Ok(None);
        }
        let netting = self.netting(cut_off, &positions)?;
        let proposal = self.proposal(cut_off, &positions, &netting)?;
        Ok(Some(Planned { positions, proposal }))
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
    /// [`NightError::NotYet`] without a proposal, [`NightError::Approval`], and the book's and ledger's.
    pub fn approve<S: Signer>(&self, key: &S, asked: Option<Hash32>) -> Result<Progress, NightError> {
        let epoch = self.epoch()?;
        let Some(proposal) = self.kept_proposal(epoch)? else {
            return Err(NightError::not_yet("approve", self.standing()?));
        };
        let id = proposal.id();
        if let Some(asked) = asked.filter(|asked| *asked != id) {
            return Err(ApprovalError::OtherProposal { asked, proposal: id }.into());
        }
        let approvers = Approvers::of(self.ledger, &proposal)?;
        let row = approval::approve(&proposal, &approvers, key, self.now)?;
        let writer = self.book.write()?;
        writer.put_approval(epoch, &row)?;
        writer.commit()?;
        self.standing_of(&proposal)
    }

    /// Takes back what was planned for the open epoch, so that the next plan makes a new cut-off. Nothing of it may be on the
    /// ledger.
    ///
    /// # Errors
    /// [`NightError::AlreadySubmitted`], [`NightError::NotYet`] without an open epoch, and the book's and ledger's.
    pub fn discard(&self) -> Result<u64, NightError> {
        let epoch = self.epoch()?;
        let Some(cut_off) = self.kept::<CutOff>(epoch, Stage::CutOff)? else {
            return Err(NightError::not_yet("discard", self.standing()?));
        };
        if let Some(proposal) = self.kept_proposal(epoch)?
            && OnLedger::of(self.ledger, &proposal)?.anything()
        {
            return Err(NightError::AlreadySubmitted(epoch));
        }
        self.discard_epoch(&cut_off)?;
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
