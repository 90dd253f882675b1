//! How well a hub tells attacking devices from honest ones, measured at a real hub from its own scores.
//!
//! | module | does |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`cast`] | who teaches and who is judged |
//! | [`updates`] | honest fleets that are updated meanwhile |
//! | [`mod@learn`] | weights of a fold |
//! | [`timeline`] | all judged events on one clock, in rounds |
//! | [`stage`] | the hub of a fold, on play money and a clock that is set |
//! | [`player`] | devices that pay the rounds |
//! | [`verdict`] | the hub's scores beside the labels |
//! | [`result`] | what it came to; [`bootstrap`] has an interval, [`curves`] what the plots show, [`page`] shows it with plots |
//!
//! The hub knows of an event what a payment tells: who, when, how much. It sees no ports, protocols or peers.

pub mod args;
mod bootstrap;
pub mod cast;
pub mod curves;
pub mod learn;
pub mod page;
pub mod player;
pub mod result;
pub mod stage;
pub mod timeline;
mod updates;
pub mod verdict;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use farthing_risk::file::Unit;
use farthing_risk::fit::study::Fleet;
use farthing_risk::fit::trace;
use flate2::read::MultiGzDecoder;

pub use args::RiskEvalArgs;
pub use result::EvalResult;

use crate::clock;
use crate::demo::traces_folder;
use crate::report::{self, spinner};
use crate::site::SiteFolder;
use cast::Fold;
use learn::learn;
use result::FoldLine;
use stage::Stage;
use timeline::Timeline;
use verdict::{Attack, DeviceHour};

/// The name of the labelled trace as a fleet. Its scenarios have names of their own.
const LABELLED: &str = "labelled";

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Runs an evaluation, writes its result and says it.
///
/// # Errors
/// Where a trace cannot be read, a program is missing or fails, or the hub refuses what it should take.
pub async fn run(args: &RiskEvalArgs) -> anyhow::Result<EvalResult> {
    let result = tokio::task::block_in_place(|| evaluate(args))?;
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    if let Some(path) = &args.report {
        std::fs::write(path, page::render(&result)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    result.say();
    Ok(result)
}

fn evaluate(args: &RiskEvalArgs) -> anyhow::Result<EvalResult> {
    let reading = spinner("reading traces");
    let labelled = read(LABELLED, &args.trace)?;
    let fit_on: Vec<Fleet> = args.fit_on.iter().map(|path| read(LABELLED, path)).collect::<anyhow::Result<_>>()?;
    let fit_on: Vec<Fleet> =
        if fit_on.is_empty() { fit_on } else { vec![Fleet::merged(LABELLED, Unit::Octets, &fit_on)] };
    let turns = cast::turns(&labelled, &fit_on);
    let mut honest = recorded(args)?;
    let names: BTreeSet<String> = honest.iter().map(|fleet| fleet.name.clone()).collect();
    // Of one fold half of the honest devices is judged, of several all of them, each once.
    let per_turn = if fit_on.is_empty() && turns > 1 { 1 } else { 2 };
    if args.honest_hours > 0 {
        honest.extend(updates::updated(turns, args.seed));
    }
    let known: u64 = honest.iter().map(cast::hours).sum::<u64>() / per_turn;
    let missing = args.honest_hours.saturating_sub(known).saturating_mul(per_turn);
    if args.honest_hours > 0 {
        // A tenth more, for devices are dealt out and not their hours.
        honest.extend(cast::generated(missing.saturating_add(missing / 10), turns, args.seed));
    }
    reading.finish_and_clear();

    let folder = SiteFolder::in_memory(args.keep.as_deref())?;
    let (mut hours, mut attacks, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (place, fold) in cast::folds(&labelled, &fit_on, &honest, args.seed).iter().enumerate() {
        let own = folder.path().join(format!("fold-{place}"));
        std::fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
        let (judged, attacked, line) = play(fold, &honest, &own)?;
        hours.extend(judged);
        attacks.extend(attacked);
        lines.push(line);
    }
    ensure!(hours.iter().any(|hour| hour.scored.attacking), "no event of the trace is labelled malicious");
    let judging = spinner("judging");
    let result = EvalResult::of(&hours, &attacks, lines, &names, args.resamplings);
    judging.finish_and_clear();
    Ok(result)
}

fn play(fold: &Fold, honest: &[Fleet], folder: &Path) -> anyhow::Result<(Vec<DeviceHour>, Vec<Attack>, FoldLine)> {
    let learning = spinner(format!("learning without {}", fold.name));
    let begun = clock::now();
    let learned = learn(fold, honest, &format!("without-{}", fold.name))?;
    let learning_seconds = clock::now().duration_since(begun).as_secs_f64();
    learning.finish_and_clear();
    let timeline = Timeline::of(&fold.judged);
    let playing = spinner(format!("playing {} events of {} devices", timeline.events(), timeline.actors.len()));
    let played = Stage::set_up(folder, &learned)?.play(fold, &timeline)?;
    playing.finish_and_clear();
    let (hours, attacks) = verdict::judge(fold, &timeline, &played)?;
    let taught_by: BTreeSet<String> = fold
        .teach
        .iter()
        .flat_map(|fleet| fleet.events.iter().map(|event| fleet.scenario(event.device).to_owned()))
        .collect();
    let line = FoldLine {
        held_out: fold.name.clone(),
        taught_by: taught_by.into_iter().collect(),
        payments: played.payments,
        learning_seconds,
        playing_seconds: played.seconds,
    };
    Ok((hours, attacks, line))
}

fn read(name: &str, path: &Path) -> anyhow::Result<Fleet> {
    let shown = path.display();
    let mut file = BufReader::new(File::open(path).with_context(|| format!("cannot read {shown}"))?);
    let packed = file.fill_buf().with_context(|| format!("cannot read {shown}"))?.starts_with(&GZIP_MAGIC);
    let fleet = if packed { trace::read(name, MultiGzDecoder::new(file)) } else { trace::read(name, file) };
    fleet.with_context(|| format!("cannot read {shown}"))
}

/// The honest traces: those of the folder in which nobody attacks.
fn recorded(args: &RiskEvalArgs) -> anyhow::Result<Vec<Fleet>> {
    let Some(folder) = traces_folder(args.honest.as_deref()) else { return Ok(Vec::new()) };
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.sort();
    let mut fleets = Vec::new();
    for path in paths {
        let file = path.join("events.csv.gz");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if file.is_file() {
            let fleet = read(&name, &file)?;
            if !fleet.is_attacked() {
                fleets.push(fleet);
            }
        }
    }
    Ok(fleets)
}
