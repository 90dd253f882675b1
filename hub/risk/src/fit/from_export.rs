//! Weights from feature exports, each scenario with an attack held out in turn.

use std::collections::BTreeSet;

use super::export::ExportRow;
use super::logistic::{self, Row, Settings};
use super::metrics::{Quality, Scored, judge};
use super::study::calibrated;
use crate::score::Weights;

/// What was learned.
#[derive(Debug, Clone)]
pub struct Learned {
    /// From all rows, calibrated to a false alarm in a thousand honest device-hours.
    pub weights: Weights,
    /// How weights do that were learned without a scenario, for each with an attack.
    pub held_out: Vec<(String, Quality)>,
    /// How the weights do on what they were learned from.
    pub in_sample: Quality,
}

/// Why nothing can be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// No attacking rows.
    #[error("no row is labelled attacking: there is nothing to tell apart")]
    NoAttack,
    /// No honest rows.
    #[error("no row is labelled honest: there is nothing to tell attacks from")]
    NoHonest,
}

fn row(of: &ExportRow) -> Row {
    Row { features: of.features, attacking: of.attacking }
}

fn quality(rows: &[&ExportRow], weights: &Weights, resamplings: u32) -> Quality {
    let score = |row: &&ExportRow| Scored { odds: weights.log_odds(&row.features), attacking: row.attacking };
    judge(&rows.iter().map(score).collect::<Vec<_>>(), resamplings)
}

/// Whether a device of a scenario without attacks tests rather than teaches: half of them do.
fn tests(row: &ExportRow) -> bool {
    row.device.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % 2 == 1
}

/// Learns from rows, starting from the weights in force.
///
/// # Errors
/// [`LearnError`].
pub fn learn(rows: &[ExportRow], prior: &Weights, resamplings: u32) -> Result<Learned, LearnError> {
    if rows.iter().all(|row| row.attacking) {
        return Err(LearnError::NoHonest);
    }
    let attacked: BTreeSet<&str> = rows.iter().filter(|row| row.attacking).map(|row| row.scenario.as_str()).collect();
    if attacked.is_empty() {
        return Err(LearnError::NoAttack);
    }
    let settings = Settings::default();
    let fold = |held: &str| {
        let is_test =
            |row: &&ExportRow| row.scenario == held || (!attacked.contains(row.scenario.as_str()) && tests(row));
        let (test, train): (Vec<&ExportRow>, Vec<&ExportRow>) = rows.iter().partition(is_test);
        let weights = logistic::fit(&train.into_iter().map(row).collect::<Vec<_>>(), prior, &settings);
        (held.to_owned(), quality(&test, &weights, resamplings))
    };
    // With one scenario nothing is left to learn from without it.
    let held_out = if attacked.len() > 1 { attacked.iter().map(|held| fold(held)).collect() } else { Vec::new() };
    let weights = logistic::fit(&rows.iter().map(row).collect::<Vec<_>>(), prior, &settings);
    let in_sample = quality(&rows.iter().collect::<Vec<_>>(), &weights, resamplings);
    Ok(Learned { weights: calibrated(&weights, in_sample.threshold), held_out, in_sample })
}

#[cfg(test)]
mod tests_of_learning {
    use super::*;
    use crate::features::{FEATURES, Feature, Features};

    fn rows() -> Vec<ExportRow> {
        let mut rows = Vec::new();
        for index in 0..4000_u16 {
            let attacking = index % 40 == 0;
            let mut features = Features([0; FEATURES]);
            features.0[Feature::OddSizes as usize] = if attacking { 900 + index % 300 } else { index % 500 };
            features.0[Feature::Burst as usize] = index * 7 % 900;
            let scenario = if !attacking {
                "fleet"
            } else if index % 80 == 0 {
                "one"
            } else {
                "two"
            };
            rows.push(ExportRow {
                scenario: scenario.into(),
                device: format!("d{}", index % 50),
                hour: u64::from(index / 50),
                attacking,
                features,
            });
        }
        rows
    }

    const PRIOR: Weights = Weights { bias: -1000, of: [20; FEATURES] };

    #[test]
    fn what_tells_attacks_apart_is_learned_and_holds_on_scenarios_not_seen() {
        let learned = learn(&rows(), &PRIOR, 20).expect("rows of both kinds");
        let of = |feature: Feature| learned.weights.of[feature as usize];
        assert!(of(Feature::OddSizes) > 20 * of(Feature::Burst).max(1), "{:?}", learned.weights);
        assert_eq!(learned.held_out.len(), 2);
        assert!(learned.held_out.iter().all(|(_, quality)| quality.recall.value > 0.99), "{:?}", learned.held_out);
        // Calibrated: an honest device-hour in a thousand reaches a half.
        let alarms =
            rows().iter().filter(|row| !row.attacking && learned.weights.log_odds(&row.features).0 >= 0).count();
        assert!(alarms <= 4, "{alarms}");
    }

    #[test]
    fn what_was_never_seen_keeps_its_weight() {
        let learned = learn(&rows(), &PRIOR, 0).expect("rows of both kinds");
        assert_eq!(learned.weights.of[Feature::TwoPlaces as usize], 20);
    }

    #[test]
    fn one_kind_alone_teaches_nothing() {
        let only = |attacking| rows().into_iter().filter(|row| row.attacking == attacking).collect::<Vec<_>>();
        assert_eq!(learn(&only(true), &PRIOR, 0).err(), Some(LearnError::NoHonest));
        assert_eq!(learn(&only(false), &PRIOR, 0).err(), Some(LearnError::NoAttack));
    }
}
