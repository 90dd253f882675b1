//! The command line of `risk-eval`.

use std::path::PathBuf;

use clap::Args;

/// How well a hub tells attacking devices from honest ones: a labelled trace, paid for at a real hub, day by day.
///
/// The hub runs on a clock that is stepped from event to event, so that weeks take minutes. Weights are learned without
/// what is judged: with --fit-on from that trace, without it from the other attack families of the trace itself, each
/// family held out in its turn. Honest devices, recorded and generated, pay beside, and those that are judged taught nothing.
#[derive(Debug, Clone, Args)]
pub struct RiskEvalArgs {
    /// What is judged: a table `timestamp,device_id,kind,quantity,label`, plain or gzip. What stands before the `/` of a
    /// device's id is its scenario, and what stands after the scenario's last `-` the family of its attack.
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// A labelled trace to learn from. Scenarios that the judged trace has as well are left out. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub fit_on: Vec<PathBuf>,
    /// Honest traces, one folder each with an events.csv.gz. Default: ../shared/traces beside the workspace, where it exists.
    #[arg(long, value_name = "DIR")]
    pub honest: Option<PathBuf>,
    /// Honest device-hours that are judged at least; generated fleets are among them, and fill up what the traces lack. 0: the
    /// traces alone.
    #[arg(long, value_name = "N", default_value_t = 105_000)]
    pub honest_hours: u64,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the result as a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What the generated fleets are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Resamplings for the intervals.
    #[arg(long, default_value_t = 1000)]
    pub resamplings: u32,
    /// Keep the sites, weights and exports in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}
