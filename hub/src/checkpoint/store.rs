//! The redb file of the checkpoint.

use std::path::Path;
use std::sync::Arc;

use farthing_channel::codec::CodecError;
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::record::{Record, records};
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _, TableDefinition,
    WriteTransaction,
};

use super::row::{UnitHead, UnitRow};
use crate::table::Table;
use crate::table::cold::{ColdUnits, Unreadable};
use crate::table::fold::FoldError;
use crate::table::unit::StartSums;

/// `format`, `cursor`, and single records by name.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Escrow id to [`Record::Escrow`].
pub(super) const ESCROWS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("escrows");
/// Slot to [`UnitRow`]. Slots are given in order, so new rows go to the end, into packed pages.
pub(super) const UNITS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("units");
/// Provider address to [`Record::Provider`].
pub(super) const PROVIDERS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("providers");
/// Order of entry to [`Record::Tariff`]: the last for a service is the current one.
pub(super) const TARIFFS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tariffs");

/// The layout of the file. The first kept channels and lanes apart, by id, and said nothing of a layout.
const FORMAT: [u8; 1] = [2];
const META_FORMAT: &str = "format";
pub(super) const META_CURSOR: &str = "cursor";
/// [`Record::Term`], [`Record::LedgerCursor`] and [`Record::EpochClosed`]: the newest of each.
pub(super) const META_RECORDS: [&str; 3] = ["term", "ledger_cursor", "epoch_closed"];

/// Parts in which a start reads units: beyond these, memory is the limit.
const PARTS_MAX: usize = 8;

/// Why the checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says so.
    #[error("the checkpoint file: {0}")]
    Database(#[from] redb::Error),
    /// A row is not what it should be.
    #[error("the checkpoint's table {table} is damaged: {error}")]
    Row {
        /// Which table.
        table: &'static str,
        /// What is wrong.
        error: CodecError,
    },
    /// It was written by another version.
    #[error(
        "the checkpoint file has another layout than this version's; as long as the journal reaches back to its first \
         block, move the file away and the hub makes it anew from the journal"
    )]
    Format,
    /// Rows that do not fit each other.
    #[error("the checkpoint contradicts itself: {0}")]
    Fold(#[from] FoldError),
}

macro_rules! from_redb {
    ($($error:ty),*) => { $(impl From<$error> for StoreError {
        fn from(error: $error) -> Self { Self::Database(error.into()) }
    })* };
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// An open checkpoint file.
#[derive(Debug)]
pub struct CheckpointStore {
    database: Arc<Database>,
}

/// Reads units of an open checkpoint file, beside the checkpointer's writing. It cannot write.
#[derive(Debug)]
struct CheckpointReader {
    database: Arc<Database>,
}

fn encode_cursor(cursor: &ChainCursor) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&cursor.term.to_be_bytes());
    bytes[8..16].copy_from_slice(&cursor.sequence.to_be_bytes());
    bytes[16..].copy_from_slice(&cursor.hash.0);
    bytes
}

fn decode_cursor(bytes: &[u8]) -> Option<ChainCursor> {
    let bytes: &[u8; 48] = bytes.try_into().ok()?;
    let (term, rest) = bytes.split_first_chunk::<8>()?;
    let (sequence, hash) = rest.split_first_chunk::<8>()?;
    Some(ChainCursor {
        term: u64::from_be_bytes(*term),
        sequence: u64::from_be_bytes(*sequence),
        hash: BlockHash(hash.try_into().ok()?),
    })
}

