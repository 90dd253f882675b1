//! Strangers who begin connections and attach nothing.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace};

/// Connections begun per second.
const PER_SECOND: u64 = 2000;

/// The attack.
#[derive(Debug, Default)]
pub struct HandshakeFlood {
    pace: Pace,
}

impl Attack for HandshakeFlood {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND, 8) {
            crew.begin_stranger();
        }
    }
}
