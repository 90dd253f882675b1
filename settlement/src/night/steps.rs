//! Finance's words: each brings the open epoch one step further. What is done already is not done again, and what cannot be
//! done yet changes nothing and says where the epoch stands.

use farthing_channel::codec::decode_exact;

use super::{Night, NightError, Progress, RunOptions, Submissions};
use crate::approval::{self, Approvers};
use crate::proposal::Proposal;
use crate::stage::Stage;
use crate::stage::positions::Positions;
use crate::stage::reconcile::Settled;
use crate::submit::{OnLedger, Submitted};

/// A proposal and what it rests on.
pub(super) struct Planned {
    pub(super) positions: Positions,
    pub(super) proposal: Proposal,
}

impl Night<'_> {
    /// Where the newest epoch stands. Changes nothing.
    ///
    /// # Errors
    /// The book's and the ledger's.
    pub fn standing(&self) -> Result<Progress, NightError> {
        self.standing_at(self.book.epoch_newest()?)
    }

    /// Where `epoch` stands. Changes nothing.
    ///
    /// # Errors
    /// The book's and the ledger's.
    pub fn standing_at(&self, epoch: Option<u64>) -> Result<Progress, NightError> {
        let Some(epoch) = epoch else { return Ok(Progress::NothingToSettle) };
        match self.kept_proposal(epoch)? {
            Some(proposal) => self.standing_of(&proposal),
            None => Ok(Progress::Planning { epoch }),
        }
    }

    /// Where the epoch of `proposal` stands.
    pub(super) fn standing_of(&self, proposal: &Proposal) -> Result<Progress, NightError> {
        let (epoch, id) = (proposal.epoch, proposal.id());
        if self.book.stage_hash(epoch, Stage::Close)?.is_some() {
            return Ok(Progress::Closed { epoch, proposal: id });
        }
        if self.book.stage_hash(epoch, Stage::Reconciliation)?.is_some() {
            return Ok(Progress::Reconciled { epoch, proposal: id });
        }
        let approvers = Approvers::of(self.ledger, proposal)?;
        let approvals = self.checked_approvals(epoch, proposal, &approvers)?;
        if approval::assemble(proposal, &approvers, &approvals).is_none() {
            let needed = approvals.len().saturating_add(approvers.missing(proposal, &approvals));
            let approvals = approvals.len();
            return Ok(Progress::NeedsApprovals { epoch, proposal: id, approvals, needed });
        }
        let on_ledger = OnLedger::of(self.ledger, proposal)?;
        Ok(match on_ledger.decided_at() {
            _ if on_ledger.everything() => Progress::Submitted { epoch, proposal: id },
            Some(until) => Progress::WaitsForLedger { epoch, proposal: id, until: until.0 },
            None if on_ledger.anything() => Progress::Submitting { epoch, proposal: id },
            None => Progress::Approved { epoch, proposal: id },
        })
    }

    /// Cuts off, verifies every proof again, computes positions and transfers, and proposes them. A proposal that there is
    /// already stays as it is.
    ///
    /// # Errors
    /// Any [`NightError`] of those stages.
    pub fn plan(&self, options: &RunOptions) -> Result<Progress, NightError> {
        match self.planned(options)? {
            Some(planned) => self.standing_of(&planned.proposal),
            None => Ok(Progress::NothingToSettle),
        }
    }

    /// Brings what is approved to the ledger: batches, and, once they are final, transfers and the closing of the epoch.
    /// Where the ledger decides batches later, the same call after that time goes on.
    ///
    /// # Errors
    /// [`NightError::NotYet`] while approvals are missing, [`NightError::OverLimit`], [`NightError::Submit`], the book's and the ledger's.
    pub fn submit(&self) -> Result<Progress, NightError> {
        let standing = self.standing()?;
        match standing {
            Progress::Approved { epoch, .. }
            | Progress::Submitting { epoch, .. }
            | Progress::WaitsForLedger { epoch, .. } => self.submit_planned(&self.kept_plan(epoch)?, None),
            Progress::Submitted { .. } | Progress::Reconciled { .. } | Progress::Closed { .. } => Ok(standing),
            _ => Err(NightError::not_yet("submit", standing)),
        }
    }

    /// Compares the ledger with the proposal.
    ///
    /// # Errors
    /// [`NightError::NotYet`] before all of it is on the ledger, [`NightError::NotReconciled`], the book's and the ledger's.
    pub fn reconcile(&self) -> Result<Progress, NightError> {
        let standing = self.standing()?;
        match standing {
            Progress::Submitted { epoch, proposal } => {
                self.reconcile_planned(&self.kept_plan(epoch)?)?;
                Ok(Progress::Reconciled { epoch, proposal })
            }
            Progress::Reconciled { .. } | Progress::Closed { .. } => Ok(standing),
            _ => Err(NightError::not_yet("reconcile", standing)),
        }
    }

    /// Brings the books up to what was settled, and closes the epoch in them.
    ///
    /// # Errors
    /// [`NightError::NotYet`] before the epoch is reconciled, and the book's.
    pub fn close(&self) -> Result<Progress, NightError> {
        let standing = self.standing()?;
        match standing {
            Progress::Reconciled { epoch, proposal } => {
                self.close_planned(&self.kept_plan(epoch)?)?;
                Ok(Progress::Closed { epoch, proposal })
            }
            Progress::Closed { .. } => Ok(standing),
            _ => Err(NightError::not_yet("close", standing)),
        }
    }

    pub(super) fn submit_planned(&self, planned: &Planned, stop_after: Option<Stage>) -> Result<Progress, NightError> {
        let Planned { positions, proposal } = planned;
        let (epoch, id) = (proposal.epoch, proposal.id());
        let approvers = Approvers::of(self.ledger, proposal)?;
        let approvals = self.checked_approvals(epoch, proposal, &approvers)?;
        let Some(approved) = approval::assemble(proposal, &approvers, &approvals) else {
            return Err(NightError::not_yet("submit", self.standing_of(proposal)?));
        };
        let submission = self.submission(proposal, positions)?;
        if self.book.stage_hash(epoch, Stage::Opening)?.is_none() {
            // Limits that were lowered since count too, as long as nothing has moved.
            self.terms.limits.check(proposal)?;
        }
        self.opening(epoch, proposal)?;
        if stop_after == Some(Stage::Opening) {
            return self.standing_of(proposal);
        }
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
        tracing::info!(epoch, proposal = %id, now = submitted.now, before = submitted.before, "epoch submitted");
        Ok(Progress::Submitted { epoch, proposal: id })
    }

    pub(super) fn reconcile_planned(&self, planned: &Planned) -> Result<(), NightError> {
        let Planned { positions, proposal } = planned;
        let epoch = proposal.epoch;
        let opening = self.kept(epoch, Stage::Opening)?.ok_or(NightError::Output(Stage::Opening.name()))?;
        let cut_off = self.kept(epoch, Stage::CutOff)?.ok_or(NightError::Output(Stage::CutOff.name()))?;
        let netting = self.kept(epoch, Stage::Netting)?.ok_or(NightError::Output(Stage::Netting.name()))?;
        let settled = Settled { cut_off: &cut_off, positions, netting: &netting, proposal };
        self.reconciliation(epoch, settled, &opening).map(drop)
    }

    pub(super) fn close_planned(&self, planned: &Planned) -> Result<(), NightError> {
        let epoch = planned.proposal.epoch;
        let reconciliation = self.kept(epoch, Stage::Reconciliation)?;
        let reconciliation = reconciliation.ok_or(NightError::Output(Stage::Reconciliation.name()))?;
        self.keep_record(&planned.proposal, &planned.positions, &reconciliation)?;
        tracing::info!(epoch, proposal = %planned.proposal.id(), "epoch closed");
        Ok(())
    }

    /// The proposal of an epoch, where there is one.
    pub(super) fn kept_proposal(&self, epoch: u64) -> Result<Option<Proposal>, NightError> {
        let Some((_, bytes)) = self.book.stage(epoch, Stage::Proposal)? else { return Ok(None) };
        decode_exact(&bytes).map(Some).map_err(|_| NightError::Output(Stage::Proposal.name()))
    }

    fn required_proposal(&self, epoch: u64) -> Result<Proposal, NightError> {
        self.kept_proposal(epoch)?.ok_or(NightError::Output(Stage::Proposal.name()))
    }

    fn kept_plan(&self, epoch: u64) -> Result<Planned, NightError> {
        let positions = self.kept_positions(epoch)?.ok_or(NightError::Output(Stage::Positions.name()))?;
        Ok(Planned { positions, proposal: self.required_proposal(epoch)? })
    }
}
