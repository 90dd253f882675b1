//! News that crosses data-plane threads: a payment on one, its provider connected on another.
//!
//! Each thread says which providers are subscribed on it. Whoever has news of a lane passes it to the threads that asked
//! for its payee, and wakes them. A thread whose queue is full is told that it missed something and reads up on
//! everything instead, so nothing is lost and nobody waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender};
use farthing_channel::id::Address;

use crate::table::Lane;
use crate::transport::WakeHandle;

/// News that may wait for a thread.
const QUEUE_MAX: usize = 4096;

/// How many subscriptions each thread has of each payee.
type Interest = HashMap<Address, Vec<u32>>;

#[derive(Debug)]
struct Post {
    sender: Sender<Arc<Lane>>,
    receiver: Receiver<Arc<Lane>>,
    missed: AtomicBool,
    wake: OnceLock<WakeHandle>,
}

/// Where the threads leave news for each other.
#[derive(Debug)]
pub struct Exchange {
    posts: Vec<Post>,
    interest: ArcSwap<Interest>,
    /// Serialises changes of interest, which come with subscriptions and not with payments.
    changing: Mutex<()>,
}

impl Exchange {
    /// An exchange for `threads` data-plane threads.
    pub fn new(threads: u16) -> Self {
        let posts = (0..threads)
            .map(|_| {
                let (sender, receiver) = crossbeam_channel::bounded(QUEUE_MAX);
                Post { sender, receiver, missed: AtomicBool::new(false), wake: OnceLock::new() }
            })
            .collect();
        Self { posts, interest: ArcSwap::default(), changing: Mutex::new(()) }
    }

    /// Says how a thread is woken. Counts once.
    pub fn join(&self, thread: u16, wake: WakeHandle) {
        if let Some(post) = self.posts.get(usize::from(thread)) {
            post.wake.get_or_init(|| wake);
        }
    }

    /// Wakes every thread.
    pub fn wake_all(&self) {
        self.posts.iter().filter_map(|post| post.wake.get()).for_each(WakeHandle::wake);
    }

    /// A provider subscribed on a thread.
    pub(super) fn subscribe(&self, thread: u16, payee: Address) {
        self.change(thread, payee, |count| count.saturating_add(1));
    }

    /// A subscription ended.
    pub(super) fn unsubscribe(&self, thread: u16, payee: Address) {
        self.change(thread, payee, |count| count.saturating_sub(1));
    }

    fn change(&self, thread: u16, payee: Address, change: impl FnOnce(u32) -> u32) {
        if self.posts.len() < 2 {
            return;
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut interest = Interest::clone(&self.interest.load());
        let counts = interest.entry(payee).or_insert_with(|| vec![0; self.posts.len()]);
        if let Some(count) = counts.get_mut(usize::from(thread)) {
            *count = change(*count);
        }
        if counts.iter().all(|count| *count == 0) {
            interest.remove(&payee);
        }
        self.interest.store(Arc::new(interest));
    }

    /// Passes news of a lane on to the other threads that want it.
    pub(super) fn tell(&self, from: u16, lane: &Arc<Lane>) {
        if self.posts.len() < 2 {
            return;
        }
        let interest = self.interest.load();
        let Some(counts) = interest.get(&lane.payee()) else {
            return;
        };
        for (thread, (post, count)) in self.posts.iter().zip(counts).enumerate() {
            if thread == usize::from(from) || *count == 0 {
                continue;
            }
            if post.sender.try_send(Arc::clone(lane)).is_err() {
                post.missed.store(true, Ordering::Release);
            }
            if let Some(wake) = post.wake.get() {
                wake.wake();
            }
        }
    }

    /// Takes the next news for a thread.
    pub(super) fn take(&self, thread: u16) -> Option<Arc<Lane>> {
        self.posts.get(usize::from(thread))?.receiver.try_recv().ok()
    }

    /// Whether the thread missed news since it was last asked.
    pub(super) fn has_missed(&self, thread: u16) -> bool {
        self.posts.get(usize::from(thread)).is_some_and(|post| post.missed.swap(false, Ordering::AcqRel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{PAYEE, lane_of, opening, table};

    #[test]
    fn news_reaches_the_threads_that_asked_and_none_is_missed_silently() {
        let table = table(&opening(100, 60, 1));
        let lane = table.lane(&lane_of(0)).unwrap().unwrap();
        let exchange = Exchange::new(3);
        exchange.tell(0, &lane);
        exchange.subscribe(1, PAYEE);
        exchange.subscribe(1, PAYEE);
        exchange.tell(0, &lane);
        exchange.tell(1, &lane);
        assert!(exchange.take(0).is_none() && exchange.take(2).is_none());
        assert!(exchange.take(1).is_some() && exchange.take(1).is_none());
        exchange.unsubscribe(1, PAYEE);
        for _ in 0..=QUEUE_MAX {
            exchange.tell(2, &lane);
        }
        assert!(exchange.has_missed(1) && !exchange.has_missed(1));
        exchange.unsubscribe(1, PAYEE);
        while exchange.take(1).is_some() {}
        exchange.tell(2, &lane);
        assert!(exchange.take(1).is_none() && exchange.interest.load().is_empty());
    }
}
