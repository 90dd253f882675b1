//! Weights that are not yet in force, over the recorded journal, beside those that are. Changes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use farthing_channel::id::LaneId;
use farthing_risk::ladder::Level;
use serde::Serialize;

use super::args::ReplayArgs;
use super::failure::Failure;
use super::print::{Printer, columns, fields};
use super::recorded::each_record;
use crate::admin::risk_form::ReasonForm;
use crate::config::Config;
use crate::risk::engine::{ModelMode, ModelSettings, RiskEngine};
use crate::risk::replay::{LaneOutcome, Replay};

/// What the weights would have done in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Side {
    /// The weights.
    pub(super) revision: String,
    /// Lanes by the most that would have been done about them.
    pub(super) lanes: BTreeMap<Level, u64>,
    /// Hours of lanes in which anything would have been done.
    pub(super) throttled_hours: u64,
}

/// A lane about which the two differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Differing {
    pub(super) lane: String,
    pub(super) channel: String,
    pub(super) fleet: String,
    pub(super) in_force: Level,
    pub(super) candidate: Level,
    /// Log-odds under the candidate, 1/256.
    pub(super) odds: i32,
    /// Why, by whichever of the two does more.
    pub(super) reasons: Vec<ReasonForm>,
}

/// A fleet, hour by hour: each hour of a lane counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct FleetHours {
    pub(super) fleet: String,
    pub(super) lanes: u64,
    /// Hours of lanes in which they paid or were reported on.
    pub(super) hours: u64,
    /// Those in which the weights in force would have done something.
    pub(super) in_force_throttled: u64,
    pub(super) candidate_throttled: u64,
    /// Those of lanes that an operator had decided to trust, and that the weights alone would have slowed.
    pub(super) in_force_false: u64,
    pub(super) candidate_false: u64,
}

/// What `risk replay` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Replayed {
    pub(super) blocks: u64,
    pub(super) records: u64,
    /// Unix seconds of the first and the last block; absent where there is none.
    pub(super) from: Option<u64>,
    pub(super) until: Option<u64>,
    pub(super) lanes: u64,
    /// Records about what was opened before the oldest segment. They are judged by neither.
    pub(super) records_unknown: u64,
    pub(super) in_force: Side,
    pub(super) candidate: Side,
    /// Lanes about which more, and less, would be done.
    pub(super) raised: u64,
    pub(super) lowered: u64,
    /// The first of them, greatest difference first.
    pub(super) differing: Vec<Differing>,
    pub(super) fleets: Vec<FleetHours>,
}

/// Replays the journal under both weights.
///
/// # Errors
/// [`Failure`].
pub(super) fn replay(config: &Config, options: &ReplayArgs, printer: Printer) -> Result<(), Failure> {
    let replayed = replayed(config, options)?;
    printer.print(&replayed, people)
}

pub(super) fn replayed(config: &Config, options: &ReplayArgs) -> Result<Replayed, Failure> {
    let engine = |weights: Option<&Path>| {
        // What would be done, whatever the hub does about it now.
        let mode = ModelMode::Enforce;
        let fleets = config.risk_model.fleets.clone();
        let settings = ModelSettings { mode, weights: weights.map(Path::to_owned), fleets };
        RiskEngine::new(config.risk, &settings).map_err(|error| Failure::Usage(error.to_string()))
    };
    let mut engines = Some([engine(config.risk_model.weights.as_deref())?, engine(Some(&options.weights))?]);
    let mut sides: Option<[Replay; 2]> = None;
    let (mut records, mut from, mut until) = (0_u64, None, None);
    let blocks = each_record(config, options.journal.as_deref(), |record, unix_ms| {
        if let Some(engines) = engines.take() {
            sides = Some(engines.map(|engine| Replay::new(engine, unix_ms)));
            from = Some(unix_ms / 1000);
        }
        for side in sides.iter_mut().flatten() {
            side.take(record, unix_ms)
                .map_err(|error| Failure::Failed { code: "journal".to_owned(), message: error.to_string() })?;
        }
        records = records.saturating_add(1);
        until = Some(unix_ms / 1000);
        Ok(())
    })?;
    let [in_force, candidate] = match (sides, engines) {
        (Some(sides), _) => sides,
        (None, Some(engines)) => engines.map(|engine| Replay::new(engine, 0)),
        (None, None) => unreachable!("the engines go where the first record is taken in"),
    };
    let differing = differing(&in_force, &candidate);
    let count = |of: fn(&Differing) -> bool| amount(differing.iter().filter(|lane| of(lane)).count());
    Ok(Replayed {
        blocks,
        records,
        from,
        until,
        lanes: amount(in_force.lanes().len()),
        records_unknown: in_force.unknown,
        raised: count(|lane| lane.candidate > lane.in_force),
        lowered: count(|lane| lane.candidate < lane.in_force),
        fleets: fleets(&in_force, &candidate),
        in_force: side(&in_force),
        candidate: side(&candidate),
        differing: differing.into_iter().take(options.top).collect(),
    })
}

