//! How long to wait before trying again.

use std::time::Duration;

/// Exponential delays with full jitter: each is drawn evenly from the upper half of a window that doubles. Devices
/// that lost one hub at the same moment thereby do not come back at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Width of the first window.
    pub first: Duration,
    /// Width at which the window stops doubling.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), max: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The delay before attempt `attempt` (0 is the first repetition), with `random` from the whole range of 32 bits.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: u32) -> Duration {
        let doublings = attempt.min(20);
        let window = self.first.saturating_mul(1 << doublings).min(self.max);
        let half = window / 2;
        // Shifts instead of a modulus: an even spread over the upper half, without floats.
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let jitter = (u128::from(nanos) * u128::from(random)) >> 32;
        half + Duration::from_nanos(u64::try_from(jitter).unwrap_or(nanos))
    }
}

/// 32 random bits; a constant where the system has none, which costs only the spread.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_greatest_and_are_spread_over_half_the_window() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1) };
        assert_eq!(backoff.delay(0, 0), Duration::from_millis(50));
        assert_eq!(backoff.delay(1, 0), Duration::from_millis(100));
        assert_eq!(backoff.delay(30, 0), Duration::from_millis(500));
        assert!(backoff.delay(30, u32::MAX) <= Duration::from_secs(1));
        assert!(backoff.delay(30, u32::MAX) > Duration::from_millis(999));
    }
}
