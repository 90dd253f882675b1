//! A store of one small file per lane.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use farthing_channel::id::LaneId;

use super::{LaneRecord, StateStore, StoreError};

/// Makes the names of files being written differ, so that two writers never share one.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Records as files `LANE.json` in one directory. A record is written beside the old one, synced, renamed over it,
/// and the directory is synced: after a power cut there is the old record or the new one, whole.
///
/// One process at a time may use a directory.
#[derive(Debug, Clone)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// The store in `directory`, which is made if need be.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|error| io_error(&directory, &error))?;
        Ok(Self { directory })
    }

    fn path(&self, lane: &LaneId) -> PathBuf {
        self.directory.join(format!("{}.json", hex::encode(lane.as_bytes())))
    }

    fn write_beside(&self, record: &LaneRecord) -> Result<(), StoreError> {
        let path = self.path(&record.lane);
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{write}.new", std::process::id()));
        let written = File::create_new(&beside).and_then(|mut file| {
            file.write_all(record.to_json().as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&beside, &path)).map_err(|error| {
            // Best effort: what stays is a file that nobody reads.
            let _ = fs::remove_file(&beside);
            io_error(&path, &error)
        })
    }
}

fn io_error(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string().into(), reason: error.to_string().into() }
}

impl StateStore for FileStore {
    fn load(&self, lane: &LaneId) -> Result<Option<LaneRecord>, StoreError> {
        let path = self.path(lane);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(io_error(&path, &error)),
        };
        LaneRecord::from_json(&text)
            .filter(|record| record.lane == *lane)
            .map(Some)
            .ok_or_else(|| StoreError::Damaged(path.display().to_string().into()))
    }

    fn save(&self, records: &[LaneRecord]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        for record in records {
            self.write_beside(record)?;
        }
        // One sync of the directory makes all the renames durable.
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| io_error(&self.directory, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lane: u8, wanted: u64) -> LaneRecord {
        LaneRecord {
            lane: LaneId([lane; 32]),
            wanted_amount: wanted,
            wanted_ticks: 0,
            tick_price: (1, 1),
            voucher: None,
            anchor: None,
            usage: None,
            receipt: None,
        }
    }

    #[test]
    fn the_newest_record_of_each_lane_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::open(dir.path().join("state")).unwrap();
        assert_eq!(store.load(&LaneId([1; 32])).unwrap(), None);
        store.save(&[record(1, 5), record(2, 6)]).unwrap();
        store.save(&[record(1, 7)]).unwrap();
        let again = FileStore::open(dir.path().join("state")).unwrap();
        assert_eq!(again.load(&LaneId([1; 32])).unwrap(), Some(record(1, 7)));
        assert_eq!(again.load(&LaneId([2; 32])).unwrap(), Some(record(2, 6)));
    }

    #[test]
    fn damage_is_told_apart_from_absence() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileStore::open(dir.path()).unwrap();
        store.save(&[record(1, 5)]).unwrap();
        let path = store.path(&LaneId([1; 32]));
        for bytes in [&b"{"[..], &[0xff, 0xfe], b""] {
            fs::write(&path, bytes).unwrap();
            let damaged = store.load(&LaneId([1; 32]));
            assert!(matches!(damaged, Err(StoreError::Damaged(_))));
        }
        // A record of another lane under this name is no record of this lane.
        fs::write(&path, record(2, 5).to_json()).unwrap();
        assert!(store.load(&LaneId([1; 32])).is_err());
    }
}
