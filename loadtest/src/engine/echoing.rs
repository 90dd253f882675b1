//! The same loop against a bare echo: each packet is a number and filler, each answer begins with the number.

use std::time::Instant;

use super::driver::Driver;
use crate::quic::Peer;

/// Bytes of a packet's number.
const NUMBER_BYTES: usize = 4;

impl Driver {
    pub(super) fn send_echo(&mut self, place: usize, peer: Peer, bytes: usize, due: Instant) -> bool {
        let window = self.members[place].window();
        let number = window.next();
        window.sent(1, due);
        self.write_echo(number, bytes);
        self.send_scratch(peer);
        true
    }

    fn write_echo(&mut self, number: u32, bytes: usize) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&number.to_be_bytes());
        self.scratch.resize(bytes.max(NUMBER_BYTES), 0x5a);
    }

    pub(super) fn take_echo(&mut self, now: Instant, place: usize, payload: &[u8]) {
        let Some(number) = payload.first_chunk::<NUMBER_BYTES>() else { return };
        let number = u32::from_be_bytes(*number);
        let window = self.members[place].window();
        // An answer that came twice is no second payment.
        let Some(due) = window.due(number) else { return };
        let done = window.covered(number);
        self.measure.covered(due, now, 1);
        if done {
            self.packet_done(now, place);
        }
    }

    /// Sends again what was lost either way.
    pub(super) fn repeat_echoes(&mut self, place: usize, bytes: usize, before: Instant) {
        let Some(peer) = self.members[place].peer else { return };
        let overdue: Vec<u32> = self.members[place].window().overdue(before).collect();
        for number in overdue {
            self.measure.repeated += 1;
            self.write_echo(number, bytes);
            self.send_scratch(peer);
        }
    }
}
