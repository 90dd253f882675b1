//! The journal alone: records encoded, framed, written and synced, on one thread.

use farthing_channel::id::{LaneId, Preimage};
use farthing_channel::record::encode_tick;
use farthing_hub::journal::config::JournalConfig;
use farthing_hub::journal::storage::DiskStorage;
use farthing_hub::journal::writer::JournalWriter;

use crate::{Counted, fleet::Meter as _};

/// Ticks in a group commit.
const RECORDS: u32 = 1_000;
const GROUPS_WARM: u32 = 4;
const GROUPS: u32 = 8;

/// Commits groups of tick records.
pub(crate) fn measure() -> anyhow::Result<serde_json::Value> {
    let folder = tempfile::tempdir()?;
    let config = JournalConfig { hub: [1; 20], thread: 0, term: 1, segment_bytes: 64 * 1024 * 1024 };
    let mut writer = JournalWriter::create(DiskStorage::open(folder.path())?, config)?;
    let mut body = Vec::with_capacity(1024 * 1024);
    let mut commit = |group: u32| -> anyhow::Result<()> {
        body.clear();
        for number in 0..RECORDS {
            let mut lane = [7; 32];
            lane[..4].copy_from_slice(&number.to_be_bytes());
            let index = u16::try_from(group + 1)?;
            encode_tick(&LaneId(lane), u64::MAX - u64::from(number), index, &Preimage(lane), &mut body);
        }
        writer.append(&body, RECORDS, 1_000)?;
        writer.sync()?;
        Ok(())
    };
    for group in 0..GROUPS_WARM {
        commit(group)?;
    }
    let mut counted = Counted::default();
    for group in 0..GROUPS {
        counted.hub(|| commit(GROUPS_WARM + group))?;
    }
    let payments = u64::from(RECORDS) * u64::from(GROUPS);
    Ok(serde_json::json!({
        "payments": payments,
        "datagrams": GROUPS,
        "allocations_ours": counted.allocations,
        "allocations_transport": 0,
    }))
}
