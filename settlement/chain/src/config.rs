//! Where the chain and the ledger's contracts are, and what counts as final.

use std::time::Duration;

use farthing_channel::id::Address;
use serde::{Deserialize, Serialize};

/// When a block counts as final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finality {
    /// When the node says so, by its tag `finalized`.
    Tag,
    /// When it has this many blocks on top of it.
    Depth(u64),
}

/// A ledger on a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// The node's JSON-RPC address, `http` or `https`.
    pub rpc_url: String,
    /// The escrow contract.
    #[serde(with = "address")]
    pub escrow: Address,
    /// The contract of participants.
    #[serde(with = "address")]
    pub net_settlement: Address,
    /// The token both are for.
    #[serde(with = "address")]
    pub token: Address,
    /// What counts as final.
    pub finality: Finality,
    /// Milliseconds between two looks at the chain.
    #[serde(default = "poll_interval_ms")]
    pub poll_interval_ms: u64,
    /// Looks at the chain after which waiting for a transaction ends; it is gone on with later.
    #[serde(default = "patience_polls")]
    pub patience_polls: u32,
    /// Blocks without a transaction after which its fee is raised.
    #[serde(default = "bump_after_blocks")]
    pub bump_after_blocks: u64,
    /// Most wei a unit of gas may ever cost.
    #[serde(default = "gas_price_wei_max")]
    pub gas_price_wei_max: u64,
    /// Blocks whose log is asked for at once.
    #[serde(default = "log_blocks_max")]
    pub log_blocks_max: u64,
}

fn poll_interval_ms() -> u64 {
    1_000
}

/// With a look a second: three quarters of an hour, three times what Ethereum's finality takes.
fn patience_polls() -> u32 {
    2_700
}

/// A minute on Ethereum.
fn bump_after_blocks() -> u64 {
    5
}

/// 500 gwei.
fn gas_price_wei_max() -> u64 {
    500_000_000_000
}

/// What common providers allow.
fn log_blocks_max() -> u64 {
    2_000
}

impl ChainConfig {
    /// A configuration with the usual figures.
    #[must_use]
    pub fn new(rpc_url: String, escrow: Address, net_settlement: Address, token: Address, finality: Finality) -> Self {
        Self {
            rpc_url,
            escrow,
            net_settlement,
            token,
            finality,
            poll_interval_ms: poll_interval_ms(),
            patience_polls: patience_polls(),
            bump_after_blocks: bump_after_blocks(),
            gas_price_wei_max: gas_price_wei_max(),
            log_blocks_max: log_blocks_max(),
        }
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }
}

/// An address as its text.
mod address {
    use farthing_channel::id::Address;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
