//! Ways to find a lane by its id among a million, of which one was chosen; and the gate that a payment passes first.
//!
//! Ids are hashes already, so the maps are given eight of their bytes as the hash. The fingerprint index keeps no ids, only
//! where a record lies and some bits of its hash, and compares with the record itself.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use divan::{Bencher, black_box};
use farthing_benches::clock::Stopwatch;
use farthing_hub::gate::{Gate, SourceLimits};
use hashbrown::HashTable;
use parking_lot::RwLock;

fn main() {
    divan::Divan::default().sample_size(1_024).config_with_args().main();
}

const KEYS: u64 = 1_000_000;
const SHARDS: usize = 64;

type Id = [u8; 32];

/// Spread like a hash, and the same each time (SplitMix64).
fn id(number: u64) -> Id {
    let mut state = number;
    let mut id = [0; 32];
    for part in id.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(word ^ (word >> 31)).to_be_bytes());
    }
    id
}

fn hash_of(id: &Id) -> u64 {
    id.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Takes the first bytes of what is hashed for the hash.
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_be_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

type Build = BuildHasherDefault<Prefix>;

/// A map from ids to record numbers.
trait Index: Sync + Send + 'static {
    fn filled() -> &'static Self;
    fn find(&self, id: &Id) -> Option<u32>;
}

fn pairs() -> impl Iterator<Item = (Id, u32)> {
    (0..KEYS).map(|number| (id(number), u32::try_from(number).unwrap_or(u32::MAX)))
}

struct Dash(dashmap::DashMap<Id, u32, Build>);

impl Index for Dash {
    fn filled() -> &'static Self {
        static FILLED: OnceLock<Dash> = OnceLock::new();
        FILLED.get_or_init(|| Self(pairs().collect()))
    }

    fn find(&self, id: &Id) -> Option<u32> {
        self.0.get(id).map(|found| *found)
    }
}

struct Papaya(papaya::HashMap<Id, u32, Build>);

impl Index for Papaya {
    fn filled() -> &'static Self {
        static FILLED: OnceLock<Papaya> = OnceLock::new();
        FILLED.get_or_init(|| {
            let map = papaya::HashMap::with_capacity_and_hasher(1_000_000, Build::default());
            let pinned = map.pin();
            pairs().for_each(|(id, number)| {
                pinned.insert(id, number);
            });
            drop(pinned);
            Self(map)
        })
    }

    fn find(&self, id: &Id) -> Option<u32> {
        self.0.pin().get(id).copied()
    }
}

struct Scc(scc::HashMap<Id, u32, Build>);

impl Index for Scc {
    fn filled() -> &'static Self {
        static FILLED: OnceLock<Scc> = OnceLock::new();
        FILLED.get_or_init(|| {
            let map = scc::HashMap::with_capacity_and_hasher(1_000_000, Build::default());
            pairs().for_each(|(id, number)| {
                let _ = map.insert_sync(id, number);
            });
            Self(map)
        })
    }

    fn find(&self, id: &Id) -> Option<u32> {
        self.0.read_sync(id, |_, number| *number)
    }
}

/// Record numbers by fingerprint; the ids lie with the records.
struct Fingerprints {
    shards: Vec<RwLock<HashTable<u32>>>,
    records: Vec<Id>,
}

impl Fingerprints {
    fn shard(&self, hash: u64) -> Option<&RwLock<HashTable<u32>>> {
        // The table takes the upper bits for its own fingerprints and the lower ones for the place.
        self.shards.get(usize::try_from((hash >> 32) % 64).unwrap_or(0))
    }

    fn record(&self, number: u32) -> Option<&Id> {
        self.records.get(usize::try_from(number).ok()?)
    }
}

impl Index for Fingerprints {
    fn filled() -> &'static Self {
        static FILLED: OnceLock<Fingerprints> = OnceLock::new();
        FILLED.get_or_init(|| {
            let index = Self {
                shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
                records: pairs().map(|(id, _)| id).collect(),
            };
            for (id, number) in pairs() {
                let hash = hash_of(&id);
                if let Some(shard) = index.shard(hash) {
                    let rehash = |number: &u32| index.record(*number).map_or(0, hash_of);
                    shard.write().insert_unique(hash, number, rehash);
                }
            }
            index
        })
    }

    fn find(&self, id: &Id) -> Option<u32> {
        let hash = hash_of(id);
        let shard = self.shard(hash)?.read();
        shard.find(hash, |number| self.record(*number) == Some(id)).copied()
    }
}

/// Ids in an order that no cache foresees.
#[divan::bench(types = [Dash, Papaya, Scc, Fingerprints])]
fn found_among_a_million<I: Index>(bencher: Bencher<'_, '_>) {
    let index = I::filled();
    let mut number = 0_u64;
    bencher
        .with_inputs(|| {
            number = number.wrapping_add(7_919) % KEYS;
            id(number)
        })
        .bench_local_refs(|id| index.find(black_box(id)).expect("every id is there"));
}

/// A source's bucket for hashes, which each tick is paid from.
#[divan::bench]
fn gate_admits_a_tick(bencher: Bencher<'_, '_>) {
    let now = Stopwatch::start().started();
    let limits = SourceLimits { hashes_burst: u32::MAX, ..SourceLimits::default() };
    let mut gate = Gate::new(&limits, now);
    bencher.bench_local(|| black_box(&mut gate).admit_hashes(1, black_box(now)));
}
