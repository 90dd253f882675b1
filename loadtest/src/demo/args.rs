//! The command line of `demo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::site::LedgerKind;

/// A day and a night of a whole site: three providers, three fleets, a power cut at noon, and a settlement that must
/// add up.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where the site is set up; it stays there for you to look around. Default: a new folder under target/demo, or
    /// under the system's folder for temporary files.
    #[arg(long, value_name = "DIR")]
    pub site: Option<PathBuf>,
    /// Recorded traces to replay, one folder each. Default: ../shared/traces beside the workspace, where it exists;
    /// otherwise traces are generated.
    #[arg(long, value_name = "DIR")]
    pub traces: Option<PathBuf>,
    /// Rows of each trace.
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub rows: usize,
    /// Devices of all fleets together, at least 3.
    #[arg(long, value_name = "N", default_value_t = 1_200, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(3..))]
    pub devices: usize,
    /// Where money really moves: in a file, or on a development chain (foundry's anvil, named by FARTHING_ANVIL).
    #[arg(long, value_enum, default_value_t)]
    pub ledger: LedgerKind,
    /// Seconds that the day takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 12)]
    pub day_seconds: u32,
}

impl DemoArgs {
    /// How long the day takes.
    #[must_use]
    pub fn day(&self) -> Duration {
        Duration::from_secs(u64::from(self.day_seconds.max(1)))
    }
}
