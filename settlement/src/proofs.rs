//! `proofs.cbor`: everything that proves an epoch, in one file, for whoever trusts neither hub nor settlement.

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use farthing_channel::lane::Evidence;
use farthing_channel::mandate::{MandateBundle, MandateTerms};
use farthing_channel::wire::SignedReport;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::approval::{Approvers, OwnApprovers};
use crate::book::{ApprovalRow, Book, BookError};
use crate::night::EpochOutputs;
use crate::stage::Stage;
use crate::stage::positions::Cover;

/// The layout of the file.
pub const PROOFS_VERSION: u16 = 1;

/// A lane's proof.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaneEvidence {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// The device's proof of its total.
    #[n(1)]
    pub evidence: Evidence,
    /// The payee's newest report, which carries the refunds.
    #[n(2)]
    pub report: Option<SignedReport>,
}

/// The file. Stage outputs are kept as the very bytes whose hashes the proposal names.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProofBundle {
    /// [`PROOFS_VERSION`].
    #[n(0)]
    pub version: u16,
    /// [`crate::stage::cut_off::CutOff`] as JSON.
    #[n(1)]
    pub cut_off: ByteVec,
    /// [`crate::stage::positions::Positions`] in its encoding.
    #[n(2)]
    pub positions: ByteVec,
    /// [`crate::netting::Netting`] as JSON.
    #[n(3)]
    pub netting: ByteVec,
    /// [`crate::proposal::Proposal`] in its encoding.
    #[n(4)]
    pub proposal: ByteVec,
    /// The ledger's approvers.
    #[n(5)]
    pub approvers: Vec<Address>,
    /// The approvals.
    #[n(6)]
    pub approvals: Vec<ApprovalRow>,
    /// The mandates that the lanes stand under.
    #[n(7)]
    pub mandates: Vec<MandateBundle>,
    /// A proof for every lane that was ever settled, by lane.
    #[n(8)]
    pub lanes: Vec<LaneEvidence>,
    /// [`crate::stage::reconcile::Reconciliation`] as JSON, once there is one.
    #[n(9)]
    pub reconciliation: Option<ByteVec>,
    /// Approvers of participants that have some of their own, where there are any.
    #[n(10)]
    pub own_approvers: Option<Vec<OwnApprovers>>,
}

impl ProofBundle {
    /// Gathers the proofs of an epoch from the book.
    ///
    /// # Errors
    /// The book's.
    pub fn gather(book: &Book, outputs: &EpochOutputs, approvers: &Approvers) -> Result<Self, BookError> {
        let epoch = outputs.cut_off.epoch;
        let output = |stage: Stage| -> Result<ByteVec, BookError> {
            let (_, bytes) = book.stage(epoch, stage)?.ok_or(BookError::Damaged("a stage's output is missing"))?;
            Ok(bytes.into())
        };
        let mut lanes = Vec::new();
        let mut hashes: BTreeSet<Hash32> = BTreeSet::new();
        for line in outputs.positions.lanes.iter().filter(|line| line.total() > 0) {
            let row = book.lane(&line.lane)?.ok_or(BookError::Damaged("a settled lane is not in the book"))?;
            let evidence = row.proven.ok_or(BookError::Damaged("a settled lane has no proof"))?;
            lanes.push(LaneEvidence { lane: line.lane, evidence, report: row.report });
            let serials = match line.cover {
                Cover::Mandate(mandate) => [Some(mandate.serial), line.settled_under.map(|mandate| mandate.serial)],
                _ => [None, line.settled_under.map(|mandate| mandate.serial)],
            };
            for serial in serials.into_iter().flatten() {
                let mandate = book.mandate_with_serial(&line.escrow, &line.device, serial)?;
                hashes.extend(mandate.map(|mandate| mandate.bundle));
            }
        }
        lanes.sort_by_key(|proof| proof.lane);
        let mut mandates = Vec::new();
        for hash in hashes {
            mandates.extend(book.bundle(&hash)?);
        }
        Ok(Self {
            version: PROOFS_VERSION,
            cut_off: output(Stage::CutOff)?,
            positions: output(Stage::Positions)?,
            netting: output(Stage::Netting)?,
            proposal: encode_to_vec(&outputs.proposal).into(),
            approvers: approvers.ledger.clone(),
            approvals: outputs.approvals.clone(),
            mandates,
            lanes,
            reconciliation: book.stage(epoch, Stage::Reconciliation)?.map(|(_, bytes)| bytes.into()),
            own_approvers: (!approvers.own.is_empty()).then(|| approvers.own.clone()),
        })
    }

    /// Whose approvals count.
    #[must_use]
    pub fn approvers(&self) -> Approvers {
        Approvers { ledger: self.approvers.clone(), own: self.own_approvers.clone().unwrap_or_default() }
    }

    /// The proof of one lane.
    #[must_use]
    pub fn lane(&self, lane: &LaneId) -> Option<&LaneEvidence> {
        let place = self.lanes.binary_search_by_key(lane, |proof| proof.lane).ok()?;
        self.lanes.get(place)
    }

    /// Every mandate given, by escrow, device and serial.
    #[must_use]
    pub fn mandate_index(&self) -> MandateIndex<'_> {
        let mut places = BTreeMap::new();
        for (number, bundle) in self.mandates.iter().enumerate() {
            for (position, terms) in bundle.mandates.iter().enumerate() {
                let place = MandatePlace { bundle, number, position, terms };
                places.insert((bundle.escrow, terms.device, terms.serial), place);
            }
        }
        MandateIndex(places)
    }
}

/// Where a mandate stands among those given.
#[derive(Debug, Clone, Copy)]
pub struct MandatePlace<'a> {
    /// Its bundle.
    pub bundle: &'a MandateBundle,
    /// The bundle's place among all bundles.
    pub number: usize,
    /// Its place in the bundle.
    pub position: usize,
    /// Its terms.
    pub terms: &'a MandateTerms,
}

/// Mandates by escrow, device and serial.
#[derive(Debug)]
pub struct MandateIndex<'a>(BTreeMap<(EscrowId, Address, u64), MandatePlace<'a>>);

impl<'a> MandateIndex<'a> {
    /// The mandate with `serial` of `device`.
    #[must_use]
    pub fn get(&self, escrow: &EscrowId, device: &Address, serial: u64) -> Option<&MandatePlace<'a>> {
        self.0.get(&(*escrow, *device, serial))
    }
}
