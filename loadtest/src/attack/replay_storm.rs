//! Payments that were made are sent again, by the thousand.

use std::time::Instant;

use super::crew::Crew;
use super::{Attack, Pace, Profile, USUAL};
use crate::engine::lane::Means;

/// Datagrams per second of each device.
const PER_SECOND: u64 = 1000;

/// The attack: what was sent first is sent for ever.
#[derive(Debug, Default)]
pub struct ReplayStorm {
    pace: Pace,
    recorded: Vec<Vec<u8>>,
}

impl Attack for ReplayStorm {
    fn profile(&self) -> Profile {
        Profile { means: Means::Vouchers, ..USUAL }
    }

    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        if self.recorded.is_empty() {
            let ledger = crew.fleet.contact.ledger;
            self.recorded = crew.intruders.iter_mut().map(|intruder| intruder.lane.repeat(&ledger, now)).collect();
            // Newer ones make what was recorded old.
            for intruder in 0..crew.intruders.len() {
                crew.pay(intruder, 1, now);
            }
        }
        for _ in 0..self.pace.due(begun, now, PER_SECOND, 20) {
            for (intruder, datagram) in self.recorded.iter().enumerate() {
                crew.send(intruder, datagram.clone(), 1);
            }
        }
    }
}
