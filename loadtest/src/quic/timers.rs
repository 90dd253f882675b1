//! The deadlines of all connections.
//!
//! A deadline moves with almost every packet, mostly later. It then leaves its entry where it is, and the entry is put
//! right when it comes due; only a deadline that moves earlier adds one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A connection to look at, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A heap of deadlines, stale ones among them.
#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<Deadline>>);

impl Timers {
    pub(crate) fn push(&mut self, deadline: Deadline) {
        self.0.push(Reverse(deadline));
    }

    /// The earliest, stale or not.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(deadline)| deadline.at)
    }

    /// Takes the earliest that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(deadline)| deadline)
    }

    /// Whether stale entries outnumber the `live` ones, so that dropping them pays for itself.
    pub(crate) fn wants_cleaning(&self, live: usize) -> bool {
        self.0.len() > live.saturating_mul(3).saturating_add(1024)
    }

    pub(crate) fn clean(&mut self, mut is_live: impl FnMut(&Deadline) -> bool) {
        self.0.retain(|Reverse(deadline)| is_live(deadline));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_comes_in_order() {
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (slot, ms) in [(0, 30), (1, 10), (2, 50)] {
            timers.push(Deadline { at: at(ms), slot, generation: 0 });
        }
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(30))).map(|deadline| deadline.slot).collect();
        assert_eq!((due, timers.next()), (vec![1, 0], Some(at(50))));
        timers.clean(|_| false);
        assert_eq!(timers.next(), None);
    }
}
