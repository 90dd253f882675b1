//! Golden vectors, made by `tests/vectors/tariff.py` with another CBOR library and other arithmetic.

use alloc::vec::Vec;

use serde_json::Value;

use crate::tariff::{ChargeError, Tariff, UsageBySegment};

const VECTORS: &str = include_str!("../../../tests/vectors/tariff.json");

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// A charge, or null where it exceeds 64 bits.
fn charge(value: &Value) -> Result<u64, ChargeError> {
    if value.is_null() { Err(ChargeError::Overflow) } else { Ok(number(value)) }
}

/// The rows of one of a vector's tables; empty where the vector has no such table.
fn rows<'v>(vector: &'v Value, table: &str) -> &'v [Value] {
    vector[table].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_vector_agrees() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let mut rows_checked = 0;
    for vector in &vectors {
        let name = vector["name"].as_str().unwrap();
        let encoding = hex::decode(vector["encoding"].as_str().unwrap()).unwrap();
        let tariff = Tariff::from_cbor(&encoding).expect(name);
        assert_eq!(tariff.to_cbor(), encoding, "{name}");
        assert_eq!(hex::encode(tariff.hash().0), vector["hash"].as_str().unwrap(), "{name}");

        for row in rows(vector, "charges") {
            let units = number(&row[0]);
            assert_eq!(tariff.charge_units(units), charge(&row[1]), "{name}: charge of {units}");
            rows_checked += 1;
        }
        for row in rows(vector, "units_for") {
            let amount = number(&row[0]);
            assert_eq!(tariff.units_for(amount), number(&row[1]), "{name}: units for {amount}");
            rows_checked += 1;
        }
        for row in rows(vector, "charges_by_segment") {
            let units: Vec<u64> = row[0].as_array().unwrap().iter().map(number).collect();
            let usage = UsageBySegment::from_units(&tariff, &units).unwrap();
            assert_eq!(tariff.charge_segments(&usage), charge(&row[1]), "{name}: charge of {units:?}");
            rows_checked += 1;
        }
    }
    assert!(vectors.len() >= 9 && rows_checked >= 200, "{} vectors, {rows_checked} rows", vectors.len());
}
