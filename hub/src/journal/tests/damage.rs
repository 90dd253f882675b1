//! Damage to what was durable is named, and never repaired.

use farthing_channel::record::block::{BlockHash, ChainBreak};
use farthing_channel::record::segment::{BLOCKS_OFFSET, Damage};
use proptest::prelude::*;

use super::*;
use crate::journal::fault::JournalFault;
use crate::journal::read_error::Corruption;
use crate::journal::reader::JournalReader;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

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
    let ReadError::Corrupt { segment, offset, why: Corruption::Block(Damage::BlocksBehind { sequence: 2, .. }) } =
        error
    else {
        panic!("{message}");
    };
    assert_eq!((segment, offset), (name, BLOCKS_OFFSET as u64));
    assert!(message.contains("does not start"), "{message}");
}

#[test]
fn a_missing_segment_is_named() {
    let storage = SimStorage::default();
    drop(written(&storage, 12, 4000));
    let names = segments(&storage);
    assert!(names.len() > 3);
    let mut without_middle = storage.snapshot();
    without_middle.remove(&names[1]).unwrap();
    assert!(matches!(read_error(without_middle), ReadError::MissingSegment { expected: 4, found: 7 }));
    let mut without_first = storage.snapshot();
    without_first.remove(&names[0]).unwrap();
    assert!(matches!(read_error(without_first), ReadError::MissingSegment { expected: 1, found: 4 }));
}

#[test]
fn an_old_backup_is_found_against_the_cursor() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 3, 100);
    let backup = storage.snapshot();
    writer.append(b"later", 1, 0).unwrap();
    writer.sync().unwrap();
    let seen = writer.cursor();
    let error = recovered_from(backup.clone(), seen).map(|_| ()).unwrap_err();
    assert!(matches!(error, RecoveryError::Read(ReadError::CursorAhead { cursor: 4, end: 3 })));
    // The restored copy went on: block 4 exists again, and is another one.
    let (mut other, _, _) = recovered(backup.clone()).unwrap();
    other.append(b"other", 1, 0).unwrap();
    other.sync().unwrap();
    let error = recovered_from(backup, seen).map(|_| ()).unwrap_err();
    assert!(matches!(error, RecoveryError::Read(ReadError::CursorMismatch { sequence: 4 })));
    let empty = recovered_from(SimStorage::default(), seen).map(|_| ()).unwrap_err();
    assert!(matches!(empty, RecoveryError::Read(ReadError::CursorAhead { cursor: 4, end: 0 })));
}

#[test]
fn another_hubs_segments_and_an_old_term_are_refused() {
    let storage = SimStorage::default();
    drop(written(&storage, 1, 10));
    let other = JournalReader::open(storage.clone(), [8; 20], 2, ChainCursor::genesis(&[8; 20], 2)).map(|_| ());
    assert!(matches!(other, Err(ReadError::ForeignSegment { .. })));
    let wrong = ChainCursor { hash: BlockHash([0; 32]), ..CONFIG.genesis() };
    let other = JournalReader::open(storage.clone(), CONFIG.hub, 2, wrong).map(|_| ());
    assert!(matches!(other, Err(ReadError::CursorMismatch { sequence: 0 })));
    let old = JournalConfig { term: 0, ..CONFIG };
    let error = recover(storage, old, CONFIG.genesis(), |_| Ok::<_, Infallible>(())).map(|_| ()).unwrap_err();
    assert!(matches!(error, RecoveryError::Write(JournalFault::StaleTerm { term: 0, last: 1 })));
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
