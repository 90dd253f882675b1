//! Requests and answers. Names of methods and fields are append-only: operators' scripts read them.
//!
//! Amounts are integers in base units of the token, ids `0x` and hexadecimal digits.

mod summaries;

use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, TariffHash};
use farthing_risk::ladder::Level;
use serde::{Deserialize, Serialize};
pub use summaries::*;

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
    /// [`FleetsSeen`](super::risk_form::FleetsSeen).
    RiskFleets {},
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
