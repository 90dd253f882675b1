//! The committed figures, and how far a run may be from them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Cost;
use crate::process::Failure;
use crate::workspace::Workspace;

/// How much of our own instructions a change may add before it is told.
pub(super) const TOLERANCE_PERCENT: f64 = 5.0;

/// How far QUIC's instructions may move by themselves: other versions of the C library copy memory in other ways.
const QUIC_TOLERANCE_PERCENT: f64 = 1.0;

/// Allocations are whole numbers per payment or none; what grows once in a while stays below this.
const ALLOCATIONS_TOLERANCE: f64 = 0.02;

pub(super) fn path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("benches/instructions/baseline.json")
}

/// The figures as they are committed: one shape a line group, in a fixed order, so that a change reads well.
pub(super) fn text(costs: &[(&'static str, Cost)]) -> String {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    let shapes: Map<String, Value> = costs
        .iter()
        .map(|(name, cost)| {
            let entry = json!({
                "ours": cost.ours.round(),
                "quinn_proto": cost.quic.round(),
                "ecdsa": cost.ecdsa.round(),
                "hashes": cost.hashes.round(),
                "allocations_ours": rounded(cost.allocations),
                "allocations_transport": rounded(cost.allocations_transport),
            });
            ((*name).to_string(), entry)
        })
        .collect();
    format!("{:#}\n", json!({ "per_payment": shapes }))
}

/// The committed figures.
#[derive(Debug)]
pub(super) struct Baseline(Value);

impl Baseline {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}; `--bless` makes it", path.display())))?;
        let value = serde_json::from_slice(&text);
        value.map(Self).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// What changed for a shape.
    ///
    /// Ours and QUIC's instructions are judged together: which functions of quinn-proto end inside ours is the
    /// compiler's choice and differs from build to build, by a tenth of ours, while the sum stays the same to one in a
    /// thousand. Hashes and signatures are shown and not judged.
    pub(super) fn verdicts(&self, shape: &str, cost: &Cost) -> Vec<Verdict> {
        let committed = |name: &str| self.0["per_payment"][shape][name].as_f64();
        let Some(((ours, quic), allocations)) =
            committed("ours").zip(committed("quinn_proto")).zip(committed("allocations_ours"))
        else {
            return vec![Verdict::Missing(shape.to_string())];
        };
        let mut verdicts = Vec::new();
        let instructions = Change {
            shape: shape.to_string(),
            what: "instructions of ours and of QUIC",
            was: ours + quic,
            is: cost.ours + cost.quic,
        };
        let tolerance = ours * TOLERANCE_PERCENT / 100.0 + quic * QUIC_TOLERANCE_PERCENT / 100.0;
        if instructions.is > instructions.was + tolerance {
            verdicts.push(Verdict::Worse(instructions));
        } else if instructions.is < instructions.was - tolerance {
            verdicts.push(Verdict::Better(instructions));
        }
        let made =
            Change { shape: shape.to_string(), what: "allocations of ours", was: allocations, is: cost.allocations };
        if cost.allocations > allocations + ALLOCATIONS_TOLERANCE {
            verdicts.push(Verdict::Worse(made));
        } else if cost.allocations < allocations - ALLOCATIONS_TOLERANCE {
            verdicts.push(Verdict::Better(made));
        }
        verdicts
    }
}

/// A figure that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    shape: String,
    what: &'static str,
    was: f64,
    is: f64,
}

/// What a figure came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Worse(Change),
    Better(Change),
    /// The baseline does not know the shape.
    Missing(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, change) = match self {
            Self::Worse(change) => ("WORSE", change),
            Self::Better(change) => ("better", change),
            Self::Missing(shape) => return write!(f, "{shape}: not in the baseline"),
        };
        let Change { shape, what, was, is } = change;
        let percent = if *was > 0.0 { format!(" ({:+.1}%)", (is / was - 1.0) * 100.0) } else { String::new() };
        write!(f, "{shape}: {word}: {is:.2} {what} per payment, {was:.2} in the baseline{percent}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost =
        Cost { ours: 1_000.0, quic: 2_000.0, ecdsa: 0.0, hashes: 0.0, allocations: 0.0, allocations_transport: 2.0 };

    fn baseline() -> Baseline {
        Baseline(serde_json::from_str(&text(&[("tick", COST)])).unwrap())
    }

    #[test]
    fn small_changes_are_no_news() {
        assert_eq!(baseline().verdicts("tick", &COST), []);
        assert_eq!(baseline().verdicts("tick", &Cost { ours: 1_049.0, ..COST }), []);
    }

    #[test]
    fn what_only_changes_sides_is_no_change() {
        assert_eq!(baseline().verdicts("tick", &Cost { ours: 1_150.0, quic: 1_850.0, ..COST }), []);
        assert_eq!(baseline().verdicts("tick", &Cost { ours: 850.0, quic: 2_150.0, ..COST }), []);
    }

    #[test]
    fn a_dearer_payment_is_found_and_a_cheaper_one_is_told() {
        let dearer = baseline().verdicts("tick", &Cost { ours: 1_080.0, allocations: 1.0, ..COST });
        assert!(matches!(dearer.as_slice(), [Verdict::Worse(_), Verdict::Worse(_)]), "{dearer:?}");
        assert_eq!(
            dearer[0].to_string(),
            "tick: WORSE: 3080.00 instructions of ours and of QUIC per payment, 3000.00 in the baseline (+2.7%)"
        );
        let cheaper = baseline().verdicts("tick", &Cost { ours: 900.0, ..COST });
        assert!(matches!(cheaper.as_slice(), [Verdict::Better(_)]), "{cheaper:?}");
    }

    #[test]
    fn a_shape_without_a_baseline_is_no_pass() {
        assert_eq!(baseline().verdicts("new", &COST), [Verdict::Missing("new".into())]);
    }
}
