//! What the transport tells the data plane.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::Hash32;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{Hello, Request, ServiceMessage, close_code};

use super::connection::{Connection, StreamUse};
use super::outbox::Recipient;
use super::plane::DataPlane;
use crate::transport::{Application, ConnectionId, Io, StreamId};

/// A connection that has proven no key by then is closed.
const ATTACH_DEADLINE: Duration = Duration::from_secs(60);

/// How often connections without a key are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

impl Application for DataPlane {
    fn opened(&mut self, io: &mut Io<'_>, connection: ConnectionId, peer: SocketAddr) {
        self.begin_turn(io.now());
        let mut nonce = Hash32::ZERO;
        if getrandom::fill(&mut nonce.0).is_err() {
            io.close(connection, close_code::SHUTDOWN, b"no randomness");
            return;
        }
        let hello = Hello::Hub {
            nonce,
            hub: farthing_channel::sign::Signer::address(&self.shared.key),
            chain_id: self.shared.domain.chain_id(),
            contract: self.shared.domain.contract(),
            time: self.unix,
        };
        self.connections
            .insert(connection, Connection::new(connection, nonce, peer.ip(), &self.shared.source_limits, io.now()));
        self.unproven.push_back((io.now() + ATTACH_DEADLINE, connection));
        self.next_sweep.get_or_insert(io.now() + SWEEP_INTERVAL);
        if io.open_uni_and_finish(connection, &encode_to_vec(&hello)).is_err() {
            io.close(connection, close_code::PROTOCOL, b"no stream for the hello");
        }
    }

    fn established(&mut self, _io: &mut Io<'_>, _connection: ConnectionId) {}

    fn datagram(&mut self, io: &mut Io<'_>, connection: ConnectionId, early: bool, payload: Bytes) {
        self.begin_turn(io.now());
        self.payments(io.now(), Recipient { connection, stream: None }, early, &payload);
        io.expect_answer(connection);
    }

    fn frame(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, early: bool, payload: Bytes) {
        self.begin_turn(io.now());
        let Some(state) = self.connections.get(&connection) else {
            return;
        };
        match state.streams.get(&stream) {
            Some(StreamUse::Payments) => {
                self.payments(io.now(), Recipient { connection, stream: Some(stream) }, early, &payload);
            }
            Some(StreamUse::Subscription { payee }) => {
                let payee = *payee;
                match decode_exact::<ServiceMessage>(&payload) {
                    Ok(ServiceMessage::Report(report)) => self.report(io, connection, stream, payee, &report),
                    Err(_) => io.reset_stream(connection, stream, close_code::PROTOCOL),
                }
            }
            Some(StreamUse::Answered) => io.reset_stream(connection, stream, close_code::PROTOCOL),
            None if early => self.refuse(io, connection, stream, Refusal::EarlyData),
            None => match decode_exact::<Request>(&payload) {
                Ok(request) => self.request(io, connection, stream, request),
                Err(error) => self.refuse(io, connection, stream, error.into()),
            },
        }
    }

    fn stream_finished(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        match state.streams.remove(&stream) {
            Some(StreamUse::Subscription { .. }) => {
                self.subscriptions.remove(connection, stream, &self.shared.exchange, self.holder.0);
                io.finish_stream(connection, stream);
            }
            Some(StreamUse::Payments) | None => io.finish_stream(connection, stream),
            // The reply, which may still be waiting for the journal, ends it.
            Some(StreamUse::Answered) => {}
        }
    }

    fn moved(&mut self, _io: &mut Io<'_>, connection: ConnectionId, from: SocketAddr, to: SocketAddr) {
        self.shared.metrics.address_migrations.inc();
        // Another port at the same address is the network's doing.
        if from.ip() != to.ip() {
            self.address_changed(connection);
        }
    }

    fn closed(&mut self, _io: &mut Io<'_>, connection: ConnectionId) {
        if let Some(state) = self.connections.remove(&connection) {
            for channel in state.channels.values() {
                self.attached.detach(&channel.device(), connection);
            }
        }
        self.subscriptions.remove_connection(connection, &self.shared.exchange, self.holder.0);
    }

    fn batch_end(&mut self, io: &mut Io<'_>, now: Instant) {
        self.begin_turn(now);
        self.take_vouchers(now);
        self.answer_requests(io);
        if !self.outbox.submit() {
            self.fail_stop();
        }
        self.release(io);
        self.rounds.turn_ends(self.outbox.submitted(), &self.shared.journal);
        self.has_begun = false;
    }

    fn woken(&mut self, io: &mut Io<'_>, now: Instant) {
        self.beat(now);
        if self.shared.journal.fault().is_some() || !self.outbox.submit() {
            self.fail_stop();
        }
        self.release(io);
        self.rounds.turn_ends(self.outbox.submitted(), &self.shared.journal);
    }

    fn next_timeout(&self) -> Option<Instant> {
        if !self.requests.is_empty() || !self.vouchers.is_empty() {
            // Those in line are taken turn by turn, and the next turn begins at once.
            return Some(crate::clock::now());
        }
        [self.next_sweep, self.next_notices, self.next_beat].into_iter().flatten().min()
    }

    fn timeout(&mut self, io: &mut Io<'_>, now: Instant) {
        if self.next_beat.is_none_or(|due| due <= now) {
            self.beat(now);
            self.rounds.turn_ends(self.outbox.submitted(), &self.shared.journal);
        }
        if self.next_notices.is_some_and(|due| due <= now) {
            self.release(io);
        }
        if self.next_sweep.is_none_or(|due| due > now) {
            return;
        }
        while let Some((deadline, connection)) = self.unproven.front().copied()
            && deadline <= now
        {
            self.unproven.pop_front();
            if self.connections.get(&connection).is_some_and(|state| state.keys() == 0) {
                io.close(connection, close_code::IDLE, b"no key attached");
            }
        }
        self.next_sweep = (!self.unproven.is_empty()).then(|| now + SWEEP_INTERVAL);
    }

    fn draining(&mut self, io: &mut Io<'_>, now: Instant, _deadline: Instant) {
        self.shared.serving.stop();
        self.batch_end(io, now);
    }

    fn drained(&self) -> bool {
        self.outbox.is_idle() || self.shared.journal.fault().is_some()
    }
}
