//! The journal on this machine, record by record. It may be read while the hub writes it.

use std::path::Path;

use farthing_channel::record::{Record, Records};
use farthing_channel::sign::Signer as _;

use super::failure::Failure;
use crate::config::Config;
use crate::journal::reader::JournalReader;
use crate::journal::storage::DiskStorage;

/// Hands over every record that the journal still holds, oldest first, with the Unix time of its block in milliseconds. Returns
/// how many blocks there were. The journal is the hub's own, or the one in `folder`.
///
/// # Errors
/// [`Failure`] where the journal cannot be read, and what `take` fails with.
pub(super) fn each_record(
    config: &Config,
    folder: Option<&Path>,
    mut take: impl FnMut(&Record, u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let hub = config.load_key().map_err(|error| Failure::Usage(error.to_string()))?.address();
    let own = config.hub.data_dir.join("journal");
    let folder = folder.unwrap_or(&own);
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("{}: there is no such folder", folder.display())));
    }
    let storage = DiskStorage::open(folder).map_err(|error| Failure::io(folder.display(), &error))?;
    let damaged = |error: &dyn std::fmt::Display| Failure::Failed {
        code: "journal".to_owned(),
        message: format!("{}: {error}", folder.display()),
    };
    // What came before the oldest segment is settled and gone.
    let mut reader = JournalReader::open_oldest(storage, hub.0, 0).map_err(|error| damaged(&error))?;
    let mut blocks = 0_u64;
    while let Some(block) = reader.next_block().map_err(|error| damaged(&error))? {
        for record in Records::new(block.body) {
            take(&record.map_err(|error| damaged(&error))?, block.header.unix_ms)?;
        }
        blocks = blocks.saturating_add(1);
    }
    Ok(blocks)
}
