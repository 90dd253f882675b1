//! Use that grows so slowly that no moment is unlike the one before.

use std::time::{Duration, Instant};

use super::crew::Crew;
use super::{Attack, Pace};

/// Use doubles in this time.
const DOUBLING: Duration = Duration::from_secs(3);

/// Doublings in all.
const DOUBLINGS_MAX: u32 = 8;

/// The attack.
#[derive(Debug, Default)]
pub struct SlowDrift {
    paces: Vec<Pace>,
}

impl Attack for SlowDrift {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        // Of each doubling a pace of its own: the sum of 1, 1, 2, 4, … a second.
        let since = now.saturating_duration_since(begun);
        let doublings = u32::try_from(since.as_millis() / DOUBLING.as_millis()).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
        for doubling in 0..=doublings {
            let at = usize::try_from(doubling).unwrap_or(usize::MAX);
            if self.paces.len() <= at {
                self.paces.push(Pace::default());
            }
            let per_second = 1 << doubling.saturating_sub(1);
            let due = self.paces[at].due(begun + DOUBLING * doubling, now, per_second, 100);
            for intruder in 0..crew.intruders.len() {
                crew.pay(intruder, due, now);
            }
        }
    }
}
