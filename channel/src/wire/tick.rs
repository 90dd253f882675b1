//! Ticks read straight from their bytes.
//!
//! A tick has one encoding, so it can be recognised byte by byte instead of being decoded, encoded again and compared.
//! Whatever is not exactly that encoding is left to the general decoder, which knows what to say of it.

use super::acknowledgement::take_uint;
use super::payment::{LaneRef, Payment};
use crate::id::{LaneId, Preimage};

/// A [`Payment::Tick`] by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The lane.
    pub lane: LaneRef,
    /// 1..=length of the anchor.
    pub index: u16,
    /// The link at `index`.
    pub link: Preimage,
}

impl From<Tick> for Payment {
    fn from(Tick { lane, index, link }: Tick) -> Self {
        Self::Tick { lane, index, link }
    }
}

/// `[1, {0: lane, 1: index, 2: link}]` up to the lane.
const OPENING: [u8; 4] = [0x82, 0x01, 0xa3, 0x00];
/// A byte string of 32 bytes.
const BYTES_32: [u8; 2] = [0x58, 0x20];

/// The tick at the beginning of `bytes` and its length, if that is what stands there.
pub(super) fn read_tick(bytes: &[u8]) -> Option<(Tick, usize)> {
    let rest = bytes.strip_prefix(&OPENING)?;
    let (lane, rest) = read_lane(rest)?;
    let (index, rest) = take_uint(rest.strip_prefix(&[0x01])?)?;
    let (link, rest) = read_32(rest.strip_prefix(&[0x02])?)?;
    let index = u16::try_from(index).ok()?;
    let taken = bytes.len().checked_sub(rest.len())?;
    Some((Tick { lane, index, link: Preimage(link) }, taken))
}

fn read_lane(bytes: &[u8]) -> Option<(LaneRef, &[u8])> {
    if bytes.starts_with(&BYTES_32) {
        let (id, rest) = read_32(bytes)?;
        return Some((LaneRef::Id(LaneId(id)), rest));
    }
    let (handle, rest) = take_uint(bytes)?;
    Some((LaneRef::Handle(u32::try_from(handle).ok()?), rest))
}

fn read_32(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (value, rest) = bytes.strip_prefix(&BYTES_32)?.split_first_chunk::<32>()?;
    Some((*value, rest))
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
            prop_assert_eq!(read_tick(&bytes).map(|(tick, taken)| (tick.into(), taken)), Some((tick, taken)));
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
            if let Some((tick, taken)) = read_tick(&bytes) {
                prop_assert_eq!(decode_first::<Payment>(&bytes), Ok((tick.into(), taken)));
            }
        }
    }
}
