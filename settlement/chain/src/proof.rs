//! The ledger's values in the contracts' forms.

use alloy_primitives::{B256, Bytes};
use farthing_channel::id::{Address, ChannelId, LaneId};
use farthing_channel::lane::{Evidence, SignedAnchor};
use farthing_channel::mandate::{Authority, MandateBundle};
use farthing_channel::sign::{Signature, UncheckedSignature};
use farthing_ledger::tree::{BatchTree, LaneLeaf, LaneProof, SumNode, SumProof};
use farthing_ledger::{JournalCursor, LeafSet, SettleBatch};

use crate::abi;
use crate::error::ChainError;

pub(crate) fn signature(signature: &Signature) -> Bytes {
    Bytes::copy_from_slice(&signature.to_rsv())
}

fn unchecked(bytes: &UncheckedSignature) -> Result<Bytes, ChainError> {
    Ok(signature(&bytes.check().map_err(ChainError::unexpected)?))
}

/// Two approvers' signatures; for the contract's own approvers `account` is zero.
pub(crate) fn approval(account: Address, approvals: &[Signature; 2]) -> abi::Approval {
    let [first, second] = approvals;
    abi::Approval { account: abi::to_chain(&account), first: signature(first), second: signature(second) }
}

pub(crate) fn batch(batch: &SettleBatch) -> abi::Batch {
    abi::Batch {
        escrowId: B256::new(batch.escrow.0),
        prevSettled: batch.prev_settled.into(),
        total: batch.total.into(),
        root: abi::word(&batch.root),
        channels: batch.channels,
        lanes: batch.lanes,
        journalRoot: abi::word(&batch.journal_root),
        epoch: batch.epoch,
    }
}

pub(crate) fn cursors(cursors: &[JournalCursor]) -> Vec<abi::JournalCursor> {
    let cursor = |cursor: &JournalCursor| abi::JournalCursor {
        thread: cursor.thread,
        term: cursor.term,
        sequence: cursor.sequence,
        blockHash: abi::word(&cursor.block_hash),
    };
    cursors.iter().map(cursor).collect()
}

fn no_anchor() -> abi::AnchorTerms {
    abi::AnchorTerms {
        baseAmount: 0,
        baseTicks: 0,
        tickAmount: 0,
        ticksPerAmount: 0,
        length: 0,
        tariff: B256::ZERO,
        root: B256::ZERO,
    }
}

pub(crate) fn evidence(evidence: &Evidence) -> Result<abi::Evidence, ChainError> {
    Ok(match evidence {
        Evidence::Voucher(voucher) => abi::Evidence {
            isTick: false,
            signature: unchecked(&voucher.signature)?,
            amount: voucher.amount.into(),
            anchor: no_anchor(),
            index: 0,
            link: B256::ZERO,
        },
        Evidence::Tick(tick) => {
            let SignedAnchor { terms, signature } = &tick.anchor;
            abi::Evidence {
                isTick: true,
                signature: unchecked(signature)?,
                amount: 0,
                anchor: abi::AnchorTerms {
                    baseAmount: terms.base_amount.into(),
                    baseTicks: terms.base_ticks,
                    tickAmount: terms.tick_amount,
                    ticksPerAmount: terms.ticks_per_amount,
                    length: terms.length,
                    tariff: B256::new(terms.tariff.0),
                    root: abi::word(&terms.root),
                },
                index: tick.index,
                link: B256::new(tick.link.0),
            }
        }
    })
}

/// A bundle of one mandate as its proof.
pub(crate) fn mandate(single: &MandateBundle) -> Result<abi::MandateProof, ChainError> {
    let terms = single.mandates.first().ok_or_else(|| ChainError::unexpected("an empty bundle"))?;
    let payees = terms.payees.iter().map(abi::to_chain).collect();
    Ok(match &single.authority {
        Authority::Direct { signature } => abi::MandateProof {
            payees,
            inTree: false,
            signature: unchecked(signature)?,
            index: 0,
            siblings: Vec::new(),
        },
        Authority::Tree { signature, first_index, siblings } => abi::MandateProof {
            payees,
            inTree: true,
            signature: unchecked(signature)?,
            index: *first_index,
            siblings: siblings.iter().map(abi::word).collect(),
        },
    })
}

fn sum_proof(proof: &SumProof) -> abi::SumProof {
    let node = |node: &SumNode| abi::SumNode { hash: abi::word(&node.hash), sum: node.sum.into() };
    abi::SumProof { index: proof.index, siblings: proof.siblings.iter().map(node).collect() }
}

pub(crate) fn lane_proof(proof: &LaneProof) -> abi::LaneProof {
    let LaneProof { lane, lane_proof, channel, channel_proof } = proof;
    abi::LaneProof {
        lane: abi::LaneLeaf {
            laneId: B256::new(lane.lane.0),
            payee: abi::to_chain(&lane.payee),
            ratingGroup: lane.rating_group.0,
            total: lane.total.into(),
        },
        laneProof: sum_proof(lane_proof),
        channel: abi::ChannelLeaf {
            device: abi::to_chain(&channel.device),
            limit: channel.limit,
            expiry: channel.expiry.0,
            serial: channel.serial,
            lanes: channel.lanes,
            total: channel.lanes_root.sum.into(),
            lanesRoot: abi::word(&channel.lanes_root.hash),
        },
        channelProof: sum_proof(channel_proof),
    }
}

/// The tree of a batch's leaves. Every channel's mandate must be among the leaves'.
pub(crate) fn tree(batch: &SettleBatch, leaves: &LeafSet) -> Option<BatchTree> {
    let mut tree = BatchTree::default();
    for claim in &leaves.channels {
        let channel = ChannelId::derive(&batch.escrow, &claim.device);
        let lane = |lane: &farthing_ledger::LaneClaim| LaneLeaf {
            lane: LaneId::derive(&channel, &lane.payee, lane.rating_group),
            payee: lane.payee,
            rating_group: lane.rating_group,
            total: lane.total,
        };
        let mut mandates = leaves.mandates.iter().flat_map(|bundle| &bundle.mandates);
        let terms = mandates.find(|terms| terms.device == claim.device && terms.serial == claim.serial)?;
        let lanes = claim.lanes.iter().map(lane).collect();
        tree.push(claim.device, terms.limit, terms.expiry, terms.serial, lanes)?;
    }
    Some(tree)
}
