//! Reads a hub's journal directory: whole blocks only, in their order, each checked against the one before.
//!
//! The hub may be writing while this runs. A segment is synced after it was read, so whatever was read is durable
//! by then; a block that is cut short at the end is simply where the journal ends at present.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use farthing_channel::id::Address;
use farthing_channel::record::block::{Block, ChainBreak, ChainCursor, decode_block};
use farthing_channel::record::segment::{BLOCKS_OFFSET, SegmentHeader, SegmentName, Stop, judge_stop};

mod error;
mod extent;

pub use error::JournalError;
pub use extent::bytes_after;

/// How often a segment is read again before damage in it is believed: a reader beside a running writer may see
/// old and new bytes of one write, and a write takes far less than the readings of a whole segment.
const READINGS_MAX: u32 = 4;

/// Where reading a thread's chain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The place after the last whole block.
    pub cursor: ChainCursor,
    /// When the hub committed that block, Unix milliseconds; 0 where no block was read.
    pub unix_ms: u64,
    /// Blocks read, not counting those before the cursor.
    pub blocks: u64,
}

/// Reads every block after `cursors` (by thread; a thread without one is read from its first block), and hands it to
/// `visit`. Returns where each thread's chain ended.
///
/// # Errors
/// Any [`JournalError`], or what `visit` returns.
pub fn read_journal<E: From<JournalError>>(
    directory: &Path,
    hub: &Address,
    cursors: &BTreeMap<u16, ChainCursor>,
    visit: &mut impl FnMut(&Block<'_>) -> Result<(), E>,
) -> Result<BTreeMap<u16, ChainEnd>, E> {
    let segments = list_segments(directory)?;
    let mut ends = BTreeMap::new();
    for (thread, cursor) in cursors {
        if cursor.sequence > 0 && !segments.contains_key(thread) {
            return Err(JournalError::Restored { thread: *thread, sequence: cursor.sequence, hash: cursor.hash }.into());
        }
    }
    for (thread, names) in segments {
        let start = cursors.get(&thread).copied().unwrap_or_else(|| ChainCursor::genesis(&hub.0, thread));
        let end = ThreadReader { directory, hub, thread, start }.read(&names, visit)?;
        ends.insert(thread, end);
    }
    Ok(ends)
}

/// For each thread, the place just before the oldest block that the journal still holds.
///
/// # Errors
/// [`JournalError::Io`], [`JournalError::Segment`].
pub fn oldest_cursors(directory: &Path) -> Result<BTreeMap<u16, ChainCursor>, JournalError> {
    let mut cursors = BTreeMap::new();
    for (thread, names) in list_segments(directory)? {
        let Some(name) = names.first() else { continue };
        let path = directory.join(name.file_name());
        let bytes = read_durably(&path)?;
        let header = SegmentHeader::decode(&bytes).map_err(|error| JournalError::Segment { path, error })?;
        cursors.insert(thread, header.cursor());
    }
    Ok(cursors)
}

/// The segments by thread, oldest first.
fn list_segments(directory: &Path) -> Result<BTreeMap<u16, Vec<SegmentName>>, JournalError> {
    let failed = |error| JournalError::Io { path: directory.to_owned(), error };
    let mut segments: BTreeMap<u16, Vec<SegmentName>> = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str().and_then(SegmentName::parse) {
            segments.entry(name.thread).or_default().push(name);
        }
    }
    segments.values_mut().for_each(|names| names.sort_unstable());
    Ok(segments)
}

struct ThreadReader<'a> {
    directory: &'a Path,
    hub: &'a Address,
    thread: u16,
    start: ChainCursor,
}

