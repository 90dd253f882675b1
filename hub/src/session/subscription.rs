//! Providers that are told what is authorised, at once and coalesced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, LaneId, RatingGroup};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Notice;

use super::{Exchange, Shared, view};
use crate::table::{Lane, Table};
use crate::transport::{ConnectionId, Io, StreamId};

/// Notices sent to one subscriber in one turn; the rest follows in the next, newer by then.
const NOTICES_PER_TURN_MAX: usize = 256;

/// A provider's conversation.
type SubscriberId = (ConnectionId, StreamId);

#[derive(Debug)]
struct Subscriber {
    payee: Address,
    /// Empty for all.
    rating_groups: Vec<RatingGroup>,
    /// Lanes with news, each once however often it grew.
    news: BTreeMap<LaneId, Arc<Lane>>,
    /// Whether it waits to be told.
    is_ready: bool,
}

impl Subscriber {
    fn wants(&self, lane: &Lane) -> bool {
        self.payee == lane.payee()
            && (self.rating_groups.is_empty() || self.rating_groups.contains(&lane.rating_group()))
    }

    /// Takes every lane on which something is paid for news.
    fn read_up(&mut self, table: &Table) {
        table.visit_lanes(|lane| {
            if self.wants(lane) && lane.durable() > 0 {
                self.news.insert(lane.id(), Arc::clone(lane));
            }
        });
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
    /// Adds a subscriber. Its news begins with every lane of the provider on which something is paid.
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        stream: StreamId,
        payee: Address,
        rating_groups: Vec<RatingGroup>,
        table: &Table,
    ) {
        let id = (connection, stream);
        let mut subscriber = Subscriber { payee, rating_groups, news: BTreeMap::new(), is_ready: false };
        subscriber.read_up(table);
        if !subscriber.news.is_empty() {
            subscriber.is_ready = true;
            self.ready.push(id);
        }
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
    pub(super) fn read_up(&mut self, table: &Table) {
        for (id, subscriber) in &mut self.subscribers {
            subscriber.read_up(table);
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
            } else if !subscriber.news.is_empty() {
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
