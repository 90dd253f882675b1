//! From an id to the slots that may hold it, in few bytes an entry.
//!
//! An id is hashed under keys drawn at start, so nobody can choose ids that collide. Ten bits of the hash choose a
//! shard, thirty-two others are the fingerprint that is kept beside the slot: eight bytes and the map's one control byte
//! an entry. A fingerprint only points: whoever looks up compares the whole id with what the slot holds. An id that was
//! never entered finds, but for one look-up in some ten thousand even among ten million, no slot at all.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;

/// Shards; a power of two. A shard grows by itself, so what growing takes for a moment is a thousandth of the index.
const SHARDS: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Entry {
    fingerprint: u32,
    slot: u32,
}

/// Spreads a fingerprint, which is random already, over the bits that the map looks at.
fn spread(fingerprint: u32) -> u64 {
    u64::from(fingerprint).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Slots that may hold an id: mostly none or one.
#[derive(Debug, Default, Clone)]
pub(super) struct Candidates {
    first: Option<u32>,
    more: Vec<u32>,
}

impl Candidates {
    fn push(&mut self, slot: u32) {
        if self.first.is_none() {
            self.first = Some(slot);
        } else {
            self.more.push(slot);
        }
    }
}

impl IntoIterator for Candidates {
    type Item = u32;
    type IntoIter = std::iter::Chain<std::option::IntoIter<u32>, std::vec::IntoIter<u32>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

/// Where ids of one kind are.
pub(super) struct FingerprintIndex {
    keys: RandomState,
    shards: Box<[RwLock<HashTable<Entry>>]>,
}

impl std::fmt::Debug for FingerprintIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FingerprintIndex").finish_non_exhaustive()
    }
}

impl Default for FingerprintIndex {
    fn default() -> Self {
        let shards = std::iter::repeat_with(|| RwLock::new(HashTable::new())).take(SHARDS).collect();
        Self { keys: RandomState::new(), shards }
    }
}

impl FingerprintIndex {
    fn place(&self, id: &[u8; 32]) -> (&RwLock<HashTable<Entry>>, u32) {
        let hash = self.keys.hash_one(id);
        let [a, b, c, d, e, f, ..] = hash.to_le_bytes();
        let shard = usize::from(u16::from_le_bytes([e, f])) % SHARDS;
        (&self.shards[shard], u32::from_le_bytes([a, b, c, d]))
    }

    /// The slots that may hold the id.
    pub(super) fn candidates(&self, id: &[u8; 32]) -> Candidates {
        let (shard, fingerprint) = self.place(id);
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Candidates::default();
        for entry in shard.iter_hash(spread(fingerprint)) {
            if entry.fingerprint == fingerprint {
                found.push(entry.slot);
            }
        }
        found
    }

    /// Enters an id that is not there yet.
    pub(super) fn insert(&self, id: &[u8; 32], slot: u32) {
        let (shard, fingerprint) = self.place(id);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.insert_unique(spread(fingerprint), Entry { fingerprint, slot }, |entry| spread(entry.fingerprint));
    }

    /// Makes room for so many more ids, so that filling does not grow every shard step by step.
    pub(super) fn reserve(&self, ids: usize) {
        // Ids spread evenly up to a few standard deviations; what that misses is grown as usual.
        let share = ids / SHARDS;
        let margin = share.isqrt().saturating_mul(3);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.reserve(share.saturating_add(margin), |entry| spread(entry.fingerprint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> [u8; 32] {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        id
    }

    #[test]
    fn an_entry_is_eight_bytes() {
        assert_eq!(size_of::<Entry>(), 8);
    }

    #[test]
    fn every_id_finds_its_slot_and_strangers_find_hardly_any() {
        let index = FingerprintIndex::default();
        index.reserve(50_000);
        for n in 0..100_000 {
            index.insert(&id(n), n);
        }
        for n in 0..100_000 {
            assert!(index.candidates(&id(n)).into_iter().any(|slot| slot == n));
        }
        let false_ones = (100_000..200_000).filter(|n| index.candidates(&id(*n)).into_iter().next().is_some()).count();
        assert!(false_ones < 100, "{false_ones} of 100,000 strangers found a slot; about 2 are to be expected");
    }

    #[test]
    fn one_fingerprint_may_lead_to_several_slots() {
        let index = FingerprintIndex::default();
        for slot in [4, 9, 5] {
            index.insert(&id(1), slot);
        }
        let mut found: Vec<_> = index.candidates(&id(1)).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, [4, 5, 9]);
    }
}
