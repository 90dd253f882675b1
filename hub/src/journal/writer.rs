//! Appending blocks, one at most unsynced.

use farthing_channel::record::block::{BlockHeader, ChainCursor, encode_block};
use farthing_channel::record::segment::{BLOCKS_OFFSET, SegmentHeader};

use super::config::JournalConfig;
use super::durable::{Durable, Sequence};
use super::fault::JournalFault;
use super::reader::{JournalEnd, Tail};
use super::retention::segment_names;
use super::spare::{Spare, write_all};
use super::storage::Storage;

/// Zeros written at once over a torn tail.
const ZERO_CHUNK_BYTES: usize = 1024 * 1024;
/// The spare grows this many times faster than the segment in use, so it is ready in time and no commit waits for it.
const SPARE_PACE: usize = 4;
/// The least it grows per step.
const SPARE_STEP_BYTES_MIN: usize = 64 * 1024;

/// The end of a journal, open for appending. After the first fault every call returns that fault.
#[derive(Debug)]
pub struct JournalWriter<S> {
    storage: S,
    config: JournalConfig,
    spare: Spare,
    segment: String,
    /// The segment file's length; blocks end before it.
    segment_bytes: u64,
    /// Where the next block goes.
    offset: u64,
    cursor: ChainCursor,
    is_synced: bool,
    appended_bytes: usize,
    block: Vec<u8>,
    fault: Option<JournalFault>,
}

impl<S: Storage> JournalWriter<S> {
    /// Starts a journal in a directory that has none for this thread.
    ///
    /// # Errors
    /// The fault that kept it from being made; `AlreadyExists` when there is one.
    pub fn create(mut storage: S, config: JournalConfig) -> Result<Self, JournalFault> {
        let names =
            segment_names(&mut storage, config.thread).map_err(|error| JournalFault::segment("journal", &error))?;
        if let Some(name) = names.first() {
            let kind = std::io::ErrorKind::AlreadyExists;
            return Err(JournalFault::SegmentFailed { file: name.file_name(), kind });
        }
        Self::resume_at(storage, config, &JournalEnd::empty(config.genesis()))
    }

    /// Goes on where a reader found the end. A torn tail is overwritten with zeros; the last block is written and synced
    /// again, because a process before this one may have failed to sync it (C5). All up to `end` is durable then.
    ///
    /// # Errors
    /// The fault that kept it from being opened.
    pub fn resume_at(storage: S, config: JournalConfig, end: &JournalEnd) -> Result<Self, JournalFault> {
        if config.term < end.cursor.term {
            return Err(JournalFault::StaleTerm { term: config.term, last: end.cursor.term });
        }
        let mut writer = Self {
            storage,
            spare: Spare::new(config.thread, config.segment_bytes()),
            config,
            segment: String::new(),
            segment_bytes: 0,
            offset: end.offset,
            cursor: end.cursor,
            is_synced: true,
            appended_bytes: 0,
            block: Vec::new(),
            fault: None,
        };
        writer.spare.clear(&mut writer.storage)?;
        match &end.segment {
            None => writer.roll()?,
            Some(name) => {
                writer.segment = name.file_name();
                writer.settle_tail(end)?;
            }
        }
        Ok(writer)
    }

    fn settle_tail(&mut self, end: &JournalEnd) -> Result<(), JournalFault> {
        let name = &self.segment;
        self.segment_bytes = self.storage.len(name).map_err(|error| JournalFault::segment(name, &error))?;
        if let Some((offset, bytes)) = end.last_block {
            let mut block = vec![0; bytes];
            let read = self.storage.read_at(name, offset, &mut block);
            match read {
                Ok(read) if read == bytes => write_all(&mut self.storage, name, offset, &block)?,
                Ok(_) => {
                    let kind = std::io::ErrorKind::UnexpectedEof;
                    return Err(JournalFault::SegmentFailed { file: name.clone(), kind });
                }
                Err(error) => return Err(JournalFault::segment(name, &error)),
            }
        }
        self.storage.sync_data(name).map_err(|error| JournalFault::sync(name, &error))?;
        if end.tail == Tail::Torn {
            let mut offset = end.offset;
            while offset < self.segment_bytes {
                let left = usize::try_from(self.segment_bytes - offset).unwrap_or(usize::MAX);
                let zeros = vec![0; left.min(ZERO_CHUNK_BYTES)];
                write_all(&mut self.storage, name, offset, &zeros)?;
                offset += u64::try_from(zeros.len()).unwrap_or(u64::MAX);
            }
            self.storage.sync_data(name).map_err(|error| JournalFault::sync(name, &error))?;
        }
        self.storage.sync_dir().map_err(|error| JournalFault::sync(name, &error))
    }

