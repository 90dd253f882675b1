//! Each stage of the night: its output as it is kept, or made now and kept.

use farthing_channel::codec::{decode_exact, encode_into, encode_to_vec};
use farthing_channel::id::Hash32;
use farthing_channel::sign::LibSecpKey;
use farthing_channel::time::UnixSeconds;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lane_facts::lane_facts;
use super::{Night, NightError, RunOptions, record, to_json};
use crate::book::CursorRow;
use crate::journal_reader::JournalError;
use crate::meter::{Metered, Work};
use crate::netting::{Netting, NettingTerms};
use crate::proposal::{Inputs, Proposal, propose};
use crate::stage::Stage;
use crate::stage::cut_off::{CutOff, CutOffInput, ReadFrom, ThreadStart, books_reach, cut, require_reaches};
use crate::stage::exclusion::plan_under;
use crate::stage::positions::Positions;
use crate::stage::reconcile::{Opening, Reconciliation, Settled, open, reconcile};
use crate::submit::Submission;

/// About what a lane's line takes in positions. A vector that grows by doubling would take twice as much for a while.
const LINE_BYTES: usize = 192;

impl Night<'_> {
    /// The output of `stage` as it is kept, or made now and kept.
    fn kept_or<T, E>(&self, epoch: u64, stage: Stage, make: impl FnOnce() -> Result<T, E>) -> Result<T, NightError>
    where
        T: Serialize + DeserializeOwned,
        NightError: From<E>,
    {
        if let Some(kept) = self.kept(epoch, stage)? {
            return Ok(kept);
        }
        let made = make()?;
        let writer = self.book.write()?;
        writer.put_stage(epoch, stage, &to_json(&made, stage)?)?;
        writer.commit()?;
        Ok(made)
    }

    pub(super) fn kept<T: DeserializeOwned>(&self, epoch: u64, stage: Stage) -> Result<Option<T>, NightError> {
        let Some((_, bytes)) = self.book.stage(epoch, stage)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| NightError::Output(stage.name()))
    }

    /// The hash of a kept output.
    fn hash(&self, epoch: u64, stage: Stage) -> Result<Hash32, NightError> {
        self.book.stage_hash(epoch, stage)?.ok_or(NightError::Output(stage.name()))
    }

    pub(super) fn cut_off(&self, epoch: u64, options: &RunOptions) -> Result<CutOff, NightError> {
        if let Some(kept) = self.kept(epoch, Stage::CutOff)? {
            // A confirmation counts until there is a proposal that people may be looking at.
            let proposed = self.book.stage(epoch, Stage::Proposal)?.is_some();
            if proposed || !options.confirm_restore {
                return Ok(kept);
            }
            self.discard_epoch(&kept)?;
        }
        let from = if options.confirm_restore { ReadFrom::Oldest } else { ReadFrom::Cursor };
        let closed = self.ledger.epoch_last(&self.hub)?;
        if let Some(closed) = &closed
            && from == ReadFrom::Cursor
            && !books_reach(&self.book.cursors()?, &closed.cursors)
        {
            // The ledger has settled from this journal since, so what was collected has to be learned from it.
            return Err(JournalError::BooksLost { epoch: closed.epoch }.into());
        }
        let terms = self.open_terms()?;
        let input = CutOffInput {
            epoch,
            hub: self.hub,
            journal: &self.journal,
            from,
            now: self.now,
            terms: &terms,
            meter: self.meter,
        };
        let writer = self.book.write()?;
        let mut cut_off = cut(&input, self.book, &writer, self.ledger)?;
        if let Some(closed) = &closed {
            require_reaches(&cut_off, &closed.cursors)?;
        }
        if from == ReadFrom::Oldest {
            self.require_no_half_settled_epoch(epoch)?;
        }
        let providers = writer.providers()?;
        cut_off.providers = providers.into_iter().map(|row| (row.address.to_string(), row.name)).collect();
        writer.put_stage(epoch, Stage::CutOff, &to_json(&cut_off, Stage::CutOff)?)?;
        writer.commit()?;
        Ok(cut_off)
    }

    /// Books that catch up with the ledger must not take an unfinished night's batches for a finished one's.
    fn require_no_half_settled_epoch(&self, epoch: u64) -> Result<(), NightError> {
        let head = self.ledger.heads()?.finalized;
        let mut after = 0;
        while after < head {
            let events = self.ledger.events(after, farthing_ledger::limits::EVENTS_PER_READ_MAX)?;
            let Some(last) = events.last() else { break };
            after = last.cursor;
            let half = events.iter().any(|logged| match &logged.event {
                farthing_ledger::Event::EscrowSettled { payee, epoch: of, .. } => *payee == self.hub && *of >= epoch,
                _ => false,
            });
            if half {
                return Err(NightError::HalfSettled(epoch));
            }
        }
        Ok(())
    }

    /// Takes back an epoch's stages and approvals, and its place in the journal: its records are read again, so that the
    /// next cut-off covers them too. The lanes keep what they have proven, which can only be the same again.
    pub(super) fn discard_epoch(&self, cut_off: &CutOff) -> Result<(), NightError> {
        let writer = self.book.write()?;
        writer.discard_epoch(cut_off.epoch)?;
        for cut in &cut_off.threads {
            writer.remove_cursor(cut.thread)?;
        }
        for start in &cut_off.begins {
            let ThreadStart { thread, term, sequence, block_hash } = *start;
            writer.put_cursor(&CursorRow { thread, term, sequence, hash: block_hash })?;
        }
        Ok(writer.commit()?)
    }

    /// Takes back an epoch in which nothing happened, so that a quiet night makes no empty epoch.
    pub(super) fn discard_quiet(&self, epoch: u64) -> Result<(), NightError> {
        let writer = self.book.write()?;
        writer.discard_epoch(epoch)?;
        Ok(writer.commit()?)
    }

    pub(super) fn positions(&self, cut_off: &CutOff) -> Result<Positions, NightError> {
        let (epoch, stage) = (cut_off.epoch, Stage::Positions);
        if let Some(kept) = self.kept_positions(epoch)? {
            return Ok(kept);
        }
        let positions = {
            let lanes = lane_facts(self.book, self.meter)?;
            let _computing = Metered::begin(self.meter, Work::Proposal, 0);
            plan_under(epoch, &cut_off.hub, &cut_off.ledger, UnixSeconds(cut_off.at), &lanes, &cut_off.terms)?
        };
        let writer = self.book.write()?;
        let mut bytes = Vec::with_capacity(positions.lanes.len().saturating_mul(LINE_BYTES));
        encode_into(&positions, &mut bytes);
        writer.put_stage(epoch, stage, &bytes)?;
        writer.commit()?;
        Ok(positions)
    }

    pub(super) fn kept_positions(&self, epoch: u64) -> Result<Option<Positions>, NightError> {
        let Some((_, bytes)) = self.book.stage(epoch, Stage::Positions)? else { return Ok(None) };
        decode_exact(&bytes).map(Some).map_err(|_| NightError::Output(Stage::Positions.name()))
    }

    pub(super) fn netting(&self, cut_off: &CutOff, positions: &Positions) -> Result<Netting, NightError> {
        self.kept_or(positions.epoch, Stage::Netting, || {
            cut_off.terms.net_with_attempts(&positions.all(), &positions.attempts)
        })
    }

    /// The terms of this night: without the obligations that an earlier one settled.
    fn open_terms(&self) -> Result<NettingTerms, NightError> {
        let mut terms = self.terms.clone();
        let mut open = Vec::new();
        for obligation in std::mem::take(&mut terms.obligations) {
            if self.book.obligation_settled(&obligation.id)?.is_none() {
                open.push(obligation);
            }
        }
        terms.obligations = open;
        // The ledger would refuse a batch above its caps as a whole; here its participant alone is left out.
        for account in self.ledger.accounts()? {
            if let Some(settings) = account.settings.filter(|settings| settings.net_debit_cap < u64::MAX) {
                terms.cap(account.address, settings.net_debit_cap);
            }
        }
        Ok(terms)
    }

    pub(super) fn proposal(
        &self,
        cut_off: &CutOff,
        positions: &Positions,
        netting: &Netting,
    ) -> Result<Proposal, NightError> {
        let epoch = cut_off.epoch;
        if let Some(kept) = self.kept_proposal(epoch)? {
            return Ok(kept);
        }
        let inputs = Inputs {
            cut_off: self.hash(epoch, Stage::CutOff)?,
            positions: self.hash(epoch, Stage::Positions)?,
            netting: self.hash(epoch, Stage::Netting)?,
        };
        let _making = Metered::begin(self.meter, Work::Proposal, 0);
        let proposal = propose(cut_off, positions, netting, inputs)?;
        cut_off.terms.limits.check(&proposal)?;
        let writer = self.book.write()?;
        writer.put_stage(epoch, Stage::Proposal, &encode_to_vec(&proposal))?;
        writer.commit()?;
        Ok(proposal)
    }

    pub(super) fn opening(&self, epoch: u64, proposal: &Proposal) -> Result<Opening, NightError> {
        self.kept_or(epoch, Stage::Opening, || open(self.ledger, proposal, self.now))
    }

    pub(super) fn submission<'b>(
        &'b self,
        proposal: &'b Proposal,
        positions: &'b Positions,
    ) -> Result<Submission<'b, LibSecpKey>, NightError> {
        let hub_key = self.hub_key.ok_or(NightError::HubKeyMissing)?;
        Ok(Submission { book: self.book, ledger: self.ledger, hub_key, proposal, positions, now: self.now })
    }

    pub(super) fn reconciliation(
        &self,
        epoch: u64,
        settled: Settled<'_>,
        opening: &Opening,
    ) -> Result<Reconciliation, NightError> {
        self.kept_or(epoch, Stage::Reconciliation, || {
            let reconciliation = reconcile(self.book, self.ledger, settled, opening)?;
            // Only what adds up is kept: anything else is looked at again by the next run.
            if reconciliation.adds_up() {
                Ok(reconciliation)
            } else {
                Err(NightError::NotReconciled { epoch, differences: record::differences(&reconciliation) })
            }
        })
    }
}
