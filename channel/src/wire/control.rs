//! Control messages: attach, receipts, queries, tariffs, closing.

use alloc::vec::Vec;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::payment::{Grant, LaneRef};
use crate::eip712::Receipt;
use crate::id::{Address, ChannelId, EscrowId, Hash32, LaneId, RatingGroup, TariffHash};
use crate::lane::{SignedVoucher, TickProof};
use crate::mandate::MandateBundle;
use crate::refusal::Refusal;
use crate::sign::UncheckedSignature;
use crate::time::UnixSeconds;

/// As what a key attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Pays on its channel.
    Device = 0,
    /// Is paid, and reports what it served.
    Provider = 1,
}

impl Role {
    /// The number that is signed and sent.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Device => 0,
            Self::Provider => 1,
        }
    }
}

impl<C> Encode<C> for Role {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u8(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Role {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        match d.u8()? {
            0 => Ok(Self::Device),
            1 => Ok(Self::Provider),
            _ => Err(decode::Error::message("unknown role")),
        }
    }
}

/// The hub's first words, on a unidirectional stream that it opens with its first flight: `[0, {…}]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Hello {
    /// The only kind.
    #[n(0)]
    Hub {
        /// Random; goes into the attach binding.
        #[n(0)]
        nonce: Hash32,
        /// The hub's own address, which signs receipts.
        #[n(1)]
        hub: Address,
        /// The ledger's chain id.
        #[n(2)]
        chain_id: u64,
        /// The ledger's verifying contract.
        #[n(3)]
        contract: Address,
        /// The hub's clock.
        #[n(4)]
        time: UnixSeconds,
    },
}

/// A lane that a device wants to pay on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaneOffer {
    /// Whom it pays.
    #[n(0)]
    pub payee: Address,
    /// For which of the payee's services.
    #[n(1)]
    pub rating_group: RatingGroup,
}

/// First frame of a stream that the client opens.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
#[allow(clippy::large_enum_variant, reason = "a request lives for one call, and attach is the usual one")]
pub enum Request {
    /// Proves a key on this connection and opens its lanes. Answered by [`Response::Attached`]. May be repeated, also
    /// for the same key with further lanes.
    #[n(32)]
    Attach {
        /// Device or provider.
        #[n(0)]
        role: Role,
        /// Over [`crate::eip712::Attach`]; tells the key's address.
        #[n(1)]
        signature: UncheckedSignature,
        /// The escrow to pay from; absent for providers.
        #[n(2)]
        escrow: Option<EscrowId>,
        /// A bundle of this device's mandate alone, where the hub may not know it yet.
        #[n(3)]
        mandate: Option<MandateBundle>,
        /// Lanes to open or resume.
        #[n(4)]
        lanes: Vec<LaneOffer>,
    },
    /// Asks for a signed statement of a lane. Answered by [`Response::Receipt`].
    #[n(33)]
    Receipt {
        /// A lane attached on this connection, or whose payee is.
        #[n(0)]
        lane: LaneRef,
    },
    /// Asks how a lane stands. Answered by [`Response::Lane`].
    #[n(34)]
    Query {
        /// A lane attached on this connection, or whose payee is.
        #[n(0)]
        lane: LaneRef,
    },
    /// Asks for a tariff. Answered by [`Response::Tariff`].
    #[n(35)]
    Tariff {
        /// Its hash.
        #[n(0)]
        hash: TariffHash,
    },
    /// Closes a channel attached on this connection: no further payment until a mandate with a higher serial.
    /// Answered by [`Response::Closed`].
    #[n(36)]
    Close {
        /// The channel.
        #[n(0)]
        channel: ChannelId,
    },
    /// Turns the stream into a payment stream, for devices without datagrams: frames of payments one way,
    /// frames of answers the other.
    #[n(37)]
    PaymentStream {},
    /// Turns the stream into a provider's conversation: [`super::Notice`] frames one way,
    /// [`super::ServiceMessage`] frames the other.
    #[n(38)]
    Subscribe {
        /// Which of its rating groups; all where empty.
        #[n(0)]
        rating_groups: Vec<RatingGroup>,
    },
}

