//! The record that a hub writes most often, written without a general encoder.

use alloc::vec::Vec;

use super::Record;
use crate::id::{LaneId, Preimage};
use crate::wire::{put_uint, take_uint};

/// The longest encoding of a [`Record::Tick`].
pub const TICK_RECORD_BYTES_MAX: usize = 1 + 1 + 1 + (1 + 34) + (1 + 9) + (1 + 3) + (1 + 34);

/// Appends the encoding of a [`Record::Tick`].
pub fn encode_tick(lane: &LaneId, anchor: u64, index: u16, link: &Preimage, out: &mut Vec<u8>) {
    // Room for everything at once, so that the pieces need not ask one by one.
    out.reserve(TICK_RECORD_BYTES_MAX);
    out.extend_from_slice(&OPENING);
    out.extend_from_slice(&lane.0);
    out.push(0x01);
    put_uint(anchor, out);
    out.push(0x02);
    put_uint(u64::from(index), out);
    out.extend_from_slice(&BEFORE_LINK);
    out.extend_from_slice(&link.0);
}

/// `[10, {0: bytes of 32` and the lane.
const OPENING: [u8; 6] = [0x82, 0x0a, 0xa4, 0x00, 0x58, 0x20];
/// `3: bytes of 32` and the link.
const BEFORE_LINK: [u8; 3] = [0x03, 0x58, 0x20];

/// The tick at the beginning of `bytes` and its length, if one stands there in its one encoding.
pub(super) fn read_tick(bytes: &[u8]) -> Option<(Record, usize)> {
    let (lane, rest) = bytes.strip_prefix(&OPENING)?.split_first_chunk::<32>()?;
    let (anchor, rest) = take_uint(rest.strip_prefix(&[0x01])?)?;
    let (index, rest) = take_uint(rest.strip_prefix(&[0x02])?)?;
    let (link, rest) = rest.strip_prefix(&BEFORE_LINK)?.split_first_chunk::<32>()?;
    let (index, taken) = (u16::try_from(index).ok()?, bytes.len().checked_sub(rest.len())?);
    Some((Record::Tick { lane: LaneId(*lane), anchor, index, link: Preimage(*link) }, taken))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode_to_vec;

    proptest! {
        /// What is recognised is what the general decoder says, however the bytes were bent.
        #[test]
        fn nothing_else_is_read(lane: [u8; 32], anchor: u64, index: u16, at: prop::sample::Index, byte: u8) {
            let mut bytes = Vec::new();
            encode_tick(&LaneId(lane), anchor, index, &Preimage([3; 32]), &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(read) = read_tick(&bytes) {
                prop_assert_eq!(crate::codec::decode_first::<Record>(&bytes), Ok(read));
            }
        }

        #[test]
        fn it_is_the_general_encoding(lane: [u8; 32], bits in 0..64_u32, anchor: u64, index: u16, link: [u8; 32]) {
            let (lane, link, anchor) = (LaneId(lane), Preimage(link), anchor >> bits);
            for index in [index, index % 300, index % 30] {
                let mut out = Vec::new();
                encode_tick(&lane, anchor, index, &link, &mut out);
                prop_assert!(out.len() <= TICK_RECORD_BYTES_MAX);
                let record = Record::Tick { lane, anchor, index, link };
                prop_assert_eq!(&out, &encode_to_vec(&record));
                let taken = out.len();
                out.push(7);
                prop_assert_eq!(read_tick(&out), Some((record, taken)));
            }
        }
    }
}
