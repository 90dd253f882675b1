//! The crate's one clock. Everything else takes the time as an argument.
#![allow(clippy::disallowed_methods, reason = "time is an argument everywhere else; this is where it is read")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, for latencies, paces and deadlines.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970; zero before it.
#[must_use]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
