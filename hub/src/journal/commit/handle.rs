//! The handle through which everybody submits and asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::progress::Progress;
use super::{Batch, Work};
use crate::journal::durable::{Durable, Sequence, Ticket};
use crate::journal::fault::JournalFault;

/// Why a batch was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full. The batch comes back; the caller adds to it and submits it again after the next notification.
    #[error("the journal's queue is full")]
    Full(Batch),
    /// The batch is longer than a block may be. It comes back; submit it in parts.
    #[error("a batch of {} bytes does not fit into a journal block", .0.body.len())]
    TooLarge(Batch),
    /// The journal has stopped; the fault if that was the reason, none after an orderly stop.
    #[error("the journal has stopped{}", .0.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default())]
    Stopped(Option<JournalFault>),
}

/// Why waiting for a ticket ended without it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// Not yet durable; it may become so.
    #[error("the journal did not commit in time")]
    TimedOut,
    /// The journal has stopped. Whether the records survive is known after the next start.
    #[error("the journal has stopped{}", .0.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default())]
    Stopped(Option<JournalFault>),
}

/// Submits batches and tells what is durable. Cheap to clone; no call but [`wait_durable`](Self::wait_durable) waits.
#[derive(Clone, Debug)]
pub struct JournalHandle {
    queue: Sender<Work>,
    buffers: Receiver<Vec<u8>>,
    progress: Arc<Progress>,
    /// The last ticket given, and whether the queue is closed. Held while a batch is queued, never while waiting, so
    /// that the order of tickets is the order of the queue.
    last: Arc<Mutex<LastTicket>>,
    body_bytes_max: usize,
}

#[derive(Debug)]
struct LastTicket {
    ticket: u64,
    is_closed: bool,
}

impl JournalHandle {
    pub(super) fn new(
        queue: Sender<Work>,
        buffers: Receiver<Vec<u8>>,
        progress: Arc<Progress>,
        body_bytes_max: usize,
    ) -> Self {
        let last = Arc::new(Mutex::new(LastTicket { ticket: 0, is_closed: false }));
        Self { queue, buffers, progress, last, body_bytes_max }
    }

    /// Hands a batch to the commit thread, without waiting.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit(&self, batch: Batch) -> Result<Ticket, SubmitError> {
        if batch.body.len() > self.body_bytes_max {
            return Err(SubmitError::TooLarge(batch));
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_closed || self.progress.has_ended() {
            return Err(SubmitError::Stopped(self.fault()));
        }
        let ticket = Ticket(last.ticket.saturating_add(1));
        match self.queue.try_send(Work::Commit { ticket, batch }) {
            Ok(()) => {
                last.ticket = ticket.0;
                Ok(ticket)
            }
            Err(TrySendError::Full(Work::Commit { batch, .. })) => Err(SubmitError::Full(batch)),
            Err(_) => Err(SubmitError::Stopped(self.fault())),
        }
    }

    /// The longest body that one batch may have, in bytes.
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// The highest durable ticket; all up to it are durable.
    pub fn durable(&self) -> Ticket {
        self.progress.ticket()
    }

    /// The last durable block; for readers of the files, which must not look further.
    pub fn durable_sequence(&self) -> Sequence {
        self.progress.sequence()
    }

    /// The witness, if the ticket is durable.
    pub fn is_durable(&self, ticket: Ticket) -> Option<Durable<Ticket>> {
        (self.durable() >= ticket).then(|| Durable::new(ticket))
    }

    /// Waits for a ticket; for the control plane, never for the data plane.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub fn wait_durable(&self, ticket: Ticket, timeout: Duration) -> Result<Durable<Ticket>, WaitError> {
        if self.progress.wait_for(ticket, timeout) {
            Ok(Durable::new(ticket))
        } else if self.progress.has_ended() || self.fault().is_some() {
            Err(WaitError::Stopped(self.fault()))
        } else {
            Err(WaitError::TimedOut)
        }
    }

    /// Why the journal stopped, if it did.
    pub fn fault(&self) -> Option<JournalFault> {
        self.progress.fault()
    }

    /// True when the disk has no room for the next segment.
    pub fn is_short_of_space(&self) -> bool {
        self.progress.is_short_of_space.load(Ordering::Relaxed)
    }

    /// Blocks, records and body bytes committed since the start.
    pub fn committed_totals(&self) -> (u64, u64, u64) {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.progress.blocks), read(&self.progress.records), read(&self.progress.bytes))
    }

    /// An empty buffer for the next batch, used before if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        self.buffers.try_recv().unwrap_or_default()
    }

    /// Takes no further batch; what is queued is still committed. Waits only for a place in the queue.
    pub(super) fn close(&self) {
        let was_closed = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut last.is_closed, true)
        };
        if !was_closed {
            // No receiver means that the thread has ended.
            let _ = self.queue.send(Work::Close);
        }
    }
}
