//! One value has one encoding, whatever the value.

use alloc::vec;
use alloc::vec::Vec;

use minicbor::{Decode, Encode};
use proptest::prelude::*;

use super::*;
use crate::codec::decode_first;

fn lane_refs() -> impl Strategy<Value = LaneRef> {
    prop_oneof![
        any::<u32>().prop_map(LaneRef::Handle),
        (0..24_u32).prop_map(LaneRef::Handle),
        any::<[u8; 32]>().prop_map(|id| LaneRef::Id(LaneId(id))),
    ]
}

fn signatures() -> impl Strategy<Value = UncheckedSignature> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&half);
        signature[32..].copy_from_slice(&half);
        UncheckedSignature(signature)
    })
}

/// Numbers of every length that CBOR knows.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..24_u64,
        any::<u8>().prop_map(u64::from),
        any::<u16>().prop_map(u64::from),
        any::<u32>().prop_map(u64::from),
        any::<u64>(),
    ]
}

fn vouchers() -> impl Strategy<Value = SignedVoucher> {
    (numbers(), signatures()).prop_map(|(amount, signature)| SignedVoucher { amount, signature })
}

fn anchors() -> impl Strategy<Value = SignedAnchor> {
    let numbers = (numbers(), numbers(), any::<u32>(), any::<u32>(), any::<u16>());
    (numbers, any::<[u8; 32]>(), signatures()).prop_map(|(numbers, hash, signature)| SignedAnchor {
        terms: AnchorTerms {
            base_amount: numbers.0,
            base_ticks: numbers.1,
            tick_amount: numbers.2,
            ticks_per_amount: numbers.3,
            length: numbers.4,
            tariff: TariffHash(hash),
            root: Hash32(hash),
        },
        signature,
    })
}

fn payments() -> impl Strategy<Value = Payment> {
    prop_oneof![
        (lane_refs(), any::<u16>(), any::<[u8; 32]>())
            .prop_map(|(lane, index, link)| { Payment::Tick { lane, index, link: Preimage(link) } }),
        (lane_refs(), vouchers()).prop_map(|(lane, voucher)| Payment::Voucher { lane, voucher }),
        (lane_refs(), anchors()).prop_map(|(lane, anchor)| Payment::Anchor { lane, anchor }),
    ]
}

fn refusals() -> impl Strategy<Value = Refusal> {
    prop::sample::select(Refusal::ALL)
}

fn grants() -> impl Strategy<Value = Grant> {
    (numbers(), any::<u32>(), any::<u32>(), any::<bool>(), prop::collection::vec(any::<u16>(), 0..5)).prop_map(
        |(units, validity_seconds, pace_ms, final_unit, reasons)| Grant {
            units,
            validity_seconds,
            pace_ms,
            final_unit,
            reasons,
        },
    )
}

fn answers() -> impl Strategy<Value = Answer> {
    let some = |numbers| prop::option::of(numbers);
    prop_oneof![
        (lane_refs(), numbers(), some(numbers().boxed()), prop::option::of(any::<u16>()), prop::option::of(grants()),)
            .prop_map(|(lane, authorised, anchor, index, grant)| {
                Answer::Acknowledged { lane, authorised, anchor, index, grant }
            }),
        (prop::option::of(lane_refs()), refusals(), some(numbers().boxed()))
            .prop_map(|(lane, refusal, authorised)| Answer::Refused { lane, refusal, authorised }),
    ]
}

fn lane_views() -> impl Strategy<Value = LaneView> {
    let proofs = (anchors(), any::<u16>(), any::<[u8; 32]>()).prop_map(|(anchor, index, link)| TickProof {
        anchor,
        index,
        link: Preimage(link),
    });
    (
        any::<[u8; 32]>(),
        prop::collection::vec(numbers(), 5),
        prop::option::of(vouchers()),
        prop::collection::vec(proofs, 0..3),
        grants(),
    )
        .prop_map(|(hash, numbers, voucher, anchors, grant)| LaneView {
            handle: 5,
            lane: LaneId(hash),
            payee: Address([hash[0]; 20]),
            rating_group: RatingGroup(u32::from(hash[1])),
            authorised: numbers[0],
            voucher,
            anchors,
            tariff: TariffHash(hash),
            tariff_base_amount: numbers[1],
            tariff_base_units: numbers[2],
            used_units: numbers[3],
            credited: numbers[4],
            grant,
        })
}

