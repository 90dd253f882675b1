//! The next segment, written ahead of need.
//!
//! A block is cheapest to sync where its space is allocated, written and of known length, so a segment is filled with
//! zeros before it is used. That happens in small steps between commits, under a name that no reader looks at.

use std::io;

use super::fault::JournalFault;
use super::storage::Storage;

/// The most zeros written at once, so that a commit never waits long behind them.
const STEP_BYTES: usize = 1024 * 1024;
/// The most zeros that wait to be synced, so that no later sync has to carry a whole segment's worth.
const UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;

#[derive(Debug)]
enum State {
    Absent,
    Filling {
        written: u64,
    },
    Ready,
    /// No space was left when it was tried. It is tried again when it is needed, and not before.
    OutOfSpace,
}

/// The file that becomes the next segment.
#[derive(Debug)]
pub struct Spare {
    name: String,
    bytes: u64,
    state: State,
}

impl Spare {
    /// A spare of `bytes` for a data-plane thread; nothing is written yet.
    pub fn new(thread: u16, bytes: u64) -> Self {
        Self { name: format!("spare-{thread:02x}.seg"), bytes, state: State::Absent }
    }

    /// Removes what an earlier process left.
    ///
    /// # Errors
    /// [`JournalFault::SegmentFailed`].
    pub fn clear(&mut self, storage: &mut impl Storage) -> Result<(), JournalFault> {
        self.state = State::Absent;
        match storage.remove(&self.name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalFault::segment(&self.name, &error)),
            _ => Ok(()),
        }
    }

    /// True when the disk had no room for the next segment: the journal will stop when the present one is full.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.state, State::OutOfSpace)
    }

    /// Writes up to `bytes` more of it. A full disk is only noted: the segment in use still has room.
    ///
    /// # Errors
    /// Any other failure to write.
    pub fn advance(&mut self, storage: &mut impl Storage, bytes: usize) -> Result<(), JournalFault> {
        if matches!(self.state, State::Ready | State::OutOfSpace) {
            return Ok(());
        }
        match self.step(storage, bytes.min(STEP_BYTES)) {
            Err(JournalFault::DiskFull { .. } | JournalFault::ShortWrite { .. }) => {
                // The part that was written is given back, for whoever needs the room.
                self.clear(storage)?;
                self.state = State::OutOfSpace;
                Ok(())
            }
            done => done,
        }
    }

    /// Completes the spare, with `header` at its start, and gives it its name as a segment; both are durable then.
    ///
    /// # Errors
    /// The fault that stops the journal.
    pub fn promote(&mut self, storage: &mut impl Storage, header: &[u8], name: &str) -> Result<(), JournalFault> {
        if self.is_out_of_space() {
            self.clear(storage)?;
        }
        while !matches!(self.state, State::Ready) {
            self.step(storage, STEP_BYTES)?;
        }
        write_all(storage, &self.name, 0, header)?;
        storage.sync_data(&self.name).map_err(|error| JournalFault::sync(&self.name, &error))?;
        storage.rename(&self.name, name).map_err(|error| JournalFault::segment(name, &error))?;
        storage.sync_dir().map_err(|error| JournalFault::sync(name, &error))?;
        self.state = State::Absent;
        Ok(())
    }

    fn step(&mut self, storage: &mut impl Storage, bytes: usize) -> Result<(), JournalFault> {
        let written = match self.state {
            State::Filling { written } => written,
            State::Ready => return Ok(()),
            State::Absent | State::OutOfSpace => {
                storage.create(&self.name).map_err(|error| JournalFault::segment(&self.name, &error))?;
                0
            }
        };
        self.state = State::Filling { written };
        let left = usize::try_from(self.bytes.saturating_sub(written)).unwrap_or(usize::MAX);
        let zeros = vec![0; left.min(bytes)];
        write_all(storage, &self.name, written, &zeros)?;
        let before = written;
        let written = written.saturating_add(u64::try_from(zeros.len()).unwrap_or(u64::MAX));
        if before / UNSYNCED_BYTES_MAX != written / UNSYNCED_BYTES_MAX {
            storage.sync_data(&self.name).map_err(|error| JournalFault::sync(&self.name, &error))?;
        }
        self.state = if written >= self.bytes { State::Ready } else { State::Filling { written } };
        Ok(())
    }
}

/// Writes all of `bytes` at once; a part is a fault.
pub(in crate::journal) fn write_all(
    storage: &mut impl Storage,
    name: &str,
    offset: u64,
    bytes: &[u8],
) -> Result<(), JournalFault> {
    let written = storage.write_at(name, offset, bytes).map_err(|error| JournalFault::write(name, &error))?;
    if written != bytes.len() {
        return Err(JournalFault::ShortWrite { file: name.to_owned(), wanted: bytes.len(), written });
    }
    Ok(())
}
