//! Attempts to connect: accepted, asked to prove their address, refused, or left unanswered.

use farthing_udp::SendBatch;
use quinn_proto::{Incoming, Transmit};

use super::{Endpoint, Slot};
use crate::transport::admission::{AddressKey, Verdict};
use crate::transport::connection::Connection;

/// Handshakes started per turn. One costs as much as dozens of payments, so that a rush of new
/// devices must not hold up those that pay, nor those that have begun.
const HANDSHAKES_PER_TURN_MAX: usize = 1;

/// With this many attempts waiting, new ones must prove their address before they may wait.
const WAITING_BEFORE_RETRY: usize = 64;

impl Endpoint {
    /// Queues what the endpoint itself answers. Dropped when the socket does not keep up: all of
    /// these are answers the peer will ask for again.
    pub(super) fn answer(&mut self, transmit: &Transmit, batch: &mut SendBatch) {
        if batch.is_full() {
            self.counters().packets_unsent.add(1);
        } else {
            std::mem::swap(batch.buffer(), &mut self.scratch);
            batch.commit(transmit);
        }
    }

    /// Takes in an attempt to connect. It waits for its turn, in line with the others; while the
    /// line is full (`INCOMING_MAX`), QUIC drops further attempts unseen.
    pub(super) fn attempt(&mut self, incoming: Incoming, batch: &mut SendBatch) {
        if self.refusing {
            self.counters().refused_draining.add(1);
            self.refuse(incoming, batch);
        } else if self.waiting.len() >= WAITING_BEFORE_RETRY && !incoming.remote_address_validated() {
            self.retry(incoming, batch);
        } else {
            self.waiting.push_back(incoming);
        }
    }

    /// Whether attempts to connect wait for the next turn.
    pub(in crate::transport) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Decides on some of the attempts that wait.
    pub(in crate::transport) fn decide_waiting(&mut self, batch: &mut SendBatch) {
        for _ in 0..HANDSHAKES_PER_TURN_MAX {
            if batch.is_full() {
                return;
            }
            let Some(incoming) = self.waiting.pop_front() else {
                return;
            };
            self.decide(incoming, batch);
        }
    }

    /// Forgets the attempts that wait.
    pub(super) fn drop_waiting(&mut self) {
        while let Some(incoming) = self.waiting.pop_front() {
            self.quic.ignore(incoming);
        }
    }

    fn decide(&mut self, incoming: Incoming, batch: &mut SendBatch) {
        let key = AddressKey::of(incoming.remote_address());
        let validated = incoming.remote_address_validated();
        let verdict = self.fabric.admission().admit(self.now, key, validated);
        match verdict {
            Verdict::Accept => self.accept(incoming, key, batch),
            Verdict::Retry => self.retry(incoming, batch),
            Verdict::RefuseFull => {
                self.counters().refused_full.add(1);
                self.refuse(incoming, batch);
            }
            Verdict::RefuseAddress => {
                self.counters().refused_address.add(1);
                self.refuse(incoming, batch);
            }
            Verdict::UnansweredBusy => {
                self.counters().unanswered_busy.add(1);
                self.quic.ignore(incoming);
            }
            Verdict::UnansweredRate => {
                self.counters().unanswered_rate.add(1);
                self.quic.ignore(incoming);
            }
        }
    }

    fn retry(&mut self, incoming: Incoming, batch: &mut SendBatch) {
        self.scratch.clear();
        match self.quic.retry(incoming, &mut self.scratch) {
            Ok(transmit) => {
                self.counters().retries.add(1);
                self.answer(&transmit, batch);
            }
            // Cannot be: an address that is not validated may always be asked to retry.
            Err(error) => self.quic.ignore(error.into_incoming()),
        }
    }

    fn refuse(&mut self, incoming: Incoming, batch: &mut SendBatch) {
        self.scratch.clear();
        let transmit = self.quic.refuse(incoming, &mut self.scratch);
        self.answer(&transmit, batch);
    }

    fn accept(&mut self, incoming: Incoming, key: AddressKey, batch: &mut SendBatch) {
        self.scratch.clear();
        let accepted = self.quic.accept(incoming, self.now, &mut self.scratch, None);
        let (handle, quic) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(cause = %error.cause, "a connection attempt failed");
                self.fabric.admission().release(self.now, key, true);
                self.counters().connections_failed.add(1);
                if let Some(transmit) = error.response {
                    self.answer(&transmit, batch);
                }
                return;
            }
        };
        while self.slots.len() <= handle.0 {
            self.slots.push(Slot::default());
        }
        let deadline = self.now + self.fabric.limits().handshake_timeout;
        self.slots[handle.0].connection = Some(Box::new(Connection::new(quic, key, deadline)));
        self.live += 1;
        self.counters().connections_accepted.add(1);
        // The number of connections is limited to far less than u32 holds.
        self.enqueue(u32::try_from(handle.0).unwrap_or(u32::MAX));
    }
}
