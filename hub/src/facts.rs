//! What stays the same while a hub runs.

use std::net::SocketAddr;

use farthing_channel::id::{Address, Hash32};

/// What stays the same while a hub runs, for those who show it.
#[derive(Debug, Clone)]
pub struct HubFacts {
    /// The hub's address, to which devices attach.
    pub hub: Address,
    /// Its account on the ledger: the same address.
    pub account: Address,
    /// SHA-256 of its certificate.
    pub pin: Hash32,
    /// Where devices reach it.
    pub quic: SocketAddr,
    /// Where metrics and health are read.
    pub http: SocketAddr,
    /// Unix time of its start, seconds.
    pub started: u64,
    /// The journal block that the ledger has settled and this hub's journal does not hold, where there is one: the hub
    /// runs from a restored backup.
    pub behind_ledger: Option<u64>,
}
