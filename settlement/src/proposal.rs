//! The proposal: everything the ledger will be asked to do for an epoch, named by its content.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, Hash32, RatingGroup, keccak256};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::LEGS_MAX;
use farthing_ledger::tree::{BatchTree, ChannelLeaf, LaneLeaf, Level, SumNode, root};
use farthing_ledger::{CloseEpoch, JournalCursor, Leg, SettleBatch, TransferBatch};
use minicbor::{Decode, Encode};

use crate::netting::Netting;
use crate::stage::cut_off::CutOff;
use crate::stage::positions::{Cover, Draw, LaneLine, MandateFacts, Positions};

/// Channels that are worth a thread of their own.
const CHANNELS_PER_WORKER_MIN: usize = 4_096;

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

/// One channel of an escrow's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPlan<'a> {
    /// The device.
    pub device: Address,
    /// The mandate its total stands under: the newest where the channel grows, otherwise the one the ledger remembers.
    pub mandate: MandateFacts,
    /// Its lanes, by id, each with a total above zero.
    pub lanes: Vec<&'a LaneLine>,
}

impl ChannelPlan<'_> {
    /// Whether anything is collected from it in this epoch.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.lanes.iter().any(|line| line.collect > 0)
    }
}

/// The lines of one escrow; positions are sorted by escrow, device and lane.
fn lines_of<'a>(lines: &'a [LaneLine], escrow: &farthing_channel::id::EscrowId) -> &'a [LaneLine] {
    let first = lines.partition_point(|line| line.escrow < *escrow);
    let end = lines.partition_point(|line| line.escrow <= *escrow);
    lines.get(first..end).unwrap_or_default()
}

/// The channels of an escrow's tree: every lane that was ever settled, and every new one. `None` where a lane that must
/// be in the tree has no mandate.
#[must_use]
pub fn channel_plans<'a>(lines: &'a [LaneLine], draw: &Draw) -> Option<Vec<ChannelPlan<'a>>> {
    of_tree(lines, draw).chunk_by(|a, b| a.device == b.device).map(channel_plan).collect()
}

/// The lines that stand in an escrow's tree.
fn of_tree<'a>(lines: &'a [LaneLine], draw: &Draw) -> Vec<&'a LaneLine> {
    lines_of(lines, &draw.escrow).iter().filter(|line| line.cover != Cover::Lone && line.total() > 0).collect()
}

fn channel_plan<'a>(lanes: &[&'a LaneLine]) -> Option<ChannelPlan<'a>> {
    let device = lanes.first()?.device;
    let grows = lanes.iter().any(|line| line.collect > 0);
    let newest = lanes.iter().find(|line| line.collect > 0).and_then(|line| match line.cover {
        Cover::Mandate(mandate) => Some(mandate),
        _ => None,
    });
    let remembered = lanes.iter().find_map(|line| line.settled_under);
    let mandate = if grows { newest } else { remembered }?;
    Some(ChannelPlan { device, mandate, lanes: lanes.to_vec() })
}

fn lane_leaf(line: &&LaneLine) -> LaneLeaf {
    let LaneLine { lane, payee, rating_group, .. } = **line;
    LaneLeaf { lane, payee, rating_group: RatingGroup(rating_group), total: line.total() }
}

/// The root of an escrow's tree, without keeping the tree: a share of the channels is hashed on each processor.
fn tree_root(channels: &[&[&LaneLine]]) -> Option<SumNode> {
    if !channels.is_sorted_by_key(|lanes| lanes.first().map(|line| line.device)) {
        return None;
    }
    let nodes = |channels: &[&[&LaneLine]]| -> Option<Vec<SumNode>> {
        let node = |lanes: &&[&LaneLine]| {
            let ChannelPlan { device, mandate, lanes } = channel_plan(lanes)?;
            let lanes: Vec<_> = lanes.iter().map(lane_leaf).collect();
            let leaf = ChannelLeaf::over(device, mandate.limit, UnixSeconds(mandate.expiry), mandate.serial, &lanes)?;
            Some(leaf.node())
        };
        channels.iter().map(node).collect()
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = channels.len().div_ceil(workers).max(CHANNELS_PER_WORKER_MIN);
    let leaves: Option<Vec<Vec<SumNode>>> = thread::scope(|scope| {
        let parts: Vec<_> = channels.chunks(share).map(|part| scope.spawn(move || nodes(part))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    root(Level::Channels, leaves?.concat())
}

/// The tree of an escrow's channels.
#[must_use]
pub fn tree(plans: &[ChannelPlan<'_>]) -> Option<BatchTree> {
    let mut tree = BatchTree::default();
    for plan in plans {
        let lanes = plan.lanes.iter().map(lane_leaf).collect();
        let mandate = plan.mandate;
        tree.push(plan.device, mandate.limit, UnixSeconds(mandate.expiry), mandate.serial, lanes)?;
    }
    Some(tree)
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

/// Whether the escrow's money is a lone payer's own.
#[must_use]
pub fn is_lone(positions: &Positions, draw: &Draw) -> bool {
    lines_of(&positions.lanes, &draw.escrow).iter().any(|line| line.cover == Cover::Lone && line.collect > 0)
}

#[cfg(test)]
mod tests;
