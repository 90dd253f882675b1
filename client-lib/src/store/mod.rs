//! What a device remembers of its lanes, and where.

mod file;
mod memory;
mod record;

use std::fmt;
use std::sync::Arc;

use farthing_channel::id::LaneId;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use record::{LaneRecord, RecordedAnchor, RecordedUsage};

/// Why state could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused.
    #[error("state {path}: {reason}")]
    Io {
        /// The file.
        path: Arc<str>,
        /// What the system said.
        reason: Arc<str>,
    },
    /// The file is there and is no record of the lane. The device then goes on as one that lost its memory.
    #[error("state {0} is damaged")]
    Damaged(Arc<str>),
}

impl StoreError {
    /// Whether trying again may help: a full disk may be emptied, a damaged file stays damaged.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// Keeps one record per lane. Called from tasks of the async runtime; where [`Self::waits_for_disk`] is true, on its
/// threads for blocking work.
pub trait StateStore: Send + Sync + fmt::Debug {
    /// The lane's record; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self, lane: &LaneId) -> Result<Option<LaneRecord>, StoreError>;

    /// Keeps the records, each replacing the one before it. When this returns they must survive a power cut, for the
    /// payments they describe leave right after.
    ///
    /// # Errors
    /// [`StoreError`]; the payments are not sent then.
    fn save(&self, records: &[LaneRecord]) -> Result<(), StoreError>;

    /// Whether the calls may take as long as a disk does.
    fn waits_for_disk(&self) -> bool {
        true
    }
}
