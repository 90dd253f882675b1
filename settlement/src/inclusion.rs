//! That one payment was among the records of a day: the record itself, and its way to the journal root that the day's
//! batches commit to. With the hub's receipt and an epoch's folder, whoever made the payment can show it to anybody.

use std::collections::BTreeMap;
use std::path::Path;

use farthing_channel::codec::{decode_exact, decode_first};
use farthing_channel::id::{Hash32, Preimage};
use farthing_channel::lane::{Evidence, SignedAnchor, TickProof, restore_voucher};
use farthing_channel::record::Record;
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::sign::{LibSecp, verify_typed};
use farthing_channel::wire::SignedReceipt;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::book::{Book, BookError};
use crate::evidence::{LaneKeys, worth};
use crate::journal_reader::{JournalError, read_journal};
use crate::night::EpochOutputs;
use crate::record_root::{leaf, path, root_along};
use crate::stage::cut_off::CutOff;
use crate::verify::cover::payer_of;

/// A record, and its way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Inclusion {
    /// The record in its encoding: a voucher, an anchor or a tick.
    #[n(0)]
    pub record: ByteVec,
    /// Its place among the epoch's lane records, from 0.
    #[n(1)]
    pub index: u64,
    /// Its partner at each level, lowest first.
    #[n(2)]
    pub path: Vec<Hash32>,
    /// The anchor of a tick.
    #[n(3)]
    pub anchor: Option<SignedAnchor>,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum InclusionError {
    /// The journal cannot be read, or no longer reaches back to the epoch.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The journal's records are not those of the epoch.
    #[error("the journal gives another root than the epoch's")]
    OtherRoot,
    /// No record of the epoch proves as much as the receipt says.
    #[error("no record of the epoch proves the receipt's total; try another epoch")]
    NotInside,
}

/// The proof that a record is, where it pays.
fn evidence(record: &Record, anchors: &[SignedAnchor]) -> Option<Evidence> {
    match *record {
        Record::Voucher { voucher, .. } => Some(Evidence::Voucher(voucher)),
        Record::Anchor { anchor, .. } => {
            Some(Evidence::Tick(TickProof { anchor, index: 0, link: Preimage(anchor.terms.root.0) }))
        }
        Record::Tick { anchor: tag, index, link, .. } => {
            let anchor = *anchors.iter().find(|anchor| anchor.terms.tag() == tag)?;
            Some(Evidence::Tick(TickProof { anchor, index, link }))
        }
        _ => None,
    }
}

/// Finds the first record of the epoch that proves what the receipt says, and its way to the epoch's root.
///
/// # Errors
/// Any [`InclusionError`].
pub fn prove(
    journal: &Path,
    book: &Book,
    cut_off: &CutOff,
    receipt: &SignedReceipt,
) -> Result<Inclusion, InclusionError> {
    let begins = cut_off.begins.iter().map(|start| {
        let cursor = ChainCursor { term: start.term, sequence: start.sequence, hash: BlockHash(start.block_hash.0) };
        (start.thread, cursor)
    });
    let begins: BTreeMap<u16, ChainCursor> = begins.collect();
    let row = book.lane(&receipt.lane)?;
    let mut anchors: Vec<SignedAnchor> = row.iter().flat_map(|row| &row.anchors).map(|anchor| anchor.signed).collect();
    if let Some(Evidence::Tick(proof)) = row.and_then(|row| row.proven) {
        anchors.push(proof.anchor);
    }
    let mut leaves = Vec::new();
    let mut found: Option<(usize, Vec<u8>, Option<SignedAnchor>)> = None;
    read_journal::<InclusionError>(journal, &cut_off.hub, &begins, &mut |block| {
        let cut = cut_off.threads.iter().find(|cut| cut.thread == block.header.thread);
        if cut.is_none_or(|cut| block.header.sequence > cut.sequence) {
            return Ok(());
        }
        let mut rest = block.body;
        while !rest.is_empty() {
            let (record, taken) = decode_first::<Record>(rest).map_err(|_| InclusionError::OtherRoot)?;
            let (bytes, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            rest = after;
            let change = record.as_change();
            if change.is_none() && !matches!(record, Record::Report(_)) {
                continue;
            }
            if found.is_none() && change.is_some_and(|(lane, _)| lane == receipt.lane) {
                if let Record::Anchor { anchor, .. } = record {
                    anchors.push(anchor);
                }
                let proof = evidence(&record, &anchors);
                let total = proof.as_ref().and_then(|proof| proof.claimed().ok());
                if total.is_some_and(|total| total.amount() >= receipt.authorised) {
                    let anchor = match (record, proof) {
                        (Record::Tick { .. }, Some(Evidence::Tick(proof))) => Some(proof.anchor),
                        _ => None,
                    };
                    found = Some((leaves.len(), bytes.to_vec(), anchor));
                }
            }
            leaves.push(leaf(bytes));
        }
        Ok(())
    })?;
    let (place, record, anchor) = found.ok_or(InclusionError::NotInside)?;
    let path = path(&leaves, place).ok_or(InclusionError::NotInside)?;
    let index = u64::try_from(place).unwrap_or(u64::MAX);
    if root_along(&record, index, &path) != cut_off.journal_root {
        return Err(InclusionError::OtherRoot);
    }
    Ok(Inclusion { record: record.into(), index, path, anchor })
}

/// Checks a receipt and the proof of its payment against an epoch: the hub signed the receipt, the device signed the record,
/// the record is worth at least what the receipt says, and it leads to the root in the proposal.
pub(crate) fn check(outputs: &EpochOutputs, receipt: &SignedReceipt, inclusion: &Inclusion) -> Result<String, String> {
    let domain = outputs.proposal.domain();
    let signature = receipt.signature.check().map_err(|error| error.to_string())?;
    verify_typed(&LibSecp, &domain, &receipt.typed(), &signature, &outputs.proposal.hub)
        .map_err(|error| format!("the receipt is not the hub's: {error}"))?;
    let record: Record = decode_exact(&inclusion.record).map_err(|_| "the record cannot be read".to_owned())?;
    if record.as_change().is_none_or(|(lane, _)| lane != receipt.lane) {
        return Err("the record is not of the receipt's lane".to_owned());
    }
    let line = outputs.positions.lanes.iter().find(|line| line.lane == receipt.lane);
    let line = line.ok_or("the epoch knows no such lane")?;
    let escrow = outputs.cut_off.ledger.escrow(&line.escrow).ok_or("the lane's escrow is unknown")?;
    let keys = LaneKeys { domain: &domain, payer: payer_of(line, escrow) };
    let anchors: Vec<_> = inclusion.anchor.into_iter().collect();
    let amount = match evidence(&record, &anchors).ok_or("the tick's anchor is missing")? {
        // The hub keeps a voucher as it came; whose it is decides, not its parity bit.
        Evidence::Voucher(voucher) => restore_voucher(&LibSecp, &domain, &receipt.lane, &keys.payer, &voucher)
            .map(|held| held.into_inner().amount),
        proof => worth(&keys, &LibSecp, &receipt.lane, &proof).map(|total| total.amount()),
    };
    let amount = amount.map_err(|refusal| format!("the record is not the device's: {refusal}"))?;
    if amount < receipt.authorised {
        return Err(format!("the record proves {amount}, the receipt says {}", receipt.authorised));
    }
    if root_along(&inclusion.record, inclusion.index, &inclusion.path) != outputs.proposal.journal_root {
        return Err("the record does not lead to the root".to_owned());
    }
    Ok(format!("record {} proves {amount}", inclusion.index))
}
