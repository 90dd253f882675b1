//! The journal against storage that crashes, fails and forgets.

use std::convert::Infallible;
use std::io::ErrorKind;

use farthing_channel::record::block::{BlockHash, ChainBreak, ChainCursor};
use farthing_channel::record::segment::{BLOCKS_OFFSET, Damage};
use proptest::prelude::*;

use super::config::{JournalConfig, SEGMENT_BYTES_MIN};
use super::durable::Sequence;
use super::fault::JournalFault;
use super::lock::JournalLock;
use super::reader::{Corruption, JournalReader, ReadError, Tail};
use super::recovery::{Recovered, RecoveryError, recover};
use super::retention::{remove_segments_before, segment_names};
use super::sim_storage::{Failure, Fate, SimStorage};
use super::storage::{DiskStorage, Storage};
use super::writer::JournalWriter;

const CONFIG: JournalConfig = JournalConfig {
    hub: [7; 20],
    thread: 2,
    term: 1,
    segment_bytes: SEGMENT_BYTES_MIN,
};

type Recovery<S> = (JournalWriter<S>, Vec<Vec<u8>>, Recovered);

fn recovered<S: Storage>(storage: S) -> Result<Recovery<S>, RecoveryError<Infallible>> {
    recovered_from(storage, CONFIG.genesis())
}

fn recovered_from<S: Storage>(
    storage: S,
    from: ChainCursor,
) -> Result<Recovery<S>, RecoveryError<Infallible>> {
    let mut bodies = Vec::new();
    let (writer, found) = recover(storage, CONFIG, from, |block| {
        bodies.push(block.body.to_vec());
        Ok(())
    })?;
    Ok((writer, bodies, found))
}

fn read_error(storage: SimStorage) -> ReadError {
    match recovered(storage).map(|_| ()).unwrap_err() {
        RecoveryError::Read(error) => error,
        other => panic!("{other}"),
    }
}

/// Never zero, so that a body shows that it is itself.
fn body(number: usize, length: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((number * 31 + at * 7) % 255 + 1).unwrap();
    (0..length).map(byte).collect()
}

/// Blocks 1..=count, all synced, over several segments when there are many.
fn written(storage: &SimStorage, count: usize, length: usize) -> JournalWriter<SimStorage> {
    let mut writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
    for number in 0..count {
        writer.append(&body(number, length), 1, 0).unwrap();
        writer.sync().unwrap();
    }
    writer
}

fn segments(storage: &SimStorage) -> Vec<String> {
    segment_names(&mut storage.clone(), CONFIG.thread)
        .unwrap()
        .iter()
        .map(|name| name.file_name())
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    Prepare,
    Crash(u64),
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5000_usize).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Prepare),
        2 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, recovery gives back a prefix of what was appended that holds all that was reported durable.
    #[test]
    fn what_was_durable_survives_every_crash(steps in steps()) {
        let storage = SimStorage::default();
        let mut writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
        let (mut appended, mut durable) = (Vec::new(), 0);
        for (number, step) in steps.into_iter().chain([Step::Crash(1)]).enumerate() {
            match step {
                Step::Append(length) => {
                    let body = body(number, length);
                    let sequence = writer.append(&body, 1, 0).unwrap();
                    appended.push(body);
                    prop_assert_eq!(sequence, Sequence(appended.len() as u64));
                }
                Step::Sync => {
                    durable = appended.len();
                    prop_assert_eq!(writer.sync().unwrap().get(), Sequence(durable as u64));
                }
                Step::Prepare => prop_assert!(!writer.prepare_next_segment().unwrap()),
                Step::Crash(_) | Step::Kill => {
                    if let Step::Crash(seed) = step {
                        storage.crash(&mut Fate(seed));
                    }
                    let (next, bodies, found) = recovered(storage.clone()).unwrap();
                    writer = next;
                    prop_assert!(bodies.len() >= durable, "{} blocks of {durable} durable ones", bodies.len());
                    prop_assert_eq!(&bodies[..], &appended[..bodies.len()]);
                    prop_assert_eq!(found.blocks, bodies.len() as u64);
                    appended = bodies;
                    durable = appended.len();
                }
            }
        }
    }

    /// One bit of what was durable flips: recovery refuses, wherever it is.
    #[test]
    fn a_flipped_bit_is_damage(count in 1..12_usize, length in 1..4000_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let storage = SimStorage::default();
        let writer = written(&storage, count, length);
        let names = segments(&storage);
        // Only bytes that mean something: the padding behind a header and the space behind the last block mean nothing.
        let mut places = Vec::new();
        for name in &names {
            let bytes = storage.bytes(name);
            let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
            places.extend((0..72).map(|at| (name.clone(), at)));
            places.extend((BLOCKS_OFFSET..=last).map(|at| (name.clone(), at)));
        }
        let (name, at) = places[at.index(places.len())].clone();
        drop(writer);
        storage.flip_bit(&name, at, bit);
        let error = recovered(storage).map(|_| ()).unwrap_err();
        prop_assert!(matches!(error, RecoveryError::Read(ReadError::Corrupt { .. })), "{error}");
    }
}

