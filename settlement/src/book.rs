//! Settlement's own book: every lane it has proven, every mandate it has verified, and the outputs of every stage.
//! One redb file in the site's settlement directory, every commit in two phases.

use std::path::Path;

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId, TariffHash};
use farthing_channel::mandate::MandateBundle;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use redb::{Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};

mod copy;
mod error;
mod rows;
mod stages;
mod writer;

pub use copy::BookCopy;
pub use error::BookError;
pub use rows::{AnchorRow, ApprovalRow, CursorRow, LaneRow, MandateRow, ProviderRow, bundle_hash};
pub use writer::BookWriter;

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Lane id -> [`LaneRow`].
const LANES: Bytes = TableDefinition::new("lanes");
/// keccak256 of a bundle -> the bundle, verified.
const BUNDLES: Bytes = TableDefinition::new("mandate_bundles");
/// Escrow id, device and serial -> [`MandateRow`].
const MANDATES: Bytes = TableDefinition::new("mandates");
/// Tariff hash -> the tariff's encoding.
const TARIFFS: Bytes = TableDefinition::new("tariffs");
/// Provider -> [`ProviderRow`].
const PROVIDERS: Bytes = TableDefinition::new("providers");
/// Journal thread -> [`CursorRow`].
const CURSORS: Bytes = TableDefinition::new("cursors");
/// Epoch and stage -> the stage's output.
const STAGES: TableDefinition<'static, (u64, u8), &'static [u8]> = TableDefinition::new("stages");
/// Epoch and approver -> [`ApprovalRow`].
const APPROVALS: TableDefinition<'static, (u64, &'static [u8]), &'static [u8]> = TableDefinition::new("approvals");
/// Name of an obligation -> the epoch that settled it.
const OBLIGATIONS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("obligations");
/// Layout version and the site's identity.
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");

/// Part of a stage's output that is too large for one row: epoch, stage and number of the part. The stage's own row then
/// holds nothing but the hash over all parts.
const STAGE_PARTS: TableDefinition<'static, (u64, u8, u32), &'static [u8]> = TableDefinition::new("stage_parts");

/// An output above this size is kept in parts of it.
const STAGE_PART_BYTES: usize = 1024 * 1024;

/// What the file may keep in memory, pages not yet written included. A night goes through all lanes in order, so more would
/// not help it.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

const LAYOUT: &[u8] = b"farthing/settlement/1";

/// The book, opened by one process at a time.
#[derive(Debug)]
pub struct Book {
    database: Database,
}