impl ThreadReader<'_> {
    fn read<E: From<JournalError>>(
        &self,
        names: &[SegmentName],
        visit: &mut impl FnMut(&Block<'_>) -> Result<(), E>,
    ) -> Result<ChainEnd, E> {
        let next = self.start.sequence.saturating_add(1);
        // The newest segment that begins at or before the block after the cursor; older ones were settled.
        let Some(first) = names.iter().rposition(|name| name.first_sequence <= next) else {
            let first = names.first().map_or(0, |name| name.first_sequence);
            return Err(JournalError::Missing { thread: self.thread, first, expected: next }.into());
        };
        let mut end = ChainEnd { cursor: ChainCursor { sequence: 0, ..self.start }, unix_ms: 0, blocks: 0 };
        for (place, name) in names.iter().enumerate().skip(first) {
            let newest = place.saturating_add(1) == names.len();
            let previous = (place > first).then_some(end.cursor);
            self.read_segment(name, newest, previous, &mut end, visit)?;
        }
        if end.cursor.sequence < self.start.sequence {
            return Err(self.restored().into());
        }
        Ok(end)
    }

    fn restored(&self) -> JournalError {
        JournalError::Restored { thread: self.thread, sequence: self.start.sequence, hash: self.start.hash }
    }

    /// Reads one segment, again where it looks damaged, and visits its blocks after the cursor.
    fn read_segment<E: From<JournalError>>(
        &self,
        name: &SegmentName,
        newest: bool,
        previous: Option<ChainCursor>,
        end: &mut ChainEnd,
        visit: &mut impl FnMut(&Block<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.directory.join(name.file_name());
        let mut reading = 1;
        let (bytes, whole, last) = loop {
            let bytes = read_durably(&path)?;
            match self.check_segment(&path, &bytes, newest, previous) {
                Ok((whole, last)) => break (bytes, whole, last),
                Err(JournalError::Corrupt { .. }) if newest && reading < READINGS_MAX => reading += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let mut offset = BLOCKS_OFFSET;
        while offset < whole {
            let Ok((block, taken)) = decode_block(bytes.get(offset..whole).unwrap_or_default()) else { break };
            offset = offset.saturating_add(taken);
            if block.header.sequence > self.start.sequence {
                visit(&block)?;
                end.unix_ms = block.header.unix_ms;
                end.blocks = end.blocks.saturating_add(1);
            }
        }
        end.cursor = last;
        Ok(())
    }

    /// Checks a whole segment: where its blocks end, and the place in the chain after the last of them.
    fn check_segment(
        &self,
        path: &Path,
        bytes: &[u8],
        newest: bool,
        previous: Option<ChainCursor>,
    ) -> Result<(usize, ChainCursor), JournalError> {
        let header =
            SegmentHeader::decode(bytes).map_err(|error| JournalError::Segment { path: path.to_owned(), error })?;
        if header.hub != self.hub.0 {
            let found = Address(header.hub);
            return Err(JournalError::OtherHub { path: path.to_owned(), expected: *self.hub, found });
        }
        let mut cursor = header.cursor();
        if let Some(previous) = previous {
            if (cursor.sequence, cursor.hash) != (previous.sequence, previous.hash) {
                let chain_break = ChainBreak::WrongPreviousHash { sequence: header.first_sequence };
                return Err(JournalError::Broken { path: path.to_owned(), offset: 0, chain_break });
            }
            cursor = previous;
        }
        self.require_known(&cursor)?;
        let mut offset = BLOCKS_OFFSET;
        loop {
            let rest = bytes.get(offset..).unwrap_or_default();
            match decode_block(rest) {
                Ok((block, taken)) => {
                    cursor = cursor.follow(&block).map_err(|chain_break| JournalError::Broken {
                        path: path.to_owned(),
                        offset,
                        chain_break,
                    })?;
                    self.require_known(&cursor)?;
                    offset = offset.saturating_add(taken);
                }
                Err(error) => {
                    return match judge_stop(rest, offset, &cursor, error, newest) {
                        Stop::Clean | Stop::TornTail => Ok((offset, cursor)),
                        Stop::Corrupt(damage) => Err(JournalError::Corrupt { path: path.to_owned(), offset, damage }),
                    };
                }
            }
        }
    }

    /// The block at our own cursor must be the one that we settled.
    fn require_known(&self, cursor: &ChainCursor) -> Result<(), JournalError> {
        if cursor.sequence == self.start.sequence && cursor.hash != self.start.hash {
            return Err(self.restored());
        }
        Ok(())
    }
}

/// The file's bytes, synced after they were read, so that no power cut takes back what they say.
fn read_durably(path: &Path) -> Result<Vec<u8>, JournalError> {
    let failed = |error| JournalError::Io { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
