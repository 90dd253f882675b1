//! The hub's one clock. Everything else takes the time as an argument.
#![allow(clippy::disallowed_methods, reason = "time is an argument everywhere else; this is where it is read")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, for deadlines and rates.
pub fn now() -> Instant {
    Instant::now()
}

/// The time since 1970-01-01 00:00:00 UTC without leap seconds; zero if the system's clock stands
/// before that.
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// [`unix_now`] in whole seconds.
pub fn unix_seconds() -> u64 {
    unix_now().as_secs()
}

/// [`unix_now`] in whole milliseconds.
pub fn unix_milliseconds() -> u64 {
    u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX)
}
