//! Whose journal it is, and its sizes.

use farthing_channel::record::block::{BLOCK_OVERHEAD_BYTES, BODY_BYTES_MAX, ChainCursor};
use farthing_channel::record::segment::BLOCKS_OFFSET;

/// The size of a segment file unless the operator says otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The smallest segment file: a header page and room for some blocks.
pub const SEGMENT_BYTES_MIN: u64 = 16 * 1024;
/// The largest segment file. The tail of the newest segment is judged in memory.
pub const SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Whose journal it is, and its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// The hub's address.
    pub hub: [u8; 20],
    /// The data-plane thread whose records it holds.
    pub thread: u16,
    /// The term of the hub's ownership. It is in every block and never goes back.
    pub term: u64,
    /// The size of each segment file, clamped to [`SEGMENT_BYTES_MIN`]..=[`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
}

impl JournalConfig {
    /// The size of each new segment file.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    /// The longest body of records that fits into one block and one segment.
    pub fn body_bytes_max(&self) -> usize {
        let room = usize::try_from(self.segment_bytes()).unwrap_or(usize::MAX);
        room.saturating_sub(BLOCKS_OFFSET + BLOCK_OVERHEAD_BYTES).min(BODY_BYTES_MAX)
    }

    /// The place before the first block.
    pub fn genesis(&self) -> ChainCursor {
        ChainCursor::genesis(&self.hub, self.thread)
    }
}
