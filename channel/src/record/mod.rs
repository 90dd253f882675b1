//! What the journal keeps: every change of the hub's state, one record each.
//!
//! A record is `[code, {integer key: value}]` in deterministic CBOR; codes and keys are append-only. The hub's state is the
//! fold of its records, in order, over nothing. [`block`] frames records into commit blocks, [`segment`] frames
//! blocks into files.

pub mod block;
mod risk;
pub mod segment;
mod tick;

pub use risk::{RiskChange, RiskOverride};
pub use tick::{TICK_RECORD_BYTES_MAX, encode_tick};

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::codec::{CodecError, decode_first};
use crate::id::{Address, ChannelId, EscrowId, EscrowTerms, Hash32, LaneId, Preimage, RatingGroup, TariffHash};
use crate::lane::{Change, SignedAnchor, SignedVoucher};
use crate::mandate::MandateBundle;
use crate::time::UnixSeconds;
use crate::wire::SignedReport;

/// How an escrow stands on the ledger, as far as a hub must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EscrowState {
    /// Pays.
    #[n(0)]
    Open,
    /// The payer asked for its money back; nothing new is accepted.
    #[n(1)]
    CloseRequested,
    /// Over, for good.
    #[n(2)]
    Finalized,
}

/// An escrow as the ledger shows it, after the event that changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EscrowImage {
    /// Its identity.
    #[n(0)]
    pub id: EscrowId,
    /// Who funds it.
    #[n(1)]
    pub payer: Address,
    /// The hub's account.
    #[n(2)]
    pub payee: Address,
    /// The token.
    #[n(3)]
    pub token: Address,
    /// The payer's salt.
    #[n(4)]
    pub salt: Hash32,
    /// Whose signature moves its money; zero for the payer.
    #[n(5)]
    pub authorized_signer: Address,
    /// All that was paid in, base units.
    #[n(6)]
    pub deposit: u64,
    /// All that was settled out of it, base units.
    #[n(7)]
    pub settled: u64,
    /// Where it stands.
    #[n(8)]
    pub state: EscrowState,
}

impl EscrowImage {
    /// What the identity is made of.
    #[must_use]
    pub fn terms(&self) -> EscrowTerms {
        EscrowTerms {
            payer: self.payer,
            payee: self.payee,
            token: self.token,
            salt: self.salt,
            authorized_signer: self.authorized_signer,
        }
    }
}

/// A lane's standing facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaneImage {
    /// Its identity.
    #[n(0)]
    pub lane: LaneId,
    /// The escrow it draws on.
    #[n(1)]
    pub escrow: EscrowId,
    /// The device that pays.
    #[n(2)]
    pub device: Address,
    /// Whom it pays.
    #[n(3)]
    pub payee: Address,
    /// For which service.
    #[n(4)]
    pub rating_group: RatingGroup,
    /// The tariff in force; zero for none.
    #[n(5)]
    pub tariff: TariffHash,
    /// Total at which this tariff began, base units.
    #[n(6)]
    pub tariff_base_amount: u64,
    /// Units granted before this tariff began.
    #[n(7)]
    pub tariff_base_units: u64,
}

