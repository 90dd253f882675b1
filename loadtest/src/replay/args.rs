//! The command line of `replay`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::trace::PriceOption;

/// Bill a recorded trace, one device per device of the trace.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The trace: a table `timestamp,device_id,kind,quantity,…`, plain or gzip.
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// Base units per units of the trace's kind, such as 3/1000.
    #[arg(long, value_name = "AMOUNT/UNITS")]
    pub price: PriceOption,
    /// Pay at this hub instead of an own one.
    #[arg(long, value_name = "HOST:PORT", requires = "fleet")]
    pub hub: Option<String>,
    /// The fleet that pays, as a JSON description. Without it an own site is set up.
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// Replay the trace's times, this many times faster. Without it: as fast as the hub acknowledges.
    #[arg(long, value_name = "FACTOR")]
    pub compression: Option<Compression>,
    /// Payments of a device that may be unacknowledged; those that wait together go as one message. Default: 16, and
    /// more where there are so few devices that the hub would idle.
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub in_flight: Option<usize>,
    /// Devices behind one connection.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub devices_per_connection: usize,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the latencies' distribution to this file.
    #[arg(long, value_name = "FILE")]
    pub histogram: Option<PathBuf>,
    /// Keep the own site in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR", conflicts_with = "fleet")]
    pub keep: Option<PathBuf>,
}

/// Payments of one device that may be unacknowledged, at least.
const IN_FLIGHT: usize = 16;

/// Payments of all devices that may be unacknowledged, where these are few.
const IN_FLIGHT_OF_ALL: usize = 4_096;

impl ReplayArgs {
    /// Payments of each of so many devices that may be unacknowledged.
    #[must_use]
    pub fn window(&self, devices: usize) -> usize {
        self.in_flight.unwrap_or_else(|| (IN_FLIGHT_OF_ALL / devices.max(1)).max(IN_FLIGHT))
    }
}

/// How many times faster than recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compression(f64);

impl Compression {
    /// When something is due that was recorded `us` microseconds after the beginning.
    #[must_use]
    pub fn compress(self, us: u64) -> Duration {
        let recorded = Duration::from_micros(us).as_secs_f64();
        Duration::try_from_secs_f64(recorded / self.0).unwrap_or(Duration::MAX)
    }
}

impl FromStr for Compression {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let factor: f64 = text.parse().map_err(|_| "expected a number")?;
        if factor.is_finite() && factor > 0.0 { Ok(Self(factor)) } else { Err("expected a number above zero") }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_faster() {
        let hour: Compression = "3600".parse().unwrap();
        assert_eq!(hour.compress(3_600_000_000), Duration::from_secs(1));
        for text in ["0", "-1", "inf", "NaN", "x"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
