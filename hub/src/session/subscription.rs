//! Providers that are told what is authorised, at once and coalesced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, LaneId, RatingGroup};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Notice, close_code};

use super::{Exchange, Shared, view};
use crate::table::cold::Unreadable;
use crate::table::unit::Walk;
use crate::table::{Lane, Table};
use crate::transport::{ConnectionId, Io, StreamId};

/// Notices sent to one subscriber in one turn; the rest follows in the next, newer by then.
const NOTICES_PER_TURN_MAX: usize = 256;

/// Slots of the table looked through in one turn for a subscriber who reads up: about a millisecond, where all of them
/// are cold.
const SLOTS_PER_TURN: u32 = 512;

/// A provider's conversation.
type SubscriberId = (ConnectionId, StreamId);

#[derive(Debug)]
struct Subscriber {
    payee: Address,
    /// Empty for all.
    rating_groups: Vec<RatingGroup>,
    /// Lanes with news, each once however often it grew.
    news: BTreeMap<LaneId, Arc<Lane>>,
    /// From which slot on the table is still to be looked through for lanes on which something is paid.
    unread_from: Option<u32>,
    /// Whether it waits to be told.
    is_ready: bool,
}

impl Subscriber {
    fn wants(&self, lane: &Lane) -> bool {
        self.payee == lane.payee()
            && (self.rating_groups.is_empty() || self.rating_groups.contains(&lane.rating_group()))
    }

    /// Takes the lanes of the next piece of the table for news, while there is little other news.
    fn read_on(&mut self, table: &Table) -> Result<(), Unreadable> {
        let Some(from) = self.unread_from.filter(|_| self.news.len() < NOTICES_PER_TURN_MAX) else {
            return Ok(());
        };
        let mut found = Vec::new();
        self.unread_from = table.walk(from, SLOTS_PER_TURN, |_, channel| {
            found.extend(channel.lanes().into_iter().filter(|lane| self.wants(lane) && lane.durable() > 0));
            Walk::On
        })?;
        for lane in found {
            self.news.entry(lane.id()).or_insert(lane);
        }
        Ok(())
    }

    /// Whether something is left to tell.
    fn has_news(&self) -> bool {
        !self.news.is_empty() || self.unread_from.is_some()
    }
}

/// The subscribers of one data-plane thread.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    subscribers: HashMap<SubscriberId, Subscriber>,
    by_payee: HashMap<Address, Vec<SubscriberId>>,
    /// Subscribers with news, each once.
    ready: Vec<SubscriberId>,
}

impl Subscriptions {
    /// Adds a subscriber. Its news begins with every lane of the provider on which something is paid, read bit by bit
    /// in the turns that follow.
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        stream: StreamId,
        payee: Address,
        rating_groups: Vec<RatingGroup>,
    ) {
        let id = (connection, stream);
        let subscriber =
            Subscriber { payee, rating_groups, news: BTreeMap::new(), unread_from: Some(0), is_ready: true };
        self.ready.push(id);
        self.subscribers.insert(id, subscriber);
        self.by_payee.entry(payee).or_default().push(id);
    }

    /// Remembers that a lane's durable total grew.
    pub(super) fn news(&mut self, lane: &Arc<Lane>) {
        if self.by_payee.is_empty() {
            return;
        }
        for id in self.by_payee.get(&lane.payee()).map(Vec::as_slice).unwrap_or_default() {
            if let Some(subscriber) = self.subscribers.get_mut(id)
                && subscriber.wants(lane)
            {
                subscriber.news.entry(lane.id()).or_insert_with(|| Arc::clone(lane));
                if !subscriber.is_ready {
                    subscriber.is_ready = true;
                    self.ready.push(*id);
                }
            }
        }
    }

    /// News was missed: everything counts as news.
    pub(super) fn read_up(&mut self) {
        for (id, subscriber) in &mut self.subscribers {
            subscriber.unread_from = Some(0);
            if !subscriber.is_ready {
                subscriber.is_ready = true;
                self.ready.push(*id);
            }
        }
    }

    /// Tells the news to the subscribers of data-plane thread `thread`.
    pub(super) fn flush(&mut self, io: &mut Io<'_>, shared: &Shared, thread: u16, now: UnixSeconds) {
        for id in std::mem::take(&mut self.ready) {
            let Some(subscriber) = self.subscribers.get_mut(&id) else {
                continue;
            };
            subscriber.is_ready = false;
            if !tell(io, shared, now, id, subscriber) {
                // Gone, or so slow that its stream was reset: it subscribes again and is told everything.
                self.remove(id.0, id.1, &shared.exchange, thread);
            } else if subscriber.has_news() {
                subscriber.is_ready = true;
                self.ready.push(id);
            }
        }
    }

    pub(super) fn remove(&mut self, connection: ConnectionId, stream: StreamId, exchange: &Exchange, thread: u16) {
        let id = (connection, stream);
        let Some(subscriber) = self.subscribers.remove(&id) else {
            return;
        };
        exchange.unsubscribe(thread, subscriber.payee);
        if let Some(held) = self.by_payee.get_mut(&subscriber.payee) {
            held.retain(|other| *other != id);
            if held.is_empty() {
                self.by_payee.remove(&subscriber.payee);
            }
        }
    }

    pub(super) fn remove_connection(&mut self, connection: ConnectionId, exchange: &Exchange, thread: u16) {
        let gone: Vec<_> = self.subscribers.keys().filter(|(held, _)| *held == connection).copied().collect();
        for (connection, stream) in gone {
            self.remove(connection, stream, exchange, thread);
        }
    }

    /// Whether news is left over that the next turn should tell.
    pub(super) fn has_news(&self) -> bool {
        !self.ready.is_empty()
    }
}

/// Tells one subscriber as much as one turn may. False if it cannot be told.
fn tell(io: &mut Io<'_>, shared: &Shared, now: UnixSeconds, id: SubscriberId, subscriber: &mut Subscriber) -> bool {
    if subscriber.read_on(&shared.table).is_err() {
        // Told to come again rather than left without some of its lanes.
        io.reset_stream(id.0, id.1, close_code::SHUTDOWN);
        return false;
    }
    for _ in 0..NOTICES_PER_TURN_MAX {
        let Some((_, lane)) = subscriber.news.pop_first() else {
            return true;
        };
        let notice = Notice::Authorised {
            lane: lane.id(),
            device: lane.channel().device(),
            rating_group: lane.rating_group(),
            authorised: lane.durable(),
            grant: view::grant(shared, &lane, now),
        };
        shared.metrics.notices_sent.inc();
        if io.send_frame(id.0, id.1, &encode_to_vec(&notice)).is_err() {
            return false;
        }
    }
    true
}
