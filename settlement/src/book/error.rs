//! Why settlement's book cannot be used.

use std::path::PathBuf;

/// Why the book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The disk or the file.
    #[error("settlement book: {0}")]
    Storage(Box<dyn std::error::Error + Send + Sync>),
    /// Another settlement run holds it.
    #[error("{0} is in use by another settlement run")]
    Busy(PathBuf),
    /// A row cannot be read back.
    #[error("settlement book is damaged: {0}")]
    Damaged(&'static str),
    /// The file was written by another version, or is something else.
    #[error("{0} is not a settlement book of this version")]
    Foreign(PathBuf),
}

macro_rules! storage_errors {
    ($($kind:ty),*) => {
        $(impl From<$kind> for BookError {
            fn from(error: $kind) -> Self {
                Self::Storage(Box::new(error))
            }
        })*
    };
}

storage_errors!(
    std::io::Error,
    redb::StorageError,
    redb::TransactionError,
    redb::TableError,
    redb::CommitError,
    redb::SetDurabilityError
);
