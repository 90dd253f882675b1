//! The rules against golden vectors that foreign implementations made: `tests/vectors/NAME.py` prints `NAME.json`.
#![allow(clippy::unwrap_used, reason = "a vector that cannot be read fails its test")]

mod chains;
mod document;
mod identities;
mod mandates;
mod records;
mod samples;
mod signatures;
mod wire;

use std::str::FromStr;

use serde_json::Value;

/// The vectors of `tests/vectors/NAME.json`.
fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The entries of a list of vectors, which must not be empty.
fn list<'v>(vectors: &'v Value, name: &str) -> &'v [Value] {
    let entries = vectors[name].as_array().unwrap();
    assert!(!entries.is_empty(), "{name}");
    entries
}

fn text<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry[key].as_str().unwrap_or_else(|| panic!("{key} of {entry}"))
}

fn bytes(entry: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(entry, key)).unwrap()
}

/// A number or an identity.
fn parse<T: FromStr<Err: std::fmt::Debug>>(entry: &Value, key: &str) -> T {
    text(entry, key).parse().unwrap()
}

/// Secret keys, nonces and whatever else is bytes of a fixed number.
fn array<const N: usize>(entry: &Value, key: &str) -> [u8; N] {
    bytes(entry, key).try_into().unwrap()
}
