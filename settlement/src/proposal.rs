//! The proposal: everything the ledger will be asked to do for an epoch, named by its content.

use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, Hash32, keccak256};
use farthing_ledger::limits::LEGS_MAX;
use farthing_ledger::{CloseEpoch, JournalCursor, Leg, SettleBatch, TransferBatch};
use minicbor::{Decode, Encode};

use crate::netting::Netting;
use crate::stage::cut_off::CutOff;
use crate::stage::positions::{Draw, Positions};

mod tree;

pub use tree::{ChannelPlan, channel_plans, is_lone, tree};
use tree::{of_tree, tree_root};

/// What two people approve. Its id is `keccak256("farthing/proposal/1" || CBOR)`, so the same inputs give the same id,
/// and nothing in it can change under an approval.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proposal {
    /// The hub.
    #[n(0)]
    pub hub: Address,
    /// The ledger's chain.
    #[n(1)]
    pub chain_id: u64,
    /// The ledger's contract.
    #[n(2)]
    pub contract: Address,
    /// The epoch.
    #[n(3)]
    pub epoch: u64,
    /// Content hash of the cut-off.
    #[n(4)]
    pub cut_off: Hash32,
    /// Content hash of the positions.
    #[n(5)]
    pub positions: Hash32,
    /// Content hash of the netting.
    #[n(6)]
    pub netting: Hash32,
    /// What each escrow is asked for, by escrow.
    #[n(7)]
    pub batches: Vec<SettleBatch>,
    /// The transfers, in their order.
    #[n(8)]
    pub legs: Vec<Leg>,
    /// How far the epoch reaches into the journal.
    #[n(9)]
    pub cursors: Vec<JournalCursor>,
    /// Root over the epoch's lane records.
    #[n(10)]
    pub journal_root: Hash32,
    /// The contract that approvals are given to, where it is not that of escrows.
    #[n(11)]
    pub net_contract: Option<Address>,
}

/// Why no proposal can be made. A retry does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// The tree of an escrow cannot be built.
    #[error("the lanes of escrow {0} make no tree")]
    Tree(farthing_channel::id::EscrowId),
    /// A leg does not fit the ledger's 64 bits.
    #[error("a leg of {0} base units does not fit the ledger")]
    LegTooLarge(u128),
    /// More legs than the ledger takes at once.
    #[error("{0} legs are more than the ledger takes at once")]
    TooManyLegs(usize),
    /// A tree's sum is not the escrow's total.
    #[error("escrow {escrow}: lanes sum to {lanes}, {total} would be settled")]
    Sum {
        /// The escrow.
        escrow: farthing_channel::id::EscrowId,
        /// Sum over its lanes.
        lanes: u64,
        /// What would be settled.
        total: u64,
    },
}

impl Proposal {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> Hash32 {
        Hash32(keccak256(&[b"farthing/proposal/1", &encode_to_vec(self)]))
    }

    /// The domain of escrows: batches, vouchers and mandates are signed under it.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::new(self.chain_id, self.contract)
    }

    /// The domain that approvals are signed under.
    #[must_use]
    pub fn net_domain(&self) -> Domain {
        Domain::new(self.chain_id, self.net_contract.unwrap_or(self.contract))
    }

    /// The transfers as the ledger takes them; `None` for a night without legs.
    #[must_use]
    pub fn transfers(&self) -> Option<TransferBatch> {
        let batch = || TransferBatch { proposal: self.id(), epoch: self.epoch, legs: self.legs.clone() };
        (!self.legs.is_empty()).then(batch)
    }

    /// The closing of the epoch as the ledger takes it.
    #[must_use]
    pub fn close(&self) -> CloseEpoch {
        CloseEpoch {
            hub: self.hub,
            epoch: self.epoch,
            proposal: if self.legs.is_empty() { Hash32::ZERO } else { self.id() },
            cursors: self.cursors.clone(),
            journal_root: self.journal_root,
        }
    }

    /// Base units collected from all escrows.
    #[must_use]
    pub fn collected(&self) -> u128 {
        self.batches.iter().map(|batch| u128::from(batch.total.saturating_sub(batch.prev_settled))).sum()
    }

    /// Base units paid by all legs.
    #[must_use]
    pub fn paid(&self) -> u128 {
        self.legs.iter().map(|leg| u128::from(leg.amount)).sum()
    }
}

/// Content hashes of the stages a proposal rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// Of the cut-off.
    pub cut_off: Hash32,
    /// Of the positions.
    pub positions: Hash32,
    /// Of the netting.
    pub netting: Hash32,
}

/// Makes the proposal.
///
/// # Errors
/// Any [`ProposalError`].
pub fn propose(
    cut_off: &CutOff,
    positions: &Positions,
    netting: &Netting,
    inputs: Inputs,
) -> Result<Proposal, ProposalError> {
    if netting.legs.len() > LEGS_MAX {
        return Err(ProposalError::TooManyLegs(netting.legs.len()));
    }
    let leg = |leg: &crate::netting::Leg| {
        let amount = u64::try_from(leg.amount).map_err(|_| ProposalError::LegTooLarge(leg.amount))?;
        Ok(Leg { from: leg.from, to: leg.to, amount })
    };
    Ok(Proposal {
        hub: cut_off.hub,
        chain_id: cut_off.ledger.chain_id,
        contract: cut_off.ledger.contract,
        epoch: cut_off.epoch,
        cut_off: inputs.cut_off,
        positions: inputs.positions,
        netting: inputs.netting,
        batches: positions.draws.iter().map(|draw| batch(cut_off, positions, draw)).collect::<Result<_, _>>()?,
        legs: netting.legs.iter().map(leg).collect::<Result<_, _>>()?,
        cursors: cut_off.journal_cursors(),
        journal_root: cut_off.journal_root,
        net_contract: cut_off.ledger.net_contract,
    })
}

/// What one escrow is asked for. A lone payer's own proof covers the total, so its batch has no tree.
fn batch(cut_off: &CutOff, positions: &Positions, draw: &Draw) -> Result<SettleBatch, ProposalError> {
    let mut order = SettleBatch {
        escrow: draw.escrow,
        prev_settled: draw.settled_before,
        total: draw.settled_after,
        root: Hash32::ZERO,
        channels: 0,
        lanes: 0,
        journal_root: cut_off.journal_root,
        epoch: cut_off.epoch,
    };
    if is_lone(positions, draw) {
        return Ok(order);
    }
    let fails = || ProposalError::Tree(draw.escrow);
    let leaves = of_tree(&positions.lanes, draw);
    let channels: Vec<_> = leaves.chunk_by(|a, b| a.device == b.device).collect();
    let root = tree_root(&channels).ok_or_else(fails)?;
    if root.sum != draw.settled_after {
        return Err(ProposalError::Sum { escrow: draw.escrow, lanes: root.sum, total: draw.settled_after });
    }
    order.root = root.hash;
    order.channels = u32::try_from(channels.len()).map_err(|_| fails())?;
    order.lanes = u32::try_from(leaves.len()).map_err(|_| fails())?;
    Ok(order)
}

#[cfg(test)]
mod tests;