#[test]
fn a_block_behind_an_unreadable_one_is_damage_not_a_torn_tail() {
    let storage = SimStorage::default();
    drop(written(&storage, 3, 100));
    let name = segments(&storage)[0].clone();
    storage.flip_bit(&name, BLOCKS_OFFSET + 80, 3);
    let error = read_error(storage);
    let message = error.to_string();
    let ReadError::Corrupt {
        segment,
        offset,
        why: Corruption::Block(Damage::BlocksBehind { sequence: 2, .. }),
    } = error
    else {
        panic!("{message}");
    };
    assert_eq!((segment, offset), (name, BLOCKS_OFFSET as u64));
    assert!(message.contains("does not start"), "{message}");
}

#[test]
fn a_torn_tail_is_overwritten_once() {
    let storage = SimStorage::default();
    drop(written(&storage, 2, 100));
    let name = segments(&storage)[0].clone();
    let mut bytes = storage.bytes(&name);
    // The second block loses its last half, and with it what was never acknowledged.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 60..].fill(0);
    storage.overwrite(&name, bytes);
    let (_, bodies, found) = recovered(storage.clone()).unwrap();
    assert_eq!(bodies, [body(0, 100)]);
    assert!(found.had_torn_tail());
    let (mut writer, _, found) = recovered(storage.clone()).unwrap();
    assert_eq!(found.end.tail, Tail::Clean);
    assert_eq!(writer.append(b"next", 1, 0).unwrap(), Sequence(2));
    writer.sync().unwrap();
    assert_eq!(
        recovered(storage).unwrap().1,
        [body(0, 100), b"next".to_vec()]
    );
}

#[test]
fn a_missing_segment_is_named() {
    let storage = SimStorage::default();
    drop(written(&storage, 12, 4000));
    let names = segments(&storage);
    assert!(names.len() > 3);
    let mut without_middle = storage.snapshot();
    without_middle.remove(&names[1]).unwrap();
    assert!(matches!(
        read_error(without_middle),
        ReadError::MissingSegment {
            expected: 4,
            found: 7
        }
    ));
    let mut without_first = storage.snapshot();
    without_first.remove(&names[0]).unwrap();
    assert!(matches!(
        read_error(without_first),
        ReadError::MissingSegment {
            expected: 1,
            found: 4
        }
    ));
}

#[test]
fn an_old_backup_is_found_against_the_cursor() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 3, 100);
    let backup = storage.snapshot();
    writer.append(b"later", 1, 0).unwrap();
    writer.sync().unwrap();
    let seen = writer.cursor();
    let error = recovered_from(backup.clone(), seen)
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(
        error,
        RecoveryError::Read(ReadError::CursorAhead { cursor: 4, end: 3 })
    ));
    // The restored copy went on: block 4 exists again, and is another one.
    let (mut other, _, _) = recovered(backup.clone()).unwrap();
    other.append(b"other", 1, 0).unwrap();
    other.sync().unwrap();
    let error = recovered_from(backup, seen).map(|_| ()).unwrap_err();
    assert!(matches!(
        error,
        RecoveryError::Read(ReadError::CursorMismatch { sequence: 4 })
    ));
    let empty = recovered_from(SimStorage::default(), seen)
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(
        empty,
        RecoveryError::Read(ReadError::CursorAhead { cursor: 4, end: 0 })
    ));
}

