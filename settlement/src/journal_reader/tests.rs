use farthing_channel::record::block::{BlockHeader, encode_block};

use super::*;

const HUB: Address = Address([7; 20]);

/// Writes segments of `blocks_per_segment` blocks each, `tag` in every body, and returns the hash of each block.
fn write_journal(directory: &Path, tag: u8, blocks_per_segment: &[u64]) -> Vec<ChainCursor> {
    let mut cursor = ChainCursor::genesis(&HUB.0, 0);
    let mut places = Vec::new();
    for count in blocks_per_segment {
        let header =
            SegmentHeader { hub: HUB.0, thread: 0, first_sequence: cursor.sequence + 1, previous_hash: cursor.hash };
        let mut bytes = header.encode().to_vec();
        bytes.resize(BLOCKS_OFFSET, 0);
        for _ in 0..*count {
            let header = BlockHeader {
                thread: 0,
                term: 1,
                sequence: cursor.sequence + 1,
                unix_ms: 1_000 + cursor.sequence,
                record_count: 1,
                previous_hash: cursor.hash,
            };
            let hash = encode_block(&header, &[tag; 40], &mut bytes).unwrap();
            cursor = ChainCursor { term: 1, sequence: header.sequence, hash };
            places.push(cursor);
        }
        bytes.extend_from_slice(&[0; 4096]);
        fs::write(directory.join(header.name().file_name()), bytes).unwrap();
    }
    places
}

fn read(directory: &Path, from: Option<ChainCursor>) -> Result<(Vec<u64>, Option<ChainEnd>), JournalError> {
    let cursors = from.map(|cursor| (0, cursor)).into_iter().collect();
    let mut seen = Vec::new();
    let ends = read_journal::<JournalError>(directory, &HUB, &cursors, &mut |block| {
        seen.push(block.header.sequence);
        Ok(())
    })?;
    Ok((seen, ends.get(&0).copied()))
}

#[test]
fn blocks_come_in_order_across_segments_and_only_after_the_cursor() {
    let directory = tempfile::tempdir().unwrap();
    let places = write_journal(directory.path(), 1, &[3, 2, 4]);
    let (seen, end) = read(directory.path(), None).unwrap();
    assert_eq!(seen, (1..=9).collect::<Vec<_>>());
    assert_eq!(end.unwrap().cursor, places[8]);
    for (settled, place) in places.iter().enumerate() {
        let (seen, end) = read(directory.path(), Some(*place)).unwrap();
        assert_eq!(seen, (settled as u64 + 2..=9).collect::<Vec<_>>(), "after block {}", settled + 1);
        assert_eq!(end.unwrap().cursor, places[8]);
    }
}

#[test]
fn an_empty_journal_has_nothing_to_read() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(read(directory.path(), None).unwrap(), (vec![], None));
    write_journal(directory.path(), 1, &[0]);
    let (seen, end) = read(directory.path(), None).unwrap();
    assert!(seen.is_empty());
    assert_eq!(end.unwrap().cursor.sequence, 0);
}

#[test]
fn a_torn_tail_is_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let places = write_journal(directory.path(), 1, &[3]);
    let path = directory.path().join("journal-00-0000000000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last - 30..].fill(0);
    fs::write(&path, bytes).unwrap();
    let (seen, end) = read(directory.path(), None).unwrap();
    assert_eq!(seen, [1, 2]);
    assert_eq!(end.unwrap().cursor, places[1]);
    assert!(matches!(read(directory.path(), Some(places[2])), Err(JournalError::Restored { sequence: 3, .. })));
}

#[test]
fn a_flipped_bit_stops_the_night() {
    let directory = tempfile::tempdir().unwrap();
    write_journal(directory.path(), 1, &[3, 1]);
    let path = directory.path().join("journal-00-0000000000000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    bytes[BLOCKS_OFFSET + 90] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(read(directory.path(), None), Err(JournalError::Corrupt { .. })));
}

#[test]
fn another_journal_is_not_settled_from() {
    let ours = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let places = write_journal(ours.path(), 1, &[3, 2]);
    write_journal(other.path(), 2, &[3, 2]);
    for place in &places {
        assert!(matches!(read(other.path(), Some(*place)), Err(JournalError::Restored { .. })));
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(read(empty.path(), Some(places[0])), Err(JournalError::Restored { .. })));
}

#[test]
fn missing_segments_and_other_hubs_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let places = write_journal(directory.path(), 1, &[3, 2, 1]);
    fs::remove_file(directory.path().join("journal-00-0000000000000001.seg")).unwrap();
    assert!(matches!(read(directory.path(), None), Err(JournalError::Missing { first: 4, expected: 1, .. })));
    assert_eq!(read(directory.path(), Some(places[3])).unwrap().0, [5, 6]);
    fs::remove_file(directory.path().join("journal-00-0000000000000004.seg")).unwrap();
    fs::remove_file(directory.path().join("journal-00-0000000000000006.seg")).unwrap();
    let mut seen = |_: &Block<'_>| Ok(());
    write_journal(directory.path(), 1, &[1]);
    let read = read_journal::<JournalError>(directory.path(), &Address([8; 20]), &BTreeMap::new(), &mut seen);
    assert!(matches!(read, Err(JournalError::OtherHub { .. })));
}
