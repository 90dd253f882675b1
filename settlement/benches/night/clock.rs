//! The one place of this benchmark that reads a clock.

use std::time::{Duration, Instant};

/// Time since a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Runs from now on.
    #[allow(clippy::disallowed_methods, reason = "the clock file of this benchmark")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
