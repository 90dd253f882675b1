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
//! | [`follow`] | the journal's blocks into the file, transaction by transaction |
//! | [`rounds`] | checkpoint after checkpoint, and idle units out of memory after each |

pub mod fold;
pub mod follow;
pub mod rounds;
pub mod row;
pub mod store;

#[cfg(test)]
mod tests;

pub use follow::JournalFollower;
pub use rounds::{CheckpointProgress, Checkpointer, Pace};

use crate::journal::read_error::ReadError;
use store::StoreError;

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
