//! The nightly run: one word for each step, and one for all that can be done now.

use std::path::PathBuf;

use clap::Args;
use farthing_channel::id::Hash32;
use farthing_settlement::export::epoch_folder;
use farthing_settlement::night::{Night, NightError, Progress, RunOptions};
use serde::Serialize;

use super::clock::now;
use super::desk::Desk;
use super::key_file::load;
use super::night_view::NightView;
use super::output::print;
use super::{Common, Outcome};

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The journal was restored from a backup (or these books were lost), and that has been looked into.
    #[arg(long)]
    pub(super) confirm_restore: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// The approver's key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The proposal that was read; another one is then not approved by mistake.
    #[arg(long, value_name = "ID")]
    proposal: Option<Hash32>,
}

/// Makes a step of the night, writes the epoch's folder, and tells where the night stands.
pub(super) fn step(
    common: &Common,
    step: impl FnOnce(&Night<'_>) -> Result<Progress, NightError>,
) -> anyhow::Result<Outcome> {
    let desk = Desk::open(common)?;
    let night = desk.night(now());
    let progress = step(&night)?;
    let folder = |epoch| Some(epoch_folder(&common.settlement_path(), epoch));
    NightView::of(common, &night, &progress, folder)?.print(common)?;
    Ok(Outcome::Done)
}

pub(super) fn plan(common: &Common, arguments: &PlanArguments) -> anyhow::Result<Outcome> {
    let options = RunOptions { confirm_restore: arguments.confirm_restore, stop_after: None };
    step(common, |night| night.plan(&options))
}

pub(super) fn run(common: &Common, arguments: &PlanArguments) -> anyhow::Result<Outcome> {
    let options = RunOptions { confirm_restore: arguments.confirm_restore, stop_after: None };
    step(common, |night| night.run(&options))
}

pub(super) fn approve(common: &Common, arguments: &ApproveArguments) -> anyhow::Result<Outcome> {
    let key = load(&arguments.key)?;
    step(common, |night| night.approve(&key, arguments.proposal))
}

#[derive(Serialize)]
struct DiscardView {
    discarded: u64,
}

pub(super) fn discard(common: &Common) -> anyhow::Result<Outcome> {
    let epoch = Desk::open(common)?.night(now()).discard()?;
    print(common, &DiscardView { discarded: epoch }, format!("what was planned for epoch {epoch} is taken back"))?;
    Ok(Outcome::Done)
}
