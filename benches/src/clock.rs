//! The one place of this crate that reads a clock.

use std::time::{Duration, Instant};

/// Time since a moment.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Runs from now on.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the clock file of this crate")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The moment it was started, for code that takes the time as an argument.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0
    }
}