impl Book {
    /// Opens the book at `path`, or makes an empty one.
    ///
    /// # Errors
    /// Any [`BookError`].
    pub fn open(path: &Path) -> Result<Self, BookError> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => BookError::Busy(path.to_owned()),
            other => BookError::Storage(Box::new(other)),
        })?;
        let book = Self { database };
        match book.meta("layout")? {
            Some(layout) if layout == LAYOUT => {}
            Some(_) => return Err(BookError::Foreign(path.to_owned())),
            None => {
                let writer = book.write()?;
                writer.set_meta("layout", LAYOUT)?;
                writer.commit()?;
            }
        }
        Ok(book)
    }

    /// Begins a change; nothing of it shows until it is committed.
    ///
    /// # Errors
    /// [`BookError::Storage`].
    pub fn write(&self) -> Result<BookWriter, BookError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_two_phase_commit(true);
        Ok(BookWriter::new(transaction))
    }

    fn read(&self) -> Result<ReadTransaction, BookError> {
        Ok(self.database.begin_read()?)
    }

    fn get<T>(&self, table: Bytes, key: &[u8]) -> Result<Option<T>, BookError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(table))? else { return Ok(None) };
        table.get(key)?.map(|bytes| decode(bytes.value())).transpose()
    }

    /// Hands every row of a table to `visit`.
    fn each<T>(&self, table: Bytes, mut visit: impl FnMut(&[u8], T) -> Result<(), BookError>) -> Result<(), BookError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(table))? else { return Ok(()) };
        for row in table.iter()? {
            let (key, bytes) = row?;
            visit(key.value(), decode(bytes.value())?)?;
        }
        Ok(())
    }

    /// A value of the site's identity.
    ///
    /// # Errors
    /// [`BookError::Storage`].
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(META))? else { return Ok(None) };
        Ok(table.get(key)?.map(|bytes| bytes.value().to_vec()))
    }

    /// A lane.
    ///
    /// # Errors
    /// [`BookError::Storage`], [`BookError::Damaged`], as for every read below.
    pub fn lane(&self, lane: &LaneId) -> Result<Option<LaneRow>, BookError> {
        self.get(LANES, &lane.0)
    }

    /// Hands every lane to `visit`, by id.
    ///
    /// # Errors
    /// As [`Self::lane`], and whatever `visit` returns.
    pub fn each_lane(&self, visit: impl FnMut(LaneRow) -> Result<(), BookError>) -> Result<(), BookError> {
        self.each_lane_between(0, u8::MAX, visit)
    }

    /// The same for lanes whose id begins with a byte from `first` to `last`.
    ///
    /// # Errors
    /// As [`Self::each_lane`].
    pub fn each_lane_between(
        &self,
        first: u8,
        last: u8,
        mut visit: impl FnMut(LaneRow) -> Result<(), BookError>,
    ) -> Result<(), BookError> {
        let (mut low, mut high) = ([0; 32], [u8::MAX; 32]);
        (low[0], high[0]) = (first, last);
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(LANES))? else { return Ok(()) };
        for row in table.range(low.as_slice()..=high.as_slice())? {
            visit(decode(row?.1.value())?)?;
        }
        Ok(())
    }

    /// Hands every mandate to `visit` with its escrow, by escrow, device and serial.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn each_mandate(&self, mut visit: impl FnMut(EscrowId, MandateRow)) -> Result<(), BookError> {
        self.each(MANDATES, |key, row| {
            let escrow = key.first_chunk::<32>().ok_or(BookError::Damaged("a mandate's key is too short"))?;
            visit(EscrowId(*escrow), row);
            Ok(())
        })
    }

    /// The mandate with this serial that was verified for a device.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn mandate_with_serial(
        &self,
        escrow: &EscrowId,
        device: &Address,
        serial: u64,
    ) -> Result<Option<MandateRow>, BookError> {
        self.get(MANDATES, &rows::mandate_key(escrow, device, serial))
    }

    /// A verified bundle by its hash.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn bundle(&self, hash: &Hash32) -> Result<Option<MandateBundle>, BookError> {
        self.get(BUNDLES, &hash.0)
    }

    /// A tariff's encoding by its hash.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn tariff(&self, hash: &TariffHash) -> Result<Option<Vec<u8>>, BookError> {
        Ok(self.get::<ByteVec>(TARIFFS, &hash.0)?.map(Vec::from))
    }

    /// All providers the journal named.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn providers(&self) -> Result<Vec<ProviderRow>, BookError> {
        let mut providers = Vec::new();
        self.each(PROVIDERS, |_, row| {
            providers.push(row);
            Ok(())
        })?;
        Ok(providers)
    }

    /// How far each journal thread was read.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn cursors(&self) -> Result<Vec<CursorRow>, BookError> {
        let mut cursors = Vec::new();
        self.each(CURSORS, |_, row| {
            cursors.push(row);
            Ok(())
        })?;
        Ok(cursors)
    }
}

/// A table nobody has written to yet is an empty one.
fn existing<T>(opened: Result<T, TableError>) -> Result<Option<T>, BookError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn decode<T>(bytes: &[u8]) -> Result<T, BookError>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    decode_exact(bytes).map_err(|_| BookError::Damaged("a row cannot be read back"))
}

fn encode<T: Encode<()>>(row: &T) -> Vec<u8> {
    encode_to_vec(row)
}

#[cfg(test)]
mod tests;
