//! Deterministic CBOR: one value, one encoding.
//!
//! `minicbor` decodes leniently (long integers, unknown keys, any key order). A value is accepted here only when
//! encoding it again gives the very bytes it was decoded from, so nobody can make two messages that mean the
//! same, and an unknown key is an error instead of a silent loss.

use alloc::vec::Vec;
use core::convert::Infallible;

use minicbor::{Decode, Decoder, Encode, Encoder, encode};

/// Why bytes were not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// Not CBOR of the expected shape, or cut short.
    Malformed,
    /// The right shape in another than the deterministic encoding, or with keys this version does not know.
    NotCanonical,
    /// Bytes follow where none may.
    TrailingBytes,
}

impl core::fmt::Display for CodecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not CBOR of the expected shape",
            Self::NotCanonical => "not the deterministic encoding",
            Self::TrailingBytes => "bytes follow the value",
        })
    }
}

impl core::error::Error for CodecError {}

/// Compares what an encoder writes with what was read, so that the check needs no buffer.
struct Comparison<'b> {
    rest: &'b [u8],
}

#[derive(Debug)]
struct Differs;

impl encode::Write for Comparison<'_> {
    type Error = Differs;
    fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
        self.rest = self.rest.strip_prefix(written).ok_or(Differs)?;
        Ok(())
    }
}

/// Decodes the first value in `bytes` and tells how many bytes it took.
///
/// # Errors
/// [`CodecError::Malformed`] or [`CodecError::NotCanonical`].
pub fn decode_first<'b, T>(bytes: &'b [u8]) -> Result<(T, usize), CodecError>
where
    T: Decode<'b, ()> + Encode<()>,
{
    let mut decoder = Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|_| CodecError::Malformed)?;
    let taken = decoder.position();
    let mut comparison = Comparison { rest: bytes.get(..taken).ok_or(CodecError::Malformed)? };
    Encoder::new(&mut comparison).encode(&value).map_err(|_| CodecError::NotCanonical)?;
    if comparison.rest.is_empty() { Ok((value, taken)) } else { Err(CodecError::NotCanonical) }
}

/// Decodes `bytes` as exactly one value.
///
/// # Errors
/// As [`decode_first`], and [`CodecError::TrailingBytes`].
pub fn decode_exact<'b, T>(bytes: &'b [u8]) -> Result<T, CodecError>
where
    T: Decode<'b, ()> + Encode<()>,
{
    let (value, taken) = decode_first(bytes)?;
    if taken == bytes.len() { Ok(value) } else { Err(CodecError::TrailingBytes) }
}

/// Appends the encoding of `value` to `out`.
pub fn encode_into<T: Encode<()>>(value: &T, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out);
    // The only errors an encoding into memory could have are those of the value's own Encode, and ours has none.
    let written: Result<_, encode::Error<Infallible>> = encoder.encode(value);
    debug_assert!(written.is_ok(), "encoding into memory cannot fail");
}

/// The encoding of `value`.
#[must_use]
pub fn encode_to_vec<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(value, &mut out);
    out
}

/// `u128` as a 16-byte big-endian byte string: CBOR integers end at 64 bits.
pub(crate) mod uint128 {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(crate) fn encode<C, W: Write>(
        value: &u128,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&value.to_be_bytes())?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u128, DecodeError> {
        let bytes = d.bytes()?;
        bytes.try_into().map(u128::from_be_bytes).map_err(|_| DecodeError::message("expected 16 bytes"))
    }
}
