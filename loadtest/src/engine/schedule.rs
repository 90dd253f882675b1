//! When packets are due in an open loop: at their times, whether the hub keeps up or not.

use std::time::{Duration, Instant};

/// Packets at even distances. What is late keeps its own due time, so that a stall counts against every packet that
/// should have been sent in it (coordinated omission).
#[derive(Debug, Clone)]
pub struct Schedule {
    start: Instant,
    per_second: f64,
    issued: u64,
}

impl Schedule {
    /// `per_second` packets from `start` on.
    #[must_use]
    pub fn new(start: Instant, per_second: f64) -> Self {
        Self { start, per_second, issued: 0 }
    }

    /// When the next packet is due.
    #[must_use]
    pub fn next(&self) -> Instant {
        // Exact to well below a microsecond for days, and no error adds up, for each time is computed from the start.
        let count = u32::try_from(self.issued & 0xffff_ffff).map_or(0.0, f64::from);
        let wraps = u32::try_from(self.issued >> 32).map_or(0.0, f64::from) * 4_294_967_296.0;
        let seconds = (wraps + count) / self.per_second;
        self.start + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
    }

    /// Takes the next packet, if it is due at `now`; returns when it was due.
    pub fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next();
        if due > now {
            return None;
        }
        self.issued += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_caught_up_with_every_packets_own_due_time() {
        let start = crate::clock::now();
        let mut schedule = Schedule::new(start, 1000.0);
        assert_eq!(schedule.take_due(start), Some(start));
        assert_eq!(schedule.take_due(start), None);
        // The generator, or the hub behind it, stood still for a second.
        let now = start + Duration::from_secs(1);
        let dues: Vec<_> = std::iter::from_fn(|| schedule.take_due(now)).collect();
        assert_eq!(dues.len(), 1000);
        let waits: Vec<_> = dues.iter().map(|due| now.saturating_duration_since(*due).as_millis()).collect();
        assert_eq!((waits[0], waits[500], waits[999]), (999, 499, 0));
    }

    #[test]
    fn no_error_adds_up() {
        let start = crate::clock::now();
        let schedule = Schedule { start, per_second: 3.0, issued: 3_000_000 };
        assert_eq!(schedule.next(), start + Duration::from_secs(1_000_000));
    }
}
