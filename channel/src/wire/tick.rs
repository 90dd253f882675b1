//! Ticks read straight from their bytes.
//!
//! A tick has one encoding, so it can be recognised byte by byte instead of being decoded, encoded again and compared.
//! Whatever is not exactly that encoding is left to the general decoder, which knows what to say of it.

use super::payment::{LaneRef, Payment};
use crate::id::{LaneId, Preimage};

/// `[1, {0: lane, 1: index, 2: link}]` up to the lane.
const OPENING: [u8; 4] = [0x82, 0x01, 0xa3, 0x00];
/// A byte string of 32 bytes.
const BYTES_32: [u8; 2] = [0x58, 0x20];

/// The tick at the beginning of `bytes` and its length, if that is what stands there.
pub(super) fn read_tick(bytes: &[u8]) -> Option<(Payment, usize)> {
    let rest = bytes.strip_prefix(&OPENING)?;
    let (lane, rest) = read_lane(rest)?;
    let (index, rest) = read_uint(rest.strip_prefix(&[0x01])?)?;
    let (link, rest) = read_32(rest.strip_prefix(&[0x02])?)?;
    let index = u16::try_from(index).ok()?;
    let taken = bytes.len().checked_sub(rest.len())?;
    Some((Payment::Tick { lane, index, link: Preimage(link) }, taken))
}

fn read_lane(bytes: &[u8]) -> Option<(LaneRef, &[u8])> {
    if bytes.starts_with(&BYTES_32) {
        let (id, rest) = read_32(bytes)?;
        return Some((LaneRef::Id(LaneId(id)), rest));
    }
    let (handle, rest) = read_uint(bytes)?;
    Some((LaneRef::Handle(handle), rest))
}

fn read_32(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (value, rest) = bytes.strip_prefix(&BYTES_32)?.split_first_chunk::<32>()?;
    Some((*value, rest))
}

/// An unsigned integer of at most 32 bits in its shortest form.
fn read_uint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0x00..=0x17 => Some((u32::from(*first), rest)),
        0x18 => {
            let (value, rest) = rest.split_first()?;
            (*value >= 0x18).then_some((u32::from(*value), rest))
        }
        0x19 => {
            let (value, rest) = rest.split_first_chunk::<2>()?;
            let value = u16::from_be_bytes(*value);
            (value > 0xff).then_some((u32::from(value), rest))
        }
        0x1a => {
            let (value, rest) = rest.split_first_chunk::<4>()?;
            let value = u32::from_be_bytes(*value);
            (value > 0xffff).then_some((value, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::codec::{decode_first, encode_to_vec};

    fn lanes() -> impl Strategy<Value = LaneRef> {
        prop_oneof![
            prop_oneof![0..300_u32, 65_000..66_000_u32, any::<u32>()].prop_map(LaneRef::Handle),
            any::<[u8; 32]>().prop_map(|id| LaneRef::Id(LaneId(id))),
        ]
    }

    proptest! {
        /// Every tick is recognised, with whatever follows it left alone.
        #[test]
        fn every_tick_is_read(lane in lanes(), index: u16, link: [u8; 32], tail: Vec<u8>) {
            let tick = Payment::Tick { lane, index, link: Preimage(link) };
            let mut bytes = encode_to_vec(&tick);
            let taken = bytes.len();
            bytes.extend(tail);
            prop_assert_eq!(read_tick(&bytes), Some((tick, taken)));
        }

        /// What is recognised is what the general decoder says, however the bytes were bent.
        #[test]
        fn nothing_else_is_read(lane in lanes(), index: u16, link: [u8; 32], at: prop::sample::Index, byte: u8, cut: bool) {
            let mut bytes = encode_to_vec(&Payment::Tick { lane, index, link: Preimage(link) });
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            if let Some(read) = read_tick(&bytes) {
                prop_assert_eq!(decode_first::<Payment>(&bytes), Ok(read));
            }
        }
    }
}
