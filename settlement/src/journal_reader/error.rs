//! Why a journal is not settled from.

use std::io;
use std::path::PathBuf;

use farthing_channel::id::Address;
use farthing_channel::record::block::{BlockHash, ChainBreak};
use farthing_channel::record::segment::{Damage, SegmentError};

/// Why the journal cannot be settled from.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk said no.
    #[error("cannot read {path}: {error}")]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A segment's header cannot be read.
    #[error("{path}: {error}")]
    Segment {
        /// The segment.
        path: PathBuf,
        /// What is wrong with it.
        error: SegmentError,
    },
    /// The segment belongs to another hub.
    #[error("{path} is the journal of hub {found}, not of {expected}")]
    OtherHub {
        /// The segment.
        path: PathBuf,
        /// Whose journal this site's is.
        expected: Address,
        /// Whose it is.
        found: Address,
    },
    /// What was durable cannot be read any more.
    #[error("{path}, byte {offset}: {damage}")]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: usize,
        /// How it is damaged.
        damage: Damage,
    },
    /// A whole block does not follow the one before it.
    #[error("{path}, byte {offset}: {chain_break}")]
    Broken {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: usize,
        /// Why it does not follow.
        chain_break: ChainBreak,
    },
    /// The journal does not hold the block that the last settlement ended with: it was restored from a backup, or is
    /// another hub's.
    #[error(
        "the journal of thread {thread} does not contain block {sequence} ({hash}), with which the last settlement ended: \
         it was restored from a backup, or belongs to another hub. Nothing is settled from it. When the hub has run on \
         it and devices have shown their proofs again, go on with --confirm-restore"
    )]
    Restored {
        /// The data-plane thread.
        thread: u16,
        /// The block that is missing.
        sequence: u64,
        /// Its hash.
        hash: BlockHash,
    },
    /// The ledger has settled epochs of this hub that these books, new or restored, do not know of.
    #[error(
        "the ledger has closed epoch {epoch} of this hub, and these books do not know of it: what was collected has to \
         be learned from the ledger. When that is what you want, go on with --confirm-restore"
    )]
    BooksLost {
        /// The ledger's last epoch.
        epoch: u64,
    },
    /// The journal ends before the block up to which the ledger has settled it, and the hub has not taken it over since.
    #[error(
        "the journal of thread {thread} ends before block {sequence} of term {term}, up to which the ledger has closed \
         an epoch: it was restored from a backup. Start the hub on it, or start it again, so that it goes on under a \
         higher term; then go on with --confirm-restore"
    )]
    Behind {
        /// The data-plane thread.
        thread: u16,
        /// The block's term.
        term: u64,
        /// The block.
        sequence: u64,
    },
    /// Segments that were not settled yet are gone.
    #[error("the journal of thread {thread} begins with block {first}, and block {expected} was not settled yet")]
    Missing {
        /// The data-plane thread.
        thread: u16,
        /// The oldest block there is.
        first: u64,
        /// The block that comes next.
        expected: u64,
    },
}
