//! Events that carry nothing: each is paid for as one event, a message of its own.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace};

/// Events per second of each device.
const PER_SECOND: u64 = 500;

/// The attack.
#[derive(Debug, Default)]
pub struct EmptyEvents {
    pace: Pace,
}

impl Attack for EmptyEvents {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND, 20) {
            for intruder in 0..crew.intruders.len() {
                crew.pay(intruder, 1, now);
            }
        }
    }
}
