//! The journal's blocks into the checkpoint file, transaction by transaction.

use std::path::{Path, PathBuf};

use farthing_channel::record::Records;
use farthing_channel::record::block::ChainCursor;

use super::CheckpointError;
use super::fold::Fold;
use super::store::{CheckpointStore, StoreError};
use crate::journal::durable::Sequence;
use crate::journal::reader::JournalReader;
use crate::journal::retention::remove_segments_before;
use crate::journal::storage::DiskStorage;
use crate::table::Table;

/// Rows that the records of one transaction may touch; bounds its memory to some ten MiB and its time to about a second.
const ROWS_PER_TRANSACTION: usize = 32_768;

/// Journal read for one transaction, should few rows come of it.
const BYTES_PER_TRANSACTION: usize = 64 * 1024 * 1024;

/// A checkpoint file, and the place in the journal up to which it is folded.
#[derive(Debug)]
pub struct JournalFollower {
    store: CheckpointStore,
    reader: Option<JournalReader<DiskStorage>>,
    journal_directory: PathBuf,
    hub: [u8; 20],
}

impl JournalFollower {
    /// A follower that goes on where the store's cursor stands.
    pub fn new(store: CheckpointStore, journal_directory: &Path, hub: [u8; 20]) -> Self {
        Self { store, reader: None, journal_directory: journal_directory.to_owned(), hub }
    }

    /// The journal block up to which the file is the fold: the place before the first at the beginning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self) -> Result<ChainCursor, StoreError> {
        Ok(self.store.cursor()?.unwrap_or_else(|| ChainCursor::genesis(&self.hub, 0)))
    }

    /// Folds every block through `limit`, all of which are durable. `table` has taken in what they say, or does now.
    /// Returns the cursor it reaches.
    ///
    /// # Errors
    /// [`CheckpointError`]; the checkpoint then stands where the last whole transaction left it.
    pub fn fold_through(&mut self, table: &Table, limit: Sequence) -> Result<ChainCursor, CheckpointError> {
        while self.cursor()?.sequence < limit.0 {
            match self.step(table, limit) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.reader = None;
                    return Err(error);
                }
            }
        }
        Ok(self.cursor()?)
    }

    /// One transaction. Returns false where there was nothing to fold.
    fn step(&mut self, table: &Table, limit: Sequence) -> Result<bool, CheckpointError> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => JournalReader::open(DiskStorage::open(&self.journal_directory)?, self.hub, 0, self.cursor()?)?,
        };
        let mut transaction = self.store.begin()?;
        let mut fold = Fold::new(&mut transaction, table)?;
        let mut read = 0_usize;
        let mut blocks = 0_u64;
        while fold.rows() < ROWS_PER_TRANSACTION && read < BYTES_PER_TRANSACTION {
            let Some(block) = reader.next_block_through(limit)? else {
                break;
            };
            let sequence = block.header.sequence;
            read = read.saturating_add(block.body.len());
            for record in Records::new(block.body) {
                fold.take(&record.map_err(|_| CheckpointError::Record(sequence))?)?;
            }
            blocks = blocks.saturating_add(1);
        }
        if blocks == 0 {
            self.reader = Some(reader);
            return Ok(false);
        }
        fold.finish(&reader.end().cursor)?;
        transaction.commit().map_err(StoreError::from)?;
        // Only now: had the commit failed, the reader would be ahead of the store.
        self.reader = Some(reader);
        Ok(true)
    }

    /// Drops journal segments that neither the checkpoint nor the settlement, which has read through block `settled`,
    /// needs any more. Returns how many went.
    ///
    /// # Errors
    /// [`CheckpointError::Directory`], [`CheckpointError::Store`].
    pub fn retire_segments(&self, settled: u64) -> Result<usize, CheckpointError> {
        let needed = Sequence(settled.min(self.cursor()?.sequence));
        Ok(remove_segments_before(&mut DiskStorage::open(&self.journal_directory)?, 0, needed)?)
    }
}
