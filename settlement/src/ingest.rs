//! Takes in a journal: folds its records into the lanes of the book, and checks every proof on the way.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use farthing_channel::codec::{CodecError, decode_first};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId, TariffHash};
use farthing_channel::lane::Change;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::Record;
use farthing_channel::record::block::Block;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::tariff::Tariff;
use farthing_ledger::{LedgerError, LedgerView};

use crate::book::{Book, BookError, BookWriter, ProviderRow, bundle_hash};
use crate::dispute::{Dispute, DisputeKind};
use crate::journal_reader::JournalError;
use crate::meter::Meter;
use crate::record_root::RecordRoot;
use hours::Hours;
use orders::{LaneRecord, Order, Place};
use shard::Shard;

mod finish;
mod hours;
mod orders;
mod shard;

pub use hours::{Growth, HourGrowth};

/// Ranges of lane ids. Each is written to the book while the next ones are proven, and its memory is free again then.
const RANGES: usize = 64;

/// Records that are sent to a shard at once.
const RECORDS_PER_ORDER: usize = 512;

/// Orders that wait for a shard before the reader waits for it.
const ORDERS_WAITING_MAX: usize = 8;

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
    /// A bug: a shard of lanes ended early without a reason.
    #[error("a shard of lanes ended early")]
    ShardEnded,
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
    /// When lanes grew.
    pub growth: Growth,
}

/// A journal on its way into the book. What concerns one lane is sent to the shard that its id belongs to, and proven there,
/// on as many threads as there are processors; everything else is seen to here.
pub struct Ingest<'a> {
    book: &'a Book,
    ledger: &'a dyn LedgerView,
    domain: Domain,
    signers: BTreeMap<EscrowId, Option<Address>>,
    tariffs: BTreeMap<TariffHash, Vec<u8>>,
    tariffs_before: BTreeSet<TariffHash>,
    bundles: BTreeMap<Hash32, MandateBundle>,
    bundles_refused: BTreeSet<Hash32>,
    providers: BTreeMap<Address, ProviderRow>,
    disputes: Vec<(u64, Dispute)>,
    root: RecordRoot,
    place: Place,
    shards: Vec<SyncSender<Order>>,
    waiting: Vec<Vec<(Place, LaneRecord)>>,
}

impl std::fmt::Debug for Ingest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").field("place", &self.place).field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

