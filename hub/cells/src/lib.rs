//! What data-plane threads share without locks.
//!
//! | cell | holds | rule |
//! | --- | --- | --- |
//! | [`Snapshot`] | some words that belong together | one writer at a time; readers see all words of one write |
//! | [`Counter`] | a sum with a bound | nobody can take it past the bound, whatever races |
//! | [`Hold`] | whose turn it is to change something | one thread at a time, for as long as its changes are in flight |
//! | [`Rounds`] | which changes are durable, all together | no thread that takes payments waits; who checkpoints does |
//!
//! They are a crate of their own so that `loom` can run every interleaving of their tests, in every order that the
//! memory model allows: `RUSTFLAGS="--cfg loom" cargo test -p farthing-cells --release`.

mod counter;
mod hold;
mod round;
mod snapshot;

pub use counter::{Counter, PastBound};
pub use hold::{Hold, HolderId};
pub use round::{PlaneMark, Rounds};
pub use snapshot::Snapshot;

/// The atomics: the processor's, or those of the model checker.
mod sync {
    #[cfg(loom)]
    pub(crate) use loom::{
        hint::spin_loop,
        sync::atomic::{AtomicU64, Ordering, fence},
        sync::{Arc, Mutex, MutexGuard},
    };
    #[cfg(not(loom))]
    pub(crate) use std::{
        hint::spin_loop,
        sync::atomic::{AtomicU64, Ordering, fence},
        sync::{Arc, Mutex, MutexGuard},
    };
}
