//! Who stole a key spends as fast as the hub takes it.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace};

/// Payments per second of each device.
const PER_SECOND: u64 = 200;

/// The attack.
#[derive(Debug, Default)]
pub struct SpendingFast {
    pace: Pace,
}

impl Attack for SpendingFast {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        let due = self.pace.due(begun, now, PER_SECOND, PER_SECOND);
        for intruder in 0..crew.intruders.len() {
            crew.pay(intruder, due, now);
        }
    }
}