    /// Appends one block of `count` records. It is durable after the next [`sync`](Self::sync); a block before it that
    /// was not synced is synced first (C6). Goes on to a new segment when this one is full.
    ///
    /// # Errors
    /// The fault that stopped the journal.
    pub fn append(&mut self, body: &[u8], count: u32, now_ms: u64) -> Result<Sequence, JournalFault> {
        self.guarded(|writer| writer.append_block(body, count, now_ms))
    }

    fn append_block(&mut self, body: &[u8], count: u32, now_ms: u64) -> Result<Sequence, JournalFault> {
        self.sync_block()?;
        let too_large = JournalFault::BodyTooLarge { bytes: body.len() };
        if body.len() > self.config.body_bytes_max() {
            return Err(too_large);
        }
        let sequence = self.cursor.sequence.checked_add(1).ok_or_else(|| too_large.clone())?;
        let header = BlockHeader {
            thread: self.config.thread,
            term: self.config.term,
            sequence,
            unix_ms: now_ms,
            record_count: count,
            previous_hash: self.cursor.hash,
        };
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        let hash = encode_block(&header, body, &mut block).map_err(|_| too_large)?;
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        if self.offset.saturating_add(length) > self.segment_bytes {
            self.roll()?;
        }
        self.is_synced = false;
        write_all(&mut self.storage, &self.segment, self.offset, &block)?;
        self.offset += length;
        self.appended_bytes = self.appended_bytes.saturating_add(block.len());
        self.block = block;
        self.cursor = ChainCursor { term: self.config.term, sequence, hash };
        Ok(Sequence(sequence))
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// The fault that stopped the journal.
    pub fn sync(&mut self) -> Result<Durable<Sequence>, JournalFault> {
        self.guarded(Self::sync_block)?;
        Ok(Durable::new(Sequence(self.cursor.sequence)))
    }

    fn sync_block(&mut self) -> Result<(), JournalFault> {
        if !self.is_synced {
            self.storage.sync_data(&self.segment).map_err(|error| JournalFault::sync(&self.segment, &error))?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Writes a part of the next segment's space, in proportion to what was appended since the last call. To be called
    /// when nobody waits. True when the disk has no room for a next segment.
    ///
    /// # Errors
    /// The fault that stopped the journal.
    pub fn prepare_next_segment(&mut self) -> Result<bool, JournalFault> {
        let bytes = std::mem::take(&mut self.appended_bytes).saturating_mul(SPARE_PACE).max(SPARE_STEP_BYTES_MIN);
        self.guarded(|writer| writer.spare.advance(&mut writer.storage, bytes))?;
        Ok(self.spare.is_out_of_space())
    }

    fn roll(&mut self) -> Result<(), JournalFault> {
        let header = SegmentHeader {
            hub: self.config.hub,
            thread: self.config.thread,
            first_sequence: self.cursor.sequence.saturating_add(1),
            previous_hash: self.cursor.hash,
        };
        let name = header.name().file_name();
        self.spare.promote(&mut self.storage, &header.encode(), &name)?;
        self.segment = name;
        self.segment_bytes = self.config.segment_bytes();
        self.offset = u64::try_from(BLOCKS_OFFSET).unwrap_or(u64::MAX);
        Ok(())
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, JournalFault>) -> Result<T, JournalFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        work(self).inspect_err(|fault| self.fault = Some(fault.clone()))
    }

    /// The place after the last block appended, durable or not.
    pub fn cursor(&self) -> ChainCursor {
        self.cursor
    }

    /// Whose journal it is, and its sizes.
    pub fn config(&self) -> &JournalConfig {
        &self.config
    }
}
