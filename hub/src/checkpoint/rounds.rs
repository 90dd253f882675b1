//! Checkpoint after checkpoint, and idle units out of memory after each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{CheckpointError, JournalFollower};
use crate::clock;
use crate::session::Shared;

/// How often the checkpointer looks whether there is something to do.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the checkpointer waits for the data plane's answer to a round. An idle thread answers with its heartbeat.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// How often it looks for that answer.
const ANSWER_POLL: Duration = Duration::from_millis(5);

/// When checkpoints are made, and what stays in memory after them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two checkpoints.
    pub interval: Duration,
    /// Journal bytes after which one is made ahead of time.
    pub journal_bytes: u64,
    /// Time after which an idle unit leaves memory.
    pub idle: Duration,
    /// Units in memory from which on every idle one leaves.
    pub units_in_memory_max: usize,
}

/// How much of the journal the checkpoint has taken in, for those who should not run far ahead of it.
#[derive(Debug, Default)]
pub struct CheckpointProgress(AtomicU64);

impl CheckpointProgress {
    /// Journal bytes since the start that the checkpoint holds.
    pub fn journal_bytes(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Makes checkpoints of one journal.
#[derive(Debug)]
pub struct Checkpointer {
    follower: JournalFollower,
    shared: Arc<Shared>,
    pace: Pace,
    /// Rounds that were opened and when, oldest first.
    opened: VecDeque<(u64, Instant)>,
}

impl Checkpointer {
    /// A checkpointer that goes on where the follower stands.
    pub fn new(follower: JournalFollower, shared: Arc<Shared>, pace: Pace) -> Self {
        Self { follower, shared, pace, opened: VecDeque::new() }
    }

    /// Folds everything durable into the checkpoint.
    fn catch_up(&mut self) -> Result<(), CheckpointError> {
        let journal = &self.shared.journal;
        let (_, _, bytes) = journal.committed_totals();
        let limit = journal.durable_sequence();
        let cursor = self.follower.fold_through(&self.shared.table, limit)?;
        self.shared.checkpointed.0.store(bytes, Ordering::Release);
        self.shared.metrics.checkpoint_sequence.set(i64::try_from(cursor.sequence).unwrap_or(i64::MAX));
        Ok(())
    }

    /// A checkpoint that holds every change made before it began, and idle units out of memory after it.
    fn round(&mut self, stop: &AtomicBool) {
        let rounds = self.shared.table.rounds();
        let round = rounds.open();
        self.opened.push_back((round, clock::now()));
        // A change that the control plane began before is made when this lock is free.
        drop(rounds.changing());
        let is_answered = self.wait_for_answers(round, stop);
        if self.checkpoint() && is_answered {
            let before = self.idle_since(round);
            let evicted = self.shared.table.evict(before);
            tracing::debug!(round, evicted, "checkpoint made");
        }
    }

    fn wait_for_answers(&self, round: u64, stop: &AtomicBool) -> bool {
        let until = clock::now() + ANSWER_DEADLINE;
        loop {
            if self.shared.table.rounds().is_answered(round) {
                return true;
            }
            if stop.load(Ordering::Acquire) || clock::now() > until {
                return false;
            }
            std::thread::sleep(ANSWER_POLL);
        }
    }

    /// The round before which a unit must have been touched last to leave memory now.
    fn idle_since(&mut self, round: u64) -> u64 {
        let now = clock::now();
        let mut idle_since = 0;
        while let Some((opened, at)) = self.opened.front()
            && *at + self.pace.idle <= now
        {
            idle_since = *opened;
            self.opened.pop_front();
        }
        // The newest of them still counts when the next round asks.
        if idle_since > 0 {
            self.opened.push_front((idle_since, now - self.pace.idle));
        }
        let is_full = self.shared.table.hot_units() > self.pace.units_in_memory_max;
        if is_full { round } else { idle_since }
    }

    /// Makes a checkpoint and drops what of the journal nobody needs any more. False where it could not be made.
    fn checkpoint(&mut self) -> bool {
        let outcome = self.catch_up();
        if let Err(error) = &outcome {
            tracing::error!(%error, "cannot make a checkpoint; the journal keeps everything meanwhile");
        }
        let (_, settled) = self.shared.table.epoch_closed();
        match self.follower.retire_segments(settled) {
            Ok(0) => {}
            Ok(segments) => tracing::info!(segments, "dropped journal segments that are settled"),
            Err(error) => tracing::warn!(%error, "cannot drop old journal segments"),
        }
        outcome.is_ok()
    }

    fn is_far_behind(&self) -> bool {
        let (_, _, bytes) = self.shared.journal.committed_totals();
        bytes.saturating_sub(self.shared.checkpointed.journal_bytes()) >= self.pace.journal_bytes
    }

    /// Makes checkpoints until `stop`, and a last one then.
    pub fn run(mut self, stop: &AtomicBool) {
        let pause = PAUSE.min(self.pace.interval);
        let mut waited = Duration::ZERO;
        loop {
            if stop.load(Ordering::Acquire) {
                self.checkpoint();
                return;
            }
            if waited >= self.pace.interval || self.is_far_behind() {
                waited = Duration::ZERO;
                self.round(stop);
            }
            std::thread::sleep(pause);
            waited = waited.saturating_add(pause);
        }
    }
}
