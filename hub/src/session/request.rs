//! The line of requests; receipts, queries, tariffs, closing, subscribing.

use std::collections::VecDeque;
use std::sync::Arc;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{ChannelId, RatingGroup, TariffHash};
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{ClosedLane, LaneRef, Request, Response};

use super::connection::{Proof, StreamUse};
use super::outbox::Closing;
use super::plane::DataPlane;
use super::view;
use crate::table::{HeldChannel, Lane};
use crate::transport::{ConnectionId, Io, StreamId};

/// Requests in line that are answered per turn. An attach costs a signature and often a channel read from disk, as much as
/// dozens of payments, which must not wait for a crowd that comes back.
const REQUESTS_PER_TURN_MAX: usize = 1;

/// Requests that may wait for their turn. Whoever comes after them is told to come again.
const REQUESTS_WAITING_MAX: usize = 16_384;

/// Attaches in the order of their arrival, and what the same connections asked after them.
pub(super) type RequestLine = VecDeque<(ConnectionId, StreamId, Request)>;

impl DataPlane {
    /// Takes in a request. An attach waits for its turn, and with it what its connection asks next, so that the answers are
    /// those of the order in which it asked.
    pub(super) fn request(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, request: Request) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        state.streams.insert(stream, StreamUse::Answered);
        if !matches!(request, Request::Attach { .. }) && state.requests_waiting == 0 {
            return self.answer_request(io, connection, stream, request);
        }
        if self.requests.len() >= REQUESTS_WAITING_MAX {
            return self.refuse(io, connection, stream, Refusal::NotServing);
        }
        state.requests_waiting = state.requests_waiting.saturating_add(1);
        self.requests.push_back((connection, stream, request));
    }

    /// Answers those who are first in line.
    pub(super) fn answer_requests(&mut self, io: &mut Io<'_>) {
        for _ in 0..REQUESTS_PER_TURN_MAX {
            let Some((connection, stream, request)) = self.requests.pop_front() else {
                return;
            };
            // Nobody waits for the answer on a connection that is gone.
            if let Some(state) = self.connections.get_mut(&connection) {
                state.requests_waiting = state.requests_waiting.saturating_sub(1);
                self.answer_request(io, connection, stream, request);
            }
        }
    }

    fn answer_request(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, request: Request) {
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

    /// The lane, if this connection may ask about it: it is open here, or its payee is attached here.
    fn asked_lane(&self, connection: ConnectionId, named: &LaneRef) -> Result<Arc<Lane>, Refusal> {
        let state = self.connections.get(&connection).ok_or(Refusal::NotAttached)?;
        if let Some(lane) = state.opened(named) {
            return Ok(Arc::clone(lane));
        }
        let LaneRef::Id(id) = named else {
            return Err(Refusal::UnknownLane);
        };
        let lane = self.shared.table.lane(id)?.ok_or(Refusal::UnknownLane)?;
        let may_ask = state.providers.contains(&lane.payee()) || state.channels.contains_key(&lane.channel().id());
        // A stranger learns nothing, not even that the lane exists.
        if may_ask { Ok(lane) } else { Err(Refusal::UnknownLane) }
    }

    pub(super) fn receipt(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        named: &LaneRef,
    ) -> Result<(), Refusal> {
        let lane = self.asked_lane(connection, named)?;
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        state.gate.admit_receipt(io.now())?;
        let receipt = view::receipt(&self.shared, &lane, self.unix);
        self.shared.metrics.receipts_signed.inc();
        self.reply_now(io, connection, stream, &Response::Receipt(receipt), true);
        Ok(())
    }

    pub(super) fn query(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        named: &LaneRef,
    ) -> Result<(), Refusal> {
        let lane = self.asked_lane(connection, named)?;
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        let handle = state.open(&lane, None);
        let view = view::lane(&self.shared, &lane, handle, self.unix);
        self.reply_now(io, connection, stream, &Response::Lane(view), true);
        Ok(())
    }

    pub(super) fn tariff(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        hash: &TariffHash,
    ) -> Result<(), Refusal> {
        let entry = self.shared.table.directory.tariff(hash).ok_or(Refusal::UnknownTariff)?;
        self.reply_now(io, connection, stream, &Response::Tariff(entry.encoded().to_vec().into()), true);
        Ok(())
    }

    /// Closes a channel that is attached here. The receipts follow when the close is durable.
    pub(super) fn close_channel(
        &mut self,
        connection: ConnectionId,
        stream: StreamId,
        channel: &ChannelId,
    ) -> Result<(), Refusal> {
        if !self.shared.serving.is_on() || !self.outbox.has_room() {
            return Err(Refusal::NotServing);
        }
        let state = self.connections.get(&connection).ok_or(Refusal::NotAttached)?;
        let held = Arc::clone(state.channels.get(channel).ok_or(Refusal::NotAttached)?);
        if held.status() == ChannelStatus::Frozen {
            return Err(Refusal::ChannelFrozen);
        }
        if held.status() == ChannelStatus::Open {
            let hold = HeldChannel::take(&held, self.holder).ok_or(Refusal::NotServing)?;
            self.outbox.pending().holds.push(hold);
            self.apply(Record::Status { channel: *channel, status: ChannelStatus::Closed as u8 })?;
        }
        self.outbox.pending().closings.push(Closing { connection, stream, lanes: held.lanes() });
        Ok(())
    }

    pub(super) fn say_closed(&mut self, io: &mut Io<'_>, closing: &Closing) {
        let closed = closing
            .lanes
            .iter()
            .map(|lane| ClosedLane { receipt: view::receipt(&self.shared, lane, self.unix) })
            .collect();
        self.reply_now(io, closing.connection, closing.stream, &Response::Closed(closed), true);
    }

    /// Opens a provider's conversation. It begins with how every lane of the provider stands, in the turns that
    /// follow.
    pub(super) fn subscribe(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        rating_groups: Vec<RatingGroup>,
    ) -> Result<(), Refusal> {
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        // The provider that was attached last; a connection with several subscribes after each attach.
        let payee = *state.providers.last().ok_or(Refusal::NotAttached)?;
        state.streams.insert(stream, StreamUse::Subscription { payee });
        self.shared.exchange.subscribe(self.holder.0, payee);
        self.subscriptions.add(connection, stream, payee, rating_groups);
        self.reply_now(io, connection, stream, &Response::Ready {}, false);
        Ok(())
    }
}
