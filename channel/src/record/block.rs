//! The journal's commit block: what one group commit puts on disk.
//!
//! All numbers are big-endian.
//!
//! | offset | bytes | field |
//! | ---: | ---: | --- |
//! | 0 | 4 | magic `FBLK` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | flags, 0 |
//! | 6 | 2 | data-plane thread |
//! | 8 | 8 | term |
//! | 16 | 8 | sequence: the block's number, from 1, growing by 1 |
//! | 24 | 8 | time of the commit, Unix milliseconds |
//! | 32 | 4 | records in the body |
//! | 36 | 4 | body length `n` |
//! | 40 | 32 | hash of the block before, or the [`genesis hash`](ChainCursor::genesis) |
//! | 72 | 4 | CRC-32 (IEEE) of bytes 0..72 followed by the body |
//! | 76 | n | body: CBOR records one after the other, opaque here |
//! | 76 + n | 4 | end mark `KBLF` |
//!
//! The block's hash is SHA-256 of header and body (bytes 0..76 + n). The CRC finds accidents, the hash chain finds
//! blocks that are missing, doubled or out of place. The end mark serves one question only: space behind the last block is
//! zero, so a write that was cut short lacks the mark or has a hole, while a whole block with a flipped bit has neither.

use alloc::vec::Vec;
use core::fmt;

use bitcoin_hashes::sha256;

/// First four bytes of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"FBLK";
/// Last four bytes of a block. No byte of it has a single bit, so that no flipped bit turns one into zero.
pub const BLOCK_END_MARK: [u8; 4] = *b"KBLF";
/// The version of the layout in this module.
pub const BLOCK_VERSION: u8 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 76;
/// The longest body. It bounds what a reader allocates and how much one group commit may gather.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a block needs beyond its body.
pub const BLOCK_OVERHEAD_BYTES: usize = HEADER_BYTES + BLOCK_END_MARK.len();

const CRC_OFFSET: usize = 72;
const GENESIS_DOMAIN: &[u8] = b"farthing/journal/1";

/// SHA-256 of a block's header and body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a block says about itself, apart from what follows from its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The data-plane thread whose chain the block belongs to.
    pub thread: u16,
    /// The term under which the hub wrote it.
    pub term: u64,
    /// The block's number in its chain, from 1.
    pub sequence: u64,
    /// When the hub committed it, Unix milliseconds. It is told, not proven, and orders nothing.
    pub unix_ms: u64,
    /// How many records the body holds.
    pub record_count: u32,
    /// The hash of the block before.
    pub previous_hash: BlockHash,
}

/// A block whose CRC is right. That it follows the block before is for [`ChainCursor::follow`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its header.
    pub header: BlockHeader,
    /// Its records.
    pub body: &'a [u8],
    /// Its hash.
    pub hash: BlockHash,
}

/// Why no block could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// Only zeros where the header would be, or no bytes at all: space that was never written.
    Empty,
    /// The bytes end before the block does.
    Torn,
    /// Something else than a block.
    BadMagic,
    /// A layout this code does not know.
    BadVersion(u8),
    /// Header or body differ from what was written.
    BadCrc,
    /// Header and body are whole, the end mark is not.
    BadEndMark,
    /// Flags this version does not define.
    UnknownFlags(u8),
    /// A body longer than [`BODY_BYTES_MAX`].
    TooLarge(usize),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no block: the space was never written"),
            Self::Torn => f.write_str("the block is cut short"),
            Self::BadMagic => f.write_str("the bytes are not a block"),
            Self::BadVersion(version) => write!(f, "block version {version} is unknown"),
            Self::BadCrc => f.write_str("the block's checksum is wrong"),
            Self::BadEndMark => f.write_str("the block's end mark is wrong"),
            Self::UnknownFlags(flags) => write!(f, "block flags {flags:#04x} are unknown"),
            Self::TooLarge(bytes) => write!(f, "a block body of {bytes} bytes is over the limit of {BODY_BYTES_MAX}"),
        }
    }
}

impl core::error::Error for BlockError {}

/// Appends the block to `out` and returns its hash.
///
/// # Errors
/// [`BlockError::TooLarge`] when the body is over [`BODY_BYTES_MAX`]; `out` is then as it was.
pub fn encode_block(header: &BlockHeader, body: &[u8], out: &mut Vec<u8>) -> Result<BlockHash, BlockError> {
    let body_len = u32::try_from(body.len()).map_err(|_| BlockError::TooLarge(body.len()))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(BlockError::TooLarge(body.len()));
    }
    let start = out.len();
    out.reserve(body.len().saturating_add(BLOCK_OVERHEAD_BYTES));
    out.extend_from_slice(&BLOCK_MAGIC);
    out.extend_from_slice(&[BLOCK_VERSION, 0]);
    out.extend_from_slice(&header.thread.to_be_bytes());
    out.extend_from_slice(&header.term.to_be_bytes());
    out.extend_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(&header.unix_ms.to_be_bytes());
    out.extend_from_slice(&header.record_count.to_be_bytes());
    out.extend_from_slice(&body_len.to_be_bytes());
    out.extend_from_slice(&header.previous_hash.0);
    let crc = checksum(out.get(start..).unwrap_or_default(), body);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(body);
    let hash = BlockHash(sha256::Hash::hash(out.get(start..).unwrap_or_default()).to_byte_array());
    out.extend_from_slice(&BLOCK_END_MARK);
    Ok(hash)
}

