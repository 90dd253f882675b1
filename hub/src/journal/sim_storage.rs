//! Storage for tests: it drops what was not synced, cuts and mixes the rest, flips bits, and fails on demand.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::Storage;

const SECTOR: usize = 512;

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Wrote(String),
    Synced(String),
    Published(u64),
}

/// A failure to come: at the nth call from now, counted from 0.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    Write { nth: u64, kind: io::ErrorKind },
    ShortWrite { nth: u64, bytes: usize },
    Sync { nth: u64, kind: io::ErrorKind },
}

#[derive(Clone, Debug, Default)]
struct SimFile {
    durable: Vec<u8>,
    cache: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, usize),
    Remove(String),
}

type SyncHook = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Disk {
    files: Vec<SimFile>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    events: Vec<Event>,
    failures: Vec<Failure>,
    writes: u64,
    syncs: u64,
    capacity: Option<usize>,
    on_sync: Option<SyncHook>,
}

/// A disk in memory; clones share it.
#[derive(Clone, Default)]
pub(super) struct SimStorage(Arc<Mutex<Disk>>);

impl std::fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimStorage").finish_non_exhaustive()
    }
}

/// Small deterministic numbers, so that a failing case is its seed.
#[derive(Debug)]
pub(super) struct Fate(pub(super) u64);

impl Fate {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if bytes.len() < offset + new.len() {
        bytes.resize(offset + new.len(), 0);
    }
    bytes[offset..offset + new.len()].copy_from_slice(new);
}

impl SimStorage {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, failure: Failure) {
        let mut disk = self.disk();
        let (writes, syncs) = (disk.writes, disk.syncs);
        disk.failures.push(match failure {
            Failure::Write { nth, kind } => Failure::Write { nth: writes + nth, kind },
            Failure::ShortWrite { nth, bytes } => Failure::ShortWrite { nth: writes + nth, bytes },
            Failure::Sync { nth, kind } => Failure::Sync { nth: syncs + nth, kind },
        });
    }

    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.disk().capacity = bytes;
    }

    pub(super) fn on_sync(&self, hook: SyncHook) {
        self.disk().on_sync = Some(hook);
    }

    pub(super) fn record(&self, event: Event) {
        self.disk().events.push(event);
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.disk().events.clone()
    }

    pub(super) fn flip_bit(&self, name: &str, at: usize, bit: u32) {
        let mut disk = self.disk();
        let file = disk.names[name];
        disk.files[file].durable[at] ^= 1 << bit;
        disk.files[file].cache[at] ^= 1 << bit;
    }

    pub(super) fn overwrite(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.disk();
        let file = disk.names[name];
        disk.files[file] = SimFile { durable: bytes.clone(), cache: bytes, unsynced: Vec::new() };
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let disk = self.disk();
        disk.files[disk.names[name]].cache.clone()
    }

    /// An independent copy, as a backup would be.
    pub(super) fn snapshot(&self) -> Self {
        let disk = self.disk();
        let copy = Disk {
            files: disk.files.clone(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            unsynced_names: disk.unsynced_names.clone(),
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    /// The power fails: each unsynced write survives wholly, not at all, cut at a byte, or in some of its sectors.
    pub(super) fn crash(&self, fate: &mut Fate) {
        let mut disk = self.disk();
        let disk = &mut *disk;
        disk.failures.clear();
        disk.on_sync = None;
        let kept = fate.below(disk.unsynced_names.len() + 1);
        for change in disk.unsynced_names.drain(..).take(kept) {
            match change {
                NameChange::Add(name, file) => drop(disk.durable_names.insert(name, file)),
                NameChange::Remove(name) => drop(disk.durable_names.remove(&name)),
            }
        }
        disk.names = disk.durable_names.clone();
        for file in &mut disk.files {
            for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                match fate.below(4) {
                    0 => {}
                    1 => put(&mut file.durable, offset, &bytes),
                    2 => put(&mut file.durable, offset, &bytes[..fate.below(bytes.len())]),
                    _ => keep_sectors(&mut file.durable, offset, &bytes, fate),
                }
            }
            file.cache = file.durable.clone();
        }
    }
}

fn keep_sectors(durable: &mut Vec<u8>, offset: usize, bytes: &[u8], fate: &mut Fate) {
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
        if fate.below(2) == 0 {
            put(durable, offset + at, &bytes[at..end]);
        }
        at = end;
    }
}

impl Disk {
    fn file(&mut self, name: &str) -> io::Result<&mut SimFile> {
        let file = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.files[file])
    }

    fn change(&mut self, change: NameChange) {
        match change.clone() {
            NameChange::Add(name, file) => drop(self.names.insert(name, file)),
            NameChange::Remove(name) => drop(self.names.remove(&name)),
        }
        self.unsynced_names.push(change);
    }
}

impl Storage for SimStorage {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.disk().names.keys().cloned().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.files.push(SimFile::default());
        let file = disk.files.len() - 1;
        disk.change(NameChange::Add(name.to_owned(), file));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let file = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        disk.change(NameChange::Add(to.to_owned(), file));
        disk.change(NameChange::Remove(from.to_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.file(name)?;
        disk.change(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn len(&mut self, name: &str) -> io::Result<u64> {
        Ok(u64::try_from(self.disk().file(name)?.cache.len()).unwrap())
    }

    fn read_at(&mut self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        let bytes = &disk.file(name)?.cache;
        let from = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let read = from.len().min(into.len());
        into[..read].copy_from_slice(&from[..read]);
        Ok(read)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        let number = disk.writes;
        disk.writes += 1;
        let mut length = bytes.len();
        for failure in &disk.failures {
            match *failure {
                Failure::Write { nth, kind } if nth == number => return Err(kind.into()),
                Failure::ShortWrite { nth, bytes } if nth == number => length = length.min(bytes),
                _ => {}
            }
        }
        let offset = usize::try_from(offset).unwrap();
        let in_use: usize = disk.names.values().map(|file| disk.files[*file].cache.len()).sum();
        let capacity = disk.capacity;
        let file = disk.file(name)?;
        let growth = (offset + length).saturating_sub(file.cache.len());
        if capacity.is_some_and(|capacity| in_use + growth > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        put(&mut file.cache, offset, &bytes[..length]);
        file.unsynced.push((offset, bytes[..length].to_vec()));
        disk.events.push(Event::Wrote(name.to_owned()));
        Ok(length)
    }

    fn sync_data(&mut self, name: &str) -> io::Result<()> {
        let hook = self.disk().on_sync.clone();
        if let Some(hook) = hook {
            hook();
        }
        let mut disk = self.disk();
        let number = disk.syncs;
        disk.syncs += 1;
        let kind = disk.failures.iter().find_map(|failure| match *failure {
            Failure::Sync { nth, kind } if nth == number => Some(kind),
            _ => None,
        });
        let file = disk.file(name)?;
        if let Some(kind) = kind {
            // As Linux does: the cache keeps the bytes, calls them clean, and a second sync would succeed.
            file.unsynced.clear();
            return Err(kind.into());
        }
        for (offset, bytes) in std::mem::take(&mut file.unsynced) {
            put(&mut file.durable, offset, &bytes);
        }
        disk.events.push(Event::Synced(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.durable_names = disk.names.clone();
        disk.unsynced_names.clear();
        Ok(())
    }
}
