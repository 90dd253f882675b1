//! What the commit thread tells everybody: how far it is, and whether it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::journal::durable::{Durable, Sequence, Ticket};
use crate::journal::fault::JournalFault;

/// Shared between the thread, which alone writes, and the handles.
#[derive(Debug)]
pub(super) struct Progress {
    ticket: AtomicU64,
    sequence: AtomicU64,
    pub(super) blocks: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) is_short_of_space: AtomicBool,
    fault: OnceLock<JournalFault>,
    has_ended: AtomicBool,
    /// For callers that may wait. It guards nothing; it closes the gap between a look and a wait.
    wait: Mutex<()>,
    changed: Condvar,
}

impl Progress {
    pub(super) fn new(durable: Sequence) -> Self {
        Self {
            ticket: AtomicU64::new(0),
            sequence: AtomicU64::new(durable.0),
            blocks: AtomicU64::new(0),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_short_of_space: AtomicBool::new(false),
            fault: OnceLock::new(),
            has_ended: AtomicBool::new(false),
            wait: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// Takes the writer's witness: no ticket is published without a sync.
    pub(super) fn publish(&self, durable: Durable<Sequence>, ticket: Ticket, count: u32, bytes: usize) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(u64::from(count), Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        // The sequence first: whoever sees a ticket durable finds its block below the durable sequence.
        self.sequence.store(durable.get().0, Ordering::Release);
        self.ticket.store(ticket.0, Ordering::Release);
        self.wake();
    }

    pub(super) fn fail(&self, fault: JournalFault) {
        // The first fault is the cause; a later one would be its consequence.
        let _ = self.fault.set(fault);
        self.wake();
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.ticket.load(Ordering::Acquire))
    }

    pub(super) fn sequence(&self) -> Sequence {
        Sequence(self.sequence.load(Ordering::Acquire))
    }

    pub(super) fn fault(&self) -> Option<JournalFault> {
        self.fault.get().cloned()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Waits until the ticket is durable or never will be, at most for `timeout`. True if it is durable.
    pub(super) fn wait_for(&self, ticket: Ticket, timeout: Duration) -> bool {
        let guard = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = |(): &mut ()| self.ticket() < ticket && self.fault.get().is_none() && !self.has_ended();
        drop(self.changed.wait_timeout_while(guard, timeout, pending));
        self.ticket() >= ticket
    }

    fn wake(&self) {
        drop(self.wait.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
