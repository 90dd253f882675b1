//! What is counted while payments go on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::report::Latencies;

/// One second of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Second {
    /// Milliseconds since the run's clock began.
    pub at_ms: u64,
    /// How long it was, milliseconds: shorter where a measured period began or ended within it.
    pub length_ms: u64,
    /// Payments acknowledged in it.
    pub acknowledged: u64,
    /// Half of them were as fast or faster, microseconds.
    pub p50_us: u64,
    /// 99 of 100 were.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
    /// Whether it lies in a measured period.
    pub measured: bool,
}

/// Counters of a run. Only what happens while [`recording`](Self::record_from) goes into the latencies.
#[derive(Debug)]
pub struct Measure {
    begun: Instant,
    recording: bool,
    /// Nothing was done since the last second was closed.
    paused: bool,
    /// Payments acknowledged since the beginning.
    pub acknowledged: u64,
    /// Latencies of the measured period.
    pub latencies: Latencies,
    interval: Latencies,
    interval_begun: Instant,
    /// The latencies of each second of measured periods, for the interval log.
    pub intervals: Vec<(Duration, Latencies)>,
    /// All seconds so far.
    pub seconds: Vec<Second>,
    /// Refusals by code.
    pub refused: BTreeMap<u16, u64>,
    /// Payments said again because nothing was heard.
    pub repeated: u64,
    /// Datagrams that QUIC did not take.
    pub unsent: u64,
    /// Connections that ended although nobody ended them.
    pub dropped: BTreeMap<String, u64>,
    /// Lanes of which the hub, on coming back, knew less than it had acknowledged.
    pub lost: u64,
}

impl Measure {
    /// Nothing counted, from `now` on.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            begun: now,
            recording: false,
            paused: false,
            acknowledged: 0,
            latencies: Latencies::default(),
            interval: Latencies::default(),
            interval_begun: now,
            intervals: Vec::new(),
            seconds: Vec::new(),
            refused: BTreeMap::new(),
            repeated: 0,
            unsent: 0,
            dropped: BTreeMap::new(),
            lost: 0,
        }
    }

    /// Begins a measured period.
    pub fn record_from(&mut self, now: Instant) {
        self.close_second(now);
        self.recording = true;
        self.latencies = Latencies::default();
    }

    /// Ends it; returns its latencies.
    pub fn record_to(&mut self, now: Instant) -> Latencies {
        self.close_second(now);
        self.recording = false;
        std::mem::take(&mut self.latencies)
    }

    /// Counts `count` payments that were due at `due` and are acknowledged at `now`.
    pub fn covered(&mut self, due: Instant, now: Instant, count: u64) {
        self.acknowledged += count;
        self.interval.record_many(now.saturating_duration_since(due), count);
    }

    /// Ends the present second; the time until [`resume`](Self::resume) is no part of any.
    pub fn pause(&mut self, now: Instant) {
        self.close_second(now);
        self.paused = true;
    }

    /// Goes on at `now`, if it was paused.
    pub fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.paused) {
            self.interval_begun = now;
        }
    }

    /// Ends the present second, if it is over. Returns it then.
    pub fn tick(&mut self, now: Instant) -> Option<Second> {
        if now.saturating_duration_since(self.interval_begun) < Duration::from_secs(1) {
            return None;
        }
        self.close_second(now)
    }

    fn close_second(&mut self, now: Instant) -> Option<Second> {
        let interval = std::mem::take(&mut self.interval);
        let told = interval.percentiles();
        let at = self.interval_begun.saturating_duration_since(self.begun);
        let length = now.saturating_duration_since(self.interval_begun);
        self.interval_begun = now;
        if length.is_zero() {
            return None;
        }
        let second = Second {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            length_ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
            acknowledged: told.count,
            p50_us: told.p50_us,
            p99_us: told.p99_us,
            max_us: told.max_us,
            measured: self.recording,
        };
        if self.recording {
            self.latencies.add(&interval);
            self.intervals.push((at, interval));
        }
        self.seconds.push(second);
        Some(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_measured_periods_go_into_the_latencies() {
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut measure = Measure::new(start);
        measure.covered(at(0), at(100), 5);
        measure.record_from(at(500));
        measure.covered(at(500), at(700), 3);
        assert_eq!(measure.tick(at(1400)), None);
        let second = measure.tick(at(1600)).unwrap();
        assert_eq!((second.acknowledged, second.at_ms, second.measured), (3, 500, true));
        measure.covered(at(1600), at(1700), 2);
        let told = measure.record_to(at(1800)).percentiles();
        measure.covered(at(1800), at(1900), 9);
        assert_eq!((told.count, measure.acknowledged, measure.intervals.len()), (5, 19, 2));
        measure.pause(at(2000));
        measure.resume(at(9000));
        let second = measure.tick(at(10_000)).unwrap();
        assert_eq!((second.at_ms, second.length_ms, second.acknowledged), (9000, 1000, 0));
        assert!((199_000..=201_000).contains(&told.max_us), "{told:?}");
    }
}
