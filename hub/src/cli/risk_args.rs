//! Commands and options about risk.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use farthing_channel::id::ChannelId;
use farthing_risk::ladder::Level;

/// What to do about risk.
#[derive(Debug, Subcommand)]
pub enum RiskCommand {
    /// Learn weights from feature exports or from traces, and tell how they do on scenarios not learned from. Needs no running hub.
    Fit(FitArgs),
    /// Tell what weights that are not yet in force would have done on the recorded days. Changes nothing, and needs no running hub.
    Replay(ReplayArgs),
    /// Tell how far a channel's lanes are trusted, why, and what was decided about them before.
    Explain {
        /// The channel.
        channel: ChannelId,
    },
    /// Tell of fleets whose lanes move together: an update of them all, or a part that somebody drives.
    Fleets,
    /// Decide what is done about a channel's lanes, for a time, whatever the model says; or let the model decide again.
    Override(OverrideArgs),
}

/// Options of `risk override`.
#[derive(Debug, Args)]
pub struct OverrideArgs {
    /// The channel.
    pub channel: ChannelId,
    /// trusted, smaller-grant, shorter-validity, pace, voucher-per-payment, restrict or block.
    #[arg(long, requires = "seconds", required_unless_present = "clear", value_parser = level)]
    pub level: Option<Level>,
    /// For how long: a number with s, m, h or d.
    #[arg(long = "for", id = "seconds", value_parser = seconds)]
    pub seconds: Option<u64>,
    /// Let the model decide again.
    #[arg(long, conflicts_with_all = ["level", "seconds"])]
    pub clear: bool,
}

fn level(text: &str) -> Result<Level, String> {
    Level::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| format!("{text:?} is no level"))
}

fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(format!("{text:?} is no time such as 90s, 30m, 12h or 7d")),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| format!("{text:?} is no time such as 90s, 30m, 12h or 7d"))
}

/// Options of `risk replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The weights to try.
    #[arg(long)]
    pub weights: PathBuf,
    /// A journal of this hub's. Default: the one in its data directory.
    #[arg(long)]
    pub journal: Option<PathBuf>,
    /// Lanes to show of those about which more or less would be done.
    #[arg(long, default_value_t = 20)]
    pub top: usize,
}

/// Options of `risk fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Feature exports (CSV, .gz as well), labelled.
    #[arg(required_unless_present = "traces", conflicts_with = "traces")]
    pub exports: Vec<PathBuf>,
    /// A trace, NAME=FILE: a fleet's name and a table `timestamp,device_id,kind,quantity,label`, .gz as well. May be repeated.
    #[arg(long = "trace")]
    pub traces: Vec<String>,
    /// The weights to start from. Default: those that ship with the hub.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Where to write what was learned.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// What to call it.
    #[arg(long, default_value = "fitted")]
    pub revision: String,
    /// With traces: where to write their features.
    #[arg(long, requires = "traces")]
    pub write_export: Option<PathBuf>,
    /// With traces: devices of each generated honest fleet.
    #[arg(long, default_value_t = 30)]
    pub generated_devices: u32,
    /// With traces: days of each generated honest fleet.
    #[arg(long, default_value_t = 10)]
    pub generated_days: u32,
    /// With traces: devices of a generated fleet that are attacked in each of six ways; 0 for none.
    #[arg(long, default_value_t = 2)]
    pub generated_attacks: u32,
    /// With traces: what the generated fleets are drawn from.
    #[arg(long, default_value_t = 77)]
    pub seed: u64,
    /// Resamplings for the interval of PR-AUC.
    #[arg(long, default_value_t = 100)]
    pub resamplings: u32,
}
