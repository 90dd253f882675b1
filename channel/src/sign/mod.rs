//! Low-s ECDSA over secp256k1, EIP-2098 compact on our wire, behind traits with two backends.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::eip712::{Domain, TypedData};
use crate::id::{Address, Digest};

#[cfg(feature = "libsecp256k1")]
mod libsecp256k1;
#[cfg(feature = "k256")]
mod rust_crypto;

#[cfg(feature = "libsecp256k1")]
pub use libsecp256k1::{LibSecp, LibSecpKey, LibSecpPublicKey};
#[cfg(feature = "k256")]
pub use rust_crypto::{RustCrypto, RustCryptoKey};

/// Why a signature or key was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// Not 64 (EIP-2098) or 65 bytes, or a recovery id other than 27 and 28.
    BadLength,
    /// `r` or `s` is zero or not below the group order.
    OutOfRange,
    /// `s` lies in the upper half of the order: the malleable twin of a valid signature.
    HighS,
    /// No point of the curve belongs to `r`, or the recovered key is the point at infinity.
    NotOnCurve,
    /// A valid signature of somebody else.
    WrongSigner,
    /// A secret key of zero or above the group order.
    BadKey,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLength => "signature of the wrong length or recovery id",
            Self::OutOfRange => "signature value out of range",
            Self::HighS => "signature with a high s",
            Self::NotOnCurve => "signature that recovers to no key",
            Self::WrongSigner => "signature of another key",
            Self::BadKey => "not a secret key",
        })
    }
}

impl core::error::Error for SignatureError {}

/// Order of the group, big-endian (SEC 2, secp256k1).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];
/// Half the order, rounded down: the greatest low `s`.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A signature in its canonical form: `r` and `s` in range and `s` low. Made only by parsing or signing, so
/// whoever holds one need not check again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// `r || (y_parity << 255 | s)`, EIP-2098.
    compact: [u8; 64],
}

impl Signature {
    /// Parses the 64 bytes of EIP-2098.
    ///
    /// # Errors
    /// [`SignatureError::OutOfRange`], [`SignatureError::HighS`].
    pub fn from_compact(compact: [u8; 64]) -> Result<Self, SignatureError> {
        let signature = Self { compact };
        let (r, s, _) = signature.parts();
        if r == [0; 32] || s == [0; 32] || r >= ORDER {
            return Err(SignatureError::OutOfRange);
        }
        // A set top bit is the parity, so an s above the order cannot be written in this form at all.
        if s > HALF_ORDER { Err(SignatureError::HighS) } else { Ok(signature) }
    }

    /// Parses `r || s || v` with `v` 27 or 28 (or 0 or 1), as wallets return it.
    ///
    /// # Errors
    /// [`SignatureError::BadLength`], [`SignatureError::OutOfRange`], [`SignatureError::HighS`].
    pub fn from_rsv(rsv: &[u8; 65]) -> Result<Self, SignatureError> {
        let parity = match rsv[64] {
            0 | 27 => false,
            1 | 28 => true,
            _ => return Err(SignatureError::BadLength),
        };
        let mut compact = [0; 64];
        compact.copy_from_slice(&rsv[..64]);
        if compact[32] & 0x80 != 0 {
            return Err(SignatureError::HighS);
        }
        if parity {
            compact[32] |= 0x80;
        }
        Self::from_compact(compact)
    }

    /// Parses either form by its length.
    ///
    /// # Errors
    /// As [`Self::from_compact`] and [`Self::from_rsv`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SignatureError> {
        if let Ok(compact) = bytes.try_into() {
            return Self::from_compact(compact);
        }
        bytes.try_into().map_err(|_| SignatureError::BadLength).and_then(|rsv: &[u8; 65]| Self::from_rsv(rsv))
    }

    /// The 64 bytes of EIP-2098.
    #[must_use]
    pub const fn as_compact(&self) -> &[u8; 64] {
        &self.compact
    }

    /// `r || s || v` with `v` 27 or 28, as contracts take it.
    #[must_use]
    pub fn to_rsv(&self) -> [u8; 65] {
        let (r, s, parity) = self.parts();
        let mut rsv = [0; 65];
        rsv[..32].copy_from_slice(&r);
        rsv[32..64].copy_from_slice(&s);
        rsv[64] = if parity { 28 } else { 27 };
        rsv
    }

    /// The same `r` and `s` with the other parity. Of the two, one recovers the signer's key, and both verify under it.
    #[must_use]
    pub fn with_other_parity(mut self) -> Self {
        self.compact[32] ^= 0x80;
        self
    }

    /// `r`, `s` and the parity of the point's `y`.
    fn parts(&self) -> ([u8; 32], [u8; 32], bool) {
        let mut r = [0; 32];
        let mut s = [0; 32];
        r.copy_from_slice(&self.compact[..32]);
        s.copy_from_slice(&self.compact[32..]);
        let parity = s[0] & 0x80 != 0;
        s[0] &= 0x7f;
        (r, s, parity)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(0x")?;
        self.compact.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl<C> Encode<C> for Signature {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.compact)?.ok()
    }
}

