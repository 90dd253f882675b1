//! Sums of 128 bits in CBOR, whose integers end at 64: 16 bytes, the highest first.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decoder, Encoder};

pub(crate) fn encode<C, W: Write>(value: &u128, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
    e.bytes(&value.to_be_bytes())?.ok()
}

pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u128, DecodeError> {
    let bytes = d.bytes()?;
    bytes.try_into().map(u128::from_be_bytes).map_err(|_| DecodeError::message("expected 16 bytes"))
}
