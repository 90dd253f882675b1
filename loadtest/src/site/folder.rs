//! Where a site lies.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// A folder for a site: one that is kept, or one that goes with this value.
#[derive(Debug)]
pub enum SiteFolder {
    /// Stays.
    Kept(PathBuf),
    /// Is removed.
    Temporary(TempDir),
}

impl SiteFolder {
    /// `keep`, which must not exist yet, or a temporary folder.
    ///
    /// # Errors
    /// Where it exists or cannot be made.
    pub fn new(keep: Option<&Path>) -> anyhow::Result<Self> {
        match keep {
            None => {
                let temporary = tempfile::Builder::new().prefix("farthing-").tempdir();
                Ok(Self::Temporary(temporary.context("cannot make a temporary folder")?))
            }
            Some(path) => {
                ensure!(!path.exists(), "{} exists already", path.display());
                Ok(Self::Kept(std::path::absolute(path)?))
            }
        }
    }

    /// As [`Self::new`]; a temporary folder lies in memory where the system has such a place, for what only has to last as
    /// long as the program.
    ///
    /// # Errors
    /// As there.
    pub fn in_memory(keep: Option<&Path>) -> anyhow::Result<Self> {
        if keep.is_none()
            && let Ok(temporary) = tempfile::Builder::new().prefix("farthing-").tempdir_in("/dev/shm")
        {
            return Ok(Self::Temporary(temporary));
        }
        Self::new(keep)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
