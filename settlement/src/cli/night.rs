//! The nightly run: one word for each step, and one for all that can be done now.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use farthing_channel::id::Hash32;
use farthing_channel::time::UnixSeconds;
use farthing_settlement::export::epoch_folder;
use farthing_settlement::night::{Night, NightError, Progress, RunOptions};
use farthing_settlement::text::utc;
use serde::Serialize;

use super::clock::now;
use super::desk::Desk;
use super::night_view::NightView;
use super::output::print;
use super::{Common, Outcome};

/// How far back a plan may be made as of. What a mandate allows depends on the time, and the ledger heeds its end for longer.
const AS_OF_SECONDS_MAX: u64 = 24 * 3600;

#[derive(Debug, Args)]
pub(super) struct RestoreArgument {
    /// The journal was restored from a backup (or these books were lost), and that has been looked into.
    #[arg(long)]
    confirm_restore: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    restore: RestoreArgument,
    /// Plan in a copy of the books, and keep nothing: what `plan` would propose, to the last byte.
    #[arg(long)]
    dry_run: bool,
    /// The folder that a dry run writes, as a real one would write that of the epoch.
    #[arg(long, value_name = "DIR", requires = "dry_run")]
    out: Option<PathBuf>,
    /// Plan as of this moment of the last 24 hours, Unix seconds: that of a dry run (`planned_at`), to get its very proposal.
    #[arg(long, value_name = "SECONDS")]
    as_of: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// The approver's key; an encrypted one's password is asked for, or named as with all keys.
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
    step_at(common, now(), step)
}

fn step_at(
    common: &Common,
    at: UnixSeconds,
    step: impl FnOnce(&Night<'_>) -> Result<Progress, NightError>,
) -> anyhow::Result<Outcome> {
    let desk = Desk::open(common)?;
    let night = desk.night(at);
    let progress = step(&night)?;
    let folder = |epoch| Some(epoch_folder(&common.settlement_path(), epoch));
    let view = NightView::of(common, &night, &progress, folder)?;
    view.print(common)?;
    Ok(if view.differs { Outcome::DoesNotHold } else { Outcome::Done })
}

impl RestoreArgument {
    pub(super) fn options(&self) -> RunOptions {
        RunOptions { confirm_restore: self.confirm_restore, stop_after: None }
    }
}

pub(super) fn plan(common: &Common, arguments: &PlanArguments) -> anyhow::Result<Outcome> {
    let now = now();
    let at = arguments.as_of.map_or(now, UnixSeconds);
    let oldest = now.0.saturating_sub(AS_OF_SECONDS_MAX);
    ensure!((oldest..=now.0).contains(&at.0), "{} is not within the last 24 hours", utc(at.0));
    let options = arguments.restore.options();
    if !arguments.dry_run {
        return step_at(common, at, |night| night.plan(&options));
    }
    let desk = Desk::open(common)?;
    let copy = desk.copy_book(common)?;
    let night = desk.night_in(copy.book(), at);
    let progress = night.plan(&options)?;
    NightView::of(common, &night, &progress, |_| arguments.out.clone())?.of_a_dry_run().print(common)?;
    Ok(Outcome::Done)
}

pub(super) fn approve(common: &Common, arguments: &ApproveArguments) -> anyhow::Result<Outcome> {
    let key = common.load_key(&arguments.key)?;
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
