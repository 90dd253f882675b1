//! Dropping segments that nobody needs.

use std::io;

use farthing_channel::record::segment::SegmentName;

use super::durable::Sequence;
use super::storage::Storage;

/// The segments of a data-plane thread, oldest first.
///
/// # Errors
/// What the system says.
pub fn segment_names(storage: &mut impl Storage, thread: u16) -> io::Result<Vec<SegmentName>> {
    let mut names: Vec<_> = storage.list()?.iter().filter_map(|name| SegmentName::parse(name)).collect();
    names.retain(|name| name.thread == thread);
    names.sort_unstable();
    Ok(names)
}

/// Removes the segments whose blocks are all older than `sequence`, oldest first, and never the newest one. The
/// caller says what is needed: the lower of what the checkpoint and what the settlement have read. Returns how many
/// went. May run beside the writer.
///
/// # Errors
/// What the system says; what was removed until then stays removed, and the rest is one chain.
pub fn remove_segments_before(storage: &mut impl Storage, thread: u16, sequence: Sequence) -> io::Result<usize> {
    let names = segment_names(storage, thread)?;
    let mut removed = 0;
    for pair in names.windows(2) {
        if pair[1].first_sequence > sequence.0 {
            break;
        }
        storage.remove(&pair[0].file_name())?;
        // One by one, so that a crash leaves no gap: names could vanish in any order before a sync.
        storage.sync_dir()?;
        removed += 1;
    }
    Ok(removed)
}
