//! Disks that are full, and disks that forget.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farthing_channel::record::block::{BLOCK_MAGIC, HEADER_BYTES, announced_bytes};
use farthing_channel::record::segment::BLOCKS_OFFSET;
use farthing_client::Connector;
use farthing_loadtest::site::SiteOptions;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{LIMIT, World, runtime};

/// Checkpoints so seldom that a test's journal is read again from its beginning.
fn without_checkpoints() -> SiteOptions {
    let interval = ("FARTHING_HUB__JOURNAL__CHECKPOINT_INTERVAL_MS".to_owned(), "86400000".to_owned());
    SiteOptions { hub_environment: vec![interval], ..SiteOptions::default() }
}

/// The journal's files, the oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("hub/data/journal")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.retain(|path| std::fs::metadata(path).unwrap().len() > 1024);
    files.sort();
    files
}

#[test]
fn a_flipped_bit_in_the_journal_keeps_the_hub_from_starting() {
    let mut world = World::with(2, without_checkpoints());
    world.pay(2, 30);
    world.site.kill_hub().unwrap();
    let journal = segments(world.folder.path()).remove(0);
    let file = OpenOptions::new().read(true).write(true).open(&journal).unwrap();
    // Within the first block, which many others follow.
    let place = u64::try_from(BLOCKS_OFFSET + HEADER_BYTES + 4).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], place).unwrap();
    file.sync_all().unwrap();
    let error = world.site.start_hub().unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");

    file.write_all_at(&byte, place).unwrap();
    file.sync_all().unwrap();
    world.site.start_hub().unwrap();
    assert_eq!(world.authorised(), 60, "nothing was repaired, and nothing is missing");
    world.site.finish().unwrap();
}

#[test]
fn a_torn_tail_was_never_acknowledged() {
    let mut world = World::with(2, without_checkpoints());
    world.pay(2, 30);
    world.site.kill_hub().unwrap();
    // What a write that was cut short leaves: the first bytes of a block behind the last whole one.
    let journal = segments(world.folder.path()).remove(0);
    let bytes = std::fs::read(&journal).unwrap();
    let last = bytes.windows(BLOCK_MAGIC.len()).rposition(|window| window == BLOCK_MAGIC).unwrap();
    let end = last + announced_bytes(&bytes[last..]).unwrap();
    let file = OpenOptions::new().write(true).open(&journal).unwrap();
    file.write_all_at(&bytes[last..last + HEADER_BYTES / 2], u64::try_from(end).unwrap()).unwrap();
    file.sync_all().unwrap();
    world.site.start_hub().unwrap();
    assert_eq!(world.authorised(), 60);
    world.pay(2, 1);
    assert_eq!(world.authorised(), 62);
    world.site.finish().unwrap();
}

/// Bytes beyond which no file may grow any more: less than a journal segment, more than the hub's log.
const FILE_BYTES_MAX: u64 = 192 * 1024;

fn limit_files(process: u32) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap());
    let limit = Rlimit { current: Some(FILE_BYTES_MAX), maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[test]
fn a_full_disk_stops_acknowledgements_and_loses_none() {
    let mut options = without_checkpoints();
    // The limit must be an error for the hub and not its end by a signal.
    options.hub_launcher = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let mut world = World::with(8, options);
    let promised = runtime().block_on(async {
        let mut config = world.config();
        config.deadline = Duration::from_secs(3);
        let connector = Connector::new(config).unwrap();
        let mut lanes = Vec::new();
        for place in 0..8 {
            let lane = world.device(&connector, place).await.1;
            let _ = lane.pay(1).await.unwrap();
            lanes.push(lane);
        }
        limit_files(world.site.hub_process_id().unwrap());
        // One after the other, so that every payment is a record of its own.
        'paying: for _ in 0..LIMIT / 2 {
            for lane in &lanes {
                if lane.pay(1).await.is_err() {
                    break 'paying;
                }
            }
        }
        lanes.iter().map(|lane| (lane.device().address(), lane.acknowledged().total())).collect::<Vec<_>>()
    });
    assert!(promised.iter().all(|(_, total)| *total > 0));
    let ended = world.site.hub_ended().unwrap();
    if ended.is_none() {
        let status = world.site.status().unwrap().answer;
        assert_eq!(status["serving"], false, "{status}");
        assert!(status["faults"].to_string().contains("journal"), "{status}");
        assert!(world.site.hub_page("/readyz").unwrap().contains("journal"));
    }
    world.site.kill_hub().unwrap();
    world.site.start_hub().unwrap();
    let totals = world.site.channel_totals().unwrap();
    for (device, acknowledged) in promised {
        assert!(totals[&device] >= acknowledged, "{} < {acknowledged}", totals[&device]);
    }
    world.site.finish().unwrap();
}
