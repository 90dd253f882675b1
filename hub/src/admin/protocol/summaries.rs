//! What answers hold.

use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, TariffHash};
use serde::{Deserialize, Serialize};

use crate::admin::encoded::{HexBytes, Text};

/// How the hub stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The hub's address, to which devices attach.
    pub hub: Text<Address>,
    /// Its account on the ledger.
    pub account: Text<Address>,
    /// SHA-256 of its certificate, hexadecimal digits.
    pub certificate_pin: String,
    /// Where devices reach it.
    pub quic: String,
    /// Where metrics and health are read.
    pub http: String,
    /// The ledger's chain.
    pub chain_id: u64,
    /// The ledger's contract.
    pub contract: Text<Address>,
    /// Whether payments are accepted.
    pub serving: bool,
    /// What is wrong; empty when nothing is.
    pub faults: Vec<String>,
    /// The fencing number of its ownership.
    pub term: u64,
    /// Whether it runs from a restored backup that is behind the ledger.
    pub restored: bool,
    /// When it started, Unix seconds.
    pub started: u64,
    /// Seconds since.
    pub uptime_seconds: u64,
    /// Escrows it knows.
    pub escrows: u64,
    /// Channels it knows.
    pub channels: u64,
    /// Lanes that were opened.
    pub lanes: u64,
    /// Providers it knows.
    pub providers: u64,
    /// QUIC connections open.
    pub connections: u64,
    /// Deposits of all escrows.
    pub deposit_base_units: u128,
    /// What is authorised against them.
    pub authorised_base_units: u128,
    /// What of that the ledger has settled.
    pub settled_base_units: u128,
    /// The last durable journal block.
    pub journal_sequence: u64,
    /// Records committed since the start.
    pub journal_records: u64,
    /// Bytes of records committed since the start.
    pub journal_bytes: u64,
    /// The last ledger event taken in.
    pub ledger_cursor: u64,
    /// The last epoch that was closed; 0 before the first.
    pub epoch_closed: u64,
    /// The journal block that it read up to.
    pub epoch_sequence: u64,
}

/// A channel in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSummary {
    /// Its id.
    pub channel: Text<ChannelId>,
    /// The escrow it draws on.
    pub escrow: Text<EscrowId>,
    /// The device key's address.
    pub device: Text<Address>,
    /// `open`, `frozen` or `closed`.
    pub status: String,
    /// Most it may owe in all.
    pub limit_base_units: u64,
    /// What it owes.
    pub authorised_base_units: u64,
    /// When its mandate ends, Unix seconds.
    pub expiry: u64,
    /// The mandate's serial; absent for a lone payer.
    pub serial: Option<u64>,
    /// Whether the mandate was revoked.
    pub revoked: bool,
}

/// A channel with its lanes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelDetail {
    /// As in a list.
    #[serde(flatten)]
    pub summary: ChannelSummary,
    /// Whom it may pay; empty for anyone.
    pub payees: Vec<Text<Address>>,
    /// Its lanes, in the order in which they were opened.
    pub lanes: Vec<LaneSummary>,
}

/// A lane in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Its id.
    pub lane: Text<LaneId>,
    /// Whom it pays.
    pub payee: Text<Address>,
    /// For which service.
    pub rating_group: u32,
    /// The tariff in force; zero for none.
    pub tariff: Text<TariffHash>,
    /// What is proven and on disk.
    pub authorised_base_units: u64,
    /// Units served, as the provider last reported.
    pub used_units: u64,
    /// Refunds.
    pub credited_base_units: u64,
}

/// A lane with its proofs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneDetail {
    /// As in a list.
    #[serde(flatten)]
    pub summary: LaneSummary,
    /// The channel it belongs to.
    pub channel: Text<ChannelId>,
    /// The escrow it draws on.
    pub escrow: Text<EscrowId>,
    /// The device that pays.
    pub device: Text<Address>,
    /// What is proven, on disk or not yet.
    pub proven_base_units: u64,
    /// What is proven beyond that: ticks short of a whole base unit, as numerator and denominator.
    pub proven_fraction: [u32; 2],
    /// `none`, `voucher` or `tick`: what proves the total.
    pub evidence: String,
    /// Hash chains that may still pay.
    pub anchors: Vec<AnchorSummary>,
    /// Total at which the tariff in force began.
    pub tariff_base_amount: u64,
    /// Units granted before it began.
    pub tariff_base_units: u64,
}

/// A hash chain of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorSummary {
    /// Total at which it begins.
    pub base_amount: u64,
    /// Base units per `ticks_per_amount` ticks.
    pub tick_amount: u32,
    /// See `tick_amount`.
    pub ticks_per_amount: u32,
    /// Ticks it has.
    pub length: u16,
    /// Ticks paid.
    pub index: u16,
}

/// An escrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscrowSummary {
    /// Its id.
    pub escrow: Text<EscrowId>,
    /// Who funds it.
    pub payer: Text<Address>,
    /// Whose signatures move its money.
    pub signer: Text<Address>,
    /// Its token; zero for the ledger's own unit.
    pub token: Text<Address>,
    /// `open`, `close_requested` or `finalized`.
    pub state: String,
    /// `unused`, `mandates` or `itself`: how it pays.
    pub usage: String,
    /// All that was paid in.
    pub deposit_base_units: u64,
    /// What its lanes owe together.
    pub authorised_base_units: u64,
    /// All that was settled out of it.
    pub settled_base_units: u64,
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSummary {
    /// Its key and account.
    pub address: Text<Address>,
    /// For people.
    pub name: String,
    /// Whether devices may pay it.
    pub active: bool,
}

/// A price in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffSummary {
    /// The provider.
    pub payee: Text<Address>,
    /// Which of its services.
    pub rating_group: u32,
    /// The tariff's hash.
    pub tariff: Text<TariffHash>,
    /// The publisher's number.
    pub version: u32,
    /// `octets`, `seconds` or `events`.
    pub unit: String,
    /// Units are priced in multiples of this.
    pub increment: u64,
    /// The prices outside every window, as `AMOUNT/UNITS`, with `up to N: ` before bounded ones.
    pub prices: Vec<String>,
    /// Time windows with prices of their own.
    pub windows: u64,
}

/// A tariff in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffDetail {
    /// Its hash.
    pub tariff: Text<TariffHash>,
    /// Its encoding, whose hash it is.
    pub encoded: HexBytes,
    /// Its terms.
    pub terms: crate::admin::tariff_form::TariffForm,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imported {
    /// Bundles read.
    pub bundles: u64,
    /// Mandates taken up.
    pub accepted: u64,
    /// Mandates held already, in this or a higher serial.
    pub known: u64,
}
