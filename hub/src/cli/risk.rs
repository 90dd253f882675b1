//! Learning weights of the risk model: from feature exports, or from traces of devices. Needs no running hub.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use farthing_risk::file::{ProfileForm, SHIPPED, Unit, WeightsFile};
use farthing_risk::fit::export::{self, ExportRow};
use farthing_risk::fit::from_export::{self, Learned};
use farthing_risk::fit::metrics::{Interval, Quality, Scored, judge};
use farthing_risk::fit::study::{self, Fleet, Part};
use farthing_risk::fit::{attacks, fleets, trace};
use farthing_risk::score::Weights;
use serde::Serialize;

use super::args::FitArgs;
use super::failure::Failure;
use super::print::{Printer, columns, fields};

/// A figure and its 95% interval.
#[derive(Debug, Serialize)]
struct Figure {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Debug, Serialize)]
struct Score {
    scenario: String,
    attacking_device_hours: usize,
    honest_device_hours: usize,
    pr_auc: Figure,
    recall_at_0_1_percent_fpr: Figure,
}

#[derive(Debug, Serialize)]
struct Report {
    revision: String,
    /// Each scenario under weights that were learned without it.
    held_out: Vec<Score>,
    /// The weights on all that they were learned from.
    in_sample: Score,
    /// Where they were written.
    written: Option<PathBuf>,
}

fn score(scenario: &str, quality: &Quality) -> Score {
    let figure = |of: &Interval| Figure { value: of.value, low: of.low, high: of.high };
    Score {
        scenario: scenario.to_owned(),
        attacking_device_hours: quality.attacking,
        honest_device_hours: quality.honest,
        pr_auc: figure(&quality.pr_auc),
        recall_at_0_1_percent_fpr: figure(&quality.recall),
    }
}

/// Learns weights, says how they do on scenarios that they were not learned from, and writes them.
///
/// # Errors
/// [`Failure`].
pub fn fit(options: &FitArgs, printer: Printer) -> Result<(), Failure> {
    let mut file = weights_file(options.weights.as_deref())?;
    let prior = file.weights().map_err(|error| Failure::Usage(error.to_string()))?;
    let learned = if options.traces.is_empty() {
        from_exports(&options.exports, &prior, options.resamplings)?
    } else {
        from_traces(options, &prior, &mut file)?
    };
    file.revision.clone_from(&options.revision);
    file.set_weights(&learned.weights);
    if let Some(out) = &options.out {
        std::fs::write(out, file.text()).map_err(|error| Failure::io(out.display(), &error))?;
    }
    let report = Report {
        revision: options.revision.clone(),
        held_out: learned.held_out.iter().map(|(scenario, quality)| score(scenario, quality)).collect(),
        in_sample: score("all of the above", &learned.in_sample),
        written: options.out.clone(),
    };
    printer.print(&report, |report| people(report, &file))
}

fn weights_file(path: Option<&Path>) -> Result<WeightsFile, Failure> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?,
        None => SHIPPED.to_owned(),
    };
    let named = |error: &dyn std::fmt::Display| match path {
        Some(path) => Failure::Usage(format!("{}: {error}", path.display())),
        None => Failure::Usage(error.to_string()),
    };
    let file = WeightsFile::parse(&text).map_err(|error| named(&error))?;
    file.model().map_err(|error| named(&error))?;
    Ok(file)
}

fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path.display(), &error))?;
    let file = BufReader::new(file);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn from_exports(paths: &[PathBuf], prior: &Weights, resamplings: u32) -> Result<Learned, Failure> {
    let mut rows: Vec<ExportRow> = Vec::new();
    for path in paths {
        let read = export::read(open(path)?);
        rows.extend(read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?);
    }
    from_export::learn(&rows, prior, resamplings).map_err(|error| Failure::Usage(error.to_string()))
}

fn from_traces(options: &FitArgs, prior: &Weights, file: &mut WeightsFile) -> Result<Learned, Failure> {
    let mut all = Vec::new();
    for named in &options.traces {
        let Some((name, path)) = named.split_once('=') else {
            return Err(Failure::Usage(format!("{named}: a trace is given as NAME=FILE")));
        };
        let fleet = trace::read(name, open(Path::new(path))?);
        all.push(fleet.map_err(|error| Failure::Usage(format!("{path}: {error}")))?);
    }
    let traced = all.len();
    if !all.iter().any(Fleet::is_attacked) {
        return Err(Failure::Usage("no event of the traces is labelled malicious".to_owned()));
    }
    for (index, (name, habit)) in (0_u64..).zip(fleets::HABITS) {
        let seed = options.seed.wrapping_add(index);
        all.push(Fleet::generated(name, habit, options.generated_devices, options.generated_days, seed));
    }
    if options.generated_attacks > 0 {
        all.push(attacks::attacked_fleet(options.generated_attacks, options.generated_days, options.seed));
    }
    let folds = study::cross_validate(&all, prior, options.resamplings);
    let held_out = folds.iter().map(|fold| {
        let names: Vec<&str> = fold.held_out.iter().map(String::as_str).collect();
        (names.join(", "), fold.quality)
    });
    let held_out = held_out.collect();

    let none = BTreeSet::new();
    let profiles: Vec<_> = all.iter().map(|fleet| fleet.profiles(&none)).collect();
    let weights = study::train(&all, &profiles, &none, prior, Part::All);
    let judged = study::test(&all, &profiles, &none, &weights, Part::All);
    if let Some(path) = &options.write_export {
        let to = File::create(path).map_err(|error| Failure::io(path.display(), &error))?;
        let rows = judged.iter().map(ExportRow::from);
        export::write(rows, std::io::BufWriter::new(to))
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    }
    let in_sample = judge(&judged.iter().map(|judged| judged.scored).collect::<Vec<Scored>>(), options.resamplings);
    for (fleet, usual) in all.iter().zip(profiles).take(traced) {
        // What the fleet's lanes were known by before is learned anew.
        file.profile.retain(|known| known.fleet != fleet.name);
        let form = |unit, usual| ProfileForm { fleet: fleet.name.clone(), unit, usual };
        if fleet.unit != Unit::Events {
            file.profile.push(form(fleet.unit, usual.units));
        }
        file.profile.push(form(Unit::Events, usual.events));
    }
    Ok(Learned { weights: study::calibrated(&weights, in_sample.threshold), held_out, in_sample })
}

fn people(report: &Report, file: &WeightsFile) -> String {
    let percent = |of: &Figure| format!("{:.1}% ({:.1} to {:.1})", of.value * 100.0, of.low * 100.0, of.high * 100.0);
    let row = |score: &Score, seen: &str| {
        let counts = [score.attacking_device_hours.to_string(), score.honest_device_hours.to_string()];
        let [attacking, honest] = counts;
        let recall = percent(&score.recall_at_0_1_percent_fpr);
        [score.scenario.clone(), seen.to_owned(), attacking, honest, recall, percent(&score.pr_auc)]
    };
    let heads = ["SCENARIO", "LEARNED FROM", "ATTACKING", "HONEST", "RECALL AT 0.1% FPR", "PR-AUC"];
    let unseen = report.held_out.iter().map(|score| row(score, "no"));
    let rows: Vec<_> = unseen.chain([row(&report.in_sample, "yes")]).collect();
    let mut text = columns(heads, &rows);
    text.push('\n');
    let weights: Vec<(&str, String)> =
        file.score.weights.iter().map(|(feature, weight)| (feature.name(), weight.to_string())).collect();
    text.push_str(&fields(&weights));
    if let Some(path) = &report.written {
        text.push_str(&format!("\nwritten to {}\n", path.display()));
    }
    text
}
