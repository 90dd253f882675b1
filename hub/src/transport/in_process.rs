//! A driver without a socket: packets in, packets out, time as an argument.
//!
//! What a turn does is what [`Driver`](super::Driver) does in one, with the same endpoint, batches and deliveries; only
//! the system calls are missing. So the cost of a payment can be counted, instruction by instruction, the same each time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use farthing_udp::{Datagram, SendBatch};

use super::application::Application;
use super::config::TransportError;
use super::driver::{take_in, work_off};
use super::endpoint::Endpoint;
use super::fabric::Fabric;
use super::io::Io;

/// One data-plane thread's endpoint, turned by its owner.
#[derive(Debug)]
pub struct InProcess {
    endpoint: Endpoint,
    batch: SendBatch,
}

impl InProcess {
    /// The endpoint of the fabric's first thread.
    ///
    /// # Errors
    ///
    /// The fabric's configuration cannot be used.
    pub fn new(fabric: &Arc<Fabric>, now: Instant) -> Result<Self, TransportError> {
        let endpoint = Endpoint::new(Arc::clone(fabric), 0, false, now)?;
        Ok(Self { endpoint, batch: SendBatch::new() })
    }

    /// When time alone changes something next, for a connection.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.next_timeout()
    }

    /// One turn at `now`. `woken` says that the journal had news. `outgoing` is given every packet that a driver would
    /// send.
    pub fn turn<A: Application>(
        &mut self,
        app: &mut A,
        now: Instant,
        woken: bool,
        incoming: impl IntoIterator<Item = Datagram>,
        mut outgoing: impl FnMut(SocketAddr, &[u8]),
    ) {
        self.endpoint.now = now;
        if woken {
            app.woken(&mut Io::new(&mut self.endpoint), now);
        }
        self.endpoint.work = 0;
        for datagram in incoming {
            if self.batch.is_full() {
                self.batch.drain(&mut outgoing);
            }
            take_in(&mut self.endpoint, &mut self.batch, app, datagram);
        }
        work_off(&mut self.endpoint, &mut self.batch, app, now);
        for _ in 0..self.endpoint.queued() {
            if self.batch.is_full() {
                self.batch.drain(&mut outgoing);
            }
            if let Some(slot) = self.endpoint.dequeue() {
                self.endpoint.flush(slot, &mut self.batch);
            }
        }
        self.batch.drain(&mut outgoing);
    }
}
