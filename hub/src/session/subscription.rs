//! Providers that are told what is authorised, at once and coalesced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, LaneId, RatingGroup};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Notice;

use super::{Shared, view};
use crate::table::{Lane, Table};
use crate::transport::{ConnectionId, Io, StreamId};

/// Notices sent to one subscriber in one turn; the rest follows in the next, newer by then.
const NOTICES_PER_TURN_MAX: usize = 256;

#[derive(Debug)]
struct Subscriber {
    payee: Address,
    /// Empty for all.
    rating_groups: Vec<RatingGroup>,
    /// Lanes with news, each once however often it grew.
    news: BTreeMap<LaneId, Arc<Lane>>,
}

impl Subscriber {
    fn wants(&self, lane: &Lane) -> bool {
        self.payee == lane.payee()
            && (self.rating_groups.is_empty() || self.rating_groups.contains(&lane.rating_group()))
    }
}

/// The subscribers of one data-plane thread.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    subscribers: HashMap<(ConnectionId, StreamId), Subscriber>,
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
        let mut subscriber = Subscriber { payee, rating_groups, news: BTreeMap::new() };
        table.visit_lanes(|lane| {
            if subscriber.wants(lane) && lane.durable() > 0 {
                subscriber.news.insert(lane.id(), Arc::clone(lane));
            }
        });
        self.subscribers.insert((connection, stream), subscriber);
    }

    /// Remembers that a lane's durable total grew.
    pub(super) fn news(&mut self, lane: &Arc<Lane>) {
        for subscriber in self.subscribers.values_mut() {
            if subscriber.wants(lane) {
                subscriber.news.insert(lane.id(), Arc::clone(lane));
            }
        }
    }

    /// Tells the news.
    pub(super) fn flush(&mut self, io: &mut Io<'_>, shared: &Shared, now: UnixSeconds) {
        self.subscribers.retain(|(connection, stream), subscriber| {
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
                if io.send_frame(*connection, *stream, &encode_to_vec(&notice)).is_err() {
                    // Gone, or so slow that its stream was reset: it subscribes again and is told everything.
                    return false;
                }
            }
            true
        });
    }

    pub(super) fn remove(&mut self, connection: ConnectionId, stream: StreamId) {
        self.subscribers.remove(&(connection, stream));
    }

    pub(super) fn remove_connection(&mut self, connection: ConnectionId) {
        self.subscribers.retain(|(held, _), _| *held != connection);
    }

    /// Whether news is left over that the next turn should tell.
    pub(super) fn has_news(&self) -> bool {
        self.subscribers.values().any(|subscriber| !subscriber.news.is_empty())
    }
}
