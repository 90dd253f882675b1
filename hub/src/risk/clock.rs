//! Time as the signals have it.

use farthing_channel::time::UnixSeconds;
use farthing_risk::signals::Sixteenths;

/// How far before its start a hub's risk clock begins.
const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

/// The hub's risk clock: milliseconds since an origin that lies before everything that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RiskClock {
    origin_ms: u64,
}

impl RiskClock {
    /// A clock of a hub that starts at this Unix time.
    pub fn starting_at(unix_ms: u64) -> Self {
        Self { origin_ms: unix_ms.saturating_sub(YEAR_MS) }
    }

    /// A Unix time on it, in milliseconds.
    pub fn milliseconds(&self, unix_ms: u64) -> u64 {
        unix_ms.saturating_sub(self.origin_ms)
    }

    /// A Unix time in milliseconds on it, in sixteenths of a second.
    pub fn at_unix_ms(&self, unix_ms: u64) -> Sixteenths {
        sixteenths(self.milliseconds(unix_ms))
    }

    /// A Unix time on it.
    pub fn sixteenths(&self, unix: UnixSeconds) -> Sixteenths {
        self.at_unix_ms(unix.0.saturating_mul(1000))
    }

    /// One of its times as Unix time.
    pub fn unix(&self, at: Sixteenths) -> UnixSeconds {
        UnixSeconds((self.origin_ms.saturating_add(u64::from(at.0) * 125 / 2)) / 1000)
    }
}

/// Milliseconds on a risk clock in sixteenths of a second.
pub fn sixteenths(ms: u64) -> Sixteenths {
    Sixteenths(u32::try_from(ms.saturating_mul(2) / 125).unwrap_or(u32::MAX))
}
