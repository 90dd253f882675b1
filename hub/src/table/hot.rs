//! The units in memory, by slot.
//!
//! A unit goes in when it is made or loaded, and goes out again when it is idle, unheld, and kept by the checkpoint. What
//! makes this safe beside threads that look up, load and change:
//!
//! 1. A unit is given out only under its shard's lock, as an [`Arc`] on its channel or one of its lanes. Eviction holds
//!    the lock for writing, so while it looks, nobody who holds nothing can come to hold something.
//! 2. Who holds a lane can get at its channel, and the other way round. Eviction therefore locks the channel's list of
//!    lanes, which closes the way from channel to lane, looks at the lanes' counts, and then at the channel's: a holder
//!    that let go of a lane after taking its channel is seen there ([`Channel::is_unheld`]).
//! 3. A holder stamps the channel with the round when it changes something, before it lets go, and letting go
//!    synchronises with eviction's look at the count. So eviction reads the last stamp. What is stamped with an earlier
//!    round than the one asked for is in the checkpoint ([`farthing_cells::Rounds`]).
//! 4. A loader reads its row without the lock, and might bring an old one back: the unit could have been loaded by
//!    another, changed, checkpointed and evicted meanwhile. Each shard counts its evictions; a loader that finds the count
//!    changed reads again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use super::Channel;

/// Shards; a power of two. Slots are given in order, so neighbours lie in different shards.
const SHARDS: usize = 256;

/// Spreads slots, which nobody can choose.
#[derive(Debug, Default)]
pub(super) struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, slot: u32) {
        self.0 = (self.0 ^ u64::from(slot)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

type Units = HashMap<u32, Arc<Channel>, BuildHasherDefault<SlotHasher>>;

#[derive(Debug, Default)]
struct Shard {
    units: Units,
    evictions: u64,
}

/// What a loader saw of its slot's shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evictions(u64);

/// The units in memory.
#[derive(Debug)]
pub(super) struct HotUnits {
    shards: Box<[RwLock<Shard>]>,
}

impl Default for HotUnits {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(RwLock::default).take(SHARDS).collect() }
    }
}

impl HotUnits {
    fn shard(&self, slot: u32) -> &RwLock<Shard> {
        &self.shards[usize::try_from(slot).unwrap_or(0) % SHARDS]
    }

    /// The unit; or, where it is not in memory, what its loader brings along to [`Self::insert_loaded`].
    pub(super) fn get(&self, slot: u32) -> Result<Arc<Channel>, Evictions> {
        let shard = self.shard(slot).read().unwrap_or_else(PoisonError::into_inner);
        shard.units.get(&slot).map(Arc::clone).ok_or(Evictions(shard.evictions))
    }

    /// Puts in a new unit.
    pub(super) fn insert(&self, slot: u32, channel: Arc<Channel>) {
        self.shard(slot).write().unwrap_or_else(PoisonError::into_inner).units.insert(slot, channel);
    }

    /// Puts in a unit that was read after `seen`. The unit that is in memory now, or none where it has to be read again.
    pub(super) fn insert_loaded(&self, slot: u32, seen: Evictions, loaded: &Arc<Channel>) -> Option<Arc<Channel>> {
        let mut shard = self.shard(slot).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = shard.units.get(&slot) {
            return Some(Arc::clone(held));
        }
        if shard.evictions != seen.0 {
            return None;
        }
        shard.units.insert(slot, Arc::clone(loaded));
        Some(Arc::clone(loaded))
    }

    /// Takes out every unit that nobody holds and that was last touched before round `before`, all changes up to which
    /// the checkpoint must hold. Returns how many went.
    pub(super) fn evict(&self, before: u64) -> usize {
        let mut evicted = 0_usize;
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let count = shard.units.len();
            shard.units.retain(|_, channel| !channel.is_evictable(before));
            let gone = count.saturating_sub(shard.units.len());
            if gone > 0 {
                shard.evictions = shard.evictions.wrapping_add(1);
                if shard.units.len() < shard.units.capacity() / 4 {
                    shard.units.shrink_to_fit();
                }
            }
            evicted = evicted.saturating_add(gone);
        }
        evicted
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).units.len()).sum()
    }
}

impl Drop for HotUnits {
    /// Lanes and their channel hold each other.
    fn drop(&mut self) {
        for shard in &mut self.shards {
            for channel in shard.get_mut().unwrap_or_else(PoisonError::into_inner).units.values() {
                channel.let_lanes_go();
            }
        }
    }
}
