//! Attempts to connect: accepted, asked to prove their address, refused, or left unanswered.

use quinn_proto::{Incoming, Transmit};

use super::{Endpoint, Slot};
use crate::transport::admission::{AddressKey, Verdict};
use crate::transport::connection::Connection;
use crate::transport::send_batch::SendBatch;

/// What starting a handshake costs, in packets of an established connection: a turn takes in as
/// many fewer, so that a rush of new devices does not hold up those that pay.
const HANDSHAKE_WORK: usize = 32;

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

    /// Decides on an attempt to connect. Names the slot of the new connection, if there is one.
    pub(super) fn decide(&mut self, incoming: Incoming, batch: &mut SendBatch) -> Option<u32> {
        self.scratch.clear();
        let key = AddressKey::of(incoming.remote_address());
        let validated = incoming.remote_address_validated();
        if self.refusing {
            self.counters().refused_draining.add(1);
            self.refuse(incoming, batch);
            return None;
        }
        let verdict = self.fabric.admission().admit(self.now, key, validated);
        match verdict {
            Verdict::Accept => return self.accept(incoming, key, batch),
            Verdict::Retry => match self.quic.retry(incoming, &mut self.scratch) {
                Ok(transmit) => {
                    self.counters().retries.add(1);
                    self.answer(&transmit, batch);
                }
                // Cannot be: an address that is not validated may always be asked to retry.
                Err(error) => self.quic.ignore(error.into_incoming()),
            },
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
        None
    }

    fn refuse(&mut self, incoming: Incoming, batch: &mut SendBatch) {
        let transmit = self.quic.refuse(incoming, &mut self.scratch);
        self.answer(&transmit, batch);
    }

    fn accept(
        &mut self,
        incoming: Incoming,
        key: AddressKey,
        batch: &mut SendBatch,
    ) -> Option<u32> {
        self.work += HANDSHAKE_WORK;
        let accepted = self
            .quic
            .accept(incoming, self.now, &mut self.scratch, None);
        let (handle, quic) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(cause = %error.cause, "a connection attempt failed");
                self.fabric.admission().release(self.now, key, true);
                self.counters().connections_failed.add(1);
                if let Some(transmit) = error.response {
                    self.answer(&transmit, batch);
                }
                return None;
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
        let slot = u32::try_from(handle.0).ok()?;
        self.enqueue(slot);
        Some(slot)
    }
}
