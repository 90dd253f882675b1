//! Segments come and go, and real files behave as the simulated ones.

use std::io::ErrorKind;

use super::*;
use crate::journal::durable::Sequence;
use crate::journal::fault::JournalFault;
use crate::journal::lock::JournalLock;
use crate::journal::reader::{JournalReader, Tail};
use crate::journal::retention::remove_segments_before;
use crate::journal::storage::DiskStorage;

#[test]
fn old_segments_go_and_the_rest_stays_readable() {
    let storage = SimStorage::default();
    drop(written(&storage, 12, 4000));
    let before = segments(&storage);
    let mut reader = JournalReader::open(storage.clone(), CONFIG.hub, CONFIG.thread, CONFIG.genesis()).unwrap();
    let mut cursor = CONFIG.genesis();
    while reader.next_block_through(Sequence(7)).unwrap().is_some() {
        cursor = reader.end().cursor;
    }
    assert_eq!(cursor.sequence, 7);
    assert_eq!(remove_segments_before(&mut storage.clone(), CONFIG.thread, Sequence(8)).unwrap(), 2);
    assert_eq!(segments(&storage), before[2..]);
    let (_, bodies, _) = recovered_from(storage.clone(), cursor).unwrap();
    assert_eq!(bodies, (7..12).map(|number| body(number, 4000)).collect::<Vec<_>>());
    assert!(matches!(read_error(storage.clone()), ReadError::MissingSegment { expected: 1, found: 7 }));
    assert_eq!(remove_segments_before(&mut storage.clone(), CONFIG.thread, Sequence(u64::MAX)).unwrap(), 1);
    assert_eq!(segments(&storage).len(), 1);
}

#[test]
fn a_reader_sees_what_is_appended_later() {
    let storage = SimStorage::default();
    let mut reader = JournalReader::open(storage.clone(), CONFIG.hub, CONFIG.thread, CONFIG.genesis()).unwrap();
    assert!(reader.next_block().unwrap().is_none());
    let mut writer = written(&storage, 0, 0);
    for number in 0..10 {
        assert!(reader.next_block().unwrap().is_none());
        writer.append(&body(number, 4000), 1, 0).unwrap();
        writer.sync().unwrap();
        assert_eq!(reader.next_block().unwrap().unwrap().body, body(number, 4000));
    }
}

#[test]
fn real_files_survive_a_process_that_just_vanishes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let mut expected = Vec::new();
    for round in 0..5 {
        let storage = DiskStorage::open(&path).unwrap();
        let lock = JournalLock::acquire(&path).unwrap();
        let (mut writer, bodies, found) = recovered(storage).unwrap();
        assert_eq!((bodies, found.end.tail), (expected.clone(), Tail::Clean));
        for number in 0..7 {
            expected.push(body(round * 7 + number, 3000));
            writer.append(&expected[expected.len() - 1], 1, 0).unwrap();
            writer.prepare_next_segment().unwrap();
        }
        // Without a sync, a close or a word; the system releases the lock of a dead process.
        drop(writer);
        drop(lock);
    }
    let error = JournalWriter::create(DiskStorage::open(&path).unwrap(), CONFIG).unwrap_err();
    assert!(matches!(error, JournalFault::SegmentFailed { kind: ErrorKind::AlreadyExists, .. }));
    // A long block is read over the window's edge.
    let wide = JournalConfig { segment_bytes: 8 * 1024 * 1024, ..CONFIG };
    let storage = DiskStorage::open(&path).unwrap();
    let (mut writer, _) = recover(storage, wide, CONFIG.genesis(), |_| Ok::<_, Infallible>(())).unwrap();
    expected.push(body(1, 3 * 1024 * 1024));
    writer.append(&expected[expected.len() - 1], 1, 0).unwrap();
    writer.sync().unwrap();
    drop(writer);
    assert!(recovered(DiskStorage::open(&path).unwrap()).unwrap().1 == expected);
}
