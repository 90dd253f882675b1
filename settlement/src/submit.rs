//! Submission: each operation of a proposal, in its order, unless the ledger shows that it is done already.
//!
//! A crash between any two of them changes nothing: the next run asks the ledger first. The ledger itself refuses a
//! second time too (`prevSettled`, executed proposals and epochs that count up).

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::id::{Address, EscrowId, Hash32, RatingGroup};
use farthing_channel::sign::Signer;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{
    BaseLedger, BatchProof, ChannelClaim, LaneClaim, LeafSet, LedgerError, LoggedEvent, SettleBatch, SettlementBatch,
    Signed, SignedOperation,
};

use crate::approval::ApprovedProposal;
use crate::book::{Book, BookError};
use crate::proposal::{ChannelPlan, Proposal, channel_plans, is_lone};
use crate::stage::positions::{Draw, LaneLine, Positions};

mod on_ledger;

pub use on_ledger::OnLedger;

/// Why a submission stopped. What was submitted before stays; a later run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The ledger refused, or could not be reached.
    #[error("{what}: {error}")]
    Ledger {
        /// What was being submitted.
        what: String,
        /// What the ledger said.
        error: LedgerError,
    },
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// An escrow was settled by something else than this proposal since the cut-off.
    #[error("escrow {escrow} stands at {found} base units; the proposal takes it from {from} to {to}")]
    EscrowMoved {
        /// The escrow.
        escrow: EscrowId,
        /// Where the ledger says it stands.
        found: u64,
        /// Where the proposal begins.
        from: u64,
        /// Where it ends.
        to: u64,
    },
    /// The ledger closed another epoch in between.
    #[error("the ledger's last epoch of this hub is {found}; {epoch} cannot be closed")]
    EpochMoved {
        /// The epoch of the proposal.
        epoch: u64,
        /// The ledger's last.
        found: u64,
    },
    /// The proof of a lane that is to be paid is missing from the book.
    #[error("the book has no proof for what the proposal collects from escrow {0}")]
    ProofMissing(EscrowId),
    /// The hub's key failed.
    #[error("cannot sign for the hub: {0}")]
    Signer(String),
    /// The key given is not the hub's.
    #[error("the key is that of {found}; batches are signed by the hub {hub}")]
    NotTheHub {
        /// The hub.
        hub: Address,
        /// Whose key it is.
        found: Address,
    },
}

/// What one submission came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It was carried out now.
    Now,
    /// It had been carried out before.
    Before,
    /// It is handed in, and the ledger decides later.
    Undecided {
        /// Not before then.
        until: UnixSeconds,
    },
}

/// Everything a submission needs.
#[derive(Debug)]
pub struct Submission<'a, S> {
    /// The book with the proofs.
    pub book: &'a Book,
    /// The ledger.
    pub ledger: &'a dyn BaseLedger,
    /// The hub's key, which signs batches.
    pub hub_key: &'a S,
    /// The proposal.
    pub proposal: &'a Proposal,
    /// The positions it rests on.
    pub positions: &'a Positions,
    /// The time.
    pub now: UnixSeconds,
}

