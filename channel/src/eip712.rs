//! What is signed: EIP-712 typed data under the domain of the EVM `session` method
//! (name "EVM Payment Channel", version "1"), and the digests of it.

use crate::id::{Address, Digest, EscrowId, Hash32, LaneId, TariffHash, abi, keccak256};
use crate::time::UnixSeconds;

/// The ledger that a signature is good on. Nothing signed for one ledger is valid on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    chain_id: u64,
    contract: Address,
    separator: [u8; 32],
}

impl Domain {
    /// The domain of the ledger `(chain_id, contract)`.
    #[must_use]
    pub fn new(chain_id: u64, contract: Address) -> Self {
        let kind = keccak256(&[b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"]);
        let separator = keccak256(&[
            &kind,
            &keccak256(&[b"EVM Payment Channel"]),
            &keccak256(&[b"1"]),
            &abi::uint(u128::from(chain_id)),
            &abi::address(&contract),
        ]);
        Self { chain_id, contract, separator }
    }

    /// The chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The verifying contract, or the embedded ledger's stand-in for one.
    #[must_use]
    pub fn contract(&self) -> Address {
        self.contract
    }

    /// The domain separator.
    #[must_use]
    pub fn separator(&self) -> &[u8; 32] {
        &self.separator
    }

    /// The digest to sign for `data`.
    #[must_use]
    pub fn digest(&self, data: &impl TypedData) -> Digest {
        Digest(keccak256(&[b"\x19\x01", &self.separator, &data.struct_hash()]))
    }
}

/// A struct of EIP-712.
pub trait TypedData {
    /// Its type string, as in the standard's `encodeType`.
    const TYPE: &'static str;

    /// `keccak256(typeHash || encodeData)`.
    fn struct_hash(&self) -> [u8; 32];
}

/// `keccak256(TYPE)` followed by `words`, hashed.
fn hash_struct<T: TypedData>(words: &[&[u8; 32]]) -> [u8; 32] {
    use sha3::{Digest as _, Keccak256};
    let mut hasher = Keccak256::new();
    hasher.update(keccak256(&[T::TYPE.as_bytes()]));
    for word in words {
        hasher.update(word);
    }
    hasher.finalize().into()
}

/// "I owe this much in total" on a lane, or, where the id is an escrow's, over all its lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voucher {
    /// The lane (or escrow) it is for; `channelId` in the signed type.
    pub lane: LaneId,
    /// Total since opening, base units.
    pub cumulative_amount: u128,
}

impl TypedData for Voucher {
    const TYPE: &'static str = "Voucher(bytes32 channelId,uint128 cumulativeAmount)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[&self.lane.0, &abi::uint(self.cumulative_amount)])
    }
}

/// "Preimages of this chain are money": index `i` makes the lane's total
/// `base_amount + floor((base_ticks + i) * tick_amount / ticks_per_amount)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The lane it is for; `channelId` in the signed type.
    pub lane: LaneId,
    /// Total before the chain's ticks, base units.
    pub base_amount: u128,
    /// Ticks already counted into this price before the chain's first, so that fractions carry over.
    pub base_ticks: u64,
    /// Base units per `ticks_per_amount` ticks.
    pub tick_amount: u32,
    /// Ticks that cost `tick_amount`.
    pub ticks_per_amount: u32,
    /// Number of preimages.
    pub length: u16,
    /// The tariff the ticks are priced by; zero for none.
    pub tariff: TariffHash,
    /// The chain's index 0.
    pub root: Hash32,
}

impl TypedData for Anchor {
    const TYPE: &'static str = "Anchor(bytes32 channelId,uint128 baseAmount,uint64 baseTicks,uint32 tickAmount,uint32 ticksPerAmount,uint16 length,bytes32 tariff,bytes32 root)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[
            &self.lane.0,
            &abi::uint(self.base_amount),
            &abi::uint(u128::from(self.base_ticks)),
            &abi::uint(u128::from(self.tick_amount)),
            &abi::uint(u128::from(self.ticks_per_amount)),
            &abi::uint(u128::from(self.length)),
            &self.tariff.0,
            &self.root.0,
        ])
    }
}

