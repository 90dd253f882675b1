//! One data-plane thread's state, and what the transport tells it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use farthing_channel::codec::{decode_exact, encode_into, encode_to_vec};
use farthing_channel::id::{Address, Hash32};
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Answer, Hello, Request, Response, ServiceMessage, close_code};

use super::connection::{Connection, StreamUse};
use super::outbox::{Acknowledgement, Outbox, Pending, Recipient, Reply};
use super::subscription::Subscriptions;
use super::{Shared, view};
use crate::transport::{Application, ConnectionId, Io, StreamId, Unsent};

/// A connection that has proven no key by then is closed.
const ATTACH_DEADLINE: Duration = Duration::from_secs(60);

/// How often an idle plane shows that it lives.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Pause before a provider is told the next part of many news.
const NOTICES_PAUSE: Duration = Duration::from_millis(2);

/// How often connections without a key are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The rules of one data-plane thread: time and messages in, messages out.
#[derive(Debug)]
pub struct DataPlane {
    pub(super) shared: Arc<Shared>,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    /// On how many connections of this thread each device key is attached.
    pub(super) attached: HashMap<Address, u32>,
    pub(super) outbox: Outbox,
    pub(super) subscriptions: Subscriptions,
    /// The hub's clock, read once a turn.
    pub(super) unix: UnixSeconds,
    /// Connections that have to prove a key, by when; oldest first.
    unproven: std::collections::VecDeque<(Instant, ConnectionId)>,
    next_sweep: Option<Instant>,
    /// When the heartbeat is due, so that an idle plane shows that it lives.
    next_beat: Option<Instant>,
    /// When notices that found no room in their turn are told.
    next_notices: Option<Instant>,
    /// Answers of this turn for one recipient, put into as few datagrams as possible.
    answers: HashMap<Recipient, Vec<u8>>,
}

impl DataPlane {
    /// A thread's plane with no connections.
    pub fn new(shared: Arc<Shared>) -> Self {
        let outbox = Outbox::new(shared.journal.clone());
        Self {
            shared,
            connections: HashMap::new(),
            attached: HashMap::new(),
            outbox,
            subscriptions: Subscriptions::default(),
            unix: UnixSeconds(crate::clock::unix_seconds()),
            unproven: std::collections::VecDeque::new(),
            next_sweep: None,
            next_notices: None,
            next_beat: Some(crate::clock::now()),
            answers: HashMap::new(),
        }
    }

    /// Answers a payment at the end of the turn.
    pub(super) fn answer(&mut self, to: Recipient, answer: &Answer) {
        encode_into(answer, self.answers.entry(to).or_default());
    }

    /// Refuses on a stream, at once: a refusal changes nothing and so waits for nothing.
    pub(super) fn refuse(
        &self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        refusal: Refusal,
    ) {
        self.shared.metrics.refused(refusal);
        self.reply_now(io, connection, stream, &Response::Refused { refusal }, true);
    }

    /// Replies on a stream with what does not depend on the journal.
    pub(super) fn reply_now(
        &self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        response: &Response,
        last: bool,
    ) {
        let reply = Reply {
            connection,
            stream,
            frame: encode_to_vec(response),
            last,
        };
        send_reply(io, &reply);
    }

    /// Replies on a stream when everything recorded so far is durable.
    pub(super) fn reply_durable(
        &mut self,
        connection: ConnectionId,
        stream: StreamId,
        response: &Response,
        last: bool,
    ) {
        let reply = Reply {
            connection,
            stream,
            frame: encode_to_vec(response),
            last,
        };
        self.outbox.pending().replies.push(reply);
    }

