//! Every reason to say no, numbered and in order of precedence.
//!
//! Where several reasons hold, the one with the lowest number is given: what is wrong with the message
//! itself, then who sent it, then what it asks for, then the proof, then the limits. Codes are part of the wire and
//! are only ever appended, each within the gap left in its group.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The sender must change what it sends.
    Sender,
    /// The payer must act: fund, extend or replace a mandate.
    Payer,
    /// The hub cannot serve at present.
    Hub,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $blame:ident, $retry:literal, $text:literal;)*) => {
        /// Why something was refused; nothing changed by it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Refusal { $($(#[$doc])* $name = $code,)* }

        impl Refusal {
            /// All refusals, in order of precedence.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The refusal with this number.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Self::$name => Blame::$blame,)* }
            }

            /// Whether the same message may be accepted later, without anyone changing it.
            #[must_use]
            pub const fn retry_helps(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }

            /// The reason as a metric label: the variant's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl core::fmt::Display for Refusal {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self { $(Self::$name => f.write_str($text),)* }
            }
        }
    };
}

refusals! {
    // 1-19: the message.
    /// Not CBOR of the expected shape, or cut short.
    Malformed = 1, Sender, false, "malformed message";
    /// Not the deterministic encoding, or unknown keys.
    NotCanonical = 2, Sender, false, "message is not in its deterministic encoding";
    /// Larger than the protocol allows.
    TooLarge = 3, Sender, false, "message too large";
    /// A kind of message that may not stand here.
    Unexpected = 4, Sender, false, "message not expected here";
    /// Early data may only carry payments.
    EarlyData = 5, Sender, true, "only payments may travel as early data";
    // 20-39: the hub.
    /// The hub is stopping, starting, or cannot reach its disk.
    NotServing = 20, Hub, true, "the hub is not accepting payments at present";
    /// Too much from this source.
    RateLimited = 21, Hub, true, "rate limited";
    /// The hub is full.
    HubFull = 22, Hub, true, "the hub has no room for more";
    // 40-59: who speaks.
    /// The connection has not attached this key.
    NotAttached = 40, Sender, false, "this key is not attached on this connection";
    /// The attach proof is not by the key it claims, or for another connection, hub or role.
    BadAttach = 41, Sender, false, "attach proof is not valid on this connection";
    /// No such handle, lane or channel here.
    UnknownLane = 42, Sender, false, "unknown lane";
    /// The escrow is not known to this hub (or not final yet).
    UnknownEscrow = 43, Payer, true, "unknown escrow";
    /// The payee is no provider of this hub.
    UnknownPayee = 44, Sender, false, "unknown payee";
    /// No such tariff.
    UnknownTariff = 45, Sender, false, "unknown tariff";
    /// Only the payee of the lane may do this.
    NotThePayee = 46, Sender, false, "only the lane's payee may do this";
    /// More lanes than a channel may have.
    TooManyLanes = 47, Sender, false, "too many lanes on this channel";
    /// More attached channels than a connection may have.
    TooManyChannels = 48, Sender, false, "too many channels on this connection";
    // 60-79: permission.
    /// No mandate for this device under this escrow.
    NoMandate = 60, Payer, false, "no mandate for this device";
    /// The mandate's signature or Merkle path does not hold.
    BadMandate = 61, Payer, false, "mandate is not signed by the escrow's signer";
    /// A mandate with this or a higher serial is already held.
    MandateNotNewer = 62, Payer, false, "mandate serial is not newer";
    /// The mandate has expired.
    MandateExpired = 63, Payer, false, "mandate has expired";
    /// The mandate was revoked on the ledger.
    MandateRevoked = 64, Payer, false, "mandate has been revoked";
    /// The mandate does not allow this payee.
    PayeeNotAllowed = 65, Payer, false, "mandate does not allow this payee";
    /// An operator froze the channel.
    ChannelFrozen = 66, Hub, true, "channel is frozen";
    /// The channel is closed.
    ChannelClosed = 67, Sender, false, "channel is closed";
    /// The escrow is being closed, or is closed.
    EscrowClosing = 68, Payer, false, "escrow is closing";
    /// Mandated channels and payments on the escrow itself exclude each other.
    EscrowMixed = 69, Payer, false, "escrow already pays the other way";
    /// The risk model, or an operator, blocks the lane.
    LaneBlocked = 70, Hub, true, "lane is blocked";
    // 80-99: terms.
    /// A payment of nothing.
    ZeroAmount = 80, Sender, false, "amount is zero";
    /// Zero numerator or denominator, or a length outside 1..=4096.
    BadAnchorTerms = 81, Sender, false, "anchor terms are out of range";
    /// A total that does not fit 64 bits.
    Overflow = 82, Sender, false, "total does not fit 64 bits";
    /// The anchor names another tariff than the lane's.
    WrongTariff = 83, Sender, false, "anchor is for another tariff";
    /// No anchor of the lane is live.
    NoAnchor = 84, Sender, false, "no anchor is held for this lane";
    /// The anchor's highest value is not above the lane's total.
    AnchorSpent = 85, Sender, false, "anchor cannot raise the total";
    /// Another anchor of the lane has the same first eight bytes of root.
    AnchorConflict = 86, Sender, false, "anchor conflicts with one already held";
    /// The index lies past the chain's end.
    IndexOutOfRange = 87, Sender, false, "tick index is out of range";
    /// More than 256 steps beyond the last index known.
    TickGap = 88, Sender, false, "tick is too far ahead";
    /// The risk model asks for a voucher with each payment of the lane.
    VoucherRequired = 89, Hub, true, "a voucher is required for each payment";
    // 100-119: the proof.
    /// Out of range, high s, or recovering to no key.
    BadSignature = 100, Sender, false, "signature is not canonical or not on the curve";
    /// A valid signature by another key, or over something else.
    WrongSigner = 101, Sender, false, "signature is not by this channel's key over this payment";
    /// The preimage does not hash to the chain.
    WrongTick = 102, Sender, false, "preimage does not belong to the chain";
    // 120-139: limits, checked against the exact state when the change is made.
    /// The risk model's limit on this lane.
    LaneLimit = 120, Hub, true, "lane limit reached";
    /// The mandate's limit.
    MandateLimit = 121, Payer, false, "mandate limit reached";
    /// The escrow's deposit.
    EscrowLimit = 122, Payer, true, "escrow deposit exhausted";
    // 140-159: reports.
    /// A report's revision is not newer.
    ReportNotNewer = 140, Sender, false, "report revision is not newer";
    /// Credits shrink, or exceed what is authorised.
    BadCredit = 141, Sender, false, "credited amount must grow and stay within what is authorised";
}

impl core::error::Error for Refusal {}

impl<C> Encode<C> for Refusal {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u16(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Refusal {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_code(d.u16()?).ok_or_else(|| decode::Error::message("unknown refusal"))
    }
}

impl From<crate::codec::CodecError> for Refusal {
    fn from(error: crate::codec::CodecError) -> Self {
        match error {
            crate::codec::CodecError::NotCanonical => Self::NotCanonical,
            _ => Self::Malformed,
        }
    }
}

impl From<crate::sign::SignatureError> for Refusal {
    fn from(error: crate::sign::SignatureError) -> Self {
        match error {
            crate::sign::SignatureError::WrongSigner => Self::WrongSigner,
            _ => Self::BadSignature,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_read_back() {
        assert!(Refusal::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(*refusal));
        }
        assert_eq!(Refusal::from_code(0), None);
    }
}
