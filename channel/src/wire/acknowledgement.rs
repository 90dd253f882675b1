//! The answer that a hub writes most often, written without a general encoder.

use alloc::vec::Vec;

use super::LaneRef;

/// Appends the encoding of an [`Answer::Acknowledged`](super::Answer::Acknowledged) without a grant. `anchor` is the
/// newest anchor's tag and the index known of it.
pub fn encode_acknowledged(lane: &LaneRef, authorised: u64, anchor: Option<(u64, u16)>, out: &mut Vec<u8>) {
    let entries = if anchor.is_some() { 0xa4 } else { 0xa2 };
    out.extend_from_slice(&[0x82, 0x10, entries, 0x00]);
    match lane {
        LaneRef::Handle(handle) => put_uint(u64::from(*handle), out),
        LaneRef::Id(id) => {
            out.extend_from_slice(&[0x58, 0x20]);
            out.extend_from_slice(&id.0);
        }
    }
    out.push(0x01);
    put_uint(authorised, out);
    if let Some((tag, index)) = anchor {
        out.push(0x02);
        put_uint(tag, out);
        out.push(0x03);
        put_uint(u64::from(index), out);
    }
}

/// An unsigned integer in its shortest form.
pub(crate) fn put_uint(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    match value {
        0..=0x17 => out.push(bytes[7]),
        0x18..=0xff => out.extend_from_slice(&[0x18, bytes[7]]),
        0x100..=0xffff => {
            out.push(0x19);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0x1a);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(0x1b);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Reads an unsigned integer in its shortest form, and no other.
pub(crate) fn take_uint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (value, least, rest) = match first {
        0x00..=0x17 => return Some((u64::from(*first), rest)),
        0x18 => {
            let (value, rest) = rest.split_first()?;
            (u64::from(*value), 0x18, rest)
        }
        0x19 => {
            let (value, rest) = rest.split_first_chunk::<2>()?;
            (u64::from(u16::from_be_bytes(*value)), 0x100, rest)
        }
        0x1a => {
            let (value, rest) = rest.split_first_chunk::<4>()?;
            (u64::from(u32::from_be_bytes(*value)), 0x1_0000, rest)
        }
        0x1b => {
            let (value, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*value), 0x1_0000_0000, rest)
        }
        _ => return None,
    };
    (value >= least).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode_to_vec;
    use crate::id::LaneId;
    use crate::wire::Answer;

    proptest! {
        #[test]
        fn it_is_the_general_encoding(
            id in any::<Option<[u8; 32]>>(),
            handle: u32,
            amount: u64,
            anchor in any::<Option<(u64, u16)>>(),
            bits in 0..64_u32,
        ) {
            let lane = id.map_or(LaneRef::Handle(handle >> (bits / 2)), |id| LaneRef::Id(LaneId(id)));
            let authorised = amount >> bits;
            let anchor = anchor.map(|(tag, index)| (tag >> bits, index >> (bits / 4)));
            let mut out = Vec::new();
            encode_acknowledged(&lane, authorised, anchor, &mut out);
            let (tag, index) = (anchor.map(|(tag, _)| tag), anchor.map(|(_, index)| index));
            let answer = Answer::Acknowledged { lane, authorised, anchor: tag, index, grant: None };
            prop_assert_eq!(out, encode_to_vec(&answer));
        }
    }
}
