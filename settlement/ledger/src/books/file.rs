//! The ledger's file: opened for a moment by whoever needs it, under redb's own lock.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;

use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _, WriteTransaction, backends::FileBackend,
};

use crate::base::ChangeMark;
use crate::error::LedgerError;
use crate::limits::{BUSY_ATTEMPTS, BUSY_PAUSE, CACHE_BYTES};

/// Bytes at the start of the file that hold redb's commit slots: every commit changes them.
const HEADER_BYTES: u64 = 512;

/// A ledger file by its path. Holds nothing open between calls.
#[derive(Debug, Clone)]
pub(crate) struct LedgerFile {
    path: PathBuf,
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Opens with `open` until nobody else holds the file, for at most half a minute.
fn patiently<T>(mut open: impl FnMut() -> Result<T, DatabaseError>) -> Result<T, LedgerError> {
    for _ in 0..BUSY_ATTEMPTS {
        match open() {
            Err(DatabaseError::DatabaseAlreadyOpen) => thread::sleep(BUSY_PAUSE),
            other => return Ok(other?),
        }
    }
    Err(LedgerError::Busy)
}

impl LedgerFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, readable by its owner alone, with what `fill` writes. Either the whole ledger appears under its
    /// path or nothing does; a file that exists is never touched.
    pub(crate) fn create(
        path: &Path,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), LedgerError>,
    ) -> Result<Self, LedgerError> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".genesis");
        let draft = PathBuf::from(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&draft)?;
        let backend = FileBackend::new(file)?;
        let database = builder().create_with_backend(backend)?;
        commit(&database, fill)?;
        database.close()?;
        // A link, unlike a rename, fails where the name is taken.
        fs::hard_link(&draft, path)?;
        fs::remove_file(&draft)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()?;
        Ok(Self::new(path))
    }

    /// Reads one consistent state.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&ReadTransaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let database = match patiently(|| builder().open_read_only(&self.path)) {
            Err(LedgerError::Storage(error)) if is_repair_needed(error.as_ref()) => {
                // Somebody died with the file open. A writer repairs it by opening it; readers may not.
                drop(patiently(|| builder().open(&self.path))?);
                patiently(|| builder().open_read_only(&self.path))?
            }
            other => other?,
        };
        let transaction = database.begin_read()?;
        query(&transaction)
    }

    /// Changes the state by all of what `change` does, durably, or by nothing of it.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let database = patiently(|| builder().open(&self.path))?;
        commit(&database, change)
    }

    /// What `change` would come to; nothing of it stays.
    pub(crate) fn rehearse<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let database = patiently(|| builder().open(&self.path))?;
        let transaction = database.begin_write()?;
        let outcome = change(&transaction);
        transaction.abort()?;
        outcome
    }

    /// What the file looks like from outside. The file's times alone could miss a second commit within one tick of
    /// the file system's clock, so redb's commit slots are part of it.
    pub(crate) fn mark(&self) -> Result<ChangeMark, LedgerError> {
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let mut mark = Vec::with_capacity(560);
        for number in [metadata.ino(), metadata.len()] {
            mark.extend_from_slice(&number.to_be_bytes());
        }
        for number in [metadata.mtime(), metadata.mtime_nsec()] {
            mark.extend_from_slice(&number.to_be_bytes());
        }
        file.by_ref().take(HEADER_BYTES).read_to_end(&mut mark)?;
        Ok(ChangeMark::new(mark))
    }
}

fn is_repair_needed(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref::<DatabaseError>(), Some(DatabaseError::RepairAborted))
}

/// One write transaction. Two-phase commit, and the allocator's state saved with it, so that opening after a crash
/// does not walk the whole file.
fn commit<T>(
    database: &Database,
    change: impl FnOnce(&WriteTransaction) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    match change(&transaction) {
        Ok(value) => {
            transaction.commit()?;
            Ok(value)
        }
        Err(error) => {
            transaction.abort()?;
            Err(error)
        }
    }
}