/// Reads the block at the start of `bytes`; the second value is how many bytes it took.
///
/// # Errors
/// See [`BlockError`]. Any prefix of a block is [`BlockError::Torn`], or [`BlockError::Empty`] when it has no bytes.
pub fn decode_block(bytes: &[u8]) -> Result<(Block<'_>, usize), BlockError> {
    let head = bytes.get(..HEADER_BYTES).unwrap_or(bytes);
    if head.iter().all(|byte| *byte == 0) {
        return Err(BlockError::Empty);
    }
    if !BLOCK_MAGIC.starts_with(head.get(..BLOCK_MAGIC.len()).unwrap_or(head)) {
        return Err(BlockError::BadMagic);
    }
    let mut fields = Fields(head);
    fields.take::<4>()?;
    let [version, flags] = fields.take()?;
    if version != BLOCK_VERSION {
        return Err(BlockError::BadVersion(version));
    }
    let thread = u16::from_be_bytes(fields.take()?);
    let term = u64::from_be_bytes(fields.take()?);
    let sequence = u64::from_be_bytes(fields.take()?);
    let unix_ms = u64::from_be_bytes(fields.take()?);
    let record_count = u32::from_be_bytes(fields.take()?);
    let body_len = usize::try_from(u32::from_be_bytes(fields.take()?)).unwrap_or(usize::MAX);
    if body_len > BODY_BYTES_MAX {
        return Err(BlockError::TooLarge(body_len));
    }
    let previous_hash = BlockHash(fields.take()?);
    let crc = u32::from_be_bytes(fields.take()?);
    let body_end = HEADER_BYTES.saturating_add(body_len);
    let total = body_len.saturating_add(BLOCK_OVERHEAD_BYTES);
    let body = bytes.get(HEADER_BYTES..body_end).ok_or(BlockError::Torn)?;
    let end_mark = bytes.get(body_end..total).ok_or(BlockError::Torn)?;
    if checksum(head.get(..CRC_OFFSET).unwrap_or_default(), body) != crc {
        return Err(BlockError::BadCrc);
    }
    if end_mark != BLOCK_END_MARK {
        return Err(BlockError::BadEndMark);
    }
    if flags != 0 {
        return Err(BlockError::UnknownFlags(flags));
    }
    let hash = BlockHash(sha256::Hash::hash(bytes.get(..body_end).unwrap_or_default()).to_byte_array());
    let header = BlockHeader { thread, term, sequence, unix_ms, record_count, previous_hash };
    Ok((Block { header, body, hash }, total))
}

/// The whole length of the block that `bytes` begin with, told by its header alone and checked by nothing else.
/// None when the header is incomplete or names a body over the limit.
pub fn announced_bytes(bytes: &[u8]) -> Option<usize> {
    let body_len: [u8; 4] = bytes.get(36..40)?.try_into().ok()?;
    let body_len = usize::try_from(u32::from_be_bytes(body_len)).ok()?;
    (body_len <= BODY_BYTES_MAX).then_some(body_len.saturating_add(BLOCK_OVERHEAD_BYTES))
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(body);
    crc.finalize()
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(BlockError::Torn)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// A place in a chain of blocks: after the block with this number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCursor {
    /// The term of that block.
    pub term: u64,
    /// Its number; 0 before the first block.
    pub sequence: u64,
    /// Its hash.
    pub hash: BlockHash,
}

impl ChainCursor {
    /// The place before the first block: `SHA256("farthing/journal/1" || hub address || thread)`, so that no block
    /// fits into the chain of another hub or another thread.
    pub fn genesis(hub: &[u8; 20], thread: u16) -> Self {
        let mut preimage = Vec::with_capacity(40);
        preimage.extend_from_slice(GENESIS_DOMAIN);
        preimage.extend_from_slice(hub);
        preimage.extend_from_slice(&thread.to_be_bytes());
        Self { term: 0, sequence: 0, hash: BlockHash(sha256::Hash::hash(&preimage).to_byte_array()) }
    }

    /// The place after `block`.
    ///
    /// # Errors
    /// The [`ChainBreak`] that says why the block does not belong here.
    pub fn follow(&self, block: &Block<'_>) -> Result<Self, ChainBreak> {
        let header = &block.header;
        let expected = self.sequence.checked_add(1).ok_or(ChainBreak::SequenceExhausted)?;
        if header.sequence != expected {
            return Err(ChainBreak::SequenceGap { expected, found: header.sequence });
        }
        if header.previous_hash != self.hash {
            return Err(ChainBreak::WrongPreviousHash { sequence: header.sequence });
        }
        if header.term < self.term {
            return Err(ChainBreak::TermWentBackwards { from: self.term, to: header.term });
        }
        Ok(Self { term: header.term, sequence: header.sequence, hash: block.hash })
    }
}

/// Why a whole block does not follow the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainBreak {
    /// A block is missing, doubled or out of place.
    SequenceGap {
        /// The number that comes next.
        expected: u64,
        /// The block's number.
        found: u64,
    },
    /// The block was written after another predecessor.
    WrongPreviousHash {
        /// The block's number.
        sequence: u64,
    },
    /// The block was written under an older term than its predecessor.
    TermWentBackwards {
        /// The predecessor's term.
        from: u64,
        /// The block's term.
        to: u64,
    },
    /// The chain holds as many blocks as a number can count.
    SequenceExhausted,
}

impl fmt::Display for ChainBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SequenceGap { expected, found } => {
                write!(f, "block {expected} expected, block {found} found")
            }
            Self::WrongPreviousHash { sequence } => {
                write!(f, "block {sequence} names another predecessor")
            }
            Self::TermWentBackwards { from, to } => {
                write!(f, "the term goes back from {from} to {to}")
            }
            Self::SequenceExhausted => f.write_str("the chain has no further block number"),
        }
    }
}

impl core::error::Error for ChainBreak {}

#[cfg(test)]
pub(super) mod tests;
