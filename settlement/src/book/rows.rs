//! Rows of the book. Keys are append-only.

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, EscrowId, Hash32, Preimage, keccak256};
use farthing_channel::lane::{Evidence, HeldAnchor, SignedAnchor};
use farthing_channel::mandate::{MandateBundle, MandateTerms};
use farthing_channel::record::LaneImage;
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::sign::Signature;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::SignedReport;
use farthing_ledger::JournalCursor;
use minicbor::{Decode, Encode};

use crate::evidence::LaneProof;

/// An anchor and how far its chain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AnchorRow {
    /// The anchor.
    #[n(0)]
    pub signed: SignedAnchor,
    /// The highest index known.
    #[n(1)]
    pub index: u16,
    /// The link there.
    #[n(2)]
    pub link: Preimage,
}

/// A lane.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaneRow {
    /// Its standing facts.
    #[n(0)]
    pub image: LaneImage,
    /// The greatest total proven.
    #[n(1)]
    pub proven: Option<Evidence>,
    /// Anchors whose ticks may still come.
    #[n(2)]
    pub anchors: Vec<AnchorRow>,
    /// The payee's newest report.
    #[n(3)]
    pub report: Option<SignedReport>,
    /// Collected in closed epochs, base units.
    #[n(4)]
    pub collected: u64,
    /// Serial of the mandate under which its channel was last settled.
    #[n(5)]
    pub settled_serial: Option<u64>,
}

impl LaneRow {
    /// The row of a lane's proof.
    #[must_use]
    pub fn of_proof(proof: &LaneProof, collected: u64, settled_serial: Option<u64>) -> Self {
        let anchor = |held: &HeldAnchor| AnchorRow { signed: held.signed, index: held.index, link: held.link };
        Self {
            image: proof.image,
            proven: proof.proven(),
            anchors: proof.anchors.iter().map(anchor).collect(),
            report: proof.report(),
            collected,
            settled_serial,
        }
    }

    /// The lane's proof.
    #[must_use]
    pub fn to_proof(&self) -> LaneProof {
        let held = |row: &AnchorRow| HeldAnchor { signed: row.signed, index: row.index, link: row.link };
        LaneProof::remembered(self.image, self.proven, self.anchors.iter().map(held).collect(), self.report)
    }
}

/// The mandate of a device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MandateRow {
    /// Its terms.
    #[n(0)]
    pub terms: MandateTerms,
    /// The bundle it was verified in.
    #[n(1)]
    pub bundle: Hash32,
    /// Its place in the bundle.
    #[n(2)]
    pub position: u32,
}

/// Escrow, device and serial, so that a device's mandates stand together with the highest serial last.
pub(super) fn mandate_key(escrow: &EscrowId, device: &Address, serial: u64) -> [u8; 60] {
    let mut key = [0; 60];
    key[..32].copy_from_slice(&escrow.0);
    key[32..52].copy_from_slice(&device.0);
    key[52..].copy_from_slice(&serial.to_be_bytes());
    key
}

/// The name of a bundle: keccak256 of its encoding.
#[must_use]
pub fn bundle_hash(bundle: &MandateBundle) -> Hash32 {
    Hash32(keccak256(&[&encode_to_vec(bundle)]))
}

/// A provider as the journal named it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProviderRow {
    /// Its key and account.
    #[n(0)]
    pub address: Address,
    /// For people.
    #[n(1)]
    pub name: String,
}

/// How far a journal thread was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CursorRow {
    /// The thread.
    #[n(0)]
    pub thread: u16,
    /// The last block's term.
    #[n(1)]
    pub term: u64,
    /// Its number.
    #[n(2)]
    pub sequence: u64,
    /// Its hash.
    #[n(3)]
    pub hash: Hash32,
}

impl CursorRow {
    /// The row of a cursor.
    #[must_use]
    pub fn new(thread: u16, cursor: &ChainCursor) -> Self {
        Self { thread, term: cursor.term, sequence: cursor.sequence, hash: Hash32(cursor.hash.0) }
    }

    /// The cursor as the ledger keeps it.
    #[must_use]
    pub fn journal_cursor(&self) -> JournalCursor {
        let Self { thread, term, sequence, hash } = *self;
        JournalCursor { thread, term, sequence, block_hash: hash }
    }

    /// The cursor.
    #[must_use]
    pub fn cursor(&self) -> ChainCursor {
        ChainCursor { term: self.term, sequence: self.sequence, hash: BlockHash(self.hash.0) }
    }
}

/// One person's approval of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ApprovalRow {
    /// Whose.
    #[n(0)]
    pub approver: Address,
    /// What was approved.
    #[n(1)]
    pub proposal: Hash32,
    /// When.
    #[n(2)]
    pub at: UnixSeconds,
    /// Over the transfers; `None` where there are none.
    #[n(3)]
    pub transfers: Option<Signature>,
    /// Over the closing of the epoch.
    #[n(4)]
    pub close: Signature,
}
