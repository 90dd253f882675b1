//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use farthing_channel::time::UnixSeconds;

/// Now; 1970 where the clock stands before it.
#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> UnixSeconds {
    UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
