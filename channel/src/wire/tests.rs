//! Sizes, numbers, and the end of a datagram.

mod properties;

use alloc::vec;
use alloc::vec::Vec;

use minicbor::Encode;

use super::*;
use crate::codec::{CodecError, decode_exact, encode_to_vec};
use crate::id::{Address, ChannelId, EscrowId, Hash32, LaneId, Preimage, RatingGroup, TariffHash};
use crate::lane::{AnchorTerms, SignedAnchor, SignedVoucher, TickProof};
use crate::limits::{
    ANCHORS_PER_LANE_MAX, FRAME_BYTES_MAX, LANES_PER_ATTACH_MAX, LANES_PER_CHANNEL_MAX, MANDATE_TREE_DEPTH_MAX,
    PAYEES_PER_MANDATE_MAX, PAYMENT_BYTES_MAX,
};
use crate::mandate::{Authority, MandateBundle, MandateTerms};
use crate::refusal::Refusal;
use crate::sign::UncheckedSignature;
use crate::time::UnixSeconds;

const LANE: LaneRef = LaneRef::Id(LaneId([0xff; 32]));
const SIGNATURE: UncheckedSignature = UncheckedSignature([0xff; 64]);

const LONGEST_ANCHOR: SignedAnchor = SignedAnchor {
    terms: AnchorTerms {
        base_amount: u64::MAX,
        base_ticks: u64::MAX,
        tick_amount: u32::MAX,
        ticks_per_amount: u32::MAX,
        length: u16::MAX,
        tariff: TariffHash([0xff; 32]),
        root: Hash32([0xff; 32]),
    },
    signature: SIGNATURE,
};

const LONGEST_VOUCHER: SignedVoucher = SignedVoucher { amount: u64::MAX, signature: SIGNATURE };

fn longest_grant() -> Grant {
    Grant {
        units: u64::MAX,
        validity_seconds: u32::MAX,
        pace_ms: u32::MAX,
        final_unit: true,
        // More than the reasons there are.
        reasons: vec![u16::MAX; 16],
    }
}

fn longest_view() -> LaneView {
    LaneView {
        handle: u32::MAX,
        lane: LaneId([0xff; 32]),
        payee: Address([0xff; 20]),
        rating_group: RatingGroup(u32::MAX),
        authorised: u64::MAX,
        voucher: Some(LONGEST_VOUCHER),
        anchors: vec![
            TickProof { anchor: LONGEST_ANCHOR, index: u16::MAX, link: Preimage([0xff; 32]) };
            ANCHORS_PER_LANE_MAX
        ],
        tariff: TariffHash([0xff; 32]),
        tariff_base_amount: u64::MAX,
        tariff_base_units: u64::MAX,
        used_units: u64::MAX,
        credited: u64::MAX,
        grant: longest_grant(),
    }
}

const LONGEST_RECEIPT: SignedReceipt = SignedReceipt {
    lane: LaneId([0xff; 32]),
    authorised: u64::MAX,
    used: u64::MAX,
    tariff: TariffHash([0xff; 32]),
    time: UnixSeconds(u64::MAX),
    signature: SIGNATURE,
};

fn bytes<T: Encode<()>>(value: &T) -> usize {
    encode_to_vec(value).len()
}

#[test]
fn an_everyday_tick_is_small() {
    let tick = |lane, index| Payment::Tick { lane, index, link: Preimage([0xff; 32]) };
    assert_eq!(bytes(&tick(LaneRef::Handle(23), 23)), 42);
    assert!(bytes(&tick(LaneRef::Handle(u32::MAX), u16::MAX)) <= 48);
    let acknowledged = Answer::Acknowledged {
        lane: LaneRef::Handle(u32::MAX),
        authorised: u64::MAX,
        anchor: Some(u64::MAX),
        index: Some(u16::MAX),
        grant: None,
    };
    assert!(bytes(&acknowledged) <= 40);
}

#[test]
fn the_longest_payment_keeps_its_bound() {
    let longest = [
        Payment::Tick { lane: LANE, index: u16::MAX, link: Preimage([0xff; 32]) },
        Payment::Voucher { lane: LANE, voucher: LONGEST_VOUCHER },
        Payment::Anchor { lane: LANE, anchor: LONGEST_ANCHOR },
    ];
    for payment in longest {
        assert!(bytes(&payment) <= PAYMENT_BYTES_MAX, "{payment:?}");
    }
}

#[test]
fn the_longest_messages_fit_into_a_frame() {
    let attached = Response::Attached(Attached {
        address: Address([0xff; 20]),
        channel: Some(ChannelId([0xff; 32])),
        limit: Some(u64::MAX),
        authorised: Some(u64::MAX),
        expiry: Some(UnixSeconds(u64::MAX)),
        serial: Some(u64::MAX),
        lanes: vec![longest_view(); LANES_PER_ATTACH_MAX],
    });
    assert!(bytes(&attached) <= FRAME_BYTES_MAX);
    let closed = Response::Closed(vec![ClosedLane { receipt: LONGEST_RECEIPT }; LANES_PER_CHANNEL_MAX]);
    assert!(bytes(&closed) <= FRAME_BYTES_MAX);
    let attach = Request::Attach {
        role: Role::Device,
        signature: SIGNATURE,
        escrow: Some(EscrowId([0xff; 32])),
        mandate: Some(MandateBundle {
            escrow: EscrowId([0xff; 32]),
            mandates: vec![MandateTerms {
                device: Address([0xff; 20]),
                limit: u128::MAX,
                expiry: UnixSeconds(u64::MAX),
                serial: u64::MAX,
                payees: vec![Address([0xff; 20]); PAYEES_PER_MANDATE_MAX],
            }],
            authority: Authority::Tree {
                signature: SIGNATURE,
                first_index: u64::MAX,
                siblings: vec![Hash32([0xff; 32]); MANDATE_TREE_DEPTH_MAX],
            },
        }),
        lanes: vec![
            LaneOffer { payee: Address([0xff; 20]), rating_group: RatingGroup(u32::MAX) };
            LANES_PER_ATTACH_MAX
        ],
    };
    assert!(bytes(&attach) <= FRAME_BYTES_MAX);
}

#[test]
fn application_error_codes_have_one_meaning_each() {
    let mut codes = [
        close_code::SHUTDOWN,
        close_code::FRAME_TOO_LONG,
        close_code::SLOW_READER,
        close_code::HANDSHAKE_TIMEOUT,
        close_code::PROTOCOL,
        close_code::IDLE,
        close_code::CROWDED,
        close_code::FRAMES_INCOMPLETE,
    ];
    codes.sort_unstable();
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(codes[0] > 0);
}

#[test]
fn a_bad_payment_ends_its_datagram() {
    let good = Payment::Tick { lane: LaneRef::Handle(1), index: 1, link: Preimage([1; 32]) };
    let mut datagram = encode_to_vec(&good);
    let one = datagram.len();
    datagram.extend_from_within(..);
    datagram[one + 1] = 9;
    datagram.extend_from_within(..one);
    let read: Vec<_> = Payments::new(&datagram).collect();
    assert_eq!(read, [Ok(good), Err(CodecError::Malformed)]);
    assert_eq!(Payments::new(&[]).count(), 0);
}
