//! Latencies in an HDR histogram.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency told apart, microseconds: one hour. What took longer counts as this.
const LONGEST_US: u64 = 3_600_000_000;

/// Steps per halving of the distance to 100% in the written table; what the usual plotters expect.
const STEPS_PER_HALF_DISTANCE: u32 = 5;

/// Percentiles of a curve: up to 99.9999%, eight for each further nine.
const NINES_MAX: u32 = 6;
const STEPS_PER_NINE: u32 = 8;

/// Latencies from one microsecond to an hour, with three significant digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// What is told of many latencies, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half were as short or shorter.
    pub p50_us: u64,
    /// 9 of 10 were.
    pub p90_us: u64,
    /// 99 of 100 were.
    pub p99_us: u64,
    /// 999 of 1,000 were.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        // Fixed bounds, which the constructor accepts.
        let bounded = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(bounded.unwrap_or_else(|_| unreachable!("the bounds are constants within the allowed range")))
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(us.max(1));
    }

    /// Counts the same one `count` times.
    pub fn record_many(&mut self, latency: Duration, count: u64) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record_n(us.max(1), count);
    }

    /// Counts all of another.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    /// The percentiles.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.0.len(),
            p50_us: self.0.value_at_quantile(0.5),
            p90_us: self.0.value_at_quantile(0.9),
            p99_us: self.0.value_at_quantile(0.99),
            p999_us: self.0.value_at_quantile(0.999),
            max_us: self.0.max(),
        }
    }

    /// The latency at some percentiles, as `[nines, microseconds]`: 1 is 90%, 2 is 99%, 3 is 99.9%, as far as there are
    /// enough latencies to tell.
    #[must_use]
    pub fn curve(&self) -> Vec<[f64; 2]> {
        let count = u32::try_from(self.0.len()).map_or(f64::from(u32::MAX), f64::from);
        let steps = (0..=NINES_MAX * STEPS_PER_NINE).map(|step| f64::from(step) / f64::from(STEPS_PER_NINE));
        let told = steps.take_while(|nines| 10_f64.powf(*nines) <= count);
        let at = |nines: f64| self.0.value_at_quantile(1.0 - 10_f64.powf(-nines));
        told.map(|nines| [nines, u32::try_from(at(nines)).map_or(f64::from(u32::MAX), f64::from)]).collect()
    }

    /// The histogram itself.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// Writes the whole distribution as the table that HdrHistogram's plotters read, values in microseconds.
    ///
    /// # Errors
    /// As the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = io::BufWriter::new(std::fs::File::create(path)?);
        writeln!(file, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
        let mut total = 0_u64;
        for step in self.0.iter_quantiles(STEPS_PER_HALF_DISTANCE) {
            total = total.saturating_add(step.count_since_last_iteration());
            let quantile = step.quantile_iterated_to();
            write!(file, "{:>12} {quantile:>14.12} {total:>10}", step.value_iterated_to())?;
            if quantile < 1.0 {
                writeln!(file, " {:>14.2}", 1.0 / (1.0 - quantile))?;
            } else {
                writeln!(file)?;
            }
        }
        writeln!(file, "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]", self.0.mean(), self.0.stdev())?;
        writeln!(file, "#[Max     = {:>12.3}, Total count    = {:>12}]", self.0.max(), self.0.len())?;
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_all_that_was_counted() {
        let (mut all, mut more) = (Latencies::default(), Latencies::default());
        (1..=90).for_each(|ms| all.record(Duration::from_millis(ms)));
        (91..=100).for_each(|ms| more.record(Duration::from_millis(ms)));
        more.record(Duration::from_secs(100_000));
        all.add(&more);
        let told = all.percentiles();
        assert_eq!(told.count, 101);
        assert!((50_900..=51_100).contains(&told.p50_us), "{told:?}");
        assert!(told.max_us >= LONGEST_US, "{told:?}");
        let curve = all.curve();
        assert_eq!(curve.last().map(|[nines, _]| *nines), Some(2.0));
        assert!(curve.is_sorted_by(|[_, one], [_, other]| one <= other), "{curve:?}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ack.hgrm");
        all.write(&path).unwrap();
        assert!(std::fs::read_to_string(path).unwrap().contains("Total count    =          101"));
    }
}
