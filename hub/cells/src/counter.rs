//! A sum that never passes its bound.

use crate::sync::{AtomicU64, Ordering};

/// The amount does not fit under the bound. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastBound;

/// What has been taken of a limit, in the limit's unit. The limit itself stands elsewhere and may move; each taking is
/// checked against the bound it names.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at `taken`.
    #[must_use]
    pub fn new(taken: u64) -> Self {
        Self(AtomicU64::new(taken))
    }

    /// What is taken now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Takes `amount`, if the sum then is at most `bound`. Of any number of threads that race for the last units only
    /// those succeed whose amounts fit together.
    ///
    /// # Errors
    /// [`PastBound`].
    pub fn take(&self, amount: u64, bound: u64) -> Result<(), PastBound> {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let next = current.checked_add(amount).filter(|next| *next <= bound).ok_or(PastBound)?;
            match self.0.compare_exchange_weak(current, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(newer) => current = newer,
            }
        }
    }

    /// Gives back what [`take`](Self::take) took and nothing came of.
    pub fn give_back(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::AcqRel);
    }

    /// Adds what was within the bound when it was taken: journal records at a start.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::AcqRel);
    }

    /// Raises the sum to at least `floor`.
    pub fn raise(&self, floor: u64) {
        self.0.fetch_max(floor, Ordering::AcqRel);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_taking_past_the_bound_takes_nothing() {
        let counter = Counter::new(5);
        assert_eq!(counter.take(6, 10), Err(PastBound));
        assert_eq!(counter.take(u64::MAX, u64::MAX), Err(PastBound));
        assert_eq!(counter.get(), 5);
        assert_eq!(counter.take(5, 10), Ok(()));
        counter.give_back(3);
        counter.add(1);
        assert_eq!(counter.get(), 8);
        counter.raise(7);
        assert_eq!(counter.get(), 8);
        counter.raise(9);
        assert_eq!(counter.get(), 9);
    }
}
