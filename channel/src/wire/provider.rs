//! A provider's conversation: reports one way, notices the other.

use minicbor::{Decode, Encode};

use super::payment::Grant;
use crate::eip712::Report;
use crate::id::{Address, LaneId, RatingGroup};
use crate::refusal::Refusal;
use crate::sign::UncheckedSignature;

/// What a provider says on its conversation stream: its own signed view of a lane it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum ServiceMessage {
    /// Units served and refunds given.
    #[n(64)]
    Report(#[n(0)] SignedReport),
}

/// A [`Report`] and the payee's signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedReport {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// Newer revisions replace older ones.
    #[n(1)]
    pub revision: u64,
    /// Units served since opening (Used-Service-Unit, cumulative).
    #[n(2)]
    pub used_units: u64,
    /// Refunds since opening, base units; only grows.
    #[n(3)]
    pub credited: u64,
    /// By the payee over [`Report`].
    #[n(4)]
    pub signature: UncheckedSignature,
}

impl SignedReport {
    /// What is signed.
    #[must_use]
    pub fn typed(&self) -> Report {
        Report {
            lane: self.lane,
            revision: self.revision,
            used_units: u128::from(self.used_units),
            credited_amount: u128::from(self.credited),
        }
    }
}

/// What the hub says on a provider's conversation stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Notice {
    /// A lane's total grew and is durable; several payments may be told as one.
    #[n(72)]
    Authorised {
        /// The lane.
        #[n(0)]
        lane: LaneId,
        /// The device that pays.
        #[n(1)]
        device: Address,
        /// For which service.
        #[n(2)]
        rating_group: RatingGroup,
        /// Highest total proven, base units.
        #[n(3)]
        authorised: u64,
        /// What may be served.
        #[n(4)]
        grant: Grant,
    },
    /// A report was kept.
    #[n(73)]
    Reported {
        /// The lane.
        #[n(0)]
        lane: LaneId,
        /// The revision that is durable.
        #[n(1)]
        revision: u64,
        /// What may be served further.
        #[n(2)]
        grant: Grant,
    },
    /// A report was refused.
    #[n(74)]
    ReportRefused {
        /// The lane it named.
        #[n(0)]
        lane: LaneId,
        /// Why.
        #[n(1)]
        refusal: Refusal,
    },
}
