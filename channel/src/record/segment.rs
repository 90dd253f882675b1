//! The journal's segment files: a header, then commit blocks, then zeros.
//!
//! All numbers are big-endian.
//!
//! | offset | bytes | field |
//! | ---: | ---: | --- |
//! | 0 | 4 | magic `FSEG` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | flags, 0 |
//! | 6 | 2 | data-plane thread |
//! | 8 | 20 | the hub's address |
//! | 28 | 8 | sequence of the segment's first block |
//! | 36 | 32 | hash of the block before it |
//! | 68 | 4 | CRC-32 (IEEE) of bytes 0..68 |
//! | 72 | 4024 | zeros, so that no block shares a page with the header |
//! | 4096 | | blocks, one directly after the other |
//!
//! A file is named `journal-TT-SSSSSSSSSSSSSSSS.seg`: thread and first sequence in lower-case hexadecimal, so that names
//! sort by age. [`judge_stop`] says what it means that no further block can be read.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::block::{BLOCK_END_MARK, BLOCK_MAGIC, BlockError, BlockHash, ChainCursor, decode_block};

/// First four bytes of a segment file.
pub const SEGMENT_MAGIC: [u8; 4] = *b"FSEG";
/// The version of the layout in this module.
pub const SEGMENT_VERSION: u8 = 1;
/// Bytes of the header's fields.
pub const SEGMENT_HEADER_BYTES: usize = 72;
/// Where the first block lies.
pub const BLOCKS_OFFSET: usize = 4096;
/// The unit that a disk writes wholly or not at all; the smallest in use.
pub const SECTOR_BYTES: usize = 512;

const CRC_OFFSET: usize = 68;

/// What a segment file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The hub whose journal it is.
    pub hub: [u8; 20],
    /// The data-plane thread whose chain it continues.
    pub thread: u16,
    /// The number of its first block.
    pub first_sequence: u64,
    /// The hash of the block before that.
    pub previous_hash: BlockHash,
}

/// Why a segment's header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentError {
    /// The file ends within the header.
    Truncated,
    /// The file is not a journal segment.
    BadMagic,
    /// A layout this code does not know.
    BadVersion(u8),
    /// The header differs from what was written.
    BadCrc,
    /// Flags this version does not define.
    UnknownFlags(u8),
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the file ends within its header"),
            Self::BadMagic => f.write_str("the file is not a journal segment"),
            Self::BadVersion(version) => write!(f, "segment version {version} is unknown"),
            Self::BadCrc => f.write_str("the header's checksum is wrong"),
            Self::UnknownFlags(flags) => write!(f, "segment flags {flags:#04x} are unknown"),
        }
    }
}

impl core::error::Error for SegmentError {}

impl SegmentHeader {
    /// The place in the chain just before the segment's first block. The term of the block before is not in the
    /// header; 0 stands for it.
    pub fn cursor(&self) -> ChainCursor {
        ChainCursor { term: 0, sequence: self.first_sequence.saturating_sub(1), hash: self.previous_hash }
    }

    /// The file's name.
    pub fn name(&self) -> SegmentName {
        SegmentName { thread: self.thread, first_sequence: self.first_sequence }
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&[SEGMENT_VERSION, 0]);
        out.extend_from_slice(&self.thread.to_be_bytes());
        out.extend_from_slice(&self.hub);
        out.extend_from_slice(&self.first_sequence.to_be_bytes());
        out.extend_from_slice(&self.previous_hash.0);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        let head = bytes.get(..SEGMENT_HEADER_BYTES).ok_or(SegmentError::Truncated)?;
        let mut rest = head;
        if take::<4>(&mut rest)? != SEGMENT_MAGIC {
            return Err(SegmentError::BadMagic);
        }
        let [version, flags] = take(&mut rest)?;
        if version != SEGMENT_VERSION {
            return Err(SegmentError::BadVersion(version));
        }
        let thread = u16::from_be_bytes(take(&mut rest)?);
        let hub = take(&mut rest)?;
        let first_sequence = u64::from_be_bytes(take(&mut rest)?);
        let previous_hash = BlockHash(take(&mut rest)?);
        let crc = u32::from_be_bytes(take(&mut rest)?);
        if crc32fast::hash(head.get(..CRC_OFFSET).unwrap_or_default()) != crc {
            return Err(SegmentError::BadCrc);
        }
        if flags != 0 {
            return Err(SegmentError::UnknownFlags(flags));
        }
        Ok(Self { hub, thread, first_sequence, previous_hash })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SegmentError> {
    let (field, after) = rest.split_first_chunk::<N>().ok_or(SegmentError::Truncated)?;
    *rest = after;
    Ok(*field)
}

/// A segment file's name in parts. The order is by thread, then by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The data-plane thread.
    pub thread: u16,
    /// The number of the segment's first block.
    pub first_sequence: u64,
}