#[test]
fn another_hubs_segments_and_an_old_term_are_refused() {
    let storage = SimStorage::default();
    drop(written(&storage, 1, 10));
    let other = JournalReader::open(
        storage.clone(),
        [8; 20],
        2,
        ChainCursor::genesis(&[8; 20], 2),
    )
    .map(|_| ());
    assert!(matches!(other, Err(ReadError::ForeignSegment { .. })));
    let wrong = ChainCursor {
        hash: BlockHash([0; 32]),
        ..CONFIG.genesis()
    };
    let other = JournalReader::open(storage.clone(), CONFIG.hub, 2, wrong).map(|_| ());
    assert!(matches!(
        other,
        Err(ReadError::CursorMismatch { sequence: 0 })
    ));
    let old = JournalConfig { term: 0, ..CONFIG };
    let error = recover(storage, old, CONFIG.genesis(), |_| Ok::<_, Infallible>(()))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(
        error,
        RecoveryError::Write(JournalFault::StaleTerm { term: 0, last: 1 })
    ));
}

#[test]
fn a_replaced_segment_breaks_the_chain() {
    let (one, two) = (SimStorage::default(), SimStorage::default());
    drop(written(&one, 8, 4000));
    let mut writer = JournalWriter::create(two.clone(), CONFIG).unwrap();
    for number in 0..8 {
        writer.append(&body(number + 100, 4000), 1, 0).unwrap();
    }
    writer.sync().unwrap();
    let name = segments(&one)[1].clone();
    one.overwrite(&name, two.bytes(&name));
    let broken = Corruption::Chain(ChainBreak::WrongPreviousHash { sequence: 4 });
    assert!(matches!(read_error(one), ReadError::Corrupt { why, .. } if why == broken));
}

#[test]
fn every_fault_is_named_and_final() {
    let full = |fault: &JournalFault| matches!(fault, JournalFault::DiskFull { .. });
    let failed = |fault: &JournalFault| matches!(fault, JournalFault::WriteFailed { .. });
    let short = |fault: &JournalFault| {
        matches!(
            fault,
            JournalFault::ShortWrite {
                wanted: 90,
                written: 13,
                ..
            }
        )
    };
    let sync = |fault: &JournalFault| {
        matches!(
            fault,
            JournalFault::SyncFailed {
                kind: ErrorKind::Other,
                ..
            }
        )
    };
    let cases: [(Failure, fn(&JournalFault) -> bool); 4] = [
        (
            Failure::Write {
                nth: 0,
                kind: ErrorKind::StorageFull,
            },
            full,
        ),
        (
            Failure::Write {
                nth: 0,
                kind: ErrorKind::Other,
            },
            failed,
        ),
        (Failure::ShortWrite { nth: 0, bytes: 13 }, short),
        (
            Failure::Sync {
                nth: 0,
                kind: ErrorKind::Other,
            },
            sync,
        ),
    ];
    for (failure, is_expected) in cases {
        let storage = SimStorage::default();
        let mut writer = written(&storage, 1, 10);
        storage.fail(failure);
        let fault = writer
            .append(&body(1, 10), 1, 0)
            .and_then(|_| writer.sync())
            .unwrap_err();
        assert!(is_expected(&fault), "{fault}");
        assert_eq!(writer.append(b"again", 1, 0), Err(fault.clone()));
        assert_eq!(writer.sync(), Err(fault.clone()));
        assert_eq!(writer.prepare_next_segment(), Err(fault));
        // A new start goes on with all that was durable.
        let (mut writer, bodies, _) = recovered(storage.clone()).unwrap();
        assert_eq!(bodies[0], body(0, 10));
        writer.append(b"on", 1, 0).unwrap();
        writer.sync().unwrap();
    }
}

#[test]
fn what_recovery_saw_is_durable_even_after_a_failed_sync() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 1, 10);
    writer.append(&body(1, 10), 1, 0).unwrap();
    storage.fail(Failure::Sync {
        nth: 0,
        kind: ErrorKind::Other,
    });
    writer.sync().unwrap_err();
    // The process starts again on a cache that calls the lost bytes clean, applies them, and then the power fails.
    let (_, seen, _) = recovered(storage.clone()).unwrap();
    assert_eq!(seen.len(), 2);
    storage.crash(&mut Fate(0));
    assert_eq!(recovered(storage).unwrap().1, seen);
}

