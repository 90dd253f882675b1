//! Ways to swap a lane's evidence, of which one was chosen: what a tick pays to read the state and leave a new one.
//!
//! The evidence of a tick is a link, an index and totals: 80 bytes. Alone, so that what is compared is the cost of the way
//! itself; then with a second thread that reads the same lane without pause, as an operator's page or another thread does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use divan::{Bencher, black_box};
use farthing_cells::Snapshot;

fn main() {
    // Many calls for each sample, as one of them lasts little longer than the timer's tick.
    divan::Divan::default().sample_size(1_024).config_with_args().main();
}

const WORDS: usize = 10;

type Evidence = [u64; WORDS];

fn next(evidence: &Evidence) -> Evidence {
    evidence.map(|word| word.wrapping_add(1))
}

/// A place for evidence that one thread at a time advances and others read.
trait Place: Sync + Send + 'static {
    fn new() -> Self;
    fn read(&self) -> Evidence;
    fn advance(&self);
}

struct Swapped(ArcSwap<Evidence>);

impl Place for Swapped {
    fn new() -> Self {
        Self(ArcSwap::from_pointee([0; WORDS]))
    }

    fn read(&self) -> Evidence {
        **self.0.load()
    }

    /// A new value for each change, put in place if the old one still is.
    fn advance(&self) {
        let current = self.0.load_full();
        black_box(self.0.compare_and_swap(&current, Arc::new(next(&current))));
    }
}

struct Sequenced(Snapshot<WORDS>);

impl Place for Sequenced {
    fn new() -> Self {
        Self(Snapshot::new([0; WORDS]))
    }

    fn read(&self) -> Evidence {
        self.0.read()
    }

    fn advance(&self) {
        self.0.write(&next(&self.0.read_own()));
    }
}

struct Locked(Mutex<Evidence>);

impl Place for Locked {
    fn new() -> Self {
        Self(Mutex::new([0; WORDS]))
    }

    fn read(&self) -> Evidence {
        self.0.lock().map(|evidence| *evidence).unwrap_or([0; WORDS])
    }

    fn advance(&self) {
        if let Ok(mut evidence) = self.0.lock() {
            *evidence = next(&evidence);
        }
    }
}

struct Parked(parking_lot::Mutex<Evidence>);

impl Place for Parked {
    fn new() -> Self {
        Self(parking_lot::Mutex::new([0; WORDS]))
    }

    fn read(&self) -> Evidence {
        *self.0.lock()
    }

    fn advance(&self) {
        let mut evidence = self.0.lock();
        *evidence = next(&evidence);
    }
}

#[divan::bench(types = [Swapped, Sequenced, Locked, Parked])]
fn advanced_alone<P: Place>(bencher: Bencher<'_, '_>) {
    let place = P::new();
    bencher.bench_local(|| black_box(&place).advance());
}

#[divan::bench(types = [Swapped, Sequenced, Locked, Parked])]
fn read_alone<P: Place>(bencher: Bencher<'_, '_>) {
    let place = P::new();
    bencher.bench_local(|| black_box(&place).read());
}

#[divan::bench(types = [Swapped, Sequenced, Locked, Parked])]
fn advanced_beside_a_reader<P: Place>(bencher: Bencher<'_, '_>) {
    let place = Arc::new(P::new());
    let stop = Arc::new(AtomicBool::new(false));
    let (seen, ended) = (Arc::clone(&place), Arc::clone(&stop));
    let reader = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            black_box(seen.read());
        }
    });
    bencher.bench_local(|| black_box(&place).advance());
    stop.store(true, Ordering::Relaxed);
    reader.join().expect("the reader only reads");
}
