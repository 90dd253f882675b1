//! What is told to a provider, the newest of each lane.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use farthing_channel::id::{Address, LaneId, RatingGroup};
use farthing_channel::wire::Grant;
use tokio::sync::Notify;

/// A lane's total grew, or what may be served changed. Covers every notice of the lane before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    /// The lane.
    pub lane: LaneId,
    /// The device that pays.
    pub device: Address,
    /// For which service.
    pub rating_group: RatingGroup,
    /// Highest total proven and durable, base units.
    pub authorised: u64,
    /// What may be served.
    pub grant: Grant,
}

#[derive(Debug, Default)]
struct Waiting {
    newest: HashMap<LaneId, Authorised>,
    order: VecDeque<LaneId>,
    ended: bool,
}

/// The notices that wait for the provider: at most one per lane, so that one who is slow hears less often, and not of
/// the past.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    news: Notify,
}

impl Inbox {
    pub(super) fn put(&self, notice: Authorised) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = notice.lane;
        match waiting.newest.get_mut(&lane) {
            // A reconnection may tell of the past again.
            Some(known) if known.authorised > notice.authorised => {}
            Some(known) => *known = notice,
            None => {
                waiting.newest.insert(lane, notice);
                waiting.order.push_back(lane);
            }
        }
        drop(waiting);
        self.news.notify_one();
    }

    pub(super) fn end(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ended = true;
        drop(waiting);
        self.news.notify_one();
    }
}

/// What is paid to a provider, as it becomes durable.
#[derive(Debug)]
pub struct Notices {
    pub(super) inbox: Arc<Inbox>,
}

impl Notices {
    /// The next lane of which there is something new; `None` when the provider was shut down.
    pub async fn recv(&mut self) -> Option<Authorised> {
        loop {
            if let Some(next) = self.try_recv() {
                return next;
            }
            self.inbox.news.notified().await;
        }
    }

    /// `Some(None)` at the end, `None` where nothing is new at present.
    fn try_recv(&mut self) -> Option<Option<Authorised>> {
        let mut waiting = self.inbox.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = waiting.order.pop_front() {
            return Some(waiting.newest.remove(&lane));
        }
        waiting.ended.then_some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(lane: u8, authorised: u64) -> Authorised {
        Authorised {
            lane: LaneId([lane; 32]),
            device: Address([1; 20]),
            rating_group: RatingGroup(1),
            authorised,
            grant: Grant {
                units: authorised,
                validity_seconds: 60,
                pace_ms: 0,
                final_unit: false,
                reasons: Vec::new(),
            },
        }
    }

    #[tokio::test]
    async fn only_the_newest_of_each_lane_waits_and_the_first_lane_comes_first() {
        let inbox = Arc::new(Inbox::default());
        let mut notices = Notices { inbox: Arc::clone(&inbox) };
        for authorised in 1..=3 {
            inbox.put(notice(1, authorised));
            inbox.put(notice(2, authorised * 10));
        }
        inbox.put(notice(1, 2));
        inbox.end();
        assert_eq!(notices.recv().await, Some(notice(1, 3)));
        assert_eq!(notices.recv().await, Some(notice(2, 30)));
        assert_eq!(notices.recv().await, None);
    }
}
