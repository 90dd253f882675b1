//! A store that forgets with its process: tests, load generators, and devices that rely on the hub's memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use farthing_channel::id::LaneId;

use super::{LaneRecord, StateStore, StoreError};

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<HashMap<LaneId, LaneRecord>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl StateStore for MemoryStore {
    fn load(&self, lane: &LaneId) -> Result<Option<LaneRecord>, StoreError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.get(lane).cloned())
    }

    fn save(&self, records: &[LaneRecord]) -> Result<(), StoreError> {
        let mut kept = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            kept.insert(record.lane, record.clone());
        }
        Ok(())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
