//! What did not hold when it was checked again. A dispute is parked with its reason and paid by nobody; everything
//! proven besides is settled as usual.

use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// What kind of record a dispute is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeKind {
    /// Mandates.
    Mandate,
    /// A lane whose identity does not follow from its facts.
    Lane,
    /// A tariff whose bytes are no tariff.
    Tariff,
    /// An anchor.
    Anchor,
    /// A voucher.
    Voucher,
    /// A preimage.
    Tick,
    /// A payee's report.
    Report,
}

impl DisputeKind {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mandate => "mandate",
            Self::Lane => "lane",
            Self::Tariff => "tariff",
            Self::Anchor => "anchor",
            Self::Voucher => "voucher",
            Self::Tick => "tick",
            Self::Report => "report",
        }
    }
}

/// A record of the journal that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// What it is.
    pub kind: DisputeKind,
    /// Number of the refusal that a hub should have given.
    pub code: u16,
    /// The same for people.
    pub reason: String,
    /// The escrow, where one is named.
    pub escrow: Option<String>,
    /// The lane, where one is named.
    pub lane: Option<String>,
    /// The device, where one is known.
    pub device: Option<String>,
    /// What the record claims, base units, where it claims an amount.
    pub claimed: Option<u64>,
    /// The journal thread it stands in.
    pub thread: u16,
    /// The block it stands in; for vouchers, which are checked at the end, the last block read.
    pub sequence: u64,
}

impl Dispute {
    /// A dispute over a record in block `(thread, sequence)`.
    #[must_use]
    pub fn new(kind: DisputeKind, refusal: Refusal, place: (u16, u64)) -> Self {
        Self {
            kind,
            code: refusal.code(),
            reason: refusal.to_string(),
            escrow: None,
            lane: None,
            device: None,
            claimed: None,
            thread: place.0,
            sequence: place.1,
        }
    }

    /// Names the lane.
    #[must_use]
    pub fn on_lane(mut self, lane: &LaneId) -> Self {
        self.lane = Some(lane.to_string());
        self
    }

    /// Names the escrow.
    #[must_use]
    pub fn on_escrow(mut self, escrow: &EscrowId) -> Self {
        self.escrow = Some(escrow.to_string());
        self
    }

    /// Names the device.
    #[must_use]
    pub fn by(mut self, device: &Address) -> Self {
        self.device = Some(device.to_string());
        self
    }

    /// Names what is claimed.
    #[must_use]
    pub fn claiming(mut self, amount: u64) -> Self {
        self.claimed = Some(amount);
        self
    }
}
