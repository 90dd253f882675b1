use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::super::block::{BlockHeader, encode_block};
use super::*;

fn header() -> SegmentHeader {
    let genesis = ChainCursor::genesis(&[0x11; 20], 3);
    SegmentHeader { hub: [0x11; 20], thread: 3, first_sequence: 1, previous_hash: genesis.hash }
}

#[test]
fn golden_vector() {
    assert_eq!(hex::encode(header().encode()), crate::record::block::tests::vector("segment"));
    assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
    assert_eq!(header().cursor(), ChainCursor::genesis(&[0x11; 20], 3));
}

#[test]
fn names_what_is_wrong() {
    let good = header().encode();
    assert_eq!(SegmentHeader::decode(&good[..71]), Err(SegmentError::Truncated));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good;
        bytes[at] = byte;
        SegmentHeader::decode(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, b'X'), SegmentError::BadMagic);
    assert_eq!(changed(4, 9), SegmentError::BadVersion(9));
    assert_eq!(changed(9, 9), SegmentError::BadCrc);
}

#[test]
fn file_names() {
    let name = SegmentName { thread: 3, first_sequence: 0xabc };
    assert_eq!(name.file_name(), "journal-03-0000000000000abc.seg");
    assert_eq!(SegmentName::parse(&name.file_name()), Some(name));
    for other in [
        "journal-03-0000000000000ABC.seg",
        "journal-3-0000000000000abc.seg",
        "journal-03-abc.seg",
        "journal-03-0000000000000abc.seg.bak",
        "journal.lock",
        "spare-03.seg",
    ] {
        assert_eq!(SegmentName::parse(other), None, "{other}");
    }
}

/// A body without zero bytes, as bodies without a zero sector go.
fn block(cursor: &ChainCursor, body_len: usize, fill: u8) -> Vec<u8> {
    let header = BlockHeader {
        thread: 3,
        term: 1,
        sequence: cursor.sequence + 1,
        unix_ms: 1,
        record_count: 1,
        previous_hash: cursor.hash,
    };
    let mut out = Vec::new();
    encode_block(&header, &vec![fill; body_len], &mut out).unwrap();
    out
}

fn judged(rest: &[u8], offset: usize, cursor: &ChainCursor, newest: bool) -> Stop {
    judge_stop(rest, offset, cursor, decode_block(rest).unwrap_err(), newest)
}

#[test]
fn untouched_space_is_a_clean_end() {
    let cursor = header().cursor();
    assert_eq!(judged(&[0; 9000], 4096, &cursor, true), Stop::Clean);
    assert_eq!(judged(&[], 4096, &cursor, false), Stop::Clean);
}

#[test]
fn a_block_behind_or_a_later_segment_makes_it_damage() {
    let first = header().cursor();
    let mut bytes = block(&first, 700, 9);
    let (one, at) = decode_block(&bytes).unwrap();
    let second = first.follow(&one).unwrap();
    bytes.extend(block(&second, 40, 9));
    bytes.resize(8192, 0);
    bytes[100] ^= 1;
    let damage = Damage::BlocksBehind { why: BlockError::BadCrc, sequence: 2, ahead: at };
    assert_eq!(judged(&bytes, 4096, &first, true), Stop::Corrupt(damage));
    assert_eq!(judged(&bytes, 4096, &first, false), Stop::Corrupt(Damage::OlderSegment(BlockError::BadCrc)));
}

proptest! {
    #[test]
    fn a_write_cut_at_any_byte_is_a_torn_tail(offset in 4096..6000_usize, body in 0..3000_usize, cut in any::<prop::sample::Index>()) {
        let cursor = header().cursor();
        let mut bytes = block(&cursor, body, 9);
        let cut = 1 + cut.index(bytes.len() - 1);
        bytes.truncate(cut);
        bytes.resize(8192, 0);
        prop_assert_eq!(judged(&bytes, offset, &cursor, true), Stop::TornTail);
    }

    #[test]
    fn a_write_that_lost_any_sectors_is_a_torn_tail(offset in 4096..6000_usize, body in 0..3000_usize, lost in any::<u16>()) {
        let cursor = header().cursor();
        let mut bytes = block(&cursor, body, 9);
        let whole = bytes.clone();
        for (at, byte) in bytes.iter_mut().enumerate() {
            let sector = (offset + at) / SECTOR_BYTES - offset / SECTOR_BYTES;
            if lost & (1 << sector) != 0 {
                *byte = 0;
            }
        }
        prop_assume!(bytes != whole && bytes.iter().any(|byte| *byte != 0));
        bytes.resize(8192, 0);
        prop_assert_eq!(judged(&bytes, offset, &cursor, true), Stop::TornTail);
    }

    #[test]
    fn a_bit_flipped_in_the_last_block_is_damage(offset in 4096..6000_usize, body in 0..3000_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let cursor = header().cursor();
        let mut bytes = block(&cursor, body, 9);
        // A sector's share of a few header bytes can be zero by nature; such a block may pass for torn only when it is.
        prop_assume!(!has_hole(&bytes, offset));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assume!(!has_hole(&bytes, offset));
        bytes.resize(8192, 0);
        prop_assert!(matches!(judged(&bytes, offset, &cursor, true), Stop::Corrupt(Damage::Altered(_))));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), offset in 0..9000_usize) {
        let _ = SegmentHeader::decode(&bytes);
        if let Err(error) = decode_block(&bytes) {
            let _ = judge_stop(&bytes, offset, &header().cursor(), error, true);
        }
    }
}