impl<S: Signer> Submission<'_, S> {
    /// Collects from the escrow of batch `index`.
    ///
    /// # Errors
    /// Any [`SubmitError`] but [`SubmitError::EpochMoved`].
    pub fn batch(&self, index: usize) -> Result<Submitted, SubmitError> {
        let (Some(order), Some(draw)) = (self.proposal.batches.get(index), self.positions.draws.get(index)) else {
            return Ok(Submitted::Before);
        };
        let found = self.escrow_settled(order)?;
        if found == order.total {
            return Ok(Submitted::Before);
        }
        if found != order.prev_settled {
            let (from, to) = (order.prev_settled, order.total);
            return Err(SubmitError::EscrowMoved { escrow: order.escrow, found, from, to });
        }
        if self.hub_key.address() != self.proposal.hub {
            return Err(SubmitError::NotTheHub { hub: self.proposal.hub, found: self.hub_key.address() });
        }
        let proof = self.proof(draw)?;
        let order = Signed::sign(self.hub_key, &self.proposal.domain(), *order)
            .map_err(|error| SubmitError::Signer(error.to_string()))?;
        let operation = SignedOperation::SettleBatch(Box::new(SettlementBatch { order, proof }));
        match self.send(&operation, || format!("batch of escrow {}", draw.escrow)) {
            Ok(_) => Ok(Submitted::Now),
            Err(SubmitError::Ledger { error: LedgerError::Waiting { until }, .. }) => {
                Ok(Submitted::Undecided { until })
            }
            Err(error) => Err(error),
        }
    }

    /// Pays the legs.
    ///
    /// # Errors
    /// [`SubmitError::Ledger`].
    pub fn transfers(&self, approved: &ApprovedProposal) -> Result<Submitted, SubmitError> {
        let Some(transfers) = &approved.transfers else { return Ok(Submitted::Before) };
        if self.ask(|ledger| ledger.proposal_executed(&transfers.operation.proposal), "transfers")? {
            return Ok(Submitted::Before);
        }
        let participants = approved.participants.clone();
        let operation = SignedOperation::TransferBatch { batch: transfers.clone(), participants };
        self.send(&operation, || "transfers".to_owned())?;
        Ok(Submitted::Now)
    }

    /// Closes the epoch on the ledger.
    ///
    /// # Errors
    /// [`SubmitError::Ledger`], [`SubmitError::EpochMoved`].
    pub fn close(&self, approved: &ApprovedProposal) -> Result<Submitted, SubmitError> {
        let epoch = self.proposal.epoch;
        let last = self.ask(|ledger| ledger.epoch_last(&self.proposal.hub), "closing of the epoch")?;
        if let Some(last) = last.filter(|last| last.epoch >= epoch) {
            let same = last.epoch == epoch && last.proposal == approved.close.operation.proposal;
            return if same {
                Ok(Submitted::Before)
            } else {
                Err(SubmitError::EpochMoved { epoch, found: last.epoch })
            };
        }
        self.send(&SignedOperation::CloseEpoch(approved.close.clone()), || "closing of the epoch".to_owned())?;
        Ok(Submitted::Now)
    }

    fn escrow_settled(&self, order: &SettleBatch) -> Result<u64, SubmitError> {
        let escrow = self.ask(|ledger| ledger.escrow(&order.escrow), "escrow")?;
        Ok(escrow.map_or(0, |escrow| escrow.settled))
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&dyn BaseLedger) -> Result<T, LedgerError>,
        what: &str,
    ) -> Result<T, SubmitError> {
        question(self.ledger).map_err(|error| SubmitError::Ledger { what: what.to_owned(), error })
    }

    fn send(
        &self,
        operation: &SignedOperation,
        what: impl FnOnce() -> String,
    ) -> Result<Vec<LoggedEvent>, SubmitError> {
        self.ledger.submit(operation, self.now).map_err(|error| SubmitError::Ledger { what: what(), error })
    }

    /// Why the escrow owes what it is asked for.
    fn proof(&self, draw: &Draw) -> Result<BatchProof, SubmitError> {
        let missing = || SubmitError::ProofMissing(draw.escrow);
        if is_lone(self.positions, draw) {
            let lane = farthing_channel::id::LaneId::of_escrow(&draw.escrow);
            let evidence = self.book.lane(&lane)?.and_then(|row| row.proven).ok_or_else(missing)?;
            return Ok(BatchProof::Signer(evidence));
        }
        let plans = channel_plans(&self.positions.lanes, draw).ok_or_else(missing)?;
        let channels = plans.iter().map(|plan| self.claim(plan)).collect::<Result<_, _>>()?;
        Ok(BatchProof::Leaves(LeafSet { mandates: self.mandates(draw, &plans)?, channels }))
    }

    fn claim(&self, plan: &ChannelPlan<'_>) -> Result<ChannelClaim, SubmitError> {
        let lanes = plan.lanes.iter().map(|line| self.lane_claim(line)).collect::<Result<_, _>>()?;
        Ok(ChannelClaim { device: plan.device, serial: plan.mandate.serial, lanes })
    }

    /// A lane that did not grow needs no evidence: the ledger knows its total.
    fn lane_claim(&self, line: &LaneLine) -> Result<LaneClaim, SubmitError> {
        let evidence = if line.collect > 0 {
            let row = self.book.lane(&line.lane)?;
            Some(row.and_then(|row| row.proven).ok_or(SubmitError::ProofMissing(line.escrow))?)
        } else {
            None
        };
        let rating_group = RatingGroup(line.rating_group);
        Ok(LaneClaim { payee: line.payee, rating_group, total: line.total(), evidence })
    }

    /// The bundles of the mandates that the ledger does not remember.
    fn mandates(
        &self,
        draw: &Draw,
        plans: &[ChannelPlan<'_>],
    ) -> Result<Vec<farthing_channel::mandate::MandateBundle>, SubmitError> {
        let known = self.ask(|ledger| ledger.channels_settled(&draw.escrow), "channels")?;
        let known: BTreeMap<Address, u64> = known.into_iter().map(|c| (c.device, c.serial)).collect();
        let mut hashes: BTreeSet<Hash32> = BTreeSet::new();
        let mut bundles = Vec::new();
        for plan in plans.iter().filter(|plan| known.get(&plan.device) != Some(&plan.mandate.serial)) {
            let missing = || SubmitError::ProofMissing(draw.escrow);
            let row = self.book.mandate_with_serial(&draw.escrow, &plan.device, plan.mandate.serial)?;
            let hash = row.ok_or_else(missing)?.bundle;
            if hashes.insert(hash) {
                bundles.push(self.book.bundle(&hash)?.ok_or_else(missing)?);
            }
        }
        Ok(bundles)
    }
}
