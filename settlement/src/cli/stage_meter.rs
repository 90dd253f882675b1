//! Shows how far a long stage has come: a bar on a terminal, otherwise a line now and then.

use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farthing_settlement::meter::{Meter, Work};
use indicatif::{ProgressBar, ProgressStyle};

use super::Common;
use super::clock::now;

/// Time between two turns of what has no end in sight.
const TICK: Duration = Duration::from_millis(120);

/// Seconds between two lines.
const LINE_EVERY_SECONDS: u64 = 10;

/// For people who wait; programs that read JSON get none of it.
#[derive(Debug)]
pub(super) struct StageMeter {
    on_terminal: bool,
    stage: Mutex<Option<Stage>>,
}

#[derive(Debug)]
struct Stage {
    work: Work,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
    /// When the last line was written, or the work began, Unix seconds.
    told_at: u64,
}

impl StageMeter {
    pub(super) fn new(common: &Common) -> Self {
        Self { on_terminal: std::io::stderr().is_terminal() && !common.json, stage: Mutex::new(None) }
    }

    /// A panic while it was held leaves nothing worse than a wrong count.
    fn stage(&self) -> MutexGuard<'_, Option<Stage>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for StageMeter {
    fn begin(&self, work: Work, total: u64) {
        let bar = self.on_terminal.then(|| bar(work, total));
        *self.stage() = Some(Stage { work, total, done: 0, bar, told_at: now().0 });
    }

    fn advance(&self, by: u64) {
        let mut stage = self.stage();
        let Some(stage) = stage.as_mut() else { return };
        stage.done = stage.done.saturating_add(by);
        if let Some(bar) = &stage.bar {
            bar.set_position(stage.done.min(stage.total));
        } else if now().0 >= stage.told_at.saturating_add(LINE_EVERY_SECONDS) {
            stage.told_at = now().0;
            let percent = stage.done.saturating_mul(100).checked_div(stage.total).unwrap_or(0).min(100);
            tracing::info!("{}: {percent}%", stage.work);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.stage().take().and_then(|stage| stage.bar) {
            bar.finish_and_clear();
        }
    }
}

fn bar(work: Work, total: u64) -> ProgressBar {
    let (bar, template) = match total {
        0 => (ProgressBar::new_spinner(), "{prefix:<24} {spinner} {elapsed}"),
        _ => (ProgressBar::new(total), "{prefix:<24} [{bar:32}] {percent:>3}% {elapsed}, {eta} left"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(work.to_string());
    bar.enable_steady_tick(TICK);
    bar
}
