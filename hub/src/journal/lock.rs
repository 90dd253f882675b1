//! One hub per journal directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file that is locked. It stays; only the lock on it matters.
pub const LOCK_FILE: &str = "journal.lock";

/// Why the directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it. A second start helps only after that one has ended.
    #[error("{} is in use by another hub process", .0.display())]
    Held(PathBuf),
    /// The lock file could not be opened or locked.
    #[error("{} could not be locked: {source}", .path.display())]
    Failed {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Holds a journal directory for this process until dropped. The system releases it when the process dies.
#[derive(Debug)]
pub struct JournalLock {
    _file: File,
}

impl JournalLock {
    /// Locks an existing directory.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process (or another lock of this one) has it.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Failed { path: directory.to_owned(), source };
        let path = directory.join(LOCK_FILE);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let held = JournalLock::acquire(directory.path()).unwrap();
        assert!(matches!(JournalLock::acquire(directory.path()), Err(LockError::Held(_))));
        drop(held);
        JournalLock::acquire(directory.path()).unwrap();
    }
}