/// A signature as it arrived: 64 bytes of which nothing is known. [`Signature::from_compact`] checks it, so that a
/// bad one is refused with its own reason rather than as a malformed message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UncheckedSignature(pub [u8; 64]);

impl UncheckedSignature {
    /// Checks range and low `s`.
    ///
    /// # Errors
    /// As [`Signature::from_compact`].
    pub fn check(&self) -> Result<Signature, SignatureError> {
        Signature::from_compact(self.0)
    }
}

impl From<Signature> for UncheckedSignature {
    fn from(signature: Signature) -> Self {
        Self(signature.compact)
    }
}

impl fmt::Debug for UncheckedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Signature { compact: self.0 }, f)
    }
}

impl<C> Encode<C> for UncheckedSignature {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for UncheckedSignature {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?;
        bytes.try_into().map(Self).map_err(|_| decode::Error::message("expected 64 bytes"))
    }
}

impl<'b, C> Decode<'b, C> for Signature {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        UncheckedSignature::decode(d, ctx)?.check().map_err(|_| decode::Error::message("signature out of range"))
    }
}

/// Finds out whose signature it is.
pub trait Recover {
    /// The address whose key made `signature` over `digest`.
    ///
    /// # Errors
    /// [`SignatureError::NotOnCurve`].
    fn recover(&self, digest: &Digest, signature: &Signature) -> Result<Address, SignatureError>;
}

/// A public key that is known. To check a signature under it takes less than to find out whose the signature is.
pub trait KnownKey {
    /// The key's address.
    fn address(&self) -> Address;

    /// Checks that the key made `signature` over `digest`. ECDSA itself has no parity, so this does not look at it:
    /// whoever shows the signature to someone who recovers the key sees to it that the parity is right.
    ///
    /// # Errors
    /// [`SignatureError::WrongSigner`].
    fn verify(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError>;
}

/// A key that signs digests: in memory, in a secure element, in a key management service.
pub trait Signer {
    /// What can go wrong with this kind of key.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The key's address.
    fn address(&self) -> Address;

    /// A low-s signature over `digest`.
    ///
    /// # Errors
    /// Whatever the key's keeper reports; a key in memory cannot fail.
    fn sign(&self, digest: &Digest) -> Result<Signature, Self::Error>;
}

/// Signs `data` under `domain`.
///
/// # Errors
/// As [`Signer::sign`].
pub fn sign_typed<S: Signer>(signer: &S, domain: &Domain, data: &impl TypedData) -> Result<Signature, S::Error> {
    signer.sign(&domain.digest(data))
}

/// Checks that `signature` over `data` is by `expected`.
///
/// # Errors
/// [`SignatureError::NotOnCurve`], [`SignatureError::WrongSigner`].
pub fn verify_typed(
    recover: &impl Recover,
    domain: &Domain,
    data: &impl TypedData,
    signature: &Signature,
    expected: &Address,
) -> Result<(), SignatureError> {
    let signer = recover.recover(&domain.digest(data), signature)?;
    if signer == *expected { Ok(()) } else { Err(SignatureError::WrongSigner) }
}

/// The address of an uncompressed public key's 64 bytes (without the leading 4).
#[cfg(any(feature = "libsecp256k1", feature = "k256"))]
fn address_of_point(xy: &[u8]) -> Address {
    let hash = crate::id::keccak256(&[xy]);
    let mut address = Address::ZERO;
    address.0.copy_from_slice(&hash[12..]);
    address
}

#[cfg(test)]
mod tests;
