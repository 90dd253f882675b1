//! The record that a hub writes most often, written without a general encoder.

use alloc::vec::Vec;

use crate::id::{LaneId, Preimage};
use crate::wire::put_uint;

/// The longest encoding of a [`Record::Tick`](super::Record::Tick).
pub const TICK_RECORD_BYTES_MAX: usize = 1 + 1 + 1 + (1 + 34) + (1 + 9) + (1 + 3) + (1 + 34);

/// Appends the encoding of a [`Record::Tick`](super::Record::Tick).
pub fn encode_tick(lane: &LaneId, anchor: u64, index: u16, link: &Preimage, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x82, 0x0a, 0xa4, 0x00, 0x58, 0x20]);
    out.extend_from_slice(&lane.0);
    out.push(0x01);
    put_uint(anchor, out);
    out.push(0x02);
    put_uint(u64::from(index), out);
    out.extend_from_slice(&[0x03, 0x58, 0x20]);
    out.extend_from_slice(&link.0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode_to_vec;
    use crate::record::Record;

    proptest! {
        #[test]
        fn it_is_the_general_encoding(lane: [u8; 32], bits in 0..64_u32, anchor: u64, index: u16, link: [u8; 32]) {
            let (lane, link, anchor) = (LaneId(lane), Preimage(link), anchor >> bits);
            for index in [index, index % 300, index % 30] {
                let mut out = Vec::new();
                encode_tick(&lane, anchor, index, &link, &mut out);
                prop_assert!(out.len() <= TICK_RECORD_BYTES_MAX);
                prop_assert_eq!(out, encode_to_vec(&Record::Tick { lane, anchor, index, link }));
            }
        }
    }
}
