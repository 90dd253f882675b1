//! One data-plane thread's state, and what the transport tells it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farthing_cells::HolderId;
use farthing_channel::codec::encode_to_vec;
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Answer, Response, close_code};

use super::answers::{Answers, send_reply};
use super::attached::AttachedDevices;
use super::connection::Connections;
use super::outbox::{Acknowledgement, Outbox, Pending, Place, Reply};
use super::request::RequestLine;
use super::rounds::RoundAnswers;
use super::subscription::Subscriptions;
use super::vouchers::WaitingVouchers;
use super::{Shared, view};
use crate::risk::plane::PlaneRisk;
use crate::table::evidence::SpareState;
use crate::transport::{ConnectionId, Io, StreamId};

/// How often an idle plane shows that it lives.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Pause before a provider is told the next part of many news.
const NOTICES_PAUSE: Duration = Duration::from_millis(2);

/// The rules of one data-plane thread: time and messages in, messages out.
#[derive(Debug)]
pub struct DataPlane {
    pub(super) shared: Arc<Shared>,
    /// As whom this thread holds channels.
    pub(super) holder: HolderId,
    pub(super) connections: Connections,
    /// On which connections of this thread each device key is attached.
    pub(super) attached: AttachedDevices,
    /// Connections that newer ones of the same device have displaced, to be closed.
    pub(super) displaced: Vec<ConnectionId>,
    pub(super) outbox: Outbox,
    /// The risk model on this thread.
    pub(super) risk: PlaneRisk,
    /// Whether the clock was read for this turn.
    pub(super) has_begun: bool,
    pub(super) rounds: RoundAnswers,
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
    /// Attaches, and what was asked after them, that wait for their turn.
    pub(super) requests: RequestLine,
    /// Vouchers that wait for what arrived with them.
    pub(super) vouchers: WaitingVouchers,
    /// Memory of a replaced evidence, for the next.
    pub(super) spare: SpareState,
    pub(super) answers: Answers,
    /// Memory of the reasons in an acknowledgement, for the next.
    reasons: Vec<u16>,
    /// Acknowledgements that became durable this turn, one for each lane and recipient.
    durable: Vec<Acknowledgement>,
    /// The number of the turn's list of them, from one.
    turn: u64,
    pub(super) tally: Tally,
}

/// Payments counted since the shared counters were last brought up to date.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) received: u64,
    pub(super) accepted: u64,
    pub(super) known: u64,
    pub(super) dropped: u64,
    pub(super) acknowledged: u64,
    pub(super) authorised: u64,
}

