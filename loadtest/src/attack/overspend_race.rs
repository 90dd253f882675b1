//! One key on several connections, each with a lane of its own, and every one of them spends the whole limit.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace, Profile};
use crate::engine::lane::Means;

/// Payments per second of each connection.
const PER_SECOND: u64 = 100;

/// The attack.
#[derive(Debug, Default)]
pub struct OverspendRace {
    pace: Pace,
}

impl Attack for OverspendRace {
    fn profile(&self) -> Profile {
        Profile { means: Means::Vouchers, copies: 4, own_lanes: true, limit: 200 }
    }

    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND, 10) {
            for intruder in 0..crew.intruders.len() {
                crew.pay(intruder, 1, now);
            }
        }
    }
}
