//! How much there is to read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use farthing_channel::record::block::ChainCursor;

use super::{JournalError, list_segments};

/// Bytes of the segments that a reading from `cursors` goes through: those that hold a block after them.
///
/// # Errors
/// [`JournalError::Io`].
pub fn bytes_after(directory: &Path, cursors: &BTreeMap<u16, ChainCursor>) -> Result<u64, JournalError> {
    let mut bytes = 0_u64;
    for (thread, names) in list_segments(directory)? {
        let next = cursors.get(&thread).map_or(0, |cursor| cursor.sequence.saturating_add(1));
        let first = names.iter().rposition(|name| name.first_sequence <= next).unwrap_or(0);
        for name in names.iter().skip(first) {
            let path = directory.join(name.file_name());
            let found = fs::metadata(&path).map_err(|error| JournalError::Io { path, error })?;
            bytes = bytes.saturating_add(found.len());
        }
    }
    Ok(bytes)
}
