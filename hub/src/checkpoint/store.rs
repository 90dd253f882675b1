//! The redb file of the checkpoint.

use std::path::Path;

use farthing_channel::codec::CodecError;
use farthing_channel::id::ChannelId;
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::record::{Record, records};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction};

use super::row::{ChannelRow, LaneRow};
use crate::table::Table;
use crate::table::fold::FoldError;

/// `cursor` and single records by name.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Escrow id to [`Record::Escrow`].
pub(super) const ESCROWS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("escrows");
/// Channel id to [`ChannelRow`].
pub(super) const CHANNELS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("channels");
/// Lane id to [`LaneRow`].
pub(super) const LANES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("lanes");
/// Provider address to [`Record::Provider`].
pub(super) const PROVIDERS: TableDefinition<'_, &[u8; 20], &[u8]> = TableDefinition::new("providers");
/// Order of entry to [`Record::Tariff`]: the last for a service is the current one.
pub(super) const TARIFFS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tariffs");

pub(super) const META_CURSOR: &str = "cursor";
/// [`Record::Term`], [`Record::LedgerCursor`] and [`Record::EpochClosed`]: the newest of each.
pub(super) const META_RECORDS: [&str; 3] = ["term", "ledger_cursor", "epoch_closed"];

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
    database: Database,
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
    /// Opens the file, or makes an empty one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // The cache serves the checkpointer alone, which mostly writes; redb's default would take a gibibyte.
        let database = Database::builder().set_cache_size(32 * 1024 * 1024).create(path)?;
        let store = Self { database };
        let transaction = store.begin()?;
        transaction.open_table(META)?;
        transaction.open_table(ESCROWS)?;
        transaction.open_table(CHANNELS)?;
        transaction.open_table(LANES)?;
        transaction.open_table(PROVIDERS)?;
        transaction.open_table(TARIFFS)?;
        transaction.commit()?;
        Ok(store)
    }

    /// A write transaction that is durable, by two phases, once committed.
    pub(super) fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
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
        for entry in read.open_table(CHANNELS)?.iter()? {
            let (id, bytes) = entry?;
            let row =
                ChannelRow::decode(bytes.value()).map_err(|error| StoreError::Row { table: "channels", error })?;
            table.restore_channel(ChannelId(*id.value()), &row)?;
        }
        for entry in read.open_table(LANES)?.iter()? {
            let row = LaneRow::decode(entry?.1.value()).map_err(|error| StoreError::Row { table: "lanes", error })?;
            for record in row.records() {
                table.apply(&record)?;
            }
        }
        Ok(())
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
