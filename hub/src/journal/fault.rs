//! Why a journal stopped for good.

use std::io;

/// Why a journal stopped. After any of these nothing is acknowledged until the hub was started again: what a failed
/// write or sync left on disk is known only after reading it back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// No space, or over quota.
    #[error("the disk is full: {file} could not be written; free space, then start the hub again")]
    DiskFull {
        /// The file.
        file: String,
    },
    /// The file system took only a part of a write.
    #[error("only {written} of {wanted} bytes were written to {file}; the hub must be started again")]
    ShortWrite {
        /// The file.
        file: String,
        /// Bytes to write.
        wanted: usize,
        /// Bytes written.
        written: usize,
    },
    /// A write failed.
    #[error("writing to {file} failed ({kind}); check the disk, then start the hub again")]
    WriteFailed {
        /// The file.
        file: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A sync failed. It is not tried again: the system may have dropped the bytes and would report success.
    #[error("syncing {file} failed ({kind}); check the disk, then start the hub again")]
    SyncFailed {
        /// The file.
        file: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A segment could not be created, named or opened.
    #[error("segment {file} could not be made ({kind}); check the journal's directory, then start the hub again")]
    SegmentFailed {
        /// The file.
        file: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A block would not fit into a segment. Batches are checked before, so this is a defect of the hub.
    #[error("a block body of {bytes} bytes does not fit into a segment")]
    BodyTooLarge {
        /// The body's length.
        bytes: usize,
    },
    /// The term to write under is older than that of the last block: another owner has taken over.
    #[error("term {term} is older than term {last} of the journal's last block")]
    StaleTerm {
        /// The term asked for.
        term: u64,
        /// The last block's term.
        last: u64,
    },
    /// The commit thread ended without saying why: a defect of the hub.
    #[error("the journal's thread ended unexpectedly")]
    ThreadDied,
}

impl JournalFault {
    pub(in crate::journal) fn write(file: &str, error: &io::Error) -> Self {
        match Self::full(file, error) {
            Some(fault) => fault,
            None => Self::WriteFailed { file: file.to_owned(), kind: error.kind() },
        }
    }

    pub(in crate::journal) fn sync(file: &str, error: &io::Error) -> Self {
        match Self::full(file, error) {
            Some(fault) => fault,
            None => Self::SyncFailed { file: file.to_owned(), kind: error.kind() },
        }
    }

    pub(in crate::journal) fn segment(file: &str, error: &io::Error) -> Self {
        match Self::full(file, error) {
            Some(fault) => fault,
            None => Self::SegmentFailed { file: file.to_owned(), kind: error.kind() },
        }
    }

    fn full(file: &str, error: &io::Error) -> Option<Self> {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            .then(|| Self::DiskFull { file: file.to_owned() })
    }
}
