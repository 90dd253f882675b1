//! The channel table: every escrow, channel, lane, provider and tariff of the hub, in memory.
//!
//! Look-ups by id go through concurrent maps and happen when a session attaches; after that a session holds its
//! lanes directly. What a payment changes is atomics and one swapped pointer, never a lock.
//!
//! | file | holds |
//! | --- | --- |
//! | [`escrow`] | a deposit and what is authorised against it |
//! | [`channel`] | a device under a mandate |
//! | [`lane`] | one total with its proof |
//! | [`evidence`] | the proof, and how it is replaced while others read it |
//! | [`directory`] | providers and tariffs |
//! | [`commit`] | reserve the limits, swap the evidence: a payment takes effect |
//! | [`fold`] | the state as a fold over journal records |

pub mod channel;
pub mod commit;
pub mod directory;
pub mod escrow;
pub mod evidence;
pub mod fold;
pub mod lane;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId};

pub use channel::Channel;
pub use directory::{Directory, TariffEntry};
pub use escrow::Escrow;
pub use lane::Lane;

/// All state that payments depend on.
#[derive(Debug, Default)]
pub struct Table {
    /// Deposits by id.
    escrows: DashMap<EscrowId, Arc<Escrow>>,
    channels: DashMap<ChannelId, Arc<Channel>>,
    lanes: DashMap<LaneId, Arc<Lane>>,
    /// Providers and tariffs.
    pub directory: Directory,
    /// Ledger events up to here are in the journal.
    ledger_cursor: AtomicU64,
    /// The last closed epoch, and the journal block it read up to.
    epoch_closed: AtomicU64,
    epoch_sequence: AtomicU64,
    /// The fencing number.
    term: AtomicU64,
}

impl Table {
    /// The escrow, if the ledger has shown it.
    pub fn escrow(&self, id: &EscrowId) -> Option<Arc<Escrow>> {
        self.escrows.get(id).map(|entry| Arc::clone(entry.value()))
    }

    /// The channel, if a mandate for it was accepted.
    pub fn channel(&self, id: &ChannelId) -> Option<Arc<Channel>> {
        self.channels.get(id).map(|entry| Arc::clone(entry.value()))
    }

    /// The channel of a device under an escrow.
    pub fn channel_of(&self, escrow: &EscrowId, device: &Address) -> Option<Arc<Channel>> {
        self.channel(&ChannelId::derive(escrow, device))
    }

    /// The lane, if it was opened.
    pub fn lane(&self, id: &LaneId) -> Option<Arc<Lane>> {
        self.lanes.get(id).map(|entry| Arc::clone(entry.value()))
    }

    /// Every escrow, in no order.
    pub fn escrows(&self) -> Vec<Arc<Escrow>> {
        self.escrows.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Calls `visit` for every channel until it returns false.
    pub fn visit_channels(&self, mut visit: impl FnMut(&ChannelId, &Arc<Channel>) -> bool) {
        for entry in &self.channels {
            if !visit(entry.key(), entry.value()) {
                return;
            }
        }
    }

    /// Calls `visit` for every lane.
    pub fn visit_lanes(&self, mut visit: impl FnMut(&Arc<Lane>)) {
        for entry in &self.lanes {
            visit(entry.value());
        }
    }

    /// Numbers of escrows, channels and lanes.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.escrows.len(), self.channels.len(), self.lanes.len())
    }

    /// Number of the last ledger event that is in the journal.
    pub fn ledger_cursor(&self) -> u64 {
        self.ledger_cursor.load(Ordering::Acquire)
    }

    /// The last closed epoch and the journal block it read up to; zeros before the first.
    pub fn epoch_closed(&self) -> (u64, u64) {
        (self.epoch_closed.load(Ordering::Acquire), self.epoch_sequence.load(Ordering::Acquire))
    }

    /// The fencing number of the hub's ownership.
    pub fn term(&self) -> u64 {
        self.term.load(Ordering::Acquire)
    }
}
