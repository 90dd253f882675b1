use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A vector of `tests/vectors/block.py`, which builds the same block from zlib and hashlib.
pub(in crate::record) fn vector(name: &str) -> String {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/block.json")).unwrap();
    vectors[name].as_str().unwrap().into()
}

fn golden() -> (BlockHeader, Vec<u8>) {
    let genesis = ChainCursor::genesis(&[0x11; 20], 3);
    let header = BlockHeader {
        thread: 3,
        term: 7,
        sequence: 1,
        unix_ms: 1_700_000_000_123,
        record_count: 2,
        previous_hash: genesis.hash,
    };
    (header, b"\x82\x01\x02\x82\x03\x04".to_vec())
}

#[test]
fn golden_vector() {
    let (header, body) = golden();
    assert_eq!(hex::encode(header.previous_hash.0), vector("genesis"));
    let mut out = Vec::new();
    let hash = encode_block(&header, &body, &mut out).unwrap();
    assert_eq!(hex::encode(&out), vector("block"));
    assert_eq!(hex::encode(hash.0), vector("hash"));
}

#[test]
fn names_what_is_wrong() {
    let (header, body) = golden();
    let mut good = Vec::new();
    encode_block(&header, &body, &mut good).unwrap();
    assert_eq!(decode_block(&[]), Err(BlockError::Empty));
    assert_eq!(decode_block(&[0; 4096]), Err(BlockError::Empty));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode_block(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, b'X'), BlockError::BadMagic);
    assert_eq!(changed(4, 2), BlockError::BadVersion(2));
    assert_eq!(changed(5, 1), BlockError::BadCrc);
    assert_eq!(changed(36, 0xff), BlockError::TooLarge(0xff00_0006));
    assert_eq!(changed(38, 1), BlockError::Torn);
    assert_eq!(changed(77, 0), BlockError::BadCrc);
    assert_eq!(changed(good.len() - 1, 0), BlockError::BadEndMark);
    let long = vec![0; BODY_BYTES_MAX + 1];
    let before = good.len();
    assert_eq!(encode_block(&header, &long, &mut good), Err(BlockError::TooLarge(long.len())));
    assert_eq!(good.len(), before);
}

#[test]
fn flags_of_a_later_version_are_refused() {
    let (header, body) = golden();
    let mut bytes = Vec::new();
    encode_block(&header, &body, &mut bytes).unwrap();
    bytes[5] = 4;
    let crc = checksum(&bytes[..CRC_OFFSET], &body);
    bytes[CRC_OFFSET..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(decode_block(&bytes), Err(BlockError::UnknownFlags(4)));
}

#[test]
fn chain_breaks_are_named() {
    let genesis = ChainCursor::genesis(&[0x11; 20], 3);
    let (header, body) = golden();
    let read = |header: BlockHeader, check: &dyn Fn(&Block<'_>)| {
        let mut bytes = Vec::new();
        encode_block(&header, &body, &mut bytes).unwrap();
        check(&decode_block(&bytes).unwrap().0);
    };
    read(header, &|block| {
        let next = genesis.follow(block).unwrap();
        assert_eq!(next, ChainCursor { term: 7, sequence: 1, hash: block.hash });
        assert_eq!(next.follow(block), Err(ChainBreak::SequenceGap { expected: 2, found: 1 }));
        let foreign = ChainCursor::genesis(&[0x12; 20], 3);
        assert_eq!(foreign.follow(block), Err(ChainBreak::WrongPreviousHash { sequence: 1 }));
        let later = ChainCursor { term: 8, ..genesis };
        assert_eq!(later.follow(block), Err(ChainBreak::TermWentBackwards { from: 8, to: 7 }));
        let last = ChainCursor { sequence: u64::MAX, ..genesis };
        assert_eq!(last.follow(block), Err(ChainBreak::SequenceExhausted));
    });
}

fn any_header() -> impl Strategy<Value = BlockHeader> {
    (any::<u16>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<[u8; 32]>()).prop_map(
        |(thread, term, sequence, unix_ms, record_count, hash)| BlockHeader {
            thread,
            term,
            sequence,
            unix_ms,
            record_count,
            previous_hash: BlockHash(hash),
        },
    )
}

proptest! {
    #[test]
    fn round_trip(header in any_header(), body in prop::collection::vec(any::<u8>(), 0..600), tail in any::<[u8; 9]>()) {
        let mut bytes = Vec::new();
        let hash = encode_block(&header, &body, &mut bytes).unwrap();
        let len = bytes.len();
        prop_assert_eq!(announced_bytes(&bytes), Some(len));
        bytes.extend_from_slice(&tail);
        let (block, consumed) = decode_block(&bytes).unwrap();
        prop_assert_eq!(consumed, len);
        prop_assert_eq!(block, Block { header, body: &body, hash });
    }

    #[test]
    fn any_flipped_bit_is_found(header in any_header(), body in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut bytes = Vec::new();
        encode_block(&header, &body, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode_block(&bytes).is_err());
    }

    #[test]
    fn any_prefix_is_torn(header in any_header(), body in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode_block(&header, &body, &mut bytes).unwrap();
        let at = at.index(bytes.len());
        let expected = if at == 0 { BlockError::Empty } else { BlockError::Torn };
        prop_assert_eq!(decode_block(&bytes[..at]), Err(expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_block(&bytes);
        let mut with_magic = BLOCK_MAGIC.to_vec();
        with_magic.push(BLOCK_VERSION);
        with_magic.extend_from_slice(&bytes);
        let _ = decode_block(&with_magic);
    }
}