fn amount(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn side(of: &Replay) -> Side {
    let mut lanes: BTreeMap<Level, u64> = Level::ALL.into_iter().map(|level| (level, 0)).collect();
    for outcome in of.lanes().values() {
        *lanes.entry(outcome.highest).or_default() += 1;
    }
    let throttled_hours = of.lanes().values().map(|outcome| outcome.throttled_hours).sum();
    Side { revision: of.revision(), lanes, throttled_hours }
}

/// Lanes that both have judged, as both did.
fn pairs<'a>(
    in_force: &'a Replay,
    candidate: &'a Replay,
) -> impl Iterator<Item = (&'a LaneId, &'a LaneOutcome, &'a LaneOutcome)> {
    let both = in_force.lanes().iter();
    both.filter_map(|(lane, outcome)| candidate.lanes().get(lane).map(|other| (lane, outcome, other)))
}

fn differing(in_force: &Replay, candidate: &Replay) -> Vec<Differing> {
    let mut all: Vec<_> = pairs(in_force, candidate)
        .filter(|(_, before, after)| before.highest != after.highest)
        .map(|(lane, before, after)| {
            let reasons = if after.highest > before.highest { &after.reasons } else { &before.reasons };
            Differing {
                lane: lane.to_string(),
                channel: after.channel.to_string(),
                fleet: in_force.fleet_name(after.fleet).to_owned(),
                in_force: before.highest,
                candidate: after.highest,
                odds: after.odds,
                reasons: reasons.iter().copied().map(ReasonForm::of).collect(),
            }
        })
        .collect();
    all.sort_by_key(|lane| (Reverse((lane.candidate as u8).abs_diff(lane.in_force as u8)), lane.lane.clone()));
    all
}

fn fleets(in_force: &Replay, candidate: &Replay) -> Vec<FleetHours> {
    let numbers: BTreeSet<u16> = in_force.lanes().values().map(|outcome| outcome.fleet).collect();
    let of = |number: u16| {
        let fleet = in_force.fleet_name(number).to_owned();
        let lanes = pairs(in_force, candidate).filter(|(_, before, _)| before.fleet == number);
        lanes.fold(FleetHours { fleet, ..FleetHours::default() }, |sum, (_, before, after)| FleetHours {
            lanes: sum.lanes + 1,
            hours: sum.hours + before.hours,
            in_force_throttled: sum.in_force_throttled + before.throttled_hours,
            candidate_throttled: sum.candidate_throttled + after.throttled_hours,
            in_force_false: sum.in_force_false + before.false_hours,
            candidate_false: sum.candidate_false + after.false_hours,
            ..sum
        })
    };
    numbers.into_iter().map(of).collect()
}

fn named(fleet: &str) -> String {
    if fleet.is_empty() { "(all others)".to_owned() } else { fleet.to_owned() }
}

fn people(of: &Replayed) -> String {
    let mut text = fields(&[
        ("blocks", of.blocks.to_string()),
        ("records", of.records.to_string()),
        ("of older lanes, not judged", of.records_unknown.to_string()),
        ("lanes", of.lanes.to_string()),
        ("in force", of.in_force.revision.clone()),
        ("candidate", of.candidate.revision.clone()),
        ("more is done about", of.raised.to_string()),
        ("less is done about", of.lowered.to_string()),
    ]);
    let lanes = |side: &Side, level| side.lanes.get(&level).copied().unwrap_or_default().to_string();
    let levels =
        Level::ALL.map(|level| [level.name().to_owned(), lanes(&of.in_force, level), lanes(&of.candidate, level)]);
    text.push_str(&format!("\n{}", columns(["lanes by highest level", "in force", "candidate"], &levels)));
    let rows: Vec<_> = of
        .fleets
        .iter()
        .map(|fleet| {
            [
                named(&fleet.fleet),
                fleet.lanes.to_string(),
                fleet.hours.to_string(),
                fleet.in_force_throttled.to_string(),
                fleet.candidate_throttled.to_string(),
                fleet.in_force_false.to_string(),
                fleet.candidate_false.to_string(),
            ]
        })
        .collect();
    let heads = ["fleet", "lanes", "lane-hours", "throttled", "by candidate", "false", "by candidate"];
    text.push_str(&format!("\n{}", columns(heads, &rows)));
    for lane in &of.differing {
        let (before, after) = (lane.in_force.name(), lane.candidate.name());
        text.push_str(&format!("\nlane {} of {}: {before} -> {after}\n", lane.lane, named(&lane.fleet)));
        for reason in &lane.reasons {
            text.push_str(&format!("  {} ({})\n", reason.sentence, reason.code));
        }
    }
    text
}
