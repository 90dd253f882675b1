//! Rounds: how the table knows that the checkpoint holds a change, without asking for each.
//!
//! What is changed and let go together is a unit: a channel with its lanes. Every change of a unit stamps it with the
//! round that runs. The checkpointer opens a new round, then learns from each thread that changes the table when all
//! changes it made before are durable:
//!
//! - A data-plane thread changes first and submits the records by the end of its turn. Having submitted everything it
//!   looks which round runs, and once what it had submitted is durable it answers that round ([`PlaneMark`]). Any change
//!   it stamped with an earlier round came before that look, so its record is durable; a change it makes after the
//!   look is stamped with that round or a later one, because a thread never reads an older value of an atomic than it has.
//! - The control plane makes a change durable first and applies it then, all under one lock ([`Rounds::changing`]). The
//!   checkpointer takes that lock once after it opened the round: what was applied before is durable, what is applied
//!   after is stamped with the new round.
//!
//! A checkpoint through the block that is durable by then holds every change with an earlier stamp than the new round.

use std::sync::PoisonError;

use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering};

/// The round that runs, and who has to answer it.
#[derive(Debug, Default)]
pub struct Rounds {
    current: AtomicU64,
    planes: Mutex<Vec<Arc<AtomicU64>>>,
    changing: Mutex<()>,
}

impl Rounds {
    /// The round that runs.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Opens the next round and returns it.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.current.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }

    /// Held by a change of the control plane from before its record is made until it is applied.
    pub fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a data-plane thread, which has changed nothing yet.
    #[must_use]
    pub fn join(&self) -> PlaneMark {
        let answered = Arc::new(AtomicU64::new(self.current()));
        self.planes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&answered));
        PlaneMark { answered }
    }

    /// Whether every data-plane thread has answered the round.
    #[must_use]
    pub fn is_answered(&self, round: u64) -> bool {
        let planes = self.planes.lock().unwrap_or_else(PoisonError::into_inner);
        planes.iter().all(|answered| answered.load(Ordering::Acquire) >= round)
    }
}

/// A data-plane thread's answers.
#[derive(Debug)]
pub struct PlaneMark {
    answered: Arc<AtomicU64>,
}

impl PlaneMark {
    /// The last round it answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Says that every change the thread made before it saw `round` is durable.
    pub fn answer(&self, round: u64) {
        self.answered.store(round, Ordering::Release);
    }
}

impl Drop for PlaneMark {
    /// A plane that was drained has nothing left to wait for. One that panicked may have: nothing is evicted after.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.answered.store(u64::MAX, Ordering::Release);
        }
    }
}
