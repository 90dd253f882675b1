//! Lanes as they enter the night, and the line each gets in it.

use farthing_channel::id::{Address, EscrowId, LaneId};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A lane's mandate, as far as positions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct MandateFacts {
    /// Its serial.
    #[n(0)]
    pub serial: u64,
    /// Most the channel may owe, base units.
    #[cbor(n(1), with = "crate::wide")]
    pub limit: u128,
    /// From this second on nothing new is accepted.
    #[n(2)]
    pub expiry: u64,
    /// Whether it allows the lane's payee.
    #[n(3)]
    pub allows_payee: bool,
}

/// How a lane's money is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// The device holds a mandate.
    #[n(0)]
    Mandate(#[n(0)] MandateFacts),
    /// No valid mandate is known.
    #[n(1)]
    Nothing,
    /// A lone payer pays on the escrow itself.
    #[n(2)]
    Lone,
}

/// A lane as it enters the night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFacts {
    /// The lane.
    pub lane: LaneId,
    /// The escrow it draws on.
    pub escrow: EscrowId,
    /// The device that pays.
    pub device: Address,
    /// Whom it pays.
    pub payee: Address,
    /// For which service.
    pub rating_group: u32,
    /// Proven total, whole base units.
    pub authorised: u64,
    /// Refunds, base units.
    pub credited: u64,
    /// Collected in earlier epochs, base units.
    pub collected: u64,
    /// How it is covered.
    pub cover: Cover,
    /// The mandate under which its channel was last settled; the ledger remembers it.
    pub settled_under: Option<MandateFacts>,
}

/// Why growth waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum CarryReason {
    /// The ledger does not know the escrow, or not as this hub's.
    #[n(0)]
    EscrowUnknown,
    /// The escrow is final.
    #[n(1)]
    EscrowFinalized,
    /// The payer's exit leaves no further batch.
    #[n(2)]
    ExitOver,
    /// The payee is not registered as a participant on the ledger.
    #[n(3)]
    PayeeNotRegistered,
    /// No valid mandate is known for the device.
    #[n(4)]
    MandateMissing,
    /// The mandate does not allow the payee.
    #[n(5)]
    PayeeNotAllowed,
    /// The mandate ended more than 48 hours ago.
    #[n(6)]
    MandateEnded,
    /// The mandate's limit is reached.
    #[n(7)]
    MandateLimit,
    /// The escrow's deposit is exhausted.
    #[n(8)]
    EscrowShort,
    /// The operator parked the lane while its payment is under dispute.
    #[n(9)]
    Disputed,
    /// Its payer or payee is left out of the epoch's netting.
    #[n(10)]
    ParticipantExcluded,
}

impl CarryReason {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::EscrowUnknown => "escrow unknown to the ledger",
            Self::EscrowFinalized => "escrow is finalised",
            Self::ExitOver => "payer's exit leaves no further batch",
            Self::PayeeNotRegistered => "payee is not registered on the ledger",
            Self::MandateMissing => "no valid mandate",
            Self::PayeeNotAllowed => "mandate does not allow this payee",
            Self::MandateEnded => "mandate ended more than 48 hours ago",
            Self::MandateLimit => "mandate limit reached",
            Self::EscrowShort => "escrow deposit exhausted",
            Self::Disputed => "parked: the lane is under dispute",
            Self::ParticipantExcluded => "payer or payee is left out of the netting",
        }
    }
}

/// One lane's line of the epoch. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct LaneLine {
    /// The lane.
    #[serde(with = "crate::text")]
    #[n(0)]
    pub lane: LaneId,
    /// The escrow it draws on.
    #[serde(with = "crate::text")]
    #[n(1)]
    pub escrow: EscrowId,
    /// The device that pays.
    #[serde(with = "crate::text")]
    #[n(2)]
    pub device: Address,
    /// Whom it pays.
    #[serde(with = "crate::text")]
    #[n(3)]
    pub payee: Address,
    /// For which service.
    #[n(4)]
    pub rating_group: u32,
    /// Proven total.
    #[n(5)]
    pub authorised: u64,
    /// Refunds that count: never above what is authorised.
    #[n(6)]
    pub credited: u64,
    /// Collected in earlier epochs.
    #[n(7)]
    pub collected_before: u64,
    /// Collected in this one.
    #[n(8)]
    pub collect: u64,
    /// What waits.
    #[n(9)]
    pub carried: u64,
    /// Why it waits.
    #[n(10)]
    pub reason: Option<CarryReason>,
    /// Collected before a refund made it too much; later payments use it up first.
    #[n(11)]
    pub overpaid: u64,
    /// How it is covered.
    #[n(12)]
    pub cover: Cover,
    /// The mandate under which its channel was last settled.
    #[n(13)]
    pub settled_under: Option<MandateFacts>,
}

impl LaneLine {
    /// The lane's total after this epoch: the leaf in the escrow's tree.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.collected_before.saturating_add(self.collect)
    }
}

/// What one escrow is asked for. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Draw {
    /// The escrow.
    #[serde(with = "crate::text")]
    #[n(0)]
    pub escrow: EscrowId,
    /// Who funds it.
    #[serde(with = "crate::text")]
    #[n(1)]
    pub payer: Address,
    /// Collected before.
    #[n(2)]
    pub settled_before: u64,
    /// Collected after.
    #[n(3)]
    pub settled_after: u64,
    /// Its deposit.
    #[n(4)]
    pub deposit: u64,
    /// Lanes that grow.
    #[n(5)]
    pub lanes: u64,
}

impl Draw {
    /// What it collects.
    #[must_use]
    pub fn amount(&self) -> u64 {
        self.settled_after.saturating_sub(self.settled_before)
    }
}
