//! Takes in a journal: folds its records into the lanes of the book, and checks every proof on the way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::codec::{CodecError, decode_first};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId, TariffHash};
use farthing_channel::lane::Change;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::block::Block;
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::tariff::Tariff;
use farthing_channel::wire::SignedReport;
use farthing_ledger::{LedgerError, LedgerView};

use crate::book::{Book, BookError, ProviderRow, bundle_hash};
use crate::dispute::{Dispute, DisputeKind};
use crate::evidence::{LaneKeys, LaneProof};
use crate::journal_reader::JournalError;
use crate::record_root::RecordRoot;

mod finish;

/// Why a journal could not be taken in. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A whole block holds a record that this version cannot read.
    #[error("journal thread {thread}, block {sequence}: record {record} is {error}")]
    Record {
        /// The thread.
        thread: u16,
        /// The block.
        sequence: u64,
        /// The record's place in the block, from 0.
        record: usize,
        /// What is wrong with it.
        error: CodecError,
    },
}

/// A lane while the journal is read.
#[derive(Debug)]
struct LaneWork {
    proof: LaneProof,
    collected: u64,
    settled_serial: Option<u64>,
}

/// What was taken in.
#[derive(Debug)]
pub struct Ingested {
    /// What did not hold.
    pub disputes: Vec<Dispute>,
    /// Root over the lane records.
    pub journal_root: Hash32,
    /// Lane records.
    pub records: u64,
}

/// A journal on its way into the book.
pub struct Ingest<'a> {
    book: &'a Book,
    ledger: &'a dyn LedgerView,
    domain: Domain,
    signers: BTreeMap<EscrowId, Option<Address>>,
    lanes: BTreeMap<LaneId, LaneWork>,
    tariffs: BTreeMap<TariffHash, Vec<u8>>,
    bundles: BTreeMap<Hash32, MandateBundle>,
    bundles_refused: BTreeSet<Hash32>,
    providers: BTreeMap<Address, ProviderRow>,
    disputes: Vec<Dispute>,
    root: RecordRoot,
    place: (u16, u64),
}

impl std::fmt::Debug for Ingest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").field("lanes", &self.lanes.len()).field("place", &self.place).finish_non_exhaustive()
    }
}

impl<'a> Ingest<'a> {
    /// Begins with what the book holds; escrows' signers are asked of the ledger.
    ///
    /// # Errors
    /// [`IngestError::Ledger`].
    pub fn new(book: &'a Book, ledger: &'a dyn LedgerView) -> Result<Self, IngestError> {
        Ok(Self {
            book,
            ledger,
            domain: ledger.identity().domain(),
            signers: BTreeMap::new(),
            lanes: BTreeMap::new(),
            tariffs: BTreeMap::new(),
            bundles: BTreeMap::new(),
            bundles_refused: BTreeSet::new(),
            providers: BTreeMap::new(),
            disputes: Vec::new(),
            root: RecordRoot::default(),
            place: (0, 0),
        })
    }

    /// Takes in one block.
    ///
    /// # Errors
    /// Any [`IngestError`]. A proof that does not hold is no error but a dispute.
    pub fn block(&mut self, block: &Block<'_>) -> Result<(), IngestError> {
        self.place = (block.header.thread, block.header.sequence);
        let mut rest = block.body;
        let mut place = 0_usize;
        while !rest.is_empty() {
            let (record, taken) = decode_first::<Record>(rest).map_err(|error| IngestError::Record {
                thread: self.place.0,
                sequence: self.place.1,
                record: place,
                error,
            })?;
            let (bytes, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            self.record(record, bytes)?;
            rest = after;
            place = place.saturating_add(1);
        }
        Ok(())
    }

    fn record(&mut self, record: Record, bytes: &[u8]) -> Result<(), IngestError> {
        if let Some((lane, change)) = record.as_change() {
            self.root.push(bytes);
            return self.change(lane, &change);
        }
        match record {
            Record::Mandates(bundle) => self.mandates(bundle),
            Record::Lane(image) => self.lane(image),
            Record::Tariff { tariff, .. } => {
                self.tariff(&tariff);
                Ok(())
            }
            Record::Provider { address, name, .. } => {
                self.providers.insert(address, ProviderRow { address, name });
                Ok(())
            }
            Record::Report(report) => {
                self.root.push(bytes);
                self.report(&report)
            }
            // The ledger itself is asked for what it changed; what the hub does with its channels decides nothing here.
            _ => Ok(()),
        }
    }

    fn dispute(&mut self, kind: DisputeKind, refusal: Refusal) -> Dispute {
        Dispute::new(kind, refusal, self.place)
    }

    /// Whose signature counts under an escrow.
    fn signer(&mut self, escrow: &EscrowId) -> Result<Option<Address>, IngestError> {
        match self.signers.entry(*escrow) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(place) => {
                let found = self.ledger.escrow(escrow)?.map(|escrow| escrow.signer());
                Ok(*place.insert(found))
            }
        }
    }