impl SegmentName {
    /// The file's name.
    pub fn file_name(&self) -> String {
        format!("journal-{:02x}-{:016x}.seg", self.thread, self.first_sequence)
    }

    /// Reads a file's name; None for any other file.
    pub fn parse(file_name: &str) -> Option<Self> {
        let (thread, sequence) = file_name.strip_prefix("journal-")?.strip_suffix(".seg")?.split_once('-')?;
        let name = Self {
            thread: u16::from_str_radix(thread, 16).ok()?,
            first_sequence: u64::from_str_radix(sequence, 16).ok()?,
        };
        (name.file_name() == file_name).then_some(name)
    }
}

/// What it means that no further block can be read from a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was written from here on.
    Clean,
    /// A write was cut short here, and nothing was written after it. It was never reported durable.
    TornTail,
    /// What was durable here cannot be read any more.
    Corrupt(Damage),
}

/// How a journal is damaged where [`Stop::Corrupt`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A whole block lies behind the place, `ahead` bytes on, so this one was written and synced before it.
    BlocksBehind {
        /// What is wrong with this block.
        why: BlockError,
        /// Number of the block behind.
        sequence: u64,
        /// How many bytes further on it begins.
        ahead: usize,
    },
    /// The block is there from its first to its last byte, and some bits of it have changed.
    Altered(BlockError),
    /// The segment is followed by another one, so all of it was synced.
    OlderSegment(BlockError),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlocksBehind { why, sequence, ahead } => {
                write!(f, "{why}, and block {sequence} is intact {ahead} bytes further on")
            }
            Self::Altered(why) => write!(f, "{why}, although the block was written whole"),
            Self::OlderSegment(why) => write!(f, "{why}, although a later segment follows"),
        }
    }
}

/// Judges why `rest`, the bytes of a segment from `offset` (where the next block would be) to its end, hold no
/// block that follows `cursor`. `error` is what [`decode_block`] said of `rest`; `newest` tells that no later segment exists.
///
/// A writer keeps at most one block unsynced, and overwrites zeros. So what a cut write left behind is its bytes with
/// sectors or the end missing (zero), and no block behind it. Everything else is damage to what was durable.
///
/// A reader beside a running writer may see old and new bytes of one write; it must read again before it believes in
/// [`Stop::Corrupt`].
pub fn judge_stop(rest: &[u8], offset: usize, cursor: &ChainCursor, error: BlockError, newest: bool) -> Stop {
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
        return Stop::Clean;
    };
    if !newest {
        return Stop::Corrupt(Damage::OlderSegment(error));
    }
    if let Some((sequence, ahead)) = find_block_behind(rest, cursor.sequence) {
        return Stop::Corrupt(Damage::BlocksBehind { why: error, sequence, ahead });
    }
    let written = rest.get(..=last).unwrap_or(rest);
    let altered = match error {
        BlockError::BadEndMark => !is_cut_end_mark(written),
        BlockError::UnknownFlags(_) => true,
        _ => written.ends_with(&BLOCK_END_MARK) && !has_hole(written, offset),
    };
    if altered { Stop::Corrupt(Damage::Altered(error)) } else { Stop::TornTail }
}

/// The first block behind the start of `rest` with a number above `after`, whose bytes are whole.
fn find_block_behind(rest: &[u8], after: u64) -> Option<(u64, usize)> {
    let candidates = rest.windows(BLOCK_MAGIC.len()).enumerate().skip(1).filter(|(_, four)| *four == BLOCK_MAGIC);
    for (ahead, _) in candidates {
        if let Ok((block, _)) = decode_block(rest.get(ahead..)?)
            && block.header.sequence > after
        {
            return Some((block.header.sequence, ahead));
        }
    }
    None
}

/// The block's header and body are whole and end somewhere within the last bytes; is its end mark a part of the true one?
fn is_cut_end_mark(written: &[u8]) -> bool {
    let Some(end) = super::block::announced_bytes(written) else {
        return false;
    };
    let mark = written.get(end.saturating_sub(BLOCK_END_MARK.len())..).unwrap_or_default();
    mark.len() <= BLOCK_END_MARK.len()
        && mark.iter().zip(BLOCK_END_MARK).all(|(found, true_byte)| *found == 0 || *found == true_byte)
}

/// Does any sector's share of `written`, which begins `offset` bytes into the file, hold only zeros?
fn has_hole(written: &[u8], offset: usize) -> bool {
    let to_boundary = SECTOR_BYTES.saturating_sub(offset.checked_rem(SECTOR_BYTES).unwrap_or(0)).min(written.len());
    let (first, rest) = written.split_at_checked(to_boundary).unwrap_or((written, &[]));
    core::iter::once(first)
        .chain(rest.chunks(SECTOR_BYTES))
        .any(|sector| sector.iter().all(|byte| *byte == 0) && !sector.is_empty())
}

#[cfg(test)]
mod tests;
