//! Addresses and identities, and how each is derived.
//!
//! `escrowId  = keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, contract, chainId))`
//! `channelId = keccak256(abi.encode(escrowId, device))`
//! `laneId    = keccak256(abi.encode(channelId, payee, ratingGroup))`
//!
//! The first is the channel id of the EVM `session` method of the HTTP "Payment" authentication drafts, so
//! an existing wallet can open an escrow.

use core::{fmt, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha3::{Digest as _, Keccak256};

/// `text` is not `0x` and the right number of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError {
    /// Bytes the identity has.
    pub bytes: usize,
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected 0x and {} hexadecimal digits", self.bytes.saturating_mul(2))
    }
}

impl core::error::Error for ParseIdError {}

fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => c.checked_sub(b'0'),
        b'a'..=b'f' => c.checked_sub(b'a').and_then(|v| v.checked_add(10)),
        b'A'..=b'F' => c.checked_sub(b'A').and_then(|v| v.checked_add(10)),
        _ => None,
    }
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let wrong = ParseIdError { bytes: N };
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wrong);
    }
    let mut out = [0; N];
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = (nibble(*high).ok_or(wrong)? << 4) | nibble(*low).ok_or(wrong)?;
    }
    Ok(out)
}

macro_rules! byte_identity {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; $len]);

            /// Whether all bytes are zero.
            #[must_use]
            pub fn is_zero(&self) -> bool {
                *self == Self::ZERO
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| decode::Error::message("wrong number of bytes"))
            }
        }
    };
}

byte_identity!(
    /// An account or key on the base ledger: the last 20 bytes of keccak256 of the public key.
    Address,
    20
);
byte_identity!(
    /// A payer's deposit in favour of one hub.
    EscrowId,
    32
);
byte_identity!(
    /// (escrow, device key) at a hub.
    ChannelId,
    32
);
byte_identity!(
    /// (channel, payee, rating group): one total that only grows.
    LaneId,
    32
);
byte_identity!(
    /// SHA-256 over a tariff's deterministic encoding; zero where a lane has no tariff.
    TariffHash,
    32
);
byte_identity!(
    /// The keccak256 digest that a key signs.
    Digest,
    32
);
byte_identity!(
    /// A link of a hash chain.
    Preimage,
    32
);
byte_identity!(
    /// A SHA-256 or keccak256 value with no further meaning of its own: a root, a sibling, a fingerprint.
    Hash32,
    32
);

/// Which service of a payee a lane pays for, as in RFC 8506.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct RatingGroup(#[n(0)] pub u32);

/// keccak256 over the concatenation of `parts`.
#[must_use]
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Words of the Solidity ABI: everything is 32 bytes, numbers right-aligned.
pub(crate) mod abi {
    use super::Address;

    pub(crate) fn address(address: &Address) -> [u8; 32] {
        let mut word = [0; 32];
        word[12..].copy_from_slice(&address.0);
        word
    }

    pub(crate) fn uint(value: u128) -> [u8; 32] {
        let mut word = [0; 32];
        word[16..].copy_from_slice(&value.to_be_bytes());
        word
    }
}

/// What an escrow's identity is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EscrowTerms {
    /// Who funds it and gets back what is left.
    pub payer: Address,
    /// The hub's account.
    pub payee: Address,
    /// The token contract, or zero for the ledger's own unit.
    pub token: Address,
    /// Chosen by the payer, so that one pair may have several escrows.
    pub salt: Hash32,
    /// Whose signature moves the escrow's money; zero stands for the payer.
    pub authorized_signer: Address,
}

impl EscrowTerms {
    /// The escrow's identity on the ledger `(contract, chain_id)`.
    #[must_use]
    pub fn id(&self, contract: &Address, chain_id: u64) -> EscrowId {
        EscrowId(keccak256(&[
            &abi::address(&self.payer),
            &abi::address(&self.payee),
            &abi::address(&self.token),
            &self.salt.0,
            &abi::address(&self.authorized_signer),
            &abi::address(contract),
            &abi::uint(u128::from(chain_id)),
        ]))
    }

    /// The key whose signatures count: the authorised signer, or the payer where none is named.
    #[must_use]
    pub fn signer(&self) -> Address {
        if self.authorized_signer.is_zero() { self.payer } else { self.authorized_signer }
    }
}

impl ChannelId {
    /// The channel of `device` under `escrow`.
    #[must_use]
    pub fn derive(escrow: &EscrowId, device: &Address) -> Self {
        Self(keccak256(&[&escrow.0, &abi::address(device)]))
    }
}

impl LaneId {
    /// The lane from `channel` to `payee` for `rating_group`.
    #[must_use]
    pub fn derive(channel: &ChannelId, payee: &Address, rating_group: RatingGroup) -> Self {
        Self(keccak256(&[&channel.0, &abi::address(payee), &abi::uint(u128::from(rating_group.0))]))
    }

    /// The lane of a lone payer, who pays on the escrow itself: its proofs name the escrow id.
    #[must_use]
    pub fn of_escrow(escrow: &EscrowId) -> Self {
        Self(escrow.0)
    }

    /// The part of the identity that goes into every step of the lane's hash chains.
    #[must_use]
    pub fn tag(&self) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.0[..16]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn identities_print_and_parse() {
        let id = LaneId([0xab; 32]);
        assert_eq!(id.to_string().parse::<LaneId>(), Ok(id));
        assert!("0x12".parse::<Address>().is_err());
        assert!("zz".repeat(20).parse::<Address>().is_err());
    }

    #[test]
    fn a_lane_is_bound_to_channel_payee_and_group() {
        let channel = ChannelId::derive(&EscrowId([1; 32]), &Address([2; 20]));
        let lane = LaneId::derive(&channel, &Address([3; 20]), RatingGroup(4));
        assert_ne!(lane, LaneId::derive(&channel, &Address([3; 20]), RatingGroup(5)));
        assert_ne!(lane, LaneId::derive(&channel, &Address([4; 20]), RatingGroup(4)));
    }
}