    fn mandates(&mut self, bundle: MandateBundle) -> Result<(), IngestError> {
        let hash = bundle_hash(&bundle);
        if self.bundles.contains_key(&hash)
            || self.bundles_refused.contains(&hash)
            || self.book.bundle(&hash)?.is_some()
        {
            return Ok(());
        }
        let escrow = bundle.escrow;
        let refusal = match self.signer(&escrow)? {
            None => Refusal::UnknownEscrow,
            Some(signer) => match bundle.verify(&LibSecp, &self.domain, &signer) {
                Ok(verified) => {
                    self.bundles.insert(hash, verified.into_inner());
                    return Ok(());
                }
                Err(refusal) => refusal,
            },
        };
        self.bundles_refused.insert(hash);
        let dispute = self.dispute(DisputeKind::Mandate, refusal).on_escrow(&escrow);
        self.disputes.push(dispute);
        Ok(())
    }

    fn tariff(&mut self, encoding: &[u8]) {
        match Tariff::from_cbor(encoding) {
            Ok(tariff) => {
                self.tariffs.insert(tariff.hash(), encoding.to_vec());
            }
            Err(_) => {
                let dispute = self.dispute(DisputeKind::Tariff, Refusal::UnknownTariff);
                self.disputes.push(dispute);
            }
        }
    }

    fn lane(&mut self, image: LaneImage) -> Result<(), IngestError> {
        let outcome = match self.load(&image.lane)? {
            Some(work) => work.proof.take_up(image),
            None => LaneProof::new(image).map(|proof| {
                self.lanes.insert(image.lane, LaneWork { proof, collected: 0, settled_serial: None });
            }),
        };
        if let Err(refusal) = outcome {
            let dispute = self.dispute(DisputeKind::Lane, refusal).on_lane(&image.lane).on_escrow(&image.escrow);
            self.disputes.push(dispute.by(&image.device));
        }
        Ok(())
    }

    /// The lane as it is being worked on, from the book where it is known.
    fn load(&mut self, lane: &LaneId) -> Result<Option<&mut LaneWork>, BookError> {
        match self.lanes.entry(*lane) {
            Entry::Occupied(known) => Ok(Some(known.into_mut())),
            Entry::Vacant(place) => Ok(self.book.lane(lane)?.map(|row| {
                place.insert(LaneWork {
                    proof: row.to_proof(),
                    collected: row.collected,
                    settled_serial: row.settled_serial,
                })
            })),
        }
    }

    fn change(&mut self, lane: LaneId, change: &Change) -> Result<(), IngestError> {
        let kind = match change {
            Change::Anchor(_) => DisputeKind::Anchor,
            Change::Voucher(_) => DisputeKind::Voucher,
            Change::Tick { .. } => DisputeKind::Tick,
        };
        let Some(work) = self.load(&lane)? else {
            let dispute = self.dispute(kind, Refusal::UnknownLane).on_lane(&lane);
            self.disputes.push(dispute);
            return Ok(());
        };
        let (escrow, device) = (work.proof.image.escrow, work.proof.image.device);
        let outcome = match change {
            Change::Voucher(voucher) => {
                work.proof.offer_voucher(*voucher);
                Ok(())
            }
            Change::Tick { anchor, index, link } => work.proof.accept_tick(*anchor, *index, link),
            Change::Anchor(anchor) => {
                let payer = self.lane_payer(&lane)?;
                let known_before = match self.tariffs.contains_key(&anchor.terms.tariff) {
                    true => true,
                    false => self.book.tariff(&anchor.terms.tariff)?.is_some(),
                };
                let domain = self.domain;
                match (payer, self.lanes.get_mut(&lane)) {
                    (Some(payer), Some(work)) => {
                        let keys = LaneKeys { domain: &domain, payer };
                        work.proof.accept_anchor(&keys, &LibSecp, anchor, |_| known_before)
                    }
                    _ => Err(Refusal::UnknownEscrow),
                }
            }
        };
        if let Err(refusal) = outcome {
            let dispute = self.dispute(kind, refusal).on_lane(&lane).on_escrow(&escrow).by(&device);
            self.disputes.push(dispute);
        }
        Ok(())
    }

    /// Whose key a lane's proofs are by: the device's, or the escrow's signer where a lone payer pays.
    fn lane_payer(&mut self, lane: &LaneId) -> Result<Option<Address>, IngestError> {
        let Some(work) = self.lanes.get(lane) else { return Ok(None) };
        if work.proof.is_lone() {
            let escrow = work.proof.image.escrow;
            return self.signer(&escrow);
        }
        Ok(Some(work.proof.image.device))
    }

    fn report(&mut self, report: &SignedReport) -> Result<(), IngestError> {
        let domain = self.domain;
        let outcome = match self.load(&report.lane)? {
            Some(work) => work.proof.accept_report(&domain, &LibSecp, report),
            None => Err(Refusal::UnknownLane),
        };
        if let Err(refusal) = outcome {
            let dispute = self.dispute(DisputeKind::Report, refusal).on_lane(&report.lane).claiming(report.credited);
            self.disputes.push(dispute);
        }
        Ok(())
    }
}
