//! Batches: every leaf is checked here, so a batch is final at once.
//!
//! In two steps. [`prove`] checks all signatures, hash chains and mandate paths; it needs nothing of the ledger but the
//! escrow's signer, which never changes, and runs before the file is opened for writing. [`settle`] then checks what
//! depends on the books and makes the change.

use std::collections::HashMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId};
use farthing_channel::lane::{Evidence, verify_evidence};
use farthing_channel::limits::LANES_PER_CHANNEL_MAX;
use farthing_channel::mandate::{MandateBundle, MandateTerms};
use farthing_channel::sign::LibSecp;
use farthing_channel::time::UnixSeconds;

use super::escrow::pay_out;
use super::signatures::check_signer;
use crate::batch::{BatchProof, ChannelClaim, LaneClaim, LeafSet, SettlementBatch};
use crate::books::Books;
use crate::books::rows::{ChannelRow, LaneRow};
use crate::error::LedgerError;
use crate::escrow::{Escrow, EscrowState};
use crate::limits::{CLAIMS_PER_WORKER_MIN, MANDATE_END_GRACE_SECONDS, WITHDRAW_GRACE_SECONDS};
use crate::operation::SettleBatch;
use crate::refusal::LedgerRefusal;
use crate::tree::{BatchTree, LaneLeaf};

/// A lane's leaf, and whether evidence for its total was checked.
#[derive(Debug)]
struct ProvenLane {
    leaf: LaneLeaf,
    proven: bool,
}

#[derive(Debug)]
struct ProvenChannel {
    device: Address,
    serial: u64,
    lanes: Vec<ProvenLane>,
}

#[derive(Debug)]
enum ProvenTotal {
    /// The signer's own proof covers the total.
    Signer,
    Leaves {
        mandates: HashMap<(Address, u64), MandateTerms>,
        channels: Vec<ProvenChannel>,
    },
}

/// A batch whose proofs hold.
#[derive(Debug)]
pub(crate) struct ProvenBatch {
    order: SettleBatch,
    total: ProvenTotal,
}

/// Checks everything about `batch` that does not depend on the books. `escrow` is the one it names, in any state.
pub(crate) fn prove(domain: &Domain, escrow: &Escrow, batch: &SettlementBatch) -> Result<ProvenBatch, LedgerRefusal> {
    check_signer(domain, &batch.order, &escrow.payee)?;
    let order = batch.order.operation;
    let total = match &batch.proof {
        BatchProof::Signer(evidence) => {
            if order.channels != 0 || order.lanes != 0 || !order.root.is_zero() {
                return Err(LedgerRefusal::LeavesNotGiven);
            }
            let lane = LaneId::of_escrow(&escrow.id);
            check_evidence(domain, &lane, &escrow.signer(), evidence, order.total)?;
            ProvenTotal::Signer
        }
        BatchProof::Leaves(leaves) => {
            check_counts(&order, leaves)?;
            ProvenTotal::Leaves {
                mandates: prove_mandates(domain, escrow, &leaves.mandates)?,
                channels: prove_channels(domain, &escrow.id, &leaves.channels)?,
            }
        }
    };
    Ok(ProvenBatch { order, total })
}

fn check_counts(order: &SettleBatch, leaves: &LeafSet) -> Result<(), LedgerRefusal> {
    let lanes: usize = leaves.channels.iter().map(|channel| channel.lanes.len()).fold(0, usize::saturating_add);
    let counted = (u32::try_from(leaves.channels.len()), u32::try_from(lanes));
    if counted == (Ok(order.channels), Ok(order.lanes)) { Ok(()) } else { Err(LedgerRefusal::CountMismatch) }
}

fn prove_mandates(
    domain: &Domain,
    escrow: &Escrow,
    bundles: &[MandateBundle],
) -> Result<HashMap<(Address, u64), MandateTerms>, LedgerRefusal> {
    let mut mandates = HashMap::new();
    for bundle in bundles {
        if bundle.escrow != escrow.id {
            return Err(LedgerRefusal::BadMandate);
        }
        let proven = bundle.clone().verify(&LibSecp, domain, &escrow.signer());
        let proven = proven.map_err(|_| LedgerRefusal::BadMandate)?.into_inner();
        mandates.extend(proven.mandates.into_iter().map(|terms| ((terms.device, terms.serial), terms)));
    }
    Ok(mandates)
}

