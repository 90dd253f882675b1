//! Ticks as far apart as may be: each makes the hub hash the whole way, for one datagram.

use std::time::Instant;

use farthing_channel::limits::TICK_GAP_MAX;

use super::crew::Crew;
use super::{Attack, Pace};

/// Ticks per second of each device.
const PER_SECOND: u64 = 500;

/// The attack.
#[derive(Debug, Default)]
pub struct GapAbuse {
    pace: Pace,
}

impl Attack for GapAbuse {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND, 10) {
            for intruder in 0..crew.intruders.len() {
                crew.intruders[intruder].lane.skip(TICK_GAP_MAX - 1);
                crew.pay(intruder, 1, now);
            }
        }
    }
}
