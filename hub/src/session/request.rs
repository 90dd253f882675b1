//! Receipts, queries, tariffs, closing, subscribing.

use std::sync::Arc;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{ChannelId, RatingGroup, TariffHash};
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{ClosedLane, LaneRef, Response};

use super::connection::StreamUse;
use super::outbox::Closing;
use super::plane::DataPlane;
use super::view;
use crate::table::{HeldChannel, Lane};
use crate::transport::{ConnectionId, Io, StreamId};

impl DataPlane {
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
        let handle = state.open(&lane);
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