/// Takes in what `read` hands over block by block, and writes it with `writer`. With `catch_up`, what was collected is
/// raised to what the ledger settled: books that were lost or restored catch up with it. `meter` is told how far the proofs
/// are that are checked in the end.
///
/// # Errors
/// What `read` returns, or any [`IngestError`]. A proof that does not hold is no error but a dispute.
pub fn take_in<T>(
    book: &Book,
    ledger: &dyn LedgerView,
    writer: &BookWriter,
    catch_up: bool,
    meter: &dyn Meter,
    read: impl FnOnce(&mut Ingest<'_>) -> Result<T, IngestError>,
) -> Result<(T, Ingested), IngestError> {
    let count = thread::available_parallelism().map_or(1, NonZero::get).min(RANGES);
    thread::scope(|scope| {
        let (mut orders, mut ranges, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let (order, ordered) = sync_channel(ORDERS_WAITING_MAX);
            let (range, finished) = sync_channel(1);
            let shard = Shard::new(book, ledger, number, count);
            threads.push(scope.spawn(move || shard.run(&ordered, &range)));
            orders.push(order);
            ranges.push(finished);
        }
        let mut ingest = Ingest::new(book, ledger, orders);
        let read = read(&mut ingest).and_then(|read| {
            ingest.finish_shards(catch_up);
            Ok((read, ingest.collect(writer, &ranges, meter)?))
        });
        // A shard that still has something to hand over sees that nobody wants it.
        drop(ranges);
        let (mut of_shards, mut hours) = (Vec::new(), Hours::default());
        for thread in threads {
            let end = thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            of_shards.extend(end.disputes);
            hours.add(end.hours);
        }
        let (read, collected) = read?;
        let collected = collected.ok_or(IngestError::ShardEnded)?;
        Ok((read, collected.with(of_shards, hours.growth())))
    })
}

/// The range of ids that a lane's belongs to. Ids are hashes, so ranges are alike.
fn range_of(lane: &LaneId) -> usize {
    usize::from(lane.0[0]) * RANGES / 256
}

impl<'a> Ingest<'a> {
    fn new(book: &'a Book, ledger: &'a dyn LedgerView, shards: Vec<SyncSender<Order>>) -> Self {
        Self {
            book,
            ledger,
            domain: ledger.identity().domain(),
            signers: BTreeMap::new(),
            tariffs: BTreeMap::new(),
            tariffs_before: BTreeSet::new(),
            bundles: BTreeMap::new(),
            bundles_refused: BTreeSet::new(),
            providers: BTreeMap::new(),
            disputes: Vec::new(),
            root: RecordRoot::default(),
            place: Place { ordinal: 0, block: (0, 0), unix_ms: 0 },
            waiting: shards.iter().map(|_| Vec::with_capacity(RECORDS_PER_ORDER)).collect(),
            shards,
        }
    }

    /// Takes in one block.
    ///
    /// # Errors
    /// Any [`IngestError`]. A proof that does not hold is no error but a dispute.
    pub fn block(&mut self, block: &Block<'_>) -> Result<(), IngestError> {
        self.place.block = (block.header.thread, block.header.sequence);
        self.place.unix_ms = block.header.unix_ms;
        let mut rest = block.body;
        let mut place = 0_usize;
        while !rest.is_empty() {
            let (record, taken) = decode_first::<Record>(rest).map_err(|error| IngestError::Record {
                thread: self.place.block.0,
                sequence: self.place.block.1,
                record: place,
                error,
            })?;
            let (bytes, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            self.record(record, bytes)?;
            rest = after;
            place = place.saturating_add(1);
            self.place.ordinal = self.place.ordinal.saturating_add(1);
        }
        Ok(())
    }

    fn record(&mut self, record: Record, bytes: &[u8]) -> Result<(), IngestError> {
        if let Some((lane, change)) = record.as_change() {
            self.root.push(bytes);
            let tariff_known = match &change {
                Change::Anchor(anchor) => self.tariff_known(&anchor.terms.tariff)?,
                _ => true,
            };
            return self.send(LaneRecord::Change { lane, change, tariff_known });
        }
        match record {
            Record::Mandates(bundle) => self.mandates(bundle),
            Record::Lane(image) => self.send(LaneRecord::Image(image)),
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
                self.send(LaneRecord::Report(report))
            }
            // The ledger itself is asked for what it changed; what the hub does with its channels decides nothing here.
            _ => Ok(()),
        }
    }

    /// Sends a record to its lane's shard, many at a time.
    fn send(&mut self, record: LaneRecord) -> Result<(), IngestError> {
        let shard = range_of(&record.lane()) % self.shards.len();
        let Some(waiting) = self.waiting.get_mut(shard) else { return Ok(()) };
        waiting.push((self.place, record));
        if waiting.len() < RECORDS_PER_ORDER {
            return Ok(());
        }
        let full = std::mem::replace(waiting, Vec::with_capacity(RECORDS_PER_ORDER));
        let sent = self.shards.get(shard).is_some_and(|order| order.send(Order::Records(full)).is_ok());
        if sent { Ok(()) } else { Err(IngestError::ShardEnded) }
    }

    /// Tells the shards that there are no more records. One that has ended is found out when its ranges are missing.
    fn finish_shards(&mut self, catch_up: bool) {
        for (order, waiting) in self.shards.iter().zip(&mut self.waiting) {
            let _ended = order.send(Order::Records(std::mem::take(waiting)));
            let _ended = order.send(Order::Finish { catch_up });
        }
    }

    fn dispute(&mut self, kind: DisputeKind, refusal: Refusal, about: impl FnOnce(Dispute) -> Dispute) {
        let dispute = Dispute::new(kind, refusal, self.place.block);
        self.disputes.push((self.place.ordinal, about(dispute)));
    }

    /// Whether the anchors' tariff is one that was published before.
    fn tariff_known(&mut self, tariff: &TariffHash) -> Result<bool, BookError> {
        if self.tariffs.contains_key(tariff) || self.tariffs_before.contains(tariff) {
            return Ok(true);
        }
        let known = self.book.tariff(tariff)?.is_some();
        if known {
            self.tariffs_before.insert(*tariff);
        }
        Ok(known)
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
        let signer = match self.signers.entry(escrow) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(self.ledger.escrow(&escrow)?.map(|escrow| escrow.signer())),
        };
        let refusal = match signer {
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
        self.dispute(DisputeKind::Mandate, refusal, |dispute| dispute.on_escrow(&escrow));
        Ok(())
    }

    fn tariff(&mut self, encoding: &[u8]) {
        match Tariff::from_cbor(encoding) {
            Ok(tariff) => {
                self.tariffs.insert(tariff.hash(), encoding.to_vec());
            }
            Err(_) => self.dispute(DisputeKind::Tariff, Refusal::UnknownTariff, |dispute| dispute),
        }
    }
}
