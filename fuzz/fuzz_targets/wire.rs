//! Bytes from a stranger, read as every message there is.
//!
//! What decodes has exactly one encoding, the bytes it came from; nothing panics; nothing allocates much more than it
//! was given (the command that runs it bounds its memory).

#![no_main]

use farthing_channel::codec::{decode_exact, decode_first, encode_to_vec};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, LaneId};
use farthing_channel::lane::{Evidence, verify_evidence};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::tariff::{Tariff, Usage, UsageBySegment};
use farthing_channel::wire::{Answer, Hello, Notice, Payment, Payments, Request, Response, ServiceMessage};
use farthing_fuzz::signature::Mixed;
use libfuzzer_sys::fuzz_target;
use minicbor::{Decode, Encode};

fuzz_target!(|bytes: &[u8]| {
    one_encoding::<Hello>(bytes);
    one_encoding::<Request>(bytes);
    one_encoding::<Response>(bytes);
    one_encoding::<ServiceMessage>(bytes);
    one_encoding::<Notice>(bytes);
    one_encoding::<Answer>(bytes);
    one_encoding::<Payment>(bytes);
    one_encoding::<MandateBundle>(bytes);
    one_encoding::<Evidence>(bytes);
    datagram(bytes);
    meaning(bytes);
    tariff(bytes);
});

/// Whatever decodes, alone or in front of something else, encodes to the bytes it was decoded from.
fn one_encoding<'b, T>(bytes: &'b [u8])
where
    T: Decode<'b, ()> + Encode<()>,
{
    let Ok((value, taken)) = decode_first::<T>(bytes) else {
        assert!(decode_exact::<T>(bytes).is_err());
        return;
    };
    assert!(taken > 0, "a message takes room");
    assert_eq!(encode_to_vec(&value), bytes[..taken]);
    assert_eq!(decode_exact::<T>(bytes).is_ok(), taken == bytes.len());
}

/// The payments of a datagram are its bytes, one after another, up to the first bad one.
fn datagram(bytes: &[u8]) {
    let mut encoded = Vec::new();
    for payment in Payments::new(bytes) {
        let Ok(payment) = payment else { break };
        encoded.extend(encode_to_vec(&payment));
        assert!(bytes.starts_with(&encoded));
    }
}

/// What a well-formed message says may be nonsense; judging it does not panic either.
fn meaning(bytes: &[u8]) {
    let domain = Domain::new(1, Address([9; 20]));
    let signer = Address([1; 20]);
    if let Ok(bundle) = decode_exact::<MandateBundle>(bytes) {
        let _ = bundle.single(0);
        let _ = bundle.verify(&Mixed, &domain, &signer);
    }
    if let Ok(evidence) = decode_exact::<Evidence>(bytes) {
        let _ = verify_evidence(&Mixed, &domain, &LaneId([2; 32]), &signer, &evidence);
    }
    if let Ok(Payment::Anchor { anchor, .. }) = decode_exact(bytes)
        && anchor.terms.check().is_ok()
    {
        let bottom = anchor.terms.total_at(0);
        let top = anchor.terms.total_at(anchor.terms.length);
        assert!(bottom.is_ok() && bottom <= top, "good terms have good totals, which grow");
    }
}

/// A tariff that decodes has one encoding, and charges more for more.
fn tariff(bytes: &[u8]) {
    let Ok(tariff) = Tariff::from_cbor(bytes) else {
        return;
    };
    assert_eq!(tariff.to_cbor(), bytes);
    let mut before = 0;
    for units in [0, 1, 2, 1_000, 1 << 32, u64::MAX] {
        let usage = match UsageBySegment::from_units(&tariff, &vec![units; tariff.segments()]) {
            Ok(usage) => Usage::BySegment(usage),
            Err(error) => panic!("one number per segment is what it takes: {error:?}"),
        };
        let Ok(charge) = tariff.charge(&usage) else {
            break;
        };
        assert!(charge >= before, "more units never cost less");
        before = charge;
    }
}
