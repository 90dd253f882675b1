//! The night as a whole: once, or by itself every day.

use std::time::Duration;

use clap::Args;
use farthing_channel::time::UnixSeconds;
use farthing_settlement::export::epoch_folder;
use farthing_settlement::night::{Night, NightError, Progress, RunOptions};
use farthing_settlement::schedule::{Agenda, DailyTime, ScheduleError, Task};

use super::clock::now;
use super::desk::Desk;
use super::night::{RestoreArgument, step};
use super::night_view::NightView;
use super::stop::Stop;
use super::{Common, Outcome};

/// Longest sleep without a look at the clock: it may be set, and a machine may have been asleep itself.
const SLEEP_SECONDS_MAX: u64 = 30;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    restore: RestoreArgument,
    /// Stay, and run the night every day at this time, HH:MM; go on with what waits for approvals or for the ledger in between.
    #[arg(long, value_name = "TIME", conflicts_with = "confirm_restore")]
    at: Option<String>,
    /// The place whose clock that is, by its name in the IANA time zone data base.
    #[arg(long, requires = "at", default_value = "UTC", value_name = "ZONE")]
    zone: String,
    /// Seconds between two looks at whether approvals have come.
    #[arg(long, requires = "at", default_value_t = 15, value_name = "SECONDS")]
    look_every: u64,
}

impl RunArguments {
    pub(super) const fn is_scheduled(&self) -> bool {
        self.at.is_some()
    }
}

pub(super) fn run(common: &Common, arguments: &RunArguments) -> anyhow::Result<Outcome> {
    match &arguments.at {
        None => step(common, |night| night.run(&arguments.restore.options())),
        Some(at) => every_night(common, &DailyTime::parse(at, &arguments.zone)?, arguments.look_every),
    }
}

fn every_night(common: &Common, daily: &DailyTime, look_every: u64) -> anyhow::Result<Outcome> {
    let stop = Stop::listen()?;
    let mut agenda = Agenda::new(daily.clone(), look_every, now())?;
    let mut told = None;
    announce(daily, &agenda)?;
    loop {
        if let Some(task) = agenda.due(now())? {
            match attempt(common, task, &stop, &mut told) {
                Ok(progress) => agenda.came_to(now(), &progress),
                Err(error) => {
                    let again = daily.local(agenda.failed(now()))?;
                    tracing::error!(error = format!("{error:#}"), %again, "the night cannot go on; trying again");
                }
            }
            if task == Task::Night {
                announce(daily, &agenda)?;
            }
        }
        let sleep = agenda.wake_at().0.saturating_sub(now().0).min(SLEEP_SECONDS_MAX);
        if stop.asked_within(Duration::from_secs(sleep)) {
            tracing::info!("stopped; what is open goes on when this is started again");
            return Ok(Outcome::Done);
        }
    }
}

fn announce(daily: &DailyTime, agenda: &Agenda) -> Result<(), ScheduleError> {
    let next = daily.local(agenda.night_at())?;
    tracing::info!(%next, "waiting for the next night");
    Ok(())
}

/// Does a task, and tells where the night stands where that is news. Book and keys are at hand for no longer than that, so that
/// approvers find the book free.
fn attempt(common: &Common, task: Task, stop: &Stop, told: &mut Option<Progress>) -> anyhow::Result<Progress> {
    let desk = Desk::open(common)?;
    let night = desk.night(now());
    let progress = advance(&night, task, stop)?;
    let open = !matches!(progress, Progress::NothingToSettle | Progress::Closed { .. });
    if told.as_ref() == Some(&progress) {
        if task == Task::Night && open {
            tracing::warn!(%progress, "this epoch is still open, so no new one is planned; it is the night after it closes");
        }
    } else if open || told.is_some() || task == Task::Night {
        let folder = |epoch| Some(epoch_folder(&common.settlement_path(), epoch));
        let view = NightView::of(common, &night, &progress, folder)?;
        view.print_line(common)?;
        if view.differs {
            tracing::error!(%progress, "lanes, journal and ledger do not agree; the epoch's reconciliation says where");
        }
    }
    *told = Some(progress.clone());
    Ok(progress)
}

/// Goes on step by step, as far as it goes now, or until it is asked to stop.
fn advance(night: &Night<'_>, task: Task, stop: &Stop) -> Result<Progress, NightError> {
    let plan = || night.plan(&RunOptions::default());
    let mut standing = if task == Task::Night { plan()? } else { night.standing()? };
    while !stop.is_asked() {
        let next = match &standing {
            Progress::Planning { .. } => plan()?,
            Progress::WaitsForLedger { until, .. } if night.now < UnixSeconds(*until) => break,
            Progress::Approved { .. } | Progress::Submitting { .. } | Progress::WaitsForLedger { .. } => {
                night.submit()?
            }
            Progress::Submitted { .. } => night.reconcile()?,
            Progress::Reconciled { .. } => night.close()?,
            Progress::NothingToSettle | Progress::NeedsApprovals { .. } | Progress::Closed { .. } => break,
        };
        if next == standing {
            break;
        }
        standing = next;
    }
    Ok(standing)
}
