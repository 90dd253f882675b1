//! Reading blocks back, checked: CRC, chain, and what the end means.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use farthing_channel::record::block::{
    BlockHash, BlockHeader, ChainBreak, ChainCursor, HEADER_BYTES, announced_bytes, decode_block,
};
use farthing_channel::record::segment::{
    BLOCKS_OFFSET, SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName, Stop, judge_stop,
};

use super::durable::Sequence;
use super::read_error::{Corruption, ReadError};
use super::retention::segment_names;
use super::storage::Storage;

/// What is read at once unless a block is longer.
const WINDOW_BYTES: usize = 1024 * 1024;
/// How often a stop is read again before it counts as damage: a reader beside the writer may see half of a write.
const READS_BEFORE_DAMAGE: u32 = 3;

/// How the newest segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// After a whole block, or empty.
    Clean,
    /// In the remains of a write that was cut short and never reported durable.
    Torn,
}

/// The end of a journal: all that a writer needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEnd {
    /// The place after the last block.
    pub cursor: ChainCursor,
    /// The newest segment; None when there is no journal yet.
    pub segment: Option<SegmentName>,
    /// Where in it the next block goes.
    pub offset: u64,
    /// Offset and length of the segment's last block.
    pub last_block: Option<(u64, usize)>,
    /// What lies there.
    pub tail: Tail,
}

impl JournalEnd {
    /// The end of a journal without a segment.
    pub fn empty(cursor: ChainCursor) -> Self {
        Self { cursor, segment: None, offset: 0, last_block: None, tail: Tail::Clean }
    }
}

/// A block as the reader gives it out: whole, and in its place in the chain.
#[derive(Clone, Copy, Debug)]
pub struct BlockView<'a> {
    /// Its header.
    pub header: BlockHeader,
    /// Its hash.
    pub hash: BlockHash,
    /// Its records.
    pub body: &'a [u8],
}

/// Reads a chain of blocks across segments.
#[derive(Debug)]
pub struct JournalReader<S> {
    storage: S,
    hub: [u8; 20],
    thread: u16,
    later: VecDeque<SegmentName>,
    end: JournalEnd,
    window: Vec<u8>,
    window_offset: u64,
    is_fresh: bool,
    suspicions: u32,
}

impl<S: Storage> JournalReader<S> {
    /// Opens the journal after the block at `from` ([`ChainCursor::genesis`] for all of it).
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(storage: S, hub: [u8; 20], thread: u16, from: ChainCursor) -> Result<Self, ReadError> {
        let mut reader = Self::before(storage, hub, thread, from);
        let names = reader.list()?;
        let next = from.sequence.saturating_add(1);
        let older = names.partition_point(|name| name.first_sequence <= next);
        let Some(start) = older.checked_sub(1) else {
            return match names.first() {
                Some(oldest) => Err(ReadError::MissingSegment { expected: next, found: oldest.first_sequence }),
                None if from.sequence == 0 => Ok(reader),
                None => Err(ReadError::CursorAhead { cursor: from.sequence, end: 0 }),
            };
        };
        reader.later = names[start..].iter().copied().collect();
        reader.enter_next(true)?;
        while reader.end.cursor.sequence < from.sequence {
            if reader.step()?.is_none() {
                return Err(ReadError::CursorAhead { cursor: from.sequence, end: reader.end.cursor.sequence });
            }
        }
        if reader.end.cursor.hash != from.hash {
            return Err(ReadError::CursorMismatch { sequence: from.sequence });
        }
        reader.end.cursor = from;
        Ok(reader)
    }

