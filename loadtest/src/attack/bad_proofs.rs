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
    /// A voucher of each device that does not hold, signed once: the attack is on the hub, and the generator's own time is
    /// what honest devices beside it would wait for.
    vouchers: Vec<SignedVoucher>,
}

/// Good for another lane, so that only the whole verification finds it out.
fn stolen(crew: &Crew, place: usize) -> SignedVoucher {
    let lane = &crew.intruders[place].lane;
    let amount = lane.promised() + 1000;
    let signature = sign_voucher(lane.key(), &crew.fleet.contact.ledger, LaneId([7; 32]), amount);
    SignedVoucher { amount, signature: signature.into() }
}

impl Attack for BadProofs {
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant) {
        if self.vouchers.is_empty() {
            self.vouchers = (0..crew.intruders.len()).map(|place| stolen(crew, place)).collect();
        }
        for _ in 0..self.pace.due(begun, now, PER_SECOND / 2, 10) {
            self.sent += 1;
            for place in 0..crew.intruders.len() {
                let handle = crew.intruders[place].lane.handle;
                let mut datagram = Vec::new();
                write_tick(&mut datagram, handle, 200, &Preimage(keccak256(&[&self.sent.to_be_bytes()])));
                let voucher = self.vouchers[place];
                encode_into(&Payment::Voucher { lane: LaneRef::Handle(handle), voucher }, &mut datagram);
                crew.send(place, datagram, 2);
            }
        }
    }
}