fn requests() -> impl Strategy<Value = Request> {
    let offers = (any::<[u8; 20]>(), any::<u32>())
        .prop_map(|(payee, group)| LaneOffer { payee: Address(payee), rating_group: RatingGroup(group) });
    prop_oneof![
        (signatures(), prop::option::of(any::<[u8; 32]>()), prop::collection::vec(offers, 0..4),).prop_map(
            |(signature, escrow, lanes)| Request::Attach {
                role: if lanes.is_empty() { Role::Provider } else { Role::Device },
                signature,
                escrow: escrow.map(EscrowId),
                mandate: None,
                lanes,
            }
        ),
        lane_refs().prop_map(|lane| Request::Receipt { lane }),
        lane_refs().prop_map(|lane| Request::Query { lane }),
        any::<[u8; 32]>().prop_map(|hash| Request::Tariff { hash: TariffHash(hash) }),
        any::<[u8; 32]>().prop_map(|channel| Request::Close { channel: ChannelId(channel) }),
        Just(Request::PaymentStream {}),
        prop::collection::vec(any::<u32>().prop_map(RatingGroup), 0..4)
            .prop_map(|rating_groups| Request::Subscribe { rating_groups }),
    ]
}

fn responses() -> impl Strategy<Value = Response> {
    prop_oneof![
        prop::collection::vec(lane_views(), 0..3).prop_map(|lanes| Response::Attached(Attached {
            address: Address([1; 20]),
            channel: None,
            limit: Some(5),
            authorised: None,
            expiry: Some(UnixSeconds(7)),
            serial: None,
            lanes,
        })),
        lane_views().prop_map(Response::Lane),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(|tariff| Response::Tariff(tariff.into())),
        Just(Response::Closed(vec![ClosedLane { receipt: LONGEST_RECEIPT }])),
        refusals().prop_map(|refusal| Response::Refused { refusal }),
    ]
}

/// What holds of every message: it comes back as it went, and no other bytes are accepted as the same value.
fn check<T>(value: &T, at: prop::sample::Index, byte: u8) -> Result<(), TestCaseError>
where
    T: for<'b> Decode<'b, ()> + Encode<()> + PartialEq + core::fmt::Debug,
{
    let encoded = encode_to_vec(value);
    let decoded = decode_exact::<T>(&encoded);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    let end = at.index(encoded.len());
    prop_assert!(decode_first::<T>(&encoded[..end]).is_err());
    let mut longer = encoded.clone();
    longer.push(byte);
    prop_assert_eq!(decode_exact::<T>(&longer), Err(CodecError::TrailingBytes));
    let mut changed = encoded.clone();
    changed[end] ^= byte.max(1);
    // Whatever these bytes mean, they mean it alone: an accepted value encodes to just them, and is another one.
    if let Ok((other, taken)) = decode_first::<T>(&changed) {
        prop_assert_eq!(&encode_to_vec(&other)[..], &changed[..taken]);
        prop_assert_ne!(&other, value);
    }
    Ok(())
}

proptest! {
    #[test]
    fn payments_have_one_encoding(value in payments(), at: prop::sample::Index, byte: u8) {
        prop_assert!(bytes(&value) <= PAYMENT_BYTES_MAX);
        check(&value, at, byte)?;
    }

    #[test]
    fn answers_have_one_encoding(value in answers(), at: prop::sample::Index, byte: u8) {
        check(&value, at, byte)?;
    }

    #[test]
    fn requests_have_one_encoding(value in requests(), at: prop::sample::Index, byte: u8) {
        check(&value, at, byte)?;
    }

    #[test]
    fn responses_have_one_encoding(value in responses(), at: prop::sample::Index, byte: u8) {
        check(&value, at, byte)?;
    }

    #[test]
    fn payments_in_a_datagram_are_read_in_order(sent in prop::collection::vec(payments(), 0..8)) {
        let datagram: Vec<u8> = sent.iter().flat_map(encode_to_vec).collect();
        let read: Result<Vec<_>, _> = Payments::new(&datagram).collect();
        prop_assert_eq!(read, Ok(sent));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Payments::new(&noise).count();
        let _ = decode_exact::<Answer>(&noise);
        let _ = decode_exact::<Request>(&noise);
        let _ = decode_exact::<Response>(&noise);
        let _ = decode_exact::<Notice>(&noise);
        let _ = decode_exact::<ServiceMessage>(&noise);
        let _ = decode_exact::<Hello>(&noise);
    }
}
