//! The channel table: every escrow, provider and tariff of the hub, and an index of every channel and lane.
//!
//! A channel with its lanes is a unit. A unit in use is in memory; an idle one is only in the checkpoint, and costs the
//! table its entries in two indexes. Look-ups by id happen when a session attaches; after that a session holds its lanes
//! directly. What a payment changes is atomics and one swapped pointer, never a lock.
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
//! | [`index`] | from ids to slots, in few bytes |
//! | [`hot`] | units in memory, and how they leave it |
//! | [`cold`] | where the others are read from |
//! | [`unit`](mod@unit) | units between memory and checkpoint |
//! | [`farthing_cells::Rounds`] | how the table knows that the checkpoint holds a change |

pub mod channel;
pub mod cold;
pub mod commit;
pub mod directory;
pub mod escrow;
pub mod evidence;
pub mod fold;
mod hot;
mod index;
pub mod lane;
pub mod unit;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use farthing_cells::Rounds;
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId};

pub use channel::{Channel, HeldChannel};
pub use directory::{Directory, TariffEntry};
pub use escrow::Escrow;
pub use lane::Lane;

use cold::{ColdUnits, NoColdUnits, Unreadable};
use hot::HotUnits;
use index::FingerprintIndex;

use crate::risk::clock::RiskClock;
use crate::risk::levels::LevelCounts;

/// All state that payments depend on.
#[derive(Debug)]
pub struct Table {
    /// Deposits by id.
    escrows: DashMap<EscrowId, Arc<Escrow>>,
    /// Slots of channels by id, and slots of their channels by the ids of lanes.
    channels: FingerprintIndex,
    lanes: FingerprintIndex,
    hot: HotUnits,
    cold: Arc<dyn ColdUnits>,
    /// The slot of the next new unit.
    next_slot: AtomicU32,
    /// Held while a unit or lane is made, so that it is made once.
    births: Mutex<()>,
    channel_count: AtomicUsize,
    lane_count: AtomicUsize,
    rounds: Arc<Rounds>,
    levels: Arc<LevelCounts>,
    /// Providers and tariffs.
    pub directory: Directory,
    /// Ledger events up to here are in the journal.
    ledger_cursor: AtomicU64,
    /// The last closed epoch, and the journal block it read up to.
    epoch_closed: AtomicU64,
    epoch_sequence: AtomicU64,
    /// The fencing number.
    term: AtomicU64,
    /// Whence the hub's risk clock counts.
    risk_clock: RiskClock,
}

impl Default for Table {
    /// A table all of which stays in memory.
    fn default() -> Self {
        Self::new(Arc::new(NoColdUnits))
    }
}

impl Table {
    /// An empty table, which reads its cold units from `cold`.
    pub fn new(cold: Arc<dyn ColdUnits>) -> Self {
        Self {
            escrows: DashMap::new(),
            channels: FingerprintIndex::default(),
            lanes: FingerprintIndex::default(),
            hot: HotUnits::default(),
            cold,
            next_slot: AtomicU32::new(0),
            births: Mutex::new(()),
            channel_count: AtomicUsize::new(0),
            lane_count: AtomicUsize::new(0),
            rounds: Arc::new(Rounds::default()),
            levels: Arc::default(),
            directory: Directory::default(),
            ledger_cursor: AtomicU64::new(0),
            epoch_closed: AtomicU64::new(0),
            epoch_sequence: AtomicU64::new(0),
            term: AtomicU64::new(0),
            risk_clock: RiskClock::default(),
        }
    }

    /// The same, whose risk clock belongs to a hub that starts at this Unix time.
    #[must_use]
    pub fn starting_at(self, unix_ms: u64) -> Self {
        Self { risk_clock: RiskClock::starting_at(unix_ms), ..self }
    }

    /// Whence the hub's risk clock counts.
    pub fn risk_clock(&self) -> RiskClock {
        self.risk_clock
    }

    /// How many lanes in memory stand at which level.
    pub fn levels(&self) -> &LevelCounts {
        &self.levels
    }

    /// The escrow, if the ledger has shown it.
    pub fn escrow(&self, id: &EscrowId) -> Option<Arc<Escrow>> {
        self.escrows.get(id).map(|entry| Arc::clone(entry.value()))
    }

    /// The channel, if a mandate for it was accepted.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn channel(&self, id: &ChannelId) -> Result<Option<Arc<Channel>>, Unreadable> {
        for slot in self.channels.candidates(&id.0) {
            if let Some(channel) = self.unit(slot)?.filter(|channel| channel.id() == *id) {
                channel.touch();
                return Ok(Some(channel));
            }
        }
        Ok(None)
    }

    /// The channel of a device under an escrow.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn channel_of(&self, escrow: &EscrowId, device: &Address) -> Result<Option<Arc<Channel>>, Unreadable> {
        self.channel(&ChannelId::derive(escrow, device))
    }

    /// The lane, if it was opened.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn lane(&self, id: &LaneId) -> Result<Option<Arc<Lane>>, Unreadable> {
        for slot in self.lanes.candidates(&id.0) {
            if let Some(lane) = self.unit(slot)?.and_then(|channel| channel.lane(id)) {
                lane.channel().touch();
                return Ok(Some(lane));
            }
        }
        Ok(None)
    }

    /// Every escrow, in no order.
    pub fn escrows(&self) -> Vec<Arc<Escrow>> {
        self.escrows.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Numbers of escrows, channels and lanes.
    pub fn counts(&self) -> (usize, usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Acquire);
        (self.escrows.len(), read(&self.channel_count), read(&self.lane_count))
    }

    /// Number of units in memory.
    pub fn hot_units(&self) -> usize {
        self.hot.len()
    }

    /// The rounds by which changes are stamped.
    pub fn rounds(&self) -> &Arc<Rounds> {
        &self.rounds
    }

    /// Lets go of every unit in memory that nobody holds and that was last touched before round `before`. The
    /// checkpoint must hold all changes of earlier rounds. Returns how many went.
    pub fn evict(&self, before: u64) -> usize {
        self.hot.evict(before)
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