/// A payer's permission for one device key to spend from the escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mandate {
    /// The escrow it draws on.
    pub escrow: EscrowId,
    /// The device key's address.
    pub device: Address,
    /// Most the channel may ever owe, base units, cumulative across serials.
    pub limit: u128,
    /// From this second on nothing new is accepted.
    pub expiry: UnixSeconds,
    /// A higher serial replaces a lower one.
    pub serial: u64,
    /// Whom the device may pay ([`crate::mandate::payees_hash`]); zero for anyone.
    pub payees: Hash32,
}

impl TypedData for Mandate {
    const TYPE: &'static str =
        "Mandate(bytes32 escrowId,address device,uint128 limit,uint64 expiry,uint64 serial,bytes32 payees)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[
            &self.escrow.0,
            &abi::address(&self.device),
            &abi::uint(self.limit),
            &abi::uint(u128::from(self.expiry.0)),
            &abi::uint(u128::from(self.serial)),
            &self.payees.0,
        ])
    }
}

/// Many mandates under one signature: the root of a Merkle tree over their struct hashes
/// ([`crate::mandate`] has the tree).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MandateRoot {
    /// The escrow all the mandates draw on.
    pub escrow: EscrowId,
    /// The tree's root.
    pub root: Hash32,
}

impl TypedData for MandateRoot {
    const TYPE: &'static str = "MandateRoot(bytes32 escrowId,bytes32 root)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[&self.escrow.0, &self.root.0])
    }
}

/// The hub's statement of a lane, for the other side to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The lane; `channelId` in the signed type.
    pub lane: LaneId,
    /// Highest total proven, base units.
    pub authorised: u128,
    /// Units served, as last reported by the provider.
    pub used: u128,
    /// The lane's tariff.
    pub tariff: TariffHash,
    /// When the hub said so.
    pub time: UnixSeconds,
}

impl TypedData for Receipt {
    const TYPE: &'static str = "Receipt(bytes32 channelId,uint128 authorised,uint128 used,bytes32 tariff,uint64 time)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[
            &self.lane.0,
            &abi::uint(self.authorised),
            &abi::uint(self.used),
            &self.tariff.0,
            &abi::uint(u128::from(self.time.0)),
        ])
    }
}

/// "This key speaks on this connection."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach {
    /// `SHA256(nonce || SHA256(certificate))`: the server's nonce and the certificate the client verified.
    pub binding: Hash32,
    /// The hub's address, so that the proof is worth nothing to another hub.
    pub hub: Address,
    /// As what it speaks, by [`crate::wire::Role`] code.
    pub role: u8,
}

impl TypedData for Attach {
    const TYPE: &'static str = "Attach(bytes32 binding,address hub,uint8 role)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[&self.binding.0, &abi::address(&self.hub), &abi::uint(u128::from(self.role))])
    }
}

impl Attach {
    /// The binding of a connection: the server's nonce and the DER bytes of the certificate actually verified.
    #[must_use]
    pub fn binding(nonce: &Hash32, certificate: &[u8]) -> Hash32 {
        use bitcoin_hashes::sha256;
        let certificate = sha256::hash(certificate).to_byte_array();
        Hash32(sha256::Hash::hash_byte_chunks([&nonce.0[..], &certificate[..]]).to_byte_array())
    }
}

/// Units served on a lane and refunds on it, signed by the payee, who is the lane's one reporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The lane; `channelId` in the signed type.
    pub lane: LaneId,
    /// A newer revision replaces an older one, and may correct `used_units` downwards.
    pub revision: u64,
    /// Units served since opening.
    pub used_units: u128,
    /// Refunds since opening, base units; only grows.
    pub credited_amount: u128,
}

impl TypedData for Report {
    const TYPE: &'static str = "Report(bytes32 channelId,uint64 revision,uint128 usedUnits,uint128 creditedAmount)";
    fn struct_hash(&self) -> [u8; 32] {
        hash_struct::<Self>(&[
            &self.lane.0,
            &abi::uint(u128::from(self.revision)),
            &abi::uint(self.used_units),
            &abi::uint(self.credited_amount),
        ])
    }
}
