//! Start: the checkpoint, then the journal's tail, then a new term.

use std::path::Path;
use std::sync::Arc;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::Address;
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::record::{Record, records};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{JournalCursor, LedgerError, LedgerView};

use crate::checkpoint::store::{CheckpointStore, StoreError};
use crate::checkpoint::{CheckpointError, JournalFollower};
use crate::journal::config::JournalConfig;
use crate::journal::durable::Sequence;
use crate::journal::fault::JournalFault;
use crate::journal::lock::{JournalLock, LockError};
use crate::journal::read_error::ReadError;
use crate::journal::reader::{JournalReader, Tail};
use crate::journal::storage::DiskStorage;
use crate::journal::writer::JournalWriter;
use crate::table::Table;
use crate::table::fold::FoldError;

/// Why the hub does not start. Nothing is repaired silently: the operator decides.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Another hub holds the journal.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal is damaged, or lost what the checkpoint has seen.
    #[error("the journal cannot be recovered: {0}")]
    Journal(#[from] ReadError),
    /// The journal cannot be written.
    #[error("the journal cannot be written: {0}")]
    Write(#[from] JournalFault),
    /// The checkpoint is damaged.
    #[error(transparent)]
    Checkpoint(#[from] StoreError),
    /// A long tail of the journal cannot be folded into the checkpoint.
    #[error("the journal's tail: {0}")]
    Fold(#[from] CheckpointError),
    /// A block holds something that is no record, or does not fit the state.
    #[error("journal block {sequence} cannot be applied: {reason}")]
    Record {
        /// The block.
        sequence: u64,
        /// What is wrong.
        reason: String,
    },
    /// The directory cannot be used.
    #[error("the data directory: {0}")]
    Directory(#[from] std::io::Error),
}

/// How much disk and memory the files of a hub's state take at once.
#[derive(Debug, Clone, Copy)]
pub struct StateSizes {
    /// Each journal segment.
    pub segment_bytes: u64,
    /// Pages of the checkpoint file in memory.
    pub checkpoint_cache_bytes: usize,
    /// Units in memory from which on a long tail is folded into the checkpoint on the way.
    pub units_in_memory_max: usize,
}

/// A hub's state, brought back.
#[derive(Debug)]
pub struct Recovered {
    /// The journal, ready to go on.
    pub writer: JournalWriter<DiskStorage>,
    /// Keeps other hubs away while it lives.
    pub lock: JournalLock,
    /// The checkpoint, which goes on from here.
    pub checkpoint: JournalFollower,
    /// The state.
    pub table: Arc<Table>,
    /// The new term.
    pub term: u64,
    /// Blocks read after the checkpoint.
    pub tail_blocks: u64,
    /// Whether the remains of a write that was cut short were found. It was never acknowledged.
    pub torn_tail: bool,
    /// The block up to which the ledger has settled, where this journal does not hold it: a restored backup.
    pub behind_ledger: Option<JournalCursor>,
}

/// Brings a hub's state back and opens its journal under a new term, higher than any that wrote to it or
/// that the ledger knows. So a restored journal goes on under a term of its own, by which the ledger can tell its blocks
/// from those that were lost.
///
/// # Errors
/// [`RecoveryError`].
pub fn recover(
    data_directory: &Path,
    hub: [u8; 20],
    sizes: &StateSizes,
    settled: Option<&JournalCursor>,
    now_ms: u64,
) -> Result<Recovered, RecoveryError> {
    let journal_directory = data_directory.join("journal");
    let storage = DiskStorage::open(&journal_directory)?;
    let lock = JournalLock::acquire(&journal_directory)?;
    let store = CheckpointStore::open(&data_directory.join("checkpoint.redb"), sizes.checkpoint_cache_bytes)?;
    let table = Arc::new(Table::new(store.cold_units()).starting_at(now_ms));
    store.load(&table)?;
    let mut checkpoint = JournalFollower::new(store, &journal_directory, hub);
    let mut reader = JournalReader::open(storage, hub, 0, checkpoint.cursor()?)?;
    let mut tail_blocks = 0_u64;
    while let Some(block) = reader.next_block()? {
        let sequence = block.header.sequence;
        if table.hot_units() > sizes.units_in_memory_max {
            // All before this block was synced before it was written (C5), so the checkpoint may hold it.
            let round = table.rounds().open();
            checkpoint.fold_through(&table, Sequence(sequence.saturating_sub(1)))?;
            table.evict(round);
        }
        apply_block(&table, sequence, block.body)?;
        tail_blocks = tail_blocks.saturating_add(1);
    }
    let end = *reader.end();
    table.settle_floor();
    let behind_ledger = match settled {
        Some(cursor) if !journal_holds(&journal_directory, hub, cursor, end.cursor.sequence)? => Some(*cursor),
        _ => None,
    };
    let settled_term = settled.map_or(0, |cursor| cursor.term);
    let term = end.cursor.term.max(table.term()).max(settled_term).saturating_add(1);
    let config = JournalConfig { hub, thread: 0, term, segment_bytes: sizes.segment_bytes };
    let mut writer = JournalWriter::resume_at(reader.into_storage(), config, &end)?;
    let record = Record::Term { term, at: UnixSeconds(now_ms / 1000), restored: behind_ledger.is_some() };
    writer.append(&encode_to_vec(&record), 1, now_ms)?;
    writer.sync()?;
    apply_block(&table, writer.cursor().sequence, &encode_to_vec(&record))?;
    let torn_tail = end.tail == Tail::Torn;
    Ok(Recovered { writer, lock, checkpoint, table, term, tail_blocks, torn_tail, behind_ledger })
}

fn apply_block(table: &Table, sequence: u64, body: &[u8]) -> Result<(), RecoveryError> {
    let wrong = |reason: String| RecoveryError::Record { sequence, reason };
    for record in records(body).map_err(|error| wrong(error.to_string()))? {
        table.apply(&record).map_err(|error: FoldError| wrong(error.to_string()))?;
    }
    Ok(())
}

/// Whether the journal, which ends at block `end`, holds the very block at `cursor`. A block that was dropped is not
/// held: what is dropped lies before the last epoch of this journal's own history. Reads one segment at most.
///
/// # Errors
/// [`ReadError`] where that segment cannot be read.
pub fn journal_holds(
    journal_directory: &Path,
    hub: [u8; 20],
    cursor: &JournalCursor,
    end: u64,
) -> Result<bool, ReadError> {
    let JournalCursor { thread, term, sequence, block_hash } = *cursor;
    if sequence > end {
        return Ok(false);
    }
    let unreadable = |source| ReadError::Storage { file: journal_directory.display().to_string(), source };
    let storage = DiskStorage::open(journal_directory).map_err(unreadable)?;
    let place = ChainCursor { term, sequence, hash: BlockHash(block_hash.0) };
    match JournalReader::open(storage, hub, thread, place) {
        Ok(_) => Ok(true),
        Err(ReadError::CursorAhead { .. } | ReadError::CursorMismatch { .. } | ReadError::MissingSegment { .. }) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The block up to which this journal is settled, where an epoch was closed at `cursors` and it was settled up to
/// `before` until then: what lies before may be dropped. An epoch that read a journal which was lost since says nothing
/// of this one's blocks, so the place stays.
///
/// # Errors
/// As [`journal_holds`].
pub fn settled_through(
    journal_directory: &Path,
    hub: [u8; 20],
    cursors: &[JournalCursor],
    end: u64,
    before: u64,
) -> Result<u64, ReadError> {
    match own_cursor(cursors) {
        Some(cursor) if journal_holds(journal_directory, hub, cursor, end)? => Ok(before.max(cursor.sequence)),
        _ => Ok(before),
    }
}

/// Of a hub's cursors, the one of its journal: that of its first data-plane thread.
fn own_cursor(cursors: &[JournalCursor]) -> Option<&JournalCursor> {
    cursors.iter().find(|cursor| cursor.thread == 0)
}

/// The last block of this hub's journal that the ledger has settled: more than the hub's own disk can say.
///
/// # Errors
/// As [`LedgerView::epoch_last`].
pub fn settled_cursor(ledger: &dyn LedgerView, hub: &Address) -> Result<Option<JournalCursor>, LedgerError> {
    let closed = ledger.epoch_last(hub)?;
    Ok(closed.and_then(|closed| own_cursor(&closed.cursors).copied()))
}

#[cfg(test)]
mod tests;
