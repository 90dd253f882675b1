//! The crate's one clock. Everything else takes the time as an argument.
#![allow(clippy::disallowed_methods, reason = "time is an argument everywhere else; this is where it is read")]

use std::time::{SystemTime, UNIX_EPOCH};

use farthing_channel::time::UnixSeconds;
use tokio::time::Instant;

/// The monotonic time, for deadlines and retransmission. It stands still where tokio's test clock does.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The device's own idea of the date, for tariffs with time windows; zero before 1970.
pub(crate) fn unix_now() -> UnixSeconds {
    UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
