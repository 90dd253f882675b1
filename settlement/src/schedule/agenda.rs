//! What is due when.

use farthing_channel::time::UnixSeconds;

use super::{DailyTime, ScheduleError};
use crate::night::Progress;

/// First pause after a fault, seconds; it doubles with each fault that follows.
const PAUSE_SECONDS_MIN: u64 = 10;

/// Longest pause after a fault, seconds.
const PAUSE_SECONDS_MAX: u64 = 15 * 60;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Plan a new epoch, or go on with the one that is open.
    Night,
    /// Go on with the epoch that is open, if one is.
    GoOn,
}

/// What a process that runs every night does when.
#[derive(Debug, Clone)]
pub struct Agenda {
    daily: DailyTime,
    /// Seconds between two looks at whether approvals have come.
    look_every: u64,
    /// The next night.
    night_at: UnixSeconds,
    /// Whether a night was due and could not be run to its end.
    owed: bool,
    /// When to look again before that.
    look_at: Option<UnixSeconds>,
    /// The pause after the next fault.
    pause: u64,
}

impl Agenda {
    /// An agenda that begins at `now`, by looking at what is open.
    ///
    /// # Errors
    /// [`ScheduleError::OutOfRange`].
    pub fn new(daily: DailyTime, look_every: u64, now: UnixSeconds) -> Result<Self, ScheduleError> {
        let night_at = daily.next_after(now)?;
        let look_every = look_every.max(1);
        Ok(Self { daily, look_every, night_at, owed: false, look_at: Some(now), pause: PAUSE_SECONDS_MIN })
    }

    /// What is due at `now`. A night that was slept through is made up for once, however many there were.
    ///
    /// # Errors
    /// [`ScheduleError::OutOfRange`].
    pub fn due(&mut self, now: UnixSeconds) -> Result<Option<Task>, ScheduleError> {
        if now >= self.night_at {
            self.night_at = self.daily.next_after(now)?;
            self.owed = true;
            self.look_at = None;
            self.pause = PAUSE_SECONDS_MIN;
            return Ok(Some(Task::Night));
        }
        let due = self.look_at.is_some_and(|at| now >= at);
        Ok(due.then_some(if self.owed { Task::Night } else { Task::GoOn }))
    }

    /// Takes down how far a task came by `now`.
    pub fn came_to(&mut self, now: UnixSeconds, progress: &Progress) {
        self.owed = false;
        self.pause = PAUSE_SECONDS_MIN;
        let soon = now.0.saturating_add(self.look_every);
        self.look_at = match progress {
            Progress::NothingToSettle | Progress::Closed { .. } => None,
            Progress::WaitsForLedger { until, .. } => Some(UnixSeconds(soon.max(*until))),
            _ => Some(UnixSeconds(soon)),
        };
    }

    /// Takes down that a task failed at `now`, and says when it is tried again.
    pub fn failed(&mut self, now: UnixSeconds) -> UnixSeconds {
        let again = UnixSeconds(now.0.saturating_add(self.pause));
        self.look_at = Some(again);
        self.pause = self.pause.saturating_mul(2).min(PAUSE_SECONDS_MAX);
        again.min(self.night_at)
    }

    /// When something may be due again.
    #[must_use]
    pub fn wake_at(&self) -> UnixSeconds {
        self.look_at.map_or(self.night_at, |at| at.min(self.night_at))
    }

    /// The next night.
    #[must_use]
    pub fn night_at(&self) -> UnixSeconds {
        self.night_at
    }
}