    /// Opens the journal at the oldest block that there still is.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open_oldest(storage: S, hub: [u8; 20], thread: u16) -> Result<Self, ReadError> {
        let mut reader = Self::before(storage, hub, thread, ChainCursor::genesis(&hub, thread));
        reader.later = reader.list()?.into();
        reader.enter_next(true)?;
        Ok(reader)
    }

    fn before(storage: S, hub: [u8; 20], thread: u16, from: ChainCursor) -> Self {
        Self {
            storage,
            hub,
            thread,
            later: VecDeque::new(),
            end: JournalEnd::empty(from),
            window: Vec::new(),
            window_offset: 0,
            is_fresh: false,
            suspicions: 0,
        }
    }

    /// The next block; None at the end of the journal, for now: blocks written later are seen by later calls.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_block(&mut self) -> Result<Option<BlockView<'_>>, ReadError> {
        let Some((header, hash, body)) = self.step()? else {
            return Ok(None);
        };
        Ok(Some(BlockView { header, hash, body: self.window.get(body).unwrap_or_default() }))
    }

    /// The next block if its number is at most `limit`. With the durable sequence as the limit the reader never looks at
    /// a block that is being written.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_block_through(&mut self, limit: Sequence) -> Result<Option<BlockView<'_>>, ReadError> {
        if self.end.cursor.sequence >= limit.0 { Ok(None) } else { self.next_block() }
    }

    /// The place after the last block given out; the end of the journal once a call returned None.
    pub fn end(&self) -> &JournalEnd {
        &self.end
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    fn step(&mut self) -> Result<Option<(BlockHeader, BlockHash, Range<usize>)>, ReadError> {
        if self.end.segment.is_none() {
            self.later = self.list()?.into();
            if self.later.is_empty() {
                return Ok(None);
            }
            self.enter_next(false)?;
        }
        loop {
            let at = usize::try_from(self.end.offset.saturating_sub(self.window_offset)).unwrap_or(usize::MAX);
            let bytes = self.window.get(at..).unwrap_or_default();
            match decode_block(bytes) {
                Ok((block, length)) => {
                    let cursor = match self.end.cursor.follow(&block) {
                        Ok(cursor) if block.header.thread == self.thread => cursor,
                        Ok(_) => {
                            return Err(ReadError::ForeignSegment { segment: self.file_name() });
                        }
                        Err(broken) => return Err(self.corrupt(Corruption::Chain(broken))),
                    };
                    let found = (block.header, block.hash, at + HEADER_BYTES..at + HEADER_BYTES + block.body.len());
                    self.end.cursor = cursor;
                    self.end.last_block = Some((self.end.offset, length));
                    self.end.offset = self.end.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                    self.end.tail = Tail::Clean;
                    self.is_fresh = false;
                    self.suspicions = 0;
                    return Ok(Some(found));
                }
                Err(error) if self.is_fresh => {
                    tracing::trace!(%error, offset = self.end.offset, "no further block here");
                    if !self.settle_stop()? {
                        return Ok(None);
                    }
                }
                Err(_) => self.load_block()?,
            }
        }
    }

    /// Reads again from the present offset: a window, or a whole block if that is longer.
    fn load_block(&mut self) -> Result<(), ReadError> {
        self.load(WINDOW_BYTES)?;
        if let Some(bytes) = announced_bytes(&self.window).filter(|bytes| *bytes > WINDOW_BYTES) {
            self.load(bytes)?;
        }
        self.is_fresh = true;
        Ok(())
    }

    fn load(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.window.clear();
        self.window.resize(bytes, 0);
        self.window_offset = self.end.offset;
        let name = self.file_name();
        let read = self.storage.read_at(&name, self.end.offset, &mut self.window).map_err(failed(&name))?;
        self.window.truncate(read);
        Ok(())
    }

    /// No block can be read here. Moves on to the next segment, or says why not. False at the end of the journal.
    fn settle_stop(&mut self) -> Result<bool, ReadError> {
        let newest_known = self.end.segment;
        self.later = self.list()?.into_iter().filter(|name| Some(*name) > newest_known).collect();
        let name = self.file_name();
        let length = self.storage.len(&name).map_err(failed(&name))?;
        let rest = usize::try_from(length.saturating_sub(self.end.offset)).unwrap_or(usize::MAX);
        self.load(rest)?;
        let error = match decode_block(&self.window) {
            // It was being written a moment ago.
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        let offset = usize::try_from(self.end.offset).unwrap_or(usize::MAX);
        let stop = judge_stop(&self.window, offset, &self.end.cursor, error, self.later.is_empty());
        if !matches!(stop, Stop::Corrupt(_)) {
            // The rest of a segment is long, and mostly zeros.
            self.window = Vec::new();
        }
        self.is_fresh = false;
        match stop {
            Stop::Clean if self.later.is_empty() => self.end.tail = Tail::Clean,
            Stop::Clean => {
                self.enter_next(false)?;
                return Ok(true);
            }
            Stop::TornTail => self.end.tail = Tail::Torn,
            Stop::Corrupt(damage) => {
                self.suspicions += 1;
                if self.suspicions >= READS_BEFORE_DAMAGE {
                    return Err(self.corrupt(Corruption::Block(damage)));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the next segment and checks that it continues the chain; `first` means that the chain begins with it.
    fn enter_next(&mut self, first: bool) -> Result<(), ReadError> {
        let Some(name) = self.later.pop_front() else {
            return Ok(());
        };
        let file = name.file_name();
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let read = self.storage.read_at(&file, 0, &mut bytes).map_err(failed(&file))?;
        let corrupt = |why| ReadError::Corrupt { segment: file.clone(), offset: 0, why };
        let header = SegmentHeader::decode(&bytes[..read]).map_err(|error| corrupt(Corruption::Header(error)))?;
        if header.hub != self.hub || header.thread != self.thread {
            return Err(ReadError::ForeignSegment { segment: file });
        }
        if header.name() != name {
            return Err(corrupt(Corruption::WrongName));
        }
        let cursor = header.cursor();
        if first {
            self.end.cursor = cursor;
        }
        let at = &self.end.cursor;
        if cursor.sequence > at.sequence {
            return Err(ReadError::MissingSegment {
                expected: at.sequence.saturating_add(1),
                found: header.first_sequence,
            });
        }
        if cursor.sequence < at.sequence {
            return Err(corrupt(Corruption::WrongName));
        }
        if cursor.hash != at.hash {
            let broken = ChainBreak::WrongPreviousHash { sequence: header.first_sequence };
            return Err(corrupt(Corruption::Chain(broken)));
        }
        self.end.segment = Some(name);
        self.end.offset = u64::try_from(BLOCKS_OFFSET).unwrap_or(u64::MAX);
        self.end.last_block = None;
        self.end.tail = Tail::Clean;
        self.window = Vec::new();
        self.window_offset = self.end.offset;
        self.is_fresh = false;
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<SegmentName>, ReadError> {
        segment_names(&mut self.storage, self.thread).map_err(failed("directory"))
    }

    fn file_name(&self) -> String {
        self.end.segment.map(|name| name.file_name()).unwrap_or_default()
    }

    fn corrupt(&self, why: Corruption) -> ReadError {
        ReadError::Corrupt { segment: self.file_name(), offset: self.end.offset, why }
    }
}

fn failed(file: &str) -> impl FnOnce(io::Error) -> ReadError {
    let file = file.to_owned();
    move |source| ReadError::Storage { file, source }
}