/// How a lane stands, with everything a device that lost its memory needs to go on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaneView {
    /// Short number for payments on this connection.
    #[n(0)]
    pub handle: u32,
    /// The lane.
    #[n(1)]
    pub lane: LaneId,
    /// Whom it pays.
    #[n(2)]
    pub payee: Address,
    /// For which service.
    #[n(3)]
    pub rating_group: RatingGroup,
    /// Highest total proven and durable, whole base units.
    #[n(4)]
    pub authorised: u64,
    /// The voucher, where that is the proof of the total.
    #[n(5)]
    pub voucher: Option<SignedVoucher>,
    /// Anchors held, oldest first, each with the furthest preimage known.
    #[n(6)]
    pub anchors: Vec<TickProof>,
    /// The lane's tariff; zero for none.
    #[n(7)]
    pub tariff: TariffHash,
    /// Total at which this tariff began on this lane, base units.
    #[n(8)]
    pub tariff_base_amount: u64,
    /// Units granted before this tariff began on this lane.
    #[n(9)]
    pub tariff_base_units: u64,
    /// Units served, as last reported.
    #[n(10)]
    pub used_units: u64,
    /// Refunds, base units.
    #[n(11)]
    pub credited: u64,
    /// What the device may use.
    #[n(12)]
    pub grant: Grant,
}

/// The reply to a device's or provider's attach.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attached {
    /// The key's address, as recovered from the proof.
    #[n(0)]
    pub address: Address,
    /// The channel; absent for providers.
    #[n(1)]
    pub channel: Option<ChannelId>,
    /// Most the channel may owe in all; absent for providers.
    #[n(2)]
    pub limit: Option<u64>,
    /// What it owes now over all its lanes; absent for providers.
    #[n(3)]
    pub authorised: Option<u64>,
    /// When the mandate expires; absent for providers.
    #[n(4)]
    pub expiry: Option<UnixSeconds>,
    /// The mandate's serial; absent for providers.
    #[n(5)]
    pub serial: Option<u64>,
    /// The lanes asked for, in that order.
    #[n(6)]
    pub lanes: Vec<LaneView>,
}

/// A hub-signed statement of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedReceipt {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// Highest total proven and durable, base units.
    #[n(1)]
    pub authorised: u64,
    /// Units served, as last reported.
    #[n(2)]
    pub used: u64,
    /// The lane's tariff.
    #[n(3)]
    pub tariff: TariffHash,
    /// The hub's clock.
    #[n(4)]
    pub time: UnixSeconds,
    /// By the hub over [`Receipt`].
    #[n(5)]
    pub signature: UncheckedSignature,
}

impl SignedReceipt {
    /// What is signed.
    #[must_use]
    pub fn typed(&self) -> Receipt {
        Receipt {
            lane: self.lane,
            authorised: u128::from(self.authorised),
            used: u128::from(self.used),
            tariff: self.tariff,
            time: self.time,
        }
    }
}

/// A closed lane's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClosedLane {
    /// The receipt at closing.
    #[n(0)]
    pub receipt: SignedReceipt,
}

/// The hub's answer on the stream of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Response {
    /// To [`Request::Attach`].
    #[n(48)]
    Attached(#[n(0)] Attached),
    /// To [`Request::Receipt`].
    #[n(49)]
    Receipt(#[n(0)] SignedReceipt),
    /// To [`Request::Query`].
    #[n(50)]
    Lane(#[n(0)] LaneView),
    /// To [`Request::Tariff`]: [`crate::tariff::Tariff`] in its encoding.
    #[n(51)]
    Tariff(#[n(0)] ByteVec),
    /// To [`Request::Close`]: a receipt for every lane of the channel.
    #[n(52)]
    Closed(#[n(0)] Vec<ClosedLane>),
    /// To [`Request::PaymentStream`] and [`Request::Subscribe`]: the stream is what was asked for.
    #[n(53)]
    Ready {},
    /// To any request: nothing changed.
    #[n(54)]
    Refused {
        /// Why.
        #[n(0)]
        refusal: Refusal,
    },
}