fn prove_channels(
    domain: &Domain,
    escrow: &EscrowId,
    claims: &[ChannelClaim],
) -> Result<Vec<ProvenChannel>, LedgerRefusal> {
    if !claims.is_sorted_by(|a, b| a.device < b.device) {
        return Err(LedgerRefusal::ChannelsOutOfOrder);
    }
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = claims.len().div_ceil(workers).max(CLAIMS_PER_WORKER_MIN);
    let prove = |claims: &[ChannelClaim]| -> Result<Vec<_>, LedgerRefusal> {
        claims.iter().map(|claim| prove_channel(domain, escrow, claim)).collect()
    };
    if claims.len() <= share {
        return prove(claims);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = claims.chunks(share).map(|part| scope.spawn(move || prove(part))).collect();
        let mut proven = Vec::with_capacity(claims.len());
        for part in parts {
            proven.extend(part.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(proven)
    })
}

fn prove_channel(domain: &Domain, escrow: &EscrowId, claim: &ChannelClaim) -> Result<ProvenChannel, LedgerRefusal> {
    let channel = ChannelId::derive(escrow, &claim.device);
    let prove = |lane: &LaneClaim| prove_lane(domain, &channel, &claim.device, lane);
    let lanes = claim.lanes.iter().map(prove).collect::<Result<Vec<_>, _>>()?;
    let ascending = lanes.is_sorted_by(|a, b| a.leaf.lane < b.leaf.lane);
    if lanes.is_empty() || lanes.len() > LANES_PER_CHANNEL_MAX || !ascending {
        return Err(LedgerRefusal::LanesOutOfOrder);
    }
    Ok(ProvenChannel { device: claim.device, serial: claim.serial, lanes })
}

fn prove_lane(
    domain: &Domain,
    channel: &ChannelId,
    device: &Address,
    claim: &LaneClaim,
) -> Result<ProvenLane, LedgerRefusal> {
    if claim.total == 0 {
        return Err(LedgerRefusal::ZeroAmount);
    }
    let lane = LaneId::derive(channel, &claim.payee, claim.rating_group);
    if let Some(evidence) = &claim.evidence {
        check_evidence(domain, &lane, device, evidence, claim.total)?;
    }
    let leaf = LaneLeaf { lane, payee: claim.payee, rating_group: claim.rating_group, total: claim.total };
    Ok(ProvenLane { leaf, proven: claim.evidence.is_some() })
}

fn check_evidence(
    domain: &Domain,
    lane: &LaneId,
    signer: &Address,
    evidence: &Evidence,
    total: u64,
) -> Result<(), LedgerRefusal> {
    let worth = verify_evidence(&LibSecp, domain, lane, signer, evidence).map_err(|_| LedgerRefusal::BadEvidence)?;
    if total <= worth.amount() { Ok(()) } else { Err(LedgerRefusal::EvidenceTooLow) }
}

/// A batch's leaves, without looking at their proofs: for leaves that were proven before they were handed in.
pub(crate) fn assume(order: &SettleBatch, escrow: &Escrow, leaves: &LeafSet) -> ProvenBatch {
    let mandates = leaves.mandates.iter().flat_map(|bundle| &bundle.mandates);
    let mandates = mandates.map(|terms| ((terms.device, terms.serial), terms.clone())).collect();
    let lane = |channel: &ChannelId, claim: &LaneClaim| ProvenLane {
        leaf: LaneLeaf {
            lane: LaneId::derive(channel, &claim.payee, claim.rating_group),
            payee: claim.payee,
            rating_group: claim.rating_group,
            total: claim.total,
        },
        proven: true,
    };
    let channel = |claim: &ChannelClaim| {
        let id = ChannelId::derive(&escrow.id, &claim.device);
        let lanes = claim.lanes.iter().map(|claim| lane(&id, claim)).collect();
        ProvenChannel { device: claim.device, serial: claim.serial, lanes }
    };
    let channels = leaves.channels.iter().map(channel).collect();
    ProvenBatch { order: *order, total: ProvenTotal::Leaves { mandates, channels } }
}

/// Remembers the leaves of a batch that the ledger has decided to pay.
pub(crate) fn remember(
    books: &mut Books<'_>,
    escrow: &mut Escrow,
    batch: &ProvenBatch,
    posted_at: UnixSeconds,
) -> Result<(), LedgerError> {
    match &batch.total {
        ProvenTotal::Signer => {
            let row = LaneRow { escrow: escrow.id, device: escrow.signer(), total: batch.order.total };
            books.put_lane(&LaneId::of_escrow(&escrow.id), &row)
        }
        ProvenTotal::Leaves { mandates, channels } => {
            settle_leaves(books, escrow, &batch.order, mandates, channels, posted_at)
        }
    }
}

/// Checks a proven batch against the books, pays it and remembers its leaves.
pub(crate) fn settle(books: &mut Books<'_>, batch: &ProvenBatch) -> Result<(), LedgerError> {
    let mut escrow = books.escrow(&batch.order.escrow)?;
    admit(books, &mut escrow)?;
    let now = books.now();
    remember(books, &mut escrow, batch, now)?;
    pay_out(books, &mut escrow, &batch.order)
}

/// Whether the escrow takes a batch now; counts it where it is the last one.
fn admit(books: &Books<'_>, escrow: &mut Escrow) -> Result<(), LedgerRefusal> {
    match &mut escrow.state {
        EscrowState::Open => Ok(()),
        EscrowState::Finalized => Err(LedgerRefusal::EscrowFinalized),
        EscrowState::CloseRequested { at, batches_left } => {
            if books.now().0 >= at.0.saturating_add(WITHDRAW_GRACE_SECONDS) {
                return Err(LedgerRefusal::GraceOver);
            }
            *batches_left = batches_left.checked_sub(1).ok_or(LedgerRefusal::LastBatchPosted)?;
            Ok(())
        }
    }
}

fn settle_leaves(
    books: &mut Books<'_>,
    escrow: &mut Escrow,
    order: &SettleBatch,
    mandates: &HashMap<(Address, u64), MandateTerms>,
    channels: &[ProvenChannel],
    posted_at: UnixSeconds,
) -> Result<(), LedgerError> {
    let mut tree = BatchTree::default();
    let mut lanes_known: u32 = 0;
    for channel in channels {
        let row = books.channel(&escrow.id, &channel.device)?;
        let terms = mandates
            .get(&(channel.device, channel.serial))
            .or(row.as_ref().map(|row| &row.mandate).filter(|terms| terms.serial == channel.serial))
            .ok_or(LedgerRefusal::MandateMissing)?;
        let known = grow_lanes(books, escrow, terms, channel, posted_at)?;
        lanes_known = lanes_known.saturating_add(known);
        let lanes = channel.lanes.iter().map(|lane| lane.leaf).collect();
        let leaf = tree.push(channel.device, terms.limit, terms.expiry, terms.serial, lanes);
        let total = leaf.ok_or(LedgerRefusal::SumMismatch)?.lanes_root.sum;
        if u128::from(total) > terms.limit {
            return Err(LedgerRefusal::MandateLimit.into());
        }
        let new_row = ChannelRow { mandate: terms.clone(), total };
        if row.as_ref() != Some(&new_row) {
            books.put_channel(&escrow.id, &channel.device, &new_row)?;
        }
    }
    // Every lane ever settled must be there again, or the leaves would not account for what was paid.
    if lanes_known != escrow.lanes {
        return Err(LedgerRefusal::LaneMissing.into());
    }
    let root = tree.root().ok_or(LedgerRefusal::SumMismatch)?;
    if root.sum != order.total {
        return Err(LedgerRefusal::SumMismatch.into());
    }
    if root.hash != order.root {
        return Err(LedgerRefusal::RootMismatch.into());
    }
    escrow.lanes = order.lanes;
    escrow.lanes_total = order.total;
    Ok(())
}

/// Checks each lane against what was settled for it, writes those that grew, and counts those settled before.
fn grow_lanes(
    books: &mut Books<'_>,
    escrow: &Escrow,
    terms: &MandateTerms,
    channel: &ProvenChannel,
    posted_at: UnixSeconds,
) -> Result<u32, LedgerError> {
    let mut known: u32 = 0;
    let mut grew = false;
    for ProvenLane { leaf, proven } in &channel.lanes {
        let settled = books.lane(&leaf.lane)?.map(|row| row.total);
        if settled.is_some() {
            known = known.saturating_add(1);
        }
        let settled = settled.unwrap_or(0);
        if leaf.total < settled {
            return Err(LedgerRefusal::LaneShrinks.into());
        }
        if leaf.total == settled {
            continue;
        }
        if !proven {
            return Err(LedgerRefusal::EvidenceMissing.into());
        }
        if !terms.allows(&leaf.payee) {
            return Err(LedgerRefusal::PayeeNotAllowed.into());
        }
        grew = true;
        books.put_lane(&leaf.lane, &LaneRow { escrow: escrow.id, device: channel.device, total: leaf.total })?;
    }
    if grew && ended(books, &escrow.id, terms, posted_at)? {
        return Err(LedgerRefusal::MandateEnded.into());
    }
    Ok(known)
}

/// Whether the mandate was revoked or expired so long before the batch was posted that nothing under it may grow.
fn ended(
    books: &Books<'_>,
    escrow: &EscrowId,
    terms: &MandateTerms,
    posted_at: UnixSeconds,
) -> Result<bool, LedgerError> {
    let revoked = books.revoked_at(escrow, &terms.device, terms.serial)?;
    let end = revoked.map_or(terms.expiry, |at| at.min(terms.expiry));
    Ok(posted_at.0 >= end.0.saturating_add(MANDATE_END_GRACE_SECONDS))
}