impl CheckpointStore {
    /// Opens the file, or makes an empty one. redb keeps pages of up to `cache_bytes` in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Format`].
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let database = Database::builder().set_cache_size(cache_bytes).create(path)?;
        let store = Self { database: Arc::new(database) };
        store.check_format()?;
        let transaction = store.begin()?;
        transaction.open_table(META)?.insert(META_FORMAT, FORMAT.as_slice())?;
        transaction.open_table(ESCROWS)?;
        transaction.open_table(UNITS)?;
        transaction.open_table(PROVIDERS)?;
        transaction.open_table(TARIFFS)?;
        transaction.commit()?;
        Ok(store)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let read = self.database.begin_read()?;
        if read.list_tables()?.next().is_none() {
            return Ok(());
        }
        let format = read.open_table(META)?.get(META_FORMAT)?.map(|bytes| bytes.value() == FORMAT.as_slice());
        if format == Some(true) { Ok(()) } else { Err(StoreError::Format) }
    }

    /// What reads cold units for a table.
    pub fn cold_units(&self) -> Arc<dyn ColdUnits> {
        Arc::new(CheckpointReader { database: Arc::clone(&self.database) })
    }

    /// A write transaction that is durable, by two phases, once committed.
    pub(super) fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // With two phases a crash cannot leave a bad root, and with the allocator's state in each commit the next open
        // need not walk the whole file to find out which pages are free.
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// The journal block up to which the rows are the fold; none before the first checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self) -> Result<Option<ChainCursor>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let Some(bytes) = meta.get(META_CURSOR)? else {
            return Ok(None);
        };
        let damaged = StoreError::Row { table: "meta", error: CodecError::Malformed };
        decode_cursor(bytes.value()).ok_or(damaged).map(Some)
    }

    /// Fills an empty table with the rows.
    ///
    /// # Errors
    /// [`StoreError`]; the table is then of no use.
    pub fn load(&self, table: &Table) -> Result<(), StoreError> {
        let read = self.database.begin_read()?;
        let apply = |name: &'static str, bytes: &[u8]| -> Result<(), StoreError> {
            for record in records(bytes).map_err(|error| StoreError::Row { table: name, error })? {
                table.apply(&record)?;
            }
            Ok(())
        };
        let meta = read.open_table(META)?;
        for name in META_RECORDS {
            if let Some(bytes) = meta.get(name)? {
                apply("meta", bytes.value())?;
            }
        }
        for entry in read.open_table(ESCROWS)?.iter()? {
            apply("escrows", entry?.1.value())?;
        }
        for entry in read.open_table(PROVIDERS)?.iter()? {
            apply("providers", entry?.1.value())?;
        }
        for entry in read.open_table(TARIFFS)?.iter()? {
            apply("tariffs", entry?.1.value())?;
        }
        self.enter_units(table)
    }

    /// Enters every unit in the table's indexes and sums, in as many parts at once as there are cores.
    fn enter_units(&self, table: &Table) -> Result<(), StoreError> {
        let units = self.database.begin_read()?.open_table(UNITS)?;
        let Some(last) = units.last()?.map(|(slot, _)| slot.value()) else {
            return Ok(());
        };
        table.reserve_units(usize::try_from(units.len()?).unwrap_or(0));
        let parts = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(PARTS_MAX);
        let share = (last / u32::try_from(parts).unwrap_or(1)).saturating_add(1);
        std::thread::scope(|scope| {
            let enter = |from: u32| self.enter_part(table, from..=from.saturating_add(share - 1));
            let begin = |from: u32| scope.spawn(move || enter(from));
            let running: Vec<_> = (0..=last).step_by(usize::try_from(share).unwrap_or(usize::MAX)).map(begin).collect();
            running.into_iter().try_for_each(|part| match part.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn enter_part(&self, table: &Table, slots: std::ops::RangeInclusive<u32>) -> Result<(), StoreError> {
        let units = self.database.begin_read()?.open_table(UNITS)?;
        let mut sums = StartSums::default();
        let mut head = UnitHead::blank();
        for entry in units.range(slots)? {
            let (slot, bytes) = entry?;
            head.read(bytes.value()).map_err(|error| StoreError::Row { table: "units", error })?;
            table.enter_unit(slot.value(), &head, &mut sums)?;
        }
        table.finish_entering(sums);
        Ok(())
    }
}

pub(super) fn decode_unit(bytes: &[u8]) -> Result<UnitRow, StoreError> {
    UnitRow::decode(bytes).map_err(|error| StoreError::Row { table: "units", error })
}

impl CheckpointReader {
    fn read_unit(&self, slot: u32) -> Result<Option<UnitRow>, StoreError> {
        let units = self.database.begin_read()?.open_table(UNITS)?;
        let row = units.get(slot)?.map(|bytes| decode_unit(bytes.value()));
        row.transpose()
    }

    fn read_units(&self, slots: std::ops::Range<u32>) -> Result<Vec<(u32, UnitRow)>, StoreError> {
        let units = self.database.begin_read()?.open_table(UNITS)?;
        let mut rows = Vec::new();
        for entry in units.range(slots)? {
            let (slot, bytes) = entry?;
            rows.push((slot.value(), decode_unit(bytes.value())?));
        }
        Ok(rows)
    }
}

fn unreadable(error: &StoreError) -> Unreadable {
    tracing::error!(%error, "a unit of the checkpoint cannot be read");
    Unreadable
}

impl ColdUnits for CheckpointReader {
    fn unit(&self, slot: u32) -> Result<Option<UnitRow>, Unreadable> {
        self.read_unit(slot).map_err(|error| unreadable(&error))
    }

    fn units(&self, slots: std::ops::Range<u32>) -> Result<Vec<(u32, UnitRow)>, Unreadable> {
        self.read_units(slots).map_err(|error| unreadable(&error))
    }
}

/// Writes the cursor in the transaction that holds its rows.
pub(super) fn write_cursor(transaction: &WriteTransaction, cursor: &ChainCursor) -> Result<(), StoreError> {
    transaction.open_table(META)?.insert(META_CURSOR, encode_cursor(cursor).as_slice())?;
    Ok(())
}

/// Writes the newest of a kind of record.
pub(super) fn write_meta(transaction: &WriteTransaction, name: &str, record: &Record) -> Result<(), StoreError> {
    let bytes = farthing_channel::codec::encode_to_vec(record);
    transaction.open_table(META)?.insert(name, bytes.as_slice())?;
    Ok(())
}

/// The number after the last tariff entered.
pub(super) fn next_tariff(transaction: &WriteTransaction) -> Result<u64, StoreError> {
    let tariffs = transaction.open_table(TARIFFS)?;
    let last = tariffs.last()?.map_or(0, |(number, _)| number.value());
    Ok(last.saturating_add(1))
}
