//! A device and a copy of its key, made before it paid: each goes on from where it stood.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace, Profile, USUAL};
use crate::engine::lane::Means;

/// Payments per second of each copy.
const PER_SECOND: u64 = 5;

/// The attack.
#[derive(Debug, Default)]
pub struct ClonedKey {
    pace: Pace,
}

impl Attack for ClonedKey {
    fn profile(&self) -> Profile {
        Profile { means: Means::Vouchers, copies: 2, ..USUAL }
    }

    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND, PER_SECOND) {
            for intruder in 0..crew.intruders.len() {
                crew.pay(intruder, 1, now);
            }
        }
    }
}
