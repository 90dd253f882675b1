//! Cheap refusals: what a source may cost the hub before anything expensive is done for it.
//!
//! Work is paid from the source's own token buckets: one token a hash for ticks, one a signature for everything
//! signed. Failed proofs cost more than good ones, and always the connection that sent them, never the lane that
//! it named.

use std::time::{Duration, Instant};

use farthing_channel::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// What one connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceLimits {
    /// SHA-256 steps per second that ticks of one connection may take.
    pub hashes_per_second: u32,
    /// The same, at once.
    pub hashes_burst: u32,
    /// Signatures per second that are verified for one connection.
    pub signatures_per_second: u32,
    /// The same, at once.
    pub signatures_burst: u32,
    /// Hub-signed receipts per second for one connection.
    pub receipts_per_second: u32,
    /// Keys attached on one connection; a gateway carries many.
    pub channels_per_connection_max: u32,
    /// Connections on which one device key is attached at once; the oldest gives way to a newer one.
    pub connections_per_device_max: u32,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            hashes_per_second: 4_000_000,
            hashes_burst: 4_000_000,
            signatures_per_second: 10_000,
            signatures_burst: 20_000,
            receipts_per_second: 100,
            channels_per_connection_max: 65_536,
            connections_per_device_max: 4,
        }
    }
}

/// A tick that fails costs this many times one that holds.
const FAILED_TICK_FACTOR: u32 = 16;

/// A signature that fails costs this many times one that holds. An honest device sends none; at the shipped limit 39 a
/// second of one connection are looked at, two thousandths of a core, and a gateway with a broken device among its
/// thousands keeps 97 of 100 of what it may send.
const FAILED_SIGNATURE_FACTOR: u32 = 256;

/// A token bucket in integers: capacity in tokens, refill per second. It may be in debt, at most by its capacity.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    tokens: i64,
    capacity: i64,
    per_second: u32,
    refilled: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(per_second: u32, capacity: u32, now: Instant) -> Self {
        let capacity = i64::from(capacity.max(1));
        Self { tokens: capacity, capacity, per_second, refilled: now }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled);
        let gained = u128::from(self.per_second) * elapsed.as_micros() / 1_000_000;
        if gained > 0 {
            let tokens = self.tokens.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX));
            self.tokens = self.capacity.min(tokens);
            // The time that made no whole token yet is kept, or a busy bucket would never refill.
            let used = gained.saturating_mul(1_000_000) / u128::from(self.per_second.max(1));
            self.refilled += Duration::from_micros(u64::try_from(used).unwrap_or(u64::MAX)).min(elapsed);
        }
    }

    /// Whether `cost` tokens are there.
    pub fn has(&mut self, cost: u32, now: Instant) -> bool {
        if self.tokens < i64::from(cost) {
            self.refill(now);
        }
        self.tokens >= i64::from(cost)
    }

    /// Takes `cost` tokens, if they are there.
    pub fn take(&mut self, cost: u32, now: Instant) -> bool {
        let may = self.has(cost, now);
        if may {
            self.tokens -= i64::from(cost);
        }
        may
    }

    /// Takes `cost` tokens, whether they are there or not: what is not there is owed, and nothing is given before it is
    /// made good. Without the debt a source that sends nothing but failures would pay one token for each.
    fn charge(&mut self, cost: u32) {
        self.tokens = self.tokens.saturating_sub(i64::from(cost)).max(-self.capacity);
    }
}

/// The gate of one connection.
#[derive(Debug, Clone)]
pub struct Gate {
    hashes: TokenBucket,
    signatures: TokenBucket,
    receipts: TokenBucket,
}

impl Gate {
    /// A gate with full buckets.
    pub fn new(limits: &SourceLimits, now: Instant) -> Self {
        Self {
            hashes: TokenBucket::new(limits.hashes_per_second, limits.hashes_burst, now),
            signatures: TokenBucket::new(limits.signatures_per_second, limits.signatures_burst, now),
            receipts: TokenBucket::new(limits.receipts_per_second, limits.receipts_per_second, now),
        }
    }

    /// Pays for hashing a tick.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn admit_hashes(&mut self, hashes: u32, now: Instant) -> Result<(), Refusal> {
        if self.hashes.take(hashes, now) { Ok(()) } else { Err(Refusal::RateLimited) }
    }

    /// Pays for verifying a signature.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn admit_signature(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.signatures.take(1, now) { Ok(()) } else { Err(Refusal::RateLimited) }
    }

    /// Whether a signature could be paid for, before anything is kept for it.
    pub fn may_sign(&mut self, now: Instant) -> bool {
        self.signatures.has(1, now)
    }

    /// Pays for a receipt that the hub signs.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`].
    pub fn admit_receipt(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.receipts.take(1, now) { Ok(()) } else { Err(Refusal::RateLimited) }
    }

    /// Makes the source pay for a failed tick.
    pub fn charge_failed_hashes(&mut self, hashes: u32) {
        self.hashes.charge(hashes.saturating_mul(FAILED_TICK_FACTOR));
    }

    /// Makes the source pay for a failed signature.
    pub fn charge_failed_signature(&mut self) {
        self.signatures.charge(FAILED_SIGNATURE_FACTOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_at_its_rate_even_when_asked_often() {
        let start = crate::clock::now();
        let mut bucket = TokenBucket::new(10, 5, start);
        assert!(bucket.take(5, start) && !bucket.take(1, start));
        let mut taken = 0;
        for tick in 1..=1000_u64 {
            // A thousand questions in one second, each too early for a whole token.
            if bucket.take(1, start + Duration::from_millis(tick)) {
                taken += 1;
            }
        }
        assert_eq!(taken, 10);
    }

    #[test]
    fn a_failure_is_paid_for_in_full() {
        let start = crate::clock::now();
        let limits = SourceLimits { signatures_burst: 1000, signatures_per_second: 100, ..SourceLimits::default() };
        let mut gate = Gate::new(&limits, start);
        // Failures only, whenever the gate is open: the burst, and then what refills, at the failures' price.
        let mut looked_at = 0;
        for millisecond in 0..=60_000 {
            let now = start + Duration::from_millis(millisecond);
            while gate.may_sign(now) {
                assert_eq!(gate.admit_signature(now), Ok(()));
                gate.charge_failed_signature();
                looked_at += 1;
            }
            assert_eq!(gate.admit_signature(now), Err(Refusal::RateLimited));
        }
        assert_eq!(looked_at, (1000 + 60 * 100) / (FAILED_SIGNATURE_FACTOR + 1) + 1);
    }

    #[test]
    fn a_debt_ends() {
        let start = crate::clock::now();
        let mut bucket = TokenBucket::new(10, 5, start);
        bucket.charge(1_000_000);
        assert!(!bucket.has(1, start + Duration::from_millis(500)));
        assert!(bucket.has(1, start + Duration::from_millis(600)));
    }
}
