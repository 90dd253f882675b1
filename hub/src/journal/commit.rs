//! The thread that commits, and the handle to it.
//!
//! A caller submits a batch of whole records and gets a ticket. The thread takes everything that waits, makes one
//! block of it, writes, syncs, and publishes the highest ticket in it. Under load the blocks grow and the syncs stay as
//! frequent as the disk allows; nobody but this thread waits for the disk. After a fault nothing is ever published
//! again: a caller that asks learns the fault.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::durable::{Durable, Sequence, Ticket};
use super::fault::JournalFault;
use super::storage::Storage;
use super::writer::JournalWriter;

mod handle;
mod progress;

pub use handle::{JournalHandle, SubmitError, WaitError};
use progress::Progress;

/// Batches that may wait. When it is full the caller keeps collecting into its own batch, which then commits at once.
pub const QUEUE_BATCHES: usize = 64;
/// Buffers given back to callers; larger ones than this are freed instead.
const RECYCLED_BYTES_MAX: usize = 1024 * 1024;

/// Whole records, one after the other, that become durable together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The encoded records.
    pub body: Vec<u8>,
    /// How many they are.
    pub count: u32,
}

enum Work {
    Commit { ticket: Ticket, batch: Batch },
    Close,
}

/// What the thread calls besides the writer.
pub struct Hooks {
    /// Unix milliseconds, for the blocks.
    pub now_ms: Box<dyn Fn() -> u64 + Send>,
    /// Called after tickets became durable, and when the thread ends. Must return at once: it wakes a poll, nothing more.
    pub notify: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// The running commit thread.
#[derive(Debug)]
pub struct CommitThread {
    handle: JournalHandle,
    thread: JoinHandle<()>,
}

impl CommitThread {
    /// Starts it on an open journal, all of which is durable.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start<S: Storage + 'static>(writer: JournalWriter<S>, hooks: Hooks) -> io::Result<Self> {
        let (queue, work) = bounded(QUEUE_BATCHES);
        let (recycle, buffers) = bounded(QUEUE_BATCHES);
        let progress = Arc::new(Progress::new(Sequence(writer.cursor().sequence)));
        let body_bytes_max = writer.config().body_bytes_max();
        let thread_number = writer.config().thread;
        let handle = JournalHandle::new(queue, buffers, Arc::clone(&progress), body_bytes_max);
        let committer = Committer {
            work,
            recycle,
            progress,
            hooks,
            body: Vec::new(),
            body_bytes_max,
            carried: None,
            is_closing: false,
        };
        let thread = std::thread::Builder::new()
            .name(format!("journal-{thread_number}"))
            .spawn(move || committer.run(writer))?;
        Ok(Self { handle, thread })
    }

    /// A handle to it; handles can be cloned freely.
    pub fn handle(&self) -> JournalHandle {
        self.handle.clone()
    }

    /// Takes no further batches, commits what waits, and ends the thread. The last durable block.
    ///
    /// # Errors
    /// The fault, if there was one.
    pub fn stop(self) -> Result<Durable<Sequence>, JournalFault> {
        self.handle.close();
        if self.thread.join().is_err() {
            return Err(JournalFault::ThreadDied);
        }
        match self.handle.fault() {
            Some(fault) => Err(fault),
            None => Ok(Durable::new(self.handle.durable_sequence())),
        }
    }
}

struct Committer {
    work: Receiver<Work>,
    recycle: Sender<Vec<u8>>,
    progress: Arc<Progress>,
    hooks: Hooks,
    body: Vec<u8>,
    body_bytes_max: usize,
    /// A batch that did not fit into the last block.
    carried: Option<(Ticket, Batch)>,
    is_closing: bool,
}

/// What goes into one block: its last ticket and the number of its records.
#[derive(Clone, Copy)]
struct Group {
    ticket: Ticket,
    count: u32,
}

impl Committer {
    fn run<S: Storage>(mut self, mut writer: JournalWriter<S>) {
        // Waiting callers learn from the guard that nothing more will come, also when this thread panics.
        let _guard = EndGuard { progress: Arc::clone(&self.progress), notify: Arc::clone(&self.hooks.notify) };
        while let Some(group) = self.gather() {
            if let Err(fault) = self.commit(&mut writer, &group) {
                self.fail(fault);
                break;
            }
        }
    }

    /// Waits for a batch, then takes all that wait and fit. None when there will be no more.
    fn gather(&mut self) -> Option<Group> {
        self.body.clear();
        let mut group: Option<Group> = None;
        loop {
            let next = match self.carried.take() {
                Some(carried) => Some(carried),
                None => self.receive(group.is_none()),
            };
            let Some((ticket, batch)) = next else {
                return group;
            };
            if group.is_some() && self.body.len().saturating_add(batch.body.len()) > self.body_bytes_max {
                self.carried = Some((ticket, batch));
                return group;
            }
            self.body.extend_from_slice(&batch.body);
            let count = group.map_or(0, |group| group.count).saturating_add(batch.count);
            group = Some(Group { ticket, count });
            self.give_back(batch.body);
        }
    }

    fn receive(&mut self, wait: bool) -> Option<(Ticket, Batch)> {
        if self.is_closing {
            return None;
        }
        let work = if wait { self.work.recv().ok() } else { self.work.try_recv().ok() };
        match work? {
            Work::Commit { ticket, batch } => Some((ticket, batch)),
            Work::Close => {
                self.is_closing = true;
                None
            }
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= RECYCLED_BYTES_MAX {
            buffer.clear();
            // When nobody takes them they are freed.
            let _ = self.recycle.try_send(buffer);
        }
    }

    fn commit<S: Storage>(&self, writer: &mut JournalWriter<S>, group: &Group) -> Result<(), JournalFault> {
        writer.append(&self.body, group.count, (self.hooks.now_ms)())?;
        let durable = writer.sync()?;
        self.progress.publish(durable, group.ticket, group.count, self.body.len());
        (self.hooks.notify)();
        let is_short = writer.prepare_next_segment()?;
        if is_short && !self.progress.is_short_of_space.swap(true, Ordering::Relaxed) {
            tracing::error!("no space for the next journal segment; the hub stops when the present one is full");
        }
        Ok(())
    }

    fn fail(&self, fault: JournalFault) {
        tracing::error!(%fault, "the journal has stopped; nothing is acknowledged any more");
        self.progress.fail(fault);
    }
}

struct EndGuard {
    progress: Arc<Progress>,
    notify: Arc<dyn Fn() + Send + Sync>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.progress.fail(JournalFault::ThreadDied);
        }
        self.progress.end();
        (self.notify)();
    }
}

#[cfg(test)]
mod tests;
