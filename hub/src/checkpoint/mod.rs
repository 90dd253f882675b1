//! The checkpoint: the journal folded into a redb file, so that a start reads the newest of everything and only the
//! journal's tail.
//!
//! A thread of its own reads durable blocks back from the files, folds their records into rows and writes rows and journal
//! cursor in one two-phase transaction. The rows are a function of the journal alone, never of the table in memory,
//! which may be ahead of the disk. The data plane knows nothing of it.
//!
//! | file | holds |
//! | --- | --- |
//! | [`store`] | the redb file: tables, cursor, load |
//! | [`row`] | what a row of each table is |
//! | [`fold`] | records into rows |

pub mod fold;
pub mod row;
pub mod store;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use farthing_channel::record::block::ChainCursor;
use farthing_channel::record::records;

use crate::journal::durable::Sequence;
use crate::journal::read_error::ReadError;
use crate::journal::reader::JournalReader;
use crate::journal::retention::remove_segments_before;
use crate::journal::storage::DiskStorage;
use crate::session::Shared;
use fold::Fold;
use store::{CheckpointStore, StoreError};

/// Rows that the records of one transaction may touch; bounds its memory to some ten MiB and its time to about a second.
const ROWS_PER_TRANSACTION: usize = 32_768;

/// Why a checkpoint was not made. Acknowledgements do not depend on it; the journal keeps what it would have held.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The journal cannot be read back.
    #[error("the journal cannot be read back: {0}")]
    Read(#[from] ReadError),
    /// The checkpoint file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A durable block holds something that is no record.
    #[error("block {0} holds something that is no record")]
    Record(u64),
    /// The directory cannot be read or changed.
    #[error("the journal's directory: {0}")]
    Directory(#[from] std::io::Error),
}

/// Makes checkpoints of one journal.
#[derive(Debug)]
pub struct Checkpointer {
    store: CheckpointStore,
    reader: Option<JournalReader<DiskStorage>>,
    shared: Arc<Shared>,
    journal_directory: PathBuf,
    hub: [u8; 20],
}

impl Checkpointer {
    /// A checkpointer that goes on where the store's cursor stands.
    pub fn new(store: CheckpointStore, shared: Arc<Shared>, journal_directory: PathBuf, hub: [u8; 20]) -> Self {
        Self { store, reader: None, shared, journal_directory, hub }
    }

    /// Folds everything durable into the checkpoint, in steps. Returns the cursor it reaches.
    ///
    /// # Errors
    /// [`CheckpointError`]; the checkpoint then stands where the last whole step left it.
    pub fn catch_up(&mut self) -> Result<ChainCursor, CheckpointError> {
        let limit = self.shared.journal.durable_sequence();
        while self.store.cursor()?.is_none_or(|cursor| cursor.sequence < limit.0) {
            if !self.step(limit)? {
                break;
            }
        }
        let genesis = ChainCursor::genesis(&self.hub, 0);
        let cursor = self.store.cursor()?.unwrap_or(genesis);
        self.shared.metrics.checkpoint_sequence.set(i64::try_from(cursor.sequence).unwrap_or(i64::MAX));
        Ok(cursor)
    }

    /// One transaction. Returns false where there was nothing to fold.
    fn step(&mut self, limit: Sequence) -> Result<bool, CheckpointError> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let from = self.store.cursor()?.unwrap_or_else(|| ChainCursor::genesis(&self.hub, 0));
                JournalReader::open(DiskStorage::open(&self.journal_directory)?, self.hub, 0, from)?
            }
        };
        let mut transaction = self.store.begin()?;
        let mut fold = Fold::new(&mut transaction)?;
        let mut folded = 0_usize;
        let mut blocks = 0_u64;
        while folded < ROWS_PER_TRANSACTION {
            let Some(block) = reader.next_block_through(limit)? else {
                break;
            };
            let sequence = block.header.sequence;
            for record in records(block.body).map_err(|_| CheckpointError::Record(sequence))? {
                folded = folded.saturating_add(fold::rows_of(&record));
                fold.take(record)?;
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

    /// Drops journal segments that neither the checkpoint nor the settlement needs any more.
    ///
    /// # Errors
    /// [`CheckpointError::Directory`], [`CheckpointError::Store`].
    pub fn retire_segments(&mut self) -> Result<usize, CheckpointError> {
        let (_, settled) = self.shared.table.epoch_closed();
        let checkpointed = self.store.cursor()?.map_or(0, |cursor| cursor.sequence);
        let needed = Sequence(settled.min(checkpointed));
        Ok(remove_segments_before(&mut DiskStorage::open(&self.journal_directory)?, 0, needed)?)
    }

    /// Makes checkpoints every `interval` until `stop`, and a last one then.
    pub fn run(mut self, interval: Duration, stop: &AtomicBool) {
        let pause = Duration::from_millis(50).min(interval);
        let mut waited = Duration::ZERO;
        loop {
            let stopping = stop.load(Ordering::Acquire);
            if stopping || waited >= interval {
                waited = Duration::ZERO;
                if let Err(error) = self.catch_up() {
                    tracing::error!(%error, "cannot make a checkpoint; the journal keeps everything meanwhile");
                    self.reader = None;
                }
                match self.retire_segments() {
                    Ok(0) => {}
                    Ok(segments) => {
                        tracing::info!(segments, "dropped journal segments that are settled")
                    }
                    Err(error) => tracing::warn!(%error, "cannot drop old journal segments"),
                }
            }
            if stopping {
                return;
            }
            std::thread::sleep(pause);
            waited = waited.saturating_add(pause);
        }
    }
}
