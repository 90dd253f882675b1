//! One encoding for each tariff, and a reason for everything else.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::peak_and_night;
use crate::tariff::{ENCODED_BYTES_MAX, Tariff, TariffDecodeError, TariffError};

/// { 0: 1, 1: 3, 2: 1, 3: [[250, 1]] }
const FLAT: &str = "a40001010302010381 8218fa01";

fn read(hex_text: &str) -> Result<Tariff, TariffDecodeError> {
    Tariff::from_cbor(&hex::decode(hex_text.replace(' ', "")).unwrap())
}

#[test]
fn the_flat_tariff_reads_and_writes() {
    let tariff = read(FLAT).unwrap();
    assert_eq!(tariff.charge_units(3), Ok(750));
    assert_eq!(hex::encode(tariff.to_cbor()), FLAT.replace(' ', ""));
}

#[test]
fn other_encodings_of_the_same_tariff_are_refused() {
    for (why, text) in [
        ("long form of a number", "a4 00 1801 0103 0201 0381 8218fa01"),
        ("longer form of a number", "a4 0001 0103 0201 0381 821900fa01"),
        ("long form of a key", "a4 1800 01 0103 0201 0381 8218fa01"),
        ("long form of a map head", "b804 0001 0103 0201 0381 8218fa01"),
        ("long form of a list head", "a4 0001 0103 0201 039801 8218fa01"),
        ("bytes after the end", "a4 0001 0103 0201 0381 8218fa01 00"),
    ] {
        assert!(matches!(read(text), Err(TariffDecodeError::NotDeterministic)), "{why}");
    }
    for (why, text) in [
        ("indefinite map", "bf 0001 0103 0201 0381 8218fa01 ff"),
        ("indefinite list", "a4 0001 0103 0201 039f 8218fa01 ff"),
        ("keys out of order", "a4 0103 0001 0201 0381 8218fa01"),
        ("a key twice", "a5 0001 0001 0103 0201 0381 8218fa01"),
        ("an unknown key", "a5 0001 0103 0201 0381 8218fa01 0500"),
        ("an empty list of windows", "a5 0001 0103 0201 0381 8218fa01 0480"),
        ("a missing entry", "a3 0001 0103 0201"),
        ("no price", "a4 0001 0103 0201 0380"),
        ("a tag", "c1 a4 0001 0103 0201 0381 8218fa01"),
        ("a float", "a4 0001 0103 0201 0381 82f95bd001"),
        ("a negative number", "a4 0001 0103 0201 0381 822001"),
        ("nothing", ""),
    ] {
        assert!(matches!(read(text), Err(TariffDecodeError::Malformed(_))), "{why}");
    }
}

#[test]
fn spans_out_of_order_are_refused() {
    let bytes = peak_and_night().to_cbor();
    let text = hex::encode(bytes);
    // Work days 06:00-09:00 and 17:00-20:00, the later span first.
    let (morning, evening) = ("83181f19016819021c", "83181f1903fc1904b0");
    let both = [morning, evening].concat();
    assert!(text.contains(&both));
    let swapped = text.replace(&both, &[evening, morning].concat());
    assert!(matches!(read(&swapped), Err(TariffDecodeError::NotDeterministic)));
}

#[test]
fn terms_that_no_tariff_may_have_keep_their_reason() {
    for (reason, text) in [
        (TariffError::UnitUnknown, "a4 0001 0104 0201 0381 8218fa01"),
        (TariffError::IncrementZero, "a4 0001 0103 0200 0381 8218fa01"),
        (TariffError::PricePerZeroUnits, "a4 0001 0103 0201 0381 8218fa00"),
        (TariffError::TiersNotAscending, "a4 0001 0103 0201 0382 83000101 8218fa01"),
        (TariffError::TooManyTiers, "a4 0001 0103 0201 0389 83000101"),
        (TariffError::TooManyTiers, "a4 0001 0103 0201 039bffffffffffffffff"),
        (TariffError::TooManyWindows, "a5 0001 0103 0201 0381 8218fa01 0485"),
    ] {
        match read(text) {
            Err(TariffDecodeError::Refused(error)) => assert_eq!(error, reason),
            other => panic!("{reason:?}: {other:?}"),
        }
    }
}

#[test]
fn a_cut_encoding_is_malformed_wherever_it_is_cut() {
    let bytes = peak_and_night().to_cbor();
    for length in 0..bytes.len() {
        assert!(matches!(Tariff::from_cbor(&bytes[..length]), Err(TariffDecodeError::Malformed(_))));
    }
}

#[test]
fn long_input_is_refused_unread() {
    let mut bytes: Vec<u8> = peak_and_night().to_cbor();
    bytes.resize(ENCODED_BYTES_MAX + 1, 0);
    let error = Tariff::from_cbor(&bytes).unwrap_err();
    assert!(matches!(error, TariffDecodeError::TooLong));
    assert_eq!(error.to_string(), "the encoded tariff is too long");
}

#[test]
fn a_tariff_reads_inside_a_longer_message() {
    let tariff = peak_and_night();
    let message = minicbor::to_vec((7_u8, &tariff, "after")).unwrap();
    let (before, read, after): (u8, Tariff, &str) = minicbor::decode(&message).unwrap();
    assert_eq!((before, after), (7, "after"));
    assert_eq!(read, tariff);
}