/// A change of the hub's state.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Record {
    /// The hub took up its channels under a new fencing number.
    #[n(0)]
    Term {
        /// The number; the blocks that follow carry it.
        #[n(0)]
        term: u64,
        /// When.
        #[n(1)]
        at: UnixSeconds,
        /// Whether the hub found itself behind the ledger: it runs from a restored backup.
        #[n(2)]
        restored: bool,
    },
    /// The ledger changed an escrow.
    #[n(1)]
    Escrow(#[n(0)] EscrowImage),
    /// The ledger's events up to here are in the journal.
    #[n(2)]
    LedgerCursor {
        /// Number of the last event.
        #[n(0)]
        cursor: u64,
    },
    /// The payer took mandates of a device back, up to a serial.
    #[n(3)]
    Revoked {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// The device.
        #[n(1)]
        device: Address,
        /// The highest serial that no longer counts.
        #[n(2)]
        serial: u64,
        /// When the ledger recorded it.
        #[n(3)]
        at: UnixSeconds,
    },
    /// Mandates were accepted.
    #[n(4)]
    Mandates(#[n(0)] MandateBundle),
    /// A provider was added, renamed or switched off.
    #[n(5)]
    Provider {
        /// Its key and account.
        #[n(0)]
        address: Address,
        /// For people.
        #[n(1)]
        name: String,
        /// Whether devices may pay it.
        #[n(2)]
        active: bool,
    },
    /// A provider's price for a service; for lanes opened or resumed from now on.
    #[n(6)]
    Tariff {
        /// The provider.
        #[n(0)]
        payee: Address,
        /// The service.
        #[n(1)]
        rating_group: RatingGroup,
        /// [`crate::tariff::Tariff`] in its encoding.
        #[n(2)]
        tariff: ByteVec,
    },
    /// A lane was opened, or took up a new tariff.
    #[n(7)]
    Lane(#[n(0)] LaneImage),
    /// An anchor was accepted. Never folded away while a proof needs it.
    #[n(8)]
    Anchor {
        /// The lane.
        #[n(0)]
        lane: LaneId,
        /// The anchor.
        #[n(1)]
        anchor: SignedAnchor,
    },
    /// A voucher raised the total.
    #[n(9)]
    Voucher {
        /// The lane.
        #[n(0)]
        lane: LaneId,
        /// The voucher.
        #[n(1)]
        voucher: SignedVoucher,
    },
    /// A tick moved a chain.
    #[n(10)]
    Tick {
        /// The lane.
        #[n(0)]
        lane: LaneId,
        /// The anchor's tag.
        #[n(1)]
        anchor: u64,
        /// The index.
        #[n(2)]
        index: u16,
        /// The preimage.
        #[n(3)]
        link: Preimage,
    },
    /// A provider reported on a lane.
    #[n(11)]
    Report(#[n(0)] SignedReport),
    /// A channel was frozen, thawed, closed or opened again.
    #[n(12)]
    Status {
        /// The channel.
        #[n(0)]
        channel: ChannelId,
        /// [`crate::admission::ChannelStatus`] code.
        #[n(1)]
        status: u8,
    },
    /// The ledger closed an epoch, and with it this journal is settled up to a block.
    #[n(13)]
    EpochClosed {
        /// The epoch's number.
        #[n(0)]
        epoch: u64,
        /// The last block of this journal that is settled.
        #[n(1)]
        sequence: u64,
    },
    /// The risk model changed a lane's level.
    #[n(14)]
    Risk(#[n(0)] RiskChange),
    /// An operator decided about a channel's level.
    #[n(15)]
    RiskOverride(#[n(0)] RiskOverride),
}

impl Record {
    /// The record of a lane's change.
    #[must_use]
    pub fn of_change(lane: LaneId, change: &Change) -> Self {
        match *change {
            Change::Voucher(voucher) => Self::Voucher { lane, voucher },
            Change::Anchor(anchor) => Self::Anchor { lane, anchor },
            Change::Tick { anchor, index, link } => Self::Tick { lane, anchor, index, link },
        }
    }

    /// The lane's change in this record, if it is one.
    #[must_use]
    pub fn as_change(&self) -> Option<(LaneId, Change)> {
        match *self {
            Self::Voucher { lane, voucher } => Some((lane, Change::Voucher(voucher))),
            Self::Anchor { lane, anchor } => Some((lane, Change::Anchor(anchor))),
            Self::Tick { lane, anchor, index, link } => Some((lane, Change::Tick { anchor, index, link })),
            _ => None,
        }
    }
}

/// The records of a block's body.
///
/// # Errors
/// As [`decode_first`]; a body with a bad record is bad as a whole.
pub fn records(body: &[u8]) -> Result<Vec<Record>, CodecError> {
    Records::new(body).collect()
}

/// The records of a block's body, one after another; nothing follows an error.
#[derive(Debug, Clone)]
pub struct Records<'b> {
    rest: &'b [u8],
}

impl<'b> Records<'b> {
    /// The records in `body`.
    #[must_use]
    pub fn new(body: &'b [u8]) -> Self {
        Self { rest: body }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = match tick::read_tick(self.rest) {
            Some(read) => Ok(read),
            None => decode_first(self.rest),
        };
        self.rest = match &read {
            Ok((_, taken)) => self.rest.get(*taken..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(read.map(|(record, _)| record))
    }
}

#[cfg(test)]
mod tests;
