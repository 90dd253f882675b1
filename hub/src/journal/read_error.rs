//! Why a journal cannot be read, in words that tell the operator what to do.

use std::io;

use farthing_channel::record::block::ChainBreak;
use farthing_channel::record::segment::{Damage, SegmentError};

/// Why the journal cannot be read any further. None of these is repaired: the hub does not start, and a person decides.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error("journal file {file} cannot be read: {source}")]
    Storage {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was durable has changed.
    #[error(
        "journal segment {segment} is damaged at offset {offset}: {why}. Acknowledged payments may be in it, so the hub \
         does not start. Keep the file, check the disk, and put the same file from a replica in its place"
    )]
    Corrupt {
        /// The file.
        segment: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        why: Corruption,
    },
    /// Segments are missing before the one named, or the ones needed were removed.
    #[error("journal blocks {expected} to {} are missing: the next segment begins with block {found}. Put the missing \
             files back from a replica or a backup", .found.saturating_sub(1))]
    MissingSegment {
        /// The block that comes next.
        expected: u64,
        /// The first block of the next segment there is.
        found: u64,
    },
    /// The reader's cursor is past the journal's end: the journal was restored from an old backup, or lost its tail.
    #[error(
        "the journal ends at block {end}, but block {cursor} was already durable: it was restored from an older \
             state or lost its end. Put the newer files back; nothing may be acknowledged or settled from this one"
    )]
    CursorAhead {
        /// The block the reader had read before.
        cursor: u64,
        /// The journal's last block.
        end: u64,
    },
    /// The block at the cursor is another one than was read before.
    #[error(
        "block {sequence} of the journal is not the one that was read before: the journal or the checkpoint comes \
             from another history. Put the files that belong together back"
    )]
    CursorMismatch {
        /// The block's number.
        sequence: u64,
    },
    /// The segment belongs to another hub or thread.
    #[error("journal segment {segment} belongs to another hub or thread")]
    ForeignSegment {
        /// The file.
        segment: String,
    },
}

/// What is wrong with bytes that were durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// A segment's header.
    #[error("{0}")]
    Header(SegmentError),
    /// A block.
    #[error("{0}")]
    Block(Damage),
    /// The order of whole blocks.
    #[error("{0}")]
    Chain(ChainBreak),
    /// The file's name and its header name different first blocks, or two segments overlap.
    #[error("the file holds other blocks than its name says")]
    WrongName,
}
