//! The journal on this machine's disk: a group of tick records framed, written and synced. Divide by the group's size.

use divan::Bencher;
use divan::counter::ItemsCount;
use farthing_channel::id::{LaneId, Preimage};
use farthing_channel::record::encode_tick;
use farthing_hub::journal::config::JournalConfig;
use farthing_hub::journal::storage::DiskStorage;
use farthing_hub::journal::writer::JournalWriter;

fn main() {
    divan::Divan::default().sample_size(1).config_with_args().main();
}

/// Encoded tick records of as many lanes.
fn records(count: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in 0..count {
        let mut lane = [7; 32];
        lane[..4].copy_from_slice(&number.to_be_bytes());
        encode_tick(&LaneId(lane), u64::MAX, 1, &Preimage(lane), &mut body);
    }
    body
}

fn append(bencher: Bencher<'_, '_>, count: u32, sync: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = JournalConfig { hub: [1; 20], thread: 0, term: 1, segment_bytes: 64 * 1024 * 1024 };
    let storage = DiskStorage::open(folder.path()).expect("a folder");
    let mut writer = JournalWriter::create(storage, config).expect("a journal");
    let body = records(count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        writer.append(&body, count, 1_000).expect("room on the disk");
        if sync {
            writer.sync().expect("a disk that syncs");
        }
        // As the commit thread does between two groups.
        writer.prepare_next_segment().expect("room on the disk");
    });
}

/// Durable, as every acknowledgement is.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 100)]
fn group_synced(bencher: Bencher<'_, '_>, records: u32) {
    append(bencher, records, true);
}

/// The same without `fdatasync`: what the processor has to do.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 100)]
fn group_written(bencher: Bencher<'_, '_>, records: u32) {
    append(bencher, records, false);
}

/// Records encoded into a group's memory.
#[divan::bench(args = [100, 1_000, 10_000])]
fn group_encoded(bencher: Bencher<'_, '_>, count: u32) {
    bencher.counter(ItemsCount::new(count)).bench(|| records(divan::black_box(count)));
}