    fn request(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        request: Request,
    ) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.streams.insert(stream, StreamUse::Answered);
        }
        let outcome = match request {
            Request::Attach {
                role,
                signature,
                escrow,
                mandate,
                lanes,
            } => self.attach(
                io.now(),
                connection,
                stream,
                super::attach::Proof {
                    role,
                    signature,
                    escrow,
                    mandate,
                    lanes,
                },
            ),
            Request::Receipt { lane } => self.receipt(io, connection, stream, &lane),
            Request::Query { lane } => self.query(io, connection, stream, &lane),
            Request::Tariff { hash } => self.tariff(io, connection, stream, &hash),
            Request::Close { channel } => self.close_channel(connection, stream, &channel),
            Request::PaymentStream {} => self.open_payment_stream(io, connection, stream),
            Request::Subscribe { rating_groups } => {
                self.subscribe(io, connection, stream, rating_groups)
            }
        };
        if let Err(refusal) = outcome {
            self.refuse(io, connection, stream, refusal);
        }
    }

    fn open_payment_stream(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
    ) -> Result<(), Refusal> {
        let state = self
            .connections
            .get_mut(&connection)
            .ok_or(Refusal::NotAttached)?;
        state.streams.insert(stream, StreamUse::Payments);
        self.reply_now(io, connection, stream, &Response::Ready {}, false);
        Ok(())
    }

    /// Sends what the journal has made durable.
    fn release(&mut self, io: &mut Io<'_>) {
        while let Some((_durable, released)) = self.outbox.release() {
            self.say(io, released);
        }
        self.flush_answers(io);
        self.subscriptions.flush(io, &self.shared, self.unix);
        self.next_notices = self
            .subscriptions
            .has_news()
            .then(|| io.now() + NOTICES_PAUSE);
    }

    fn say(&mut self, io: &mut Io<'_>, released: Pending) {
        for acknowledgement in released.acknowledgements {
            acknowledgement
                .lane
                .raise_durable(acknowledgement.authorised);
            if acknowledgement.news {
                self.subscriptions.news(&acknowledgement.lane);
            }
            self.acknowledge(&acknowledgement);
        }
        for reply in &released.replies {
            send_reply(io, reply);
        }
        for closing in &released.closings {
            self.say_closed(io, closing);
        }
        for confirmation in &released.confirmations {
            self.confirm_report(io, confirmation);
        }
    }

    fn acknowledge(&mut self, acknowledgement: &Acknowledgement) {
        let Acknowledgement {
            to,
            named,
            lane,
            authorised,
            anchor,
            ..
        } = acknowledgement;
        let grant = view::grant(&self.shared, lane, self.unix);
        let Some(state) = self.connections.get_mut(&to.connection) else {
            return;
        };
        let grant = state.opened_mut(named).and_then(|open| {
            let changed = open.granted.as_ref() != Some(&grant);
            changed.then(|| {
                open.granted = Some(grant.clone());
                grant
            })
        });
        // Where units are base units, their number says nothing that the total does not.
        let untariffed = lane.tariff().entry.is_none();
        let grant = grant.filter(|grant| {
            !untariffed || grant.final_unit || !grant.reasons.is_empty() || grant.pace_ms > 0
        });
        self.shared.metrics.payments_acknowledged.inc();
        let answer = Answer::Acknowledged {
            lane: *named,
            authorised: *authorised,
            anchor: anchor.map(|(tag, _)| tag),
            index: anchor.map(|(_, index)| index),
            grant,
        };
        self.answer(*to, &answer);
    }

    /// Sends the turn's answers: as few datagrams as they fit, or a frame for each on a stream.
    fn flush_answers(&mut self, io: &mut Io<'_>) {
        for (to, messages) in self.answers.drain() {
            match to.stream {
                None => send_datagrams(io, to.connection, &messages),
                Some(stream) => {
                    for message in split_messages(&messages) {
                        if io.send_frame(to.connection, stream, message).is_err() {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Reads the hub's clock and shows that the plane lives.
    fn beat(&mut self, now: Instant) {
        let unix_ms = crate::clock::unix_milliseconds();
        self.unix = UnixSeconds(unix_ms / 1000);
        self.shared.heartbeat.beat(unix_ms);
        self.next_beat = Some(now + HEARTBEAT_INTERVAL);
    }

    /// After the journal has failed nothing is accepted or acknowledged any more.
    fn fail_stop(&mut self) {
        if self.shared.serving.is_on() {
            self.shared.serving.stop();
            let fault = self.shared.journal.fault();
            tracing::error!(
                ?fault,
                "the journal has failed: no payment is acknowledged until the hub is started again"
            );
        }
    }

    fn detach_all(&mut self, connection: &Connection) {
        for channel in connection.channels.values() {
            if let Some(count) = self.attached.get_mut(&channel.device()) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.attached.remove(&channel.device());
                }
            }
        }
    }
}

/// The encodings of the answers in `messages`, one slice each.
fn split_messages(mut messages: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut decoder = minicbor::Decoder::new(messages);
        decoder.skip().ok()?;
        let (message, rest) = messages
            .split_at_checked(decoder.position())
            .filter(|(message, _)| !message.is_empty())?;
        messages = rest;
        Some(message)
    })
}

/// Packs whole answers into datagrams. One that is lost is asked for again by sending the payment again.
fn send_datagrams(io: &mut Io<'_>, connection: ConnectionId, messages: &[u8]) {
    let Some(most) = io.datagram_bytes_max(connection) else {
        return;
    };
    let mut packet = Vec::with_capacity(most.min(messages.len()));
    for message in split_messages(messages) {
        if packet.len().saturating_add(message.len()) > most && !packet.is_empty() {
            let full = std::mem::take(&mut packet);
            if io.send_datagram(connection, Bytes::from(full)) == Err(Unsent::Gone) {
                return;
            }
        }
        packet.extend_from_slice(message);
    }
    if !packet.is_empty() {
        // A datagram that finds no room is like one that is lost.
        let _unsent = io.send_datagram(connection, Bytes::from(packet));
    }
}

fn send_reply(io: &mut Io<'_>, reply: &Reply) {
    // A peer that is gone needs no reply.
    if io
        .send_frame(reply.connection, reply.stream, &reply.frame)
        .is_ok()
        && reply.last
    {
        io.finish_stream(reply.connection, reply.stream);
    }
}

impl Application for DataPlane {
    fn opened(&mut self, io: &mut Io<'_>, connection: ConnectionId, _peer: SocketAddr) {
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
        self.connections.insert(
            connection,
            Connection::new(nonce, &self.shared.source_limits, io.now()),
        );
        self.unproven
            .push_back((io.now() + ATTACH_DEADLINE, connection));
        self.next_sweep.get_or_insert(io.now() + SWEEP_INTERVAL);
        if io
            .open_uni_and_finish(connection, &encode_to_vec(&hello))
            .is_err()
        {
            io.close(connection, close_code::PROTOCOL, b"no stream for the hello");
        }
    }

    fn established(&mut self, _io: &mut Io<'_>, _connection: ConnectionId) {}

    fn datagram(&mut self, io: &mut Io<'_>, connection: ConnectionId, early: bool, payload: Bytes) {
        self.payments(
            io.now(),
            Recipient {
                connection,
                stream: None,
            },
            early,
            &payload,
        );
    }

    fn frame(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        early: bool,
        payload: Bytes,
    ) {
        let Some(state) = self.connections.get(&connection) else {
            return;
        };
        match state.streams.get(&stream) {
            Some(StreamUse::Payments) => {
                self.payments(
                    io.now(),
                    Recipient {
                        connection,
                        stream: Some(stream),
                    },
                    early,
                    &payload,
                );
            }
            Some(StreamUse::Subscription { payee }) => {
                let payee = *payee;
                match decode_exact::<ServiceMessage>(&payload) {
                    Ok(ServiceMessage::Report(report)) => {
                        self.report(io, connection, stream, payee, &report)
                    }
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
                self.subscriptions.remove(connection, stream);
                io.finish_stream(connection, stream);
            }
            Some(StreamUse::Payments) | None => io.finish_stream(connection, stream),
            // The reply, which may still be waiting for the journal, ends it.
            Some(StreamUse::Answered) => {}
        }
    }

    fn moved(
        &mut self,
        _io: &mut Io<'_>,
        _connection: ConnectionId,
        _from: SocketAddr,
        _to: SocketAddr,
    ) {
        self.shared.metrics.address_migrations.inc();
    }

    fn closed(&mut self, _io: &mut Io<'_>, connection: ConnectionId) {
        if let Some(state) = self.connections.remove(&connection) {
            self.detach_all(&state);
        }
        self.subscriptions.remove_connection(connection);
    }

    fn batch_end(&mut self, io: &mut Io<'_>, now: Instant) {
        self.beat(now);
        if !self.outbox.submit() {
            self.fail_stop();
        }
        self.release(io);
    }

    fn woken(&mut self, io: &mut Io<'_>, now: Instant) {
        self.beat(now);
        if self.shared.journal.fault().is_some() || !self.outbox.submit() {
            self.fail_stop();
        }
        self.release(io);
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.next_sweep, self.next_notices, self.next_beat]
            .into_iter()
            .flatten()
            .min()
    }

    fn timeout(&mut self, io: &mut Io<'_>, now: Instant) {
        if self.next_beat.is_none_or(|due| due <= now) {
            self.beat(now);
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
            if self
                .connections
                .get(&connection)
                .is_some_and(|state| state.keys() == 0)
            {
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
