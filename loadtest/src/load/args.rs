//! The command line of `load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use farthing_client::PayMode;

/// How simulated devices pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Hash chain preimages, the everyday payment.
    Ticks,
    /// A signature each.
    Vouchers,
    /// Every other device by vouchers.
    Mixed,
}

impl Mode {
    /// How the device at `place` pays, in steps of `amount` base units.
    #[must_use]
    pub fn of_device(self, place: usize, amount: u32) -> PayMode {
        let ticks = PayMode::ticks(amount, CHAIN_LENGTH);
        match self {
            Self::Ticks => ticks,
            Self::Vouchers => PayMode::Voucher,
            Self::Mixed if place.is_multiple_of(2) => ticks,
            Self::Mixed => PayMode::Voucher,
        }
    }
}

/// Preimages per chain of simulated devices.
pub const CHAIN_LENGTH: u16 = 1024;

/// Payments at a chosen rate, whatever the hub makes of it, and how long their acknowledgements take.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Devices.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub devices: usize,
    /// Payments per second of each device.
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = rate)]
    pub rate: f64,
    /// How they pay.
    #[arg(long, value_enum, default_value_t = Mode::Ticks)]
    pub mode: Mode,
    /// Base units per payment.
    #[arg(long, value_name = "BASE_UNITS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub amount: u32,
    /// Devices behind one connection.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub devices_per_connection: usize,
    /// Seconds over which the connections are made.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub ramp_up: Duration,
    /// Seconds for which payments are due.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub duration: Duration,
    /// Pay at this hub instead of an own one.
    #[arg(long, value_name = "HOST:PORT", requires = "fleet")]
    pub hub: Option<String>,
    /// The fleet that pays, as a JSON description. Without it an own site is set up.
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
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

impl LoadArgs {
    /// Payments of each device.
    #[must_use]
    pub fn payments_per_device(&self) -> u32 {
        let interval = self.interval().as_nanos().max(1);
        u32::try_from(self.duration.as_nanos() / interval).unwrap_or(u32::MAX).max(1)
    }

    /// Between two payments of a device.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(Duration::MAX)
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate: f64 = text.parse().map_err(|_| "expected a number")?;
    if rate.is_finite() && rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("expected a number above zero") }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds")
}
