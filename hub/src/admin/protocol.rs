//! Requests and answers. Names of methods and fields are append-only: operators' scripts read them.
//!
//! Amounts are integers in base units of the token, ids `0x` and hexadecimal digits.

use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, TariffHash};
use farthing_risk::ladder::Level;
use serde::{Deserialize, Serialize};

use super::encoded::{HexBytes, Text};

/// The longest request line, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// The longest answer line, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of mandate bundles in one import request, before they become text.
pub const IMPORT_BYTES_MAX: usize = 256 * 1024;
/// Entries on one page of a list.
pub const PAGE_MAX: u32 = 4096;
/// Bytes of a provider's name.
pub const PROVIDER_NAME_BYTES_MAX: usize = 64;

const _: () = assert!(2 * IMPORT_BYTES_MAX + 64 * 1024 <= REQUEST_BYTES_MAX, "an import fits into a request");

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// [`Status`].
    Status {},
    /// [`Page`] of [`ChannelSummary`], in the order in which the hub came to know them. A page of one escrow's channels may
    /// be short or empty although more follow: only `next` tells the end.
    ChannelList {
        /// Begin after this channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Text<ChannelId>>,
        /// Only channels of this escrow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escrow: Option<Text<EscrowId>>,
        /// Entries, at most [`PAGE_MAX`].
        limit: u32,
    },
    /// [`ChannelDetail`].
    ChannelShow {
        /// The channel.
        channel: Text<ChannelId>,
    },
    /// Refuses its payments until it is thawed. [`ChannelSummary`].
    ChannelFreeze {
        /// The channel.
        channel: Text<ChannelId>,
    },
    /// Accepts its payments again. [`ChannelSummary`].
    ChannelThaw {
        /// The channel.
        channel: Text<ChannelId>,
    },
    /// Closes it; a mandate with a higher serial opens it again. [`ChannelSummary`].
    ChannelClose {
        /// The channel.
        channel: Text<ChannelId>,
    },
    /// Takes up mandates. [`Imported`].
    MandatesImport {
        /// Bundles in their encoding.
        bundles: Vec<HexBytes>,
    },
    /// [`RiskExplained`](super::risk_form::RiskExplained).
    RiskExplain {
        /// The channel.
        channel: Text<ChannelId>,
    },
    /// Decides what is done about a channel's lanes, whatever the model says; without a level, that the model decides again.
    /// [`RiskExplained`](super::risk_form::RiskExplained).
    RiskOverride {
        /// The channel.
        channel: Text<ChannelId>,
        /// What is done; the model decides where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<Level>,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// [`LaneDetail`].
    LaneShow {
        /// The lane.
        lane: Text<LaneId>,
    },
    /// [`Page`] of [`EscrowSummary`], ascending by id.
    EscrowList {
        /// Begin after this escrow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Text<EscrowId>>,
        /// Entries, at most [`PAGE_MAX`].
        limit: u32,
    },
    /// [`EscrowSummary`].
    EscrowShow {
        /// The escrow.
        escrow: Text<EscrowId>,
    },
    /// Adds or renames a provider. [`ProviderSummary`].
    ProviderAdd {
        /// Its key and account.
        address: Text<Address>,
        /// For people.
        name: String,
    },
    /// Lets devices pay it, or stops that. [`ProviderSummary`].
    ProviderSetActive {
        /// The provider.
        address: Text<Address>,
        /// Whether devices may pay it.
        active: bool,
    },
    /// A list of [`ProviderSummary`].
    ProviderList {},
    /// Sets the price of a service for lanes opened or resumed from now on. [`TariffSummary`].
    TariffAdd {
        /// The provider.
        payee: Text<Address>,
        /// Which of its services.
        rating_group: u32,
        /// The tariff in its encoding.
        tariff: HexBytes,
    },
    /// A list of [`TariffSummary`]: prices in force.
    TariffList {},
    /// [`TariffDetail`] of any tariff that was ever in force.
    TariffShow {
        /// Its hash.
        tariff: Text<TariffHash>,
    },
}

/// What comes back on the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<T> {
    /// It was done; here is the answer.
    Ok(T),
    /// It was not done.
    Error(AdminError),
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct AdminError {
    /// Stable, for programs: `bad_request`, `not_found`, `refused`, `journal`, `timeout`, `too_large`,
    /// `checkpoint`, `internal`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl AdminError {
    /// An error with this code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    /// Something asked for is not there.
    pub fn not_found(what: &str) -> Self {
        Self::new("not_found", format!("there is no such {what} at this hub"))
    }
}

/// A piece of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to ask for next as `after`; absent at the end.
    pub next: Option<String>,
}

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
    pub terms: super::tariff_form::TariffForm,
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
