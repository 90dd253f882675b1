//! Medians and spreads, as a table for people and a file for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::shapes::{Peer, Shape};

/// The rates of one contender, in the order of the runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Vec<f64>);

/// The middle and the ends of some runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Runs {
    pub(super) fn add(&mut self, rate: f64) {
        self.0.push(rate);
    }

    pub(super) fn spread(&self) -> Spread {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.as_slice() {
            [] => f64::NAN,
            sorted if sorted.len() % 2 == 1 => sorted[middle],
            sorted => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Spread { median, min: end(sorted.first()), max: end(sorted.last()) }
    }

    /// This over that, run by run: both ran under the same conditions.
    fn over(&self, that: &Self) -> Self {
        Self(self.0.iter().zip(&that.0).map(|(this, that)| this / that).collect())
    }
}

/// The hub beside one peer.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) shape: &'static Shape,
    /// None where the shape's rate stands for itself.
    pub(super) peer: Option<&'static Peer>,
    pub(super) hub: Runs,
    pub(super) peer_runs: Runs,
}

/// What it was measured on.
#[derive(Debug)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
}

impl Machine {
    pub(super) fn read() -> Self {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let info = file("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpu: model.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, model)| model.trim().to_string()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: file("/proc/sys/kernel/osrelease").trim().to_string(),
        }
    }
}

/// A rate as people read it.
pub(super) fn rate(per_s: f64) -> String {
    match per_s {
        rate if rate >= 1e6 => format!("{:.2} M/s", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.1} k/s", rate / 1e3),
        rate => format!("{rate:.0} /s"),
    }
}

fn spread_of_rates(spread: Spread) -> String {
    format!("{} ({} to {})", rate(spread.median), rate(spread.min), rate(spread.max))
}

/// A Markdown table, which reads as well at a terminal.
pub(super) fn table(comparisons: &[Comparison], machine: &Machine) -> String {
    let mut text = format!(
        "{} with {} cores, Linux {}; runs: {}; medians (lowest to highest)\n\n",
        machine.cpu,
        machine.cores,
        machine.kernel,
        comparisons.first().map_or(0, |comparison| comparison.hub.0.len()),
    );
    text.push_str("| shape | hub | peer | peer's rate | hub / peer |\n| --- | --- | --- | --- | --- |\n");
    for comparison in comparisons {
        let hub = spread_of_rates(comparison.hub.spread());
        let (peer, peer_rate, ratio) = match comparison.peer {
            None => ("none", String::from("-"), String::from("-")),
            Some(peer) => {
                let ratio = comparison.hub.over(&comparison.peer_runs).spread();
                let ratio = format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.min, ratio.max);
                (peer.name, spread_of_rates(comparison.peer_runs.spread()), ratio)
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {hub} | {peer} | {peer_rate} | {ratio} |", comparison.shape.about);
    }
    text
}

/// The same for programs.
pub(super) fn json(comparisons: &[Comparison], machine: &Machine, versions: &[String]) -> String {
    let shapes: Vec<Value> = comparisons.iter().map(entry).collect();
    let whole = json!({
        "machine": { "cpu": machine.cpu, "cores": machine.cores, "kernel": machine.kernel },
        "peer_versions": versions,
        "shapes": shapes,
    });
    format!("{whole:#}\n")
}

fn entry(comparison: &Comparison) -> Value {
    let hub = comparison.hub.spread();
    let mut entry = json!({
        "name": comparison.shape.name,
        "about": comparison.shape.about,
        "runs": comparison.hub.0.len(),
        "hub_per_s": hub.median,
        "hub_per_s_min": hub.min,
        "hub_per_s_max": hub.max,
        "hub_per_s_runs": comparison.hub.0,
        "peer": Value::Null,
        "peer_per_s": Value::Null,
        "ratio": Value::Null,
    });
    if let Some(peer) = comparison.peer {
        let theirs = comparison.peer_runs.spread();
        let ratio = comparison.hub.over(&comparison.peer_runs).spread();
        let measured = !matches!(peer.contender, super::shapes::Contender::Published(_));
        let peer = json!({
            "peer": peer.name,
            "peer_measured": measured,
            "peer_per_s": theirs.median,
            "peer_per_s_min": theirs.min,
            "peer_per_s_max": theirs.max,
            "peer_per_s_runs": comparison.peer_runs.0,
            "ratio": ratio.median,
            "ratio_min": ratio.min,
            "ratio_max": ratio.max,
        });
        if let (Value::Object(entry), Value::Object(peer)) = (&mut entry, peer) {
            entry.extend(peer);
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(rates: &[f64]) -> Runs {
        Runs(rates.to_vec())
    }

    #[test]
    fn the_median_is_the_middle_run_or_between_the_two() {
        assert_eq!(runs(&[3.0, 1.0, 2.0]).spread(), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(runs(&[4.0, 1.0]).spread(), Spread { median: 2.5, min: 1.0, max: 4.0 });
    }

    #[test]
    fn a_ratio_is_taken_within_each_run() {
        let ratio = runs(&[10.0, 30.0, 20.0]).over(&runs(&[10.0, 10.0, 10.0])).spread();
        assert_eq!(ratio, Spread { median: 2.0, min: 1.0, max: 3.0 });
    }

    #[test]
    fn programs_get_every_field() {
        let shape = &super::super::shapes::SHAPES[0];
        let comparison = Comparison { shape, peer: Some(&shape.peers[0]), hub: runs(&[2.0]), peer_runs: runs(&[1.0]) };
        let machine = Machine { cpu: "x".into(), cores: 2, kernel: "y".into() };
        let read: Value = serde_json::from_str(&json(&[comparison], &machine, &[])).unwrap();
        let entry = &read["shapes"][0];
        for field in ["name", "hub_per_s", "peer", "peer_per_s", "ratio", "ratio_min", "ratio_max"] {
            assert!(!entry[field].is_null(), "{field}");
        }
    }
}