#[test]
fn a_disk_that_fills_up_stops_at_the_end_of_the_segment() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 1, 4000);
    storage.set_capacity(Some(usize::try_from(SEGMENT_BYTES_MIN).unwrap() * 3 / 2));
    assert!(writer.prepare_next_segment().unwrap());
    let fault = loop {
        match writer.append(&body(1, 4000), 1, 0) {
            Ok(_) => drop(writer.sync().unwrap()),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, JournalFault::DiskFull { .. }), "{fault}");
    let durable = writer.cursor().sequence;
    storage.set_capacity(None);
    let (mut writer, bodies, _) = recovered(storage).unwrap();
    assert_eq!(bodies.len() as u64, durable);
    writer.append(&body(2, 4000), 1, 0).unwrap();
    assert_eq!(writer.sync().unwrap().get(), Sequence(durable + 1));
}

#[test]
fn a_body_too_long_for_a_segment_is_refused() {
    let mut writer = written(&SimStorage::default(), 0, 0);
    let longest = CONFIG.body_bytes_max();
    writer.append(&vec![1; longest], 1, 0).unwrap();
    assert_eq!(
        writer.append(&vec![1; longest + 1], 1, 0),
        Err(JournalFault::BodyTooLarge { bytes: longest + 1 })
    );
}

#[test]
fn old_segments_go_and_the_rest_stays_readable() {
    let storage = SimStorage::default();
    drop(written(&storage, 12, 4000));
    let before = segments(&storage);
    let mut reader =
        JournalReader::open(storage.clone(), CONFIG.hub, CONFIG.thread, CONFIG.genesis()).unwrap();
    let mut cursor = CONFIG.genesis();
    while reader.next_block_through(Sequence(7)).unwrap().is_some() {
        cursor = reader.end().cursor;
    }
    assert_eq!(cursor.sequence, 7);
    assert_eq!(
        remove_segments_before(&mut storage.clone(), CONFIG.thread, Sequence(8)).unwrap(),
        2
    );
    assert_eq!(segments(&storage), before[2..]);
    let (_, bodies, _) = recovered_from(storage.clone(), cursor).unwrap();
    assert_eq!(
        bodies,
        (7..12).map(|number| body(number, 4000)).collect::<Vec<_>>()
    );
    assert!(matches!(
        read_error(storage.clone()),
        ReadError::MissingSegment {
            expected: 1,
            found: 7
        }
    ));
    assert_eq!(
        remove_segments_before(&mut storage.clone(), CONFIG.thread, Sequence(u64::MAX)).unwrap(),
        1
    );
    assert_eq!(segments(&storage).len(), 1);
}

#[test]
fn a_reader_sees_what_is_appended_later() {
    let storage = SimStorage::default();
    let mut reader =
        JournalReader::open(storage.clone(), CONFIG.hub, CONFIG.thread, CONFIG.genesis()).unwrap();
    assert!(reader.next_block().unwrap().is_none());
    let mut writer = written(&storage, 0, 0);
    for number in 0..10 {
        assert!(reader.next_block().unwrap().is_none());
        writer.append(&body(number, 4000), 1, 0).unwrap();
        writer.sync().unwrap();
        assert_eq!(
            reader.next_block().unwrap().unwrap().body,
            body(number, 4000)
        );
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
    assert!(matches!(
        error,
        JournalFault::SegmentFailed {
            kind: ErrorKind::AlreadyExists,
            ..
        }
    ));
    // A long block is read over the window's edge.
    let wide = JournalConfig {
        segment_bytes: 8 * 1024 * 1024,
        ..CONFIG
    };
    let storage = DiskStorage::open(&path).unwrap();
    let (mut writer, _) =
        recover(storage, wide, CONFIG.genesis(), |_| Ok::<_, Infallible>(())).unwrap();
    expected.push(body(1, 3 * 1024 * 1024));
    writer.append(&expected[expected.len() - 1], 1, 0).unwrap();
    writer.sync().unwrap();
    drop(writer);
    assert!(recovered(DiskStorage::open(&path).unwrap()).unwrap().1 == expected);
}
