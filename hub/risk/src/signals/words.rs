//! Signals as four words, as they lie in memory and in the journal.

use super::Signals;
use crate::fixed::{clamp16, clamp32};

impl Signals {
    /// All of it as words, to be kept.
    pub fn to_words(self) -> [u64; 4] {
        let halves = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let quarters = |of: [u16; 4]| of.iter().rev().fold(0, |word, part| word << 16 | u64::from(*part));
        [
            halves(self.last, self.units),
            quarters([self.events_fast, self.events, self.own_events, self.own_units]),
            quarters([
                self.size_mean,
                u16::from_le_bytes([self.seen, self.surprise_large]),
                self.surprise,
                u16::from_le_bytes([self.jump, self.failures]),
            ]),
            u64::from_le_bytes([
                self.stale,
                self.churn,
                self.places,
                self.gap,
                self.exposure,
                self.drift_events,
                self.drift_units,
                self.sustained,
            ]),
        ]
    }

    /// What [`to_words`](Self::to_words) made.
    pub fn from_words(words: [u64; 4]) -> Self {
        let [times, levels, sizes, counters] = words;
        let part = |word: u64, at: u32| clamp16(word >> (16 * at) & 0xffff);
        let [seen, surprise_large] = part(sizes, 1).to_le_bytes();
        let [jump, failures] = part(sizes, 3).to_le_bytes();
        let [stale, churn, places, gap, exposure, drift_events, drift_units, sustained] = counters.to_le_bytes();
        Self {
            last: clamp32(times & 0xffff_ffff),
            units: clamp32(times >> 32),
            events_fast: part(levels, 0),
            events: part(levels, 1),
            own_events: part(levels, 2),
            own_units: part(levels, 3),
            size_mean: part(sizes, 0),
            seen,
            surprise_large,
            surprise: part(sizes, 2),
            jump,
            failures,
            stale,
            churn,
            places,
            gap,
            exposure,
            drift_events,
            drift_units,
            sustained,
        }
    }
}
