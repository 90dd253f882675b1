//! One data-plane thread's state, and what the transport tells it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farthing_channel::codec::{encode_into, encode_to_vec};
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Answer, Request, Response, close_code};

use super::answers::{send_datagrams, send_reply, split_messages};
use super::attached::AttachedDevices;
use super::connection::{Connection, Proof, StreamUse};
use super::outbox::{Acknowledgement, Outbox, Pending, Recipient, Reply};
use super::subscription::Subscriptions;
use super::{Shared, view};
use crate::transport::{ConnectionId, Io, StreamId};

/// How often an idle plane shows that it lives.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Pause before a provider is told the next part of many news.
const NOTICES_PAUSE: Duration = Duration::from_millis(2);

/// The rules of one data-plane thread: time and messages in, messages out.
#[derive(Debug)]
pub struct DataPlane {
    pub(super) shared: Arc<Shared>,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    /// On which connections of this thread each device key is attached.
    pub(super) attached: AttachedDevices,
    /// Connections that newer ones of the same device have displaced, to be closed.
    pub(super) displaced: Vec<ConnectionId>,
    pub(super) outbox: Outbox,
    pub(super) subscriptions: Subscriptions,
    /// The hub's clock, read once a turn.
    pub(super) unix: UnixSeconds,
    /// Connections that have to prove a key, by when; oldest first.
    pub(super) unproven: std::collections::VecDeque<(Instant, ConnectionId)>,
    pub(super) next_sweep: Option<Instant>,
    /// When the heartbeat is due, so that an idle plane shows that it lives.
    pub(super) next_beat: Option<Instant>,
    /// When notices that found no room in their turn are told.
    pub(super) next_notices: Option<Instant>,
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
            attached: AttachedDevices::default(),
            displaced: Vec::new(),
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
    pub(super) fn refuse(&self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, refusal: Refusal) {
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
        let reply = Reply { connection, stream, frame: encode_to_vec(response), last };
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
        let reply = Reply { connection, stream, frame: encode_to_vec(response), last };
        self.outbox.pending().replies.push(reply);
    }

    pub(super) fn request(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, request: Request) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.streams.insert(stream, StreamUse::Answered);
        }
        let outcome = match request {
            Request::Attach { role, signature, escrow, mandate, lanes } => {
                self.attach(io.now(), connection, stream, Proof { role, signature, escrow, mandate, lanes })
            }
            Request::Receipt { lane } => self.receipt(io, connection, stream, &lane),
            Request::Query { lane } => self.query(io, connection, stream, &lane),
            Request::Tariff { hash } => self.tariff(io, connection, stream, &hash),
            Request::Close { channel } => self.close_channel(connection, stream, &channel),
            Request::PaymentStream {} => self.open_payment_stream(io, connection, stream),
            Request::Subscribe { rating_groups } => self.subscribe(io, connection, stream, rating_groups),
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
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        state.streams.insert(stream, StreamUse::Payments);
        self.reply_now(io, connection, stream, &Response::Ready {}, false);
        Ok(())
    }

    /// Sends what the journal has made durable.
    pub(super) fn release(&mut self, io: &mut Io<'_>) {
        self.close_displaced(io);
        while let Some((_durable, released)) = self.outbox.release() {
            self.say(io, released);
        }
        self.flush_answers(io);
        self.subscriptions.flush(io, &self.shared, self.unix);
        self.next_notices = self.subscriptions.has_news().then(|| io.now() + NOTICES_PAUSE);
    }

    fn say(&mut self, io: &mut Io<'_>, released: Pending) {
        for acknowledgement in released.acknowledgements {
            acknowledgement.lane.raise_durable(acknowledgement.authorised);
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
        let Acknowledgement { to, named, lane, authorised, anchor, .. } = acknowledgement;
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
        let grant =
            grant.filter(|grant| !untariffed || grant.final_unit || !grant.reasons.is_empty() || grant.pace_ms > 0);
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
    pub(super) fn beat(&mut self, now: Instant) {
        let unix_ms = crate::clock::unix_milliseconds();
        self.unix = UnixSeconds(unix_ms / 1000);
        self.shared.heartbeat.beat(unix_ms);
        self.next_beat = Some(now + HEARTBEAT_INTERVAL);
    }

    /// After the journal has failed nothing is accepted or acknowledged any more.
    pub(super) fn fail_stop(&mut self) {
        if self.shared.serving.is_on() {
            self.shared.serving.stop();
            let fault = self.shared.journal.fault();
            tracing::error!(
                ?fault,
                "the journal has failed: no payment is acknowledged until the hub is started again"
            );
        }
    }

    /// Closes connections of devices that have come back on others.
    fn close_displaced(&mut self, io: &mut Io<'_>) {
        for connection in self.displaced.drain(..) {
            io.close(connection, close_code::IDLE, b"the device is attached on newer connections");
        }
    }
}
