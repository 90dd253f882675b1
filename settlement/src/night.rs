//! The night, stage by stage: each looks whether its output is kept already, and goes on from there.

use std::path::{Path, PathBuf};

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{LibSecpKey, Signer};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{BaseLedger, LedgerError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::approval::{self, ApprovalError};
use crate::book::{ApprovalRow, Book, BookError};
use crate::ingest::IngestError;
use crate::journal_reader::JournalError;
use crate::netting::{Greedy, Netting, NettingError, net};
use crate::proposal::{Inputs, Proposal, ProposalError, propose};
use crate::stage::Stage;
use crate::stage::cut_off::{CutOff, CutOffInput, ReadFrom, cut, require_reaches};
use crate::stage::positions::{Cover, LaneFacts, MandateFacts, PositionError, Positions, plan};
use crate::stage::reconcile::{Opening, Reconciliation, open, reconcile};
use crate::submit::{Submission, SubmitError};

mod record;

pub use record::{EpochRecord, Submissions};

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
    /// A submission.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A stage's output cannot be read back.
    #[error("the output of stage {0} cannot be read back")]
    Output(&'static str),
    /// The hub's key is needed to submit batches.
    #[error("batches are signed with the hub's key; name its file with --hub-key")]
    HubKeyMissing,
    /// There is no proposal to approve.
    #[error("there is no proposal to approve; run the night first")]
    NothingProposed,
    /// The epoch has been submitted in part and cannot be taken back.
    #[error("epoch {0} is on the ledger in part already; run the night again to finish it")]
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

impl From<JournalError> for NightError {
    fn from(error: JournalError) -> Self {
        Self::Ingest(error.into())
    }
}

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
        if positions.draws.is_empty() && cut_off.records == 0 && cut_off.disputes.is_empty() {
            self.discard_unproposed(epoch)?;
            return Ok(Progress::NothingToSettle);
        }
        if stop(Stage::Positions) {
            return Ok(Progress::NothingToSettle);
        }
        let netting = self.netting(&positions)?;
        let proposal = self.proposal(&cut_off, &positions, &netting)?;
        let approvals = self.checked_approvals(epoch, &proposal)?;
        let needed = farthing_ledger::limits::APPROVALS_REQUIRED;
        let id = proposal.id();
        let waiting = Progress::NeedsApprovals { epoch, proposal: id, approvals: approvals.len(), needed };
        let Some(approved) = approval::assemble(&proposal, &approvals) else { return Ok(waiting) };
        if stop(Stage::Approvals) {
            return Ok(waiting);
        }
        let opening = self.opening(epoch, &proposal)?;
        if stop(Stage::Opening) {
            return Ok(waiting);
        }
        let submission = self.submission(&proposal, &positions)?;
        let mut submitted = Submissions::default();
        for index in 0..proposal.batches.len() {
            submitted.count(submission.batch(index)?);
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

    /// The output of `stage` as it is kept, or made now and kept.
    fn kept_or<T, E>(
        &self,
        epoch: u64,
        stage: Stage,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, NightError>
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

    fn kept<T: DeserializeOwned>(&self, epoch: u64, stage: Stage) -> Result<Option<T>, NightError> {
        let Some((_, bytes)) = self.book.stage(epoch, stage)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| NightError::Output(stage.name()))
    }

    /// The hash of a kept output.
    fn hash(&self, epoch: u64, stage: Stage) -> Result<Hash32, NightError> {
        let (hash, _) = self.book.stage(epoch, stage)?.ok_or(NightError::Output(stage.name()))?;
        Ok(hash)
    }

    fn cut_off(&self, epoch: u64, options: &RunOptions) -> Result<CutOff, NightError> {
        if let Some(kept) = self.kept(epoch, Stage::CutOff)? {
            return Ok(kept);
        }
        let from = if options.confirm_restore { ReadFrom::Oldest } else { ReadFrom::Cursor };
        let closed = self.ledger.epoch_last(&self.hub)?;
        let books_are_new = self.book.cursors()?.is_empty();
        let input = CutOffInput { epoch, hub: self.hub, journal: &self.journal, from, now: self.now };
        let writer = self.book.write()?;
        let mut cut_off = cut(&input, self.book, &writer, self.ledger)?;
        if let Some(closed) = &closed
            && (books_are_new || from == ReadFrom::Oldest)
        {
            require_reaches(&cut_off.threads, &closed.cursors)?;
            if books_are_new && from == ReadFrom::Cursor {
                // The ledger has settled from this journal before, so what was collected has to be learned from it.
                return Err(JournalError::BooksLost { epoch: closed.epoch }.into());
            }
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
        let head = self.ledger.heads()?.head;
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

    /// Takes back an epoch in which nothing happened, so that a quiet night makes no empty epoch.
    fn discard_unproposed(&self, epoch: u64) -> Result<(), NightError> {
        let writer = self.book.write()?;
        writer.discard_epoch(epoch)?;
        Ok(writer.commit()?)
    }

    fn positions(&self, cut_off: &CutOff) -> Result<Positions, NightError> {
        self.kept_or(cut_off.epoch, Stage::Positions, || {
            let lanes = self.lane_facts()?;
            let now = UnixSeconds(cut_off.at);
            plan(cut_off.epoch, &cut_off.hub, &cut_off.ledger, now, &lanes).map_err(NightError::from)
        })
    }

    /// The book's lanes as positions need them.
    fn lane_facts(&self) -> Result<Vec<LaneFacts>, NightError> {
        let mut lanes = Vec::new();
        self.book.each_lane(|row| {
            let proof = row.to_proof();
            let image = row.image;
            let authorised = proof.total().amount();
            if authorised == 0 && row.collected == 0 {
                return Ok(());
            }
            let facts = |row: &crate::book::MandateRow| MandateFacts {
                serial: row.terms.serial,
                limit: row.terms.limit,
                expiry: row.terms.expiry.0,
                allows_payee: row.terms.allows(&image.payee),
            };
            let newest = self.book.mandate(&image.escrow, &image.device)?;
            let settled_under = match row.settled_serial {
                Some(serial) => self.book.mandate_with_serial(&image.escrow, &image.device, serial)?,
                None => None,
            };
            lanes.push(LaneFacts {
                lane: image.lane,
                escrow: image.escrow,
                device: image.device,
                payee: image.payee,
                rating_group: image.rating_group.0,
                authorised,
                credited: proof.credited(),
                collected: row.collected,
                cover: match &newest {
                    _ if proof.is_lone() => Cover::Lone,
                    Some(mandate) => Cover::Mandate(facts(mandate)),
                    None => Cover::Nothing,
                },
                settled_under: settled_under.as_ref().map(facts),
            });
            Ok(())
        })?;
        Ok(lanes)
    }

    fn netting(&self, positions: &Positions) -> Result<Netting, NightError> {
        self.kept_or(positions.epoch, Stage::Netting, || net(&positions.positions, &Greedy))
    }

    fn proposal(
        &self,
        cut_off: &CutOff,
        positions: &Positions,
        netting: &Netting,
    ) -> Result<Proposal, NightError> {
        let epoch = cut_off.epoch;
        if let Some((_, bytes)) = self.book.stage(epoch, Stage::Proposal)? {
            return decode_exact(&bytes).map_err(|_| NightError::Output(Stage::Proposal.name()));
        }
        let inputs = Inputs {
            cut_off: self.hash(epoch, Stage::CutOff)?,
            positions: self.hash(epoch, Stage::Positions)?,
            netting: self.hash(epoch, Stage::Netting)?,
        };
        let proposal = propose(cut_off, positions, netting, inputs)?;
        let writer = self.book.write()?;
        writer.put_stage(epoch, Stage::Proposal, &encode_to_vec(&proposal))?;
        writer.commit()?;
        Ok(proposal)
    }

    /// The approvals of the proposal, each checked again.
    fn checked_approvals(&self, epoch: u64, proposal: &Proposal) -> Result<Vec<ApprovalRow>, NightError> {
        let approvers = self.ledger.identity()?.approvers;
        let approvals = self.book.approvals(epoch)?;
        for row in &approvals {
            approval::check(proposal, &approvers, row)?;
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
        let approvers = self.ledger.identity()?.approvers;
        let row = approval::approve(&proposal, &approvers, key, self.now)?;
        let writer = self.book.write()?;
        writer.put_approval(epoch, &row)?;
        writer.commit()?;
        let approvals = self.checked_approvals(epoch, &proposal)?.len();
        let needed = farthing_ledger::limits::APPROVALS_REQUIRED;
        Ok(Progress::NeedsApprovals { epoch, proposal: id, approvals, needed })
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
        self.discard_unproposed(epoch)?;
        Ok(epoch)
    }

    fn opening(&self, epoch: u64, proposal: &Proposal) -> Result<Opening, NightError> {
        self.kept_or(epoch, Stage::Opening, || open(self.ledger, proposal, self.now))
    }

    fn submission<'b>(
        &'b self,
        proposal: &'b Proposal,
        positions: &'b Positions,
    ) -> Result<Submission<'b, LibSecpKey>, NightError> {
        Ok(self.submission_by(proposal, positions, self.hub_key.ok_or(NightError::HubKeyMissing)?))
    }

    fn submission_by<'b>(
        &'b self,
        proposal: &'b Proposal,
        positions: &'b Positions,
        hub_key: &'b LibSecpKey,
    ) -> Submission<'b, LibSecpKey> {
        Submission { book: self.book, ledger: self.ledger, hub_key, proposal, positions, now: self.now }
    }

    fn reconciliation(
        &self,
        epoch: u64,
        proposal: &Proposal,
        opening: &Opening,
    ) -> Result<Reconciliation, NightError> {
        self.kept_or(epoch, Stage::Reconciliation, || {
            let reconciliation = reconcile(self.ledger, proposal, opening)?;
            // Only what adds up is kept: anything else is looked at again by the next run.
            if reconciliation.adds_up() {
                Ok(reconciliation)
            } else {
                Err(NightError::NotReconciled { epoch, differences: record::differences(&reconciliation) })
            }
        })
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
        positions: json(book, epoch, Stage::Positions)?.ok_or_else(|| missing(Stage::Positions))?,
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

