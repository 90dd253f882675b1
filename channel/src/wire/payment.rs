//! Payments and their answers: small messages that may be lost, repeated and reordered.

use alloc::vec::Vec;

use minicbor::{Decode, Decoder, Encode, Encoder, data::Type, decode, encode};

use super::tick::{Tick, read_tick};
use crate::codec::{CodecError, decode_first};
use crate::id::{LaneId, Preimage};
use crate::lane::{SignedAnchor, SignedVoucher};
use crate::limits::PAYMENT_BYTES_MAX;
use crate::refusal::Refusal;

/// Which lane a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneRef {
    /// The short number that the attach reply gave, good on its connection only.
    Handle(u32),
    /// The lane's identity, good anywhere and before attach.
    Id(LaneId),
}

impl<C> Encode<C> for LaneRef {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Handle(handle) => e.u32(*handle)?.ok(),
            Self::Id(id) => id.encode(e, ctx),
        }
    }
}

impl<'b, C> Decode<'b, C> for LaneRef {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        match d.datatype()? {
            Type::Bytes => LaneId::decode(d, ctx).map(Self::Id),
            _ => d.u32().map(Self::Handle),
        }
    }
}

/// A device pays. The only messages that may travel as early data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Payment {
    /// The preimage at an index of one of the lane's chains.
    #[n(1)]
    Tick {
        /// The lane.
        #[n(0)]
        lane: LaneRef,
        /// 1..=length of the anchor.
        #[n(1)]
        index: u16,
        /// The link at `index`.
        #[n(2)]
        link: Preimage,
    },
    /// A signed total.
    #[n(2)]
    Voucher {
        /// The lane.
        #[n(0)]
        lane: LaneRef,
        /// The total and its signature.
        #[n(1)]
        voucher: SignedVoucher,
    },
    /// A new chain.
    #[n(3)]
    Anchor {
        /// The lane.
        #[n(0)]
        lane: LaneRef,
        /// The anchor and its signature.
        #[n(1)]
        anchor: SignedAnchor,
    },
}

impl Payment {
    /// The lane it pays on.
    #[must_use]
    pub fn lane(&self) -> &LaneRef {
        match self {
            Self::Tick { lane, .. } | Self::Voucher { lane, .. } | Self::Anchor { lane, .. } => lane,
        }
    }
}

/// Reads the payments of a datagram one after another. The first error ends it: what follows a bad message
/// has no known beginning.
#[derive(Debug, Clone)]
pub struct Payments<'b> {
    rest: &'b [u8],
}

impl<'b> Payments<'b> {
    /// The payments in `datagram`.
    #[must_use]
    pub fn new(datagram: &'b [u8]) -> Self {
        Self { rest: datagram }
    }

    /// The next payment, if it is a tick: the everyday payment without the room that the others need.
    pub fn next_tick(&mut self) -> Option<Tick> {
        let (tick, taken) = read_tick(self.rest)?;
        self.rest = self.rest.get(taken..).unwrap_or_default();
        Some(tick)
    }
}

impl Iterator for Payments<'_> {
    type Item = Result<Payment, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(tick) = self.next_tick() {
            return Some(Ok(tick.into()));
        }
        // Decoding looks at one message's bytes only, however long the datagram is.
        let window = self.rest.get(..PAYMENT_BYTES_MAX).unwrap_or(self.rest);
        let decoded = decode_first(window);
        self.rest = match &decoded {
            Ok((_, taken)) => self.rest.get(*taken..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(decoded.map(|(payment, _)| payment))
    }
}

/// Why the hub grants what it grants: numbered, append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Reason {
    /// The mandate's limit is near.
    MandateNearlySpent = 1,
    /// The escrow's deposit is near its end.
    EscrowNearlySpent = 2,
    /// The mandate expires soon.
    MandateExpiresSoon = 3,
    /// The hub is busy.
    Load = 4,
    /// The lane has events more often than it, or its fleet, usually has.
    EventsUnusual = 5,
    /// The lane uses more than it, or its fleet, usually does.
    UsageUnusual = 6,
    /// Its events are of sizes that its fleet does not have, or far greater than its own.
    SizesUnusual = 7,
    /// Proofs for the lane failed or were malformed.
    ProofsFailed = 8,
    /// The device showed states older than what it had proved.
    StaleStates = 9,
    /// The device attaches again and again, or its address keeps changing.
    AddressChurn = 10,
    /// The device's key is in use at two places.
    TwoPlaces = 11,
    /// Payments skip many steps of their chain.
    GapsLarge = 12,
    /// Much of the credit window is in use.
    ExposureHigh = 13,
    /// What is left of mandate or escrow would soon be gone at this rate.
    DrawDownFast = 14,
    /// Far more is granted than used.
    GrantIdle = 15,
    /// The lane behaves unlike all others.
    UnlikeOthers = 16,
    /// An operator decided it.
    Operator = 17,
}

impl Reason {
    /// All of them, ascending.
    pub const ALL: [Self; 17] = [
        Self::MandateNearlySpent,
        Self::EscrowNearlySpent,
        Self::MandateExpiresSoon,
        Self::Load,
        Self::EventsUnusual,
        Self::UsageUnusual,
        Self::SizesUnusual,
        Self::ProofsFailed,
        Self::StaleStates,
        Self::AddressChurn,
        Self::TwoPlaces,
        Self::GapsLarge,
        Self::ExposureHigh,
        Self::DrawDownFast,
        Self::GrantIdle,
        Self::UnlikeOthers,
        Self::Operator,
    ];
}

/// What a device may use and for how long, as in RFC 8506.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// Units the lane's payer may have used in all since opening (Granted-Service-Unit, cumulative); base units
    /// where the lane has no tariff.
    #[n(0)]
    pub units: u64,
    /// Seconds after which the device should ask or pay again (Validity-Time).
    #[n(1)]
    pub validity_seconds: u32,
    /// Least milliseconds between two payments of the lane; 0 for no pace.
    #[n(2)]
    pub pace_ms: u32,
    /// Whether service ends with these units (Final-Unit-Indication).
    #[n(3)]
    pub final_unit: bool,
    /// [`Reason`] codes, ascending.
    #[n(4)]
    pub reasons: Vec<u16>,
}

/// The hub's answer to payments.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Answer {
    /// What is durable of the lane; covers every payment up to it.
    #[n(16)]
    Acknowledged {
        /// As the payment named it.
        #[n(0)]
        lane: LaneRef,
        /// Highest total proven, whole base units.
        #[n(1)]
        authorised: u64,
        /// First eight bytes of the newest anchor's root, big-endian; absent without one.
        #[n(2)]
        anchor: Option<u64>,
        /// Highest index known of that anchor.
        #[n(3)]
        index: Option<u16>,
        /// Present where it changed since the last answer on the lane.
        #[n(4)]
        grant: Option<Grant>,
    },
    /// A payment that changed nothing.
    #[n(17)]
    Refused {
        /// As the payment named it; absent where that could not be read.
        #[n(0)]
        lane: Option<LaneRef>,
        /// Why.
        #[n(1)]
        refusal: Refusal,
        /// Highest total proven of the lane, where the sender may know it.
        #[n(2)]
        authorised: Option<u64>,
    },
}
