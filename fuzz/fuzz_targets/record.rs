//! What a disk may hand back: records, commit blocks, segments, cut and altered.

#![no_main]

use farthing_channel::codec::encode_into;
use farthing_channel::record::block::{
    BLOCK_END_MARK, BLOCK_MAGIC, BlockHeader, ChainCursor, decode_block, encode_block,
};
use farthing_channel::record::records;
use farthing_channel::record::segment::{
    BLOCKS_OFFSET, Damage, SECTOR_BYTES, SegmentHeader, SegmentName, Stop, judge_stop,
};
use libfuzzer_sys::fuzz_target;

const HUB: [u8; 20] = [3; 20];

fuzz_target!(|bytes: &[u8]| {
    body(bytes);
    block(bytes);
    segment(bytes);
    if let Some((steer, body)) = bytes.split_first_chunk() {
        crash(*steer, body);
    }
});

/// Records have one encoding.
fn body(bytes: &[u8]) {
    if let Ok(records) = records(bytes) {
        let mut again = Vec::new();
        records.iter().for_each(|record| encode_into(record, &mut again));
        assert_eq!(again, bytes);
    }
}

/// So have blocks.
fn block(bytes: &[u8]) {
    if let Ok((block, taken)) = decode_block(bytes) {
        let mut again = Vec::new();
        let hash = encode_block(&block.header, block.body, &mut again);
        assert_eq!(hash, Ok(block.hash));
        assert_eq!(again, bytes[..taken]);
    }
}

/// So have segment headers and names; judging any bytes does not panic.
fn segment(bytes: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(bytes) {
        let again = header.encode();
        assert_eq!(again, bytes[..again.len()]);
    }
    if let Some(name) = core::str::from_utf8(bytes).ok().and_then(SegmentName::parse) {
        assert_eq!(SegmentName::parse(&name.file_name()), Some(name));
    }
    let cursor = ChainCursor::genesis(&HUB, 0);
    if let Err(error) = decode_block(bytes) {
        let _ = judge_stop(bytes, BLOCKS_OFFSET, &cursor, error, true);
        let stop = judge_stop(bytes, BLOCKS_OFFSET, &cursor, error, false);
        assert_ne!(stop, Stop::TornTail, "what another segment follows was synced");
    }
}

/// Writes two blocks. A cut write of the second one is a torn tail and no damage; a flipped bit in the first is damage.
fn crash(steer: [u8; 8], body: &[u8]) {
    // Marks inside a body mislead the judge to the safe side: it may take a cut write for damage and stop the hub, where
    // nobody loses anything. By chance that takes the four bytes at the very end of the last sector written.
    let holds = |mark: [u8; 4]| body.windows(mark.len()).any(|four| four == mark);
    if holds(BLOCK_MAGIC) || holds(BLOCK_END_MARK) {
        return;
    }
    let genesis = ChainCursor::genesis(&HUB, 0);
    let header = |sequence, previous_hash| BlockHeader {
        thread: 0,
        term: 1,
        sequence,
        unix_ms: 1_000,
        record_count: 0,
        previous_hash,
    };
    let mut file = Vec::new();
    let Ok(first) = encode_block(&header(1, genesis.hash), body, &mut file) else {
        return;
    };
    let second_at = file.len();
    let Ok(_) = encode_block(&header(2, first), body, &mut file) else {
        return;
    };
    let steer = u64::from_be_bytes(steer);

    let mut altered = file.clone();
    let bit = usize::try_from(steer).unwrap_or(usize::MAX) % (second_at * 8);
    altered[bit / 8] ^= 1 << (bit % 8);
    let error = decode_block(&altered).err();
    let error = error.expect("a flipped bit does not go unseen");
    let stop = judge_stop(&altered, BLOCKS_OFFSET, &genesis, error, true);
    assert!(
        matches!(stop, Stop::Corrupt(Damage::BlocksBehind { sequence: 2, .. })),
        "an intact block behind tells damage from a cut write: {stop:?}"
    );

    let Ok((block, _)) = decode_block(&file) else { panic!("a block that was written is read") };
    let Ok(cursor) = genesis.follow(&block) else { panic!("the first block follows the beginning") };
    let cut = cut_write(&file[second_at..], BLOCKS_OFFSET + second_at, steer);
    match decode_block(&cut) {
        Ok((block, _)) => assert!(cursor.follow(&block).is_ok(), "nothing was cut off but zeros"),
        Err(error) => {
            let stop = judge_stop(&cut, BLOCKS_OFFSET + second_at, &cursor, error, true);
            let unwritten = cut.iter().all(|byte| *byte == 0);
            let expected = if unwritten { Stop::Clean } else { Stop::TornTail };
            assert_eq!(stop, expected, "a cut write is no damage: {error:?}");
        }
    }
}

/// The block as a power cut may leave it: each sector written or not, in any combination, over zeros.
fn cut_write(block: &[u8], offset: usize, written: u64) -> Vec<u8> {
    let mut left = vec![0; block.len() + SECTOR_BYTES];
    for (place, byte) in block.iter().enumerate() {
        let sector = (offset % SECTOR_BYTES + place) / SECTOR_BYTES;
        if written >> (sector % 64) & 1 == 1 {
            left[place] = *byte;
        }
    }
    left
}
