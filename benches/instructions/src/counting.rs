//! Allocations of the code behind the transport: ours, as opposed to those that QUIC makes around it.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use farthing_hub::transport::{Application, ConnectionId, Io, StreamId};

/// An application whose allocations are counted while it is called.
#[derive(Debug)]
pub(crate) struct Counting<A> {
    app: A,
    allocations: u64,
}

impl<A> Counting<A> {
    pub(crate) fn new(app: A) -> Self {
        Self { app, allocations: 0 }
    }

    /// How many there were so far.
    pub(crate) fn allocations(&self) -> u64 {
        self.allocations
    }

    fn counted(&mut self, call: impl FnOnce(&mut A)) {
        let app = &mut self.app;
        self.allocations += allocation_counter::measure(|| call(app)).count_total;
    }
}

impl<A: Application> Application for Counting<A> {
    fn opened(&mut self, io: &mut Io<'_>, connection: ConnectionId, peer: SocketAddr) {
        self.counted(|app| app.opened(io, connection, peer));
    }

    fn established(&mut self, io: &mut Io<'_>, connection: ConnectionId) {
        self.counted(|app| app.established(io, connection));
    }

    fn datagram(&mut self, io: &mut Io<'_>, connection: ConnectionId, early: bool, payload: Bytes) {
        self.counted(|app| app.datagram(io, connection, early, payload));
    }

    fn frame(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, early: bool, payload: Bytes) {
        self.counted(|app| app.frame(io, connection, stream, early, payload));
    }

    fn stream_finished(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId) {
        self.counted(|app| app.stream_finished(io, connection, stream));
    }

    fn moved(&mut self, io: &mut Io<'_>, connection: ConnectionId, from: SocketAddr, to: SocketAddr) {
        self.counted(|app| app.moved(io, connection, from, to));
    }

    fn closed(&mut self, io: &mut Io<'_>, connection: ConnectionId) {
        self.counted(|app| app.closed(io, connection));
    }

    fn batch_end(&mut self, io: &mut Io<'_>, now: Instant) {
        self.counted(|app| app.batch_end(io, now));
    }

    fn woken(&mut self, io: &mut Io<'_>, now: Instant) {
        self.counted(|app| app.woken(io, now));
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.app.next_timeout()
    }

    fn timeout(&mut self, io: &mut Io<'_>, now: Instant) {
        self.counted(|app| app.timeout(io, now));
    }

    fn draining(&mut self, io: &mut Io<'_>, now: Instant, deadline: Instant) {
        self.counted(|app| app.draining(io, now, deadline));
    }

    fn drained(&self) -> bool {
        self.app.drained()
    }
}
