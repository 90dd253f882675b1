//! Preimages that are none, and signatures that somebody else made.

use std::time::Instant;

use farthing_channel::codec::encode_into;
use farthing_channel::id::{LaneId, Preimage, keccak256};
use farthing_channel::lane::SignedVoucher;
use farthing_channel::wire::{LaneRef, Payment};

use super::crew::Crew;
use super::{Attack, Pace};
use crate::engine::lane::{sign_voucher, write_tick};

/// Proofs per second of each device, half of them ticks.
const PER_SECOND: u64 = 1000;

/// The attack.
#[derive(Debug, Default)]
pub struct BadProofs {
    pace: Pace,
    sent: u64,
}

impl Attack for BadProofs {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        for _ in 0..self.pace.due(begun, now, PER_SECOND / 2, 10) {
            self.sent += 1;
            for place in 0..crew.intruders.len() {
                let intruder = &crew.intruders[place];
                let (lane, handle) = (&intruder.lane, intruder.lane.handle);
                let mut datagram = Vec::new();
                write_tick(&mut datagram, handle, 200, &Preimage(keccak256(&[&self.sent.to_be_bytes()])));
                // Good for another lane, so that only the whole verification finds it out.
                let stolen =
                    sign_voucher(lane.key(), &crew.fleet.contact.ledger, LaneId([7; 32]), lane.promised() + 1000);
                let voucher = SignedVoucher { amount: lane.promised() + 1000, signature: stolen.into() };
                encode_into(&Payment::Voucher { lane: LaneRef::Handle(handle), voucher }, &mut datagram);
                crew.send(place, datagram, 2);
            }
        }
    }
}