impl DataPlane {
    /// The plane of data-plane thread number `thread`, with no connections.
    pub fn new(shared: Arc<Shared>, thread: u16) -> Self {
        let outbox = Outbox::new(shared.journal.clone());
        let rounds = RoundAnswers::new(shared.table.rounds());
        let mut key = [0; 8];
        if getrandom::fill(&mut key).is_err() {
            tracing::warn!("no randomness: sources are counted under a known key");
        }
        let risk = PlaneRisk::new(&shared.risk, shared.table.risk_clock(), u64::from_le_bytes(key))
            .noting(shared.score_log.clone());
        Self {
            rounds,
            risk,
            has_begun: false,
            shared,
            holder: HolderId(thread),
            connections: Connections::default(),
            attached: AttachedDevices::default(),
            displaced: Vec::new(),
            outbox,
            subscriptions: Subscriptions::default(),
            unix: UnixSeconds(crate::clock::unix_seconds()),
            unproven: std::collections::VecDeque::new(),
            next_sweep: None,
            next_notices: None,
            next_beat: Some(crate::clock::now()),
            requests: RequestLine::default(),
            vouchers: WaitingVouchers::default(),
            spare: SpareState::default(),
            answers: Answers::default(),
            reasons: Vec::new(),
            durable: Vec::new(),
            turn: 1,
            tally: Tally::default(),
        }
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

    /// Sends what the journal has made durable.
    pub(super) fn release(&mut self, io: &mut Io<'_>) {
        self.close_displaced(io);
        while let Some((_durable, mut released)) = self.outbox.release() {
            for acknowledgement in released.acknowledgements.drain(..) {
                self.gather_durable(acknowledgement);
            }
            self.reply(io, &released);
            self.outbox.recycle(released);
        }
        self.read_news();
        self.acknowledge();
        self.answers.flush(io);
        self.subscriptions.flush(io, &self.shared, self.holder.0, self.unix);
        self.next_notices = self.subscriptions.has_news().then(|| io.now() + NOTICES_PAUSE);
        self.count();
        // What was decided on the way is written down without waiting for the next turn.
        if !self.outbox.submit() {
            self.fail_stop();
        }
    }

    fn reply(&mut self, io: &mut Io<'_>, released: &Pending) {
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

    /// Takes in an acknowledgement that may be said now. Several groups that became durable together are answered
    /// together: of the acknowledgements for one lane and recipient the last stands for all.
    fn gather_durable(&mut self, acknowledgement: Acknowledgement) {
        let lane = acknowledgement.lane.lane();
        lane.raise_durable(acknowledgement.authorised);
        if acknowledgement.is_news {
            self.subscriptions.news(lane);
            self.shared.exchange.tell(self.holder.0, lane);
        }
        let open = self
            .connections
            .get_mut(&acknowledgement.to.connection)
            .and_then(|state| state.opened_mut(&acknowledgement.named));
        let Some(open) = open else {
            self.durable.push(acknowledgement);
            return;
        };
        if let Some(held) = open.released.within(self.turn).and_then(|at| self.durable.get_mut(at))
            && held.to == acknowledgement.to
            && held.named == acknowledgement.named
        {
            held.absorb(&acknowledgement);
            return;
        }
        open.released = Place::new(self.turn, self.durable.len());
        self.durable.push(acknowledgement);
    }

    /// Takes in what other threads have left for the providers connected here.
    fn read_news(&mut self) {
        let Self { shared, subscriptions, holder, .. } = self;
        while let Some(lane) = shared.exchange.take(holder.0) {
            subscriptions.news(&lane);
        }
        if shared.exchange.has_missed(holder.0) {
            subscriptions.read_up();
        }
    }

    fn acknowledge(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        let mut durable = std::mem::take(&mut self.durable);
        for acknowledgement in durable.drain(..) {
            self.acknowledge_lane(&acknowledgement);
        }
        self.durable = durable;
    }

    fn acknowledge_lane(&mut self, acknowledgement: &Acknowledgement) {
        let Acknowledgement { to, named, lane, authorised, anchor, .. } = acknowledgement;
        let lane = lane.lane();
        self.assess(lane);
        let granted = view::granted(&self.shared, lane, self.unix);
        let Some(state) = self.connections.get_mut(&to.connection) else {
            return;
        };
        // Where units are base units, their number says nothing that the total does not.
        let says_something =
            lane.has_tariff() || granted.final_unit || !granted.reasons.is_empty() || granted.pace_ms > 0;
        let granted = state.opened_mut(named).and_then(|open| {
            let is_news = match open.granted {
                Some(told) => told != granted,
                None => says_something,
            };
            is_news.then(|| {
                open.granted = says_something.then_some(granted);
                granted
            })
        });
        self.tally.acknowledged += 1;
        let Some(granted) = granted else {
            return self.answers.acknowledge(*to, named, *authorised, *anchor);
        };
        let (tag, index) = (anchor.map(|(tag, _)| tag), anchor.map(|(_, index)| index));
        let grant = Some(granted.told_in(std::mem::take(&mut self.reasons)));
        let answer = Answer::Acknowledged { lane: *named, authorised: *authorised, anchor: tag, index, grant };
        self.answers.add(*to, &answer);
        if let Answer::Acknowledged { grant: Some(grant), .. } = answer {
            self.reasons = grant.reasons;
        }
    }

    /// Brings the shared counters up to date.
    fn count(&mut self) {
        let Tally { received, accepted, known, dropped, acknowledged, authorised } = std::mem::take(&mut self.tally);
        let metrics = &self.shared.metrics;
        for (counter, count) in [
            (&metrics.payments_received, received),
            (&metrics.payments_accepted, accepted),
            (&metrics.payments_known, known),
            (&metrics.payments_dropped, dropped),
            (&metrics.payments_acknowledged, acknowledged),
            (&metrics.authorised_base_units, authorised),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }

    /// Reads the hub's clock and shows that the plane lives.
    pub(super) fn beat(&mut self, now: Instant) {
        let unix_ms = crate::clock::unix_milliseconds();
        self.unix = UnixSeconds(unix_ms / 1000);
        self.shared.heartbeat.beat(self.holder.0, unix_ms);
        self.risk.begin_turn(unix_ms);
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
