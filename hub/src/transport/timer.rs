//! The deadlines of all connections of one thread.
//!
//! A connection's deadline moves with almost every packet, mostly to a later time. So a deadline
//! that moves later leaves its entry in the heap and is put right when the entry comes due, and one
//! that moves earlier adds an entry and makes the old one stale. Stale entries are dropped when
//! they come due, or all at once when they outnumber the live ones.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Below this many entries the heap is not worth cleaning.
const ENTRIES_UNCLEANED: usize = 1024;

/// A connection to look at, and when. `generation` tells apart connections that used one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// A heap of deadlines with lazy deletion.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Deadline>>,
}

impl Timers {
    pub(super) fn push(&mut self, deadline: Deadline) {
        self.heap.push(Reverse(deadline));
    }

    /// The earliest deadline, stale or not.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(deadline)| deadline.at)
    }

    /// Takes the earliest deadline that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(deadline)| deadline)
    }

    /// Whether stale entries outnumber the `live` ones, so that cleaning pays for itself.
    pub(super) fn wants_cleaning(&self, live: usize) -> bool {
        self.heap.len() > ENTRIES_UNCLEANED.saturating_add(live.saturating_mul(2))
    }

    /// Drops the entries that `is_live` rejects.
    pub(super) fn clean(&mut self, mut is_live: impl FnMut(&Deadline) -> bool) {
        self.heap.retain(|Reverse(deadline)| is_live(deadline));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn due_deadlines_come_in_order_and_later_ones_stay() {
        let start = crate::transport::tests::now();
        let mut timers = Timers::default();
        for (slot, offset_ms) in [(0_u32, 30_u64), (1, 10), (2, 20), (3, 40)] {
            timers.push(Deadline { at: start + Duration::from_millis(offset_ms), slot, generation: 0 });
        }
        let now = start + Duration::from_millis(30);
        let due: Vec<u32> = std::iter::from_fn(|| timers.pop_due(now)).map(|deadline| deadline.slot).collect();
        assert_eq!(due, [1, 2, 0]);
        assert_eq!(timers.next(), Some(start + Duration::from_millis(40)));
    }

    #[test]
    fn cleaning_keeps_the_heap_near_the_number_of_live_entries() {
        let start = crate::transport::tests::now();
        let mut timers = Timers::default();
        for round in 0..100_000_u64 {
            timers.push(Deadline { at: start + Duration::from_micros(round), slot: 7, generation: 0 });
            if timers.wants_cleaning(1) {
                let live = start + Duration::from_micros(round);
                timers.clean(|deadline| deadline.at == live);
            }
            assert!(timers.heap.len() <= ENTRIES_UNCLEANED + 3);
        }
    }
}
