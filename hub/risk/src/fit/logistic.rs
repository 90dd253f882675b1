//! Logistic regression with weights that may not be negative, pulled towards those in force.

use crate::features::{FEATURES, Features};
use crate::score::Weights;

/// One labelled row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The features of a device-hour at its worst moment.
    pub features: Features,
    /// Whether the device attacked in that hour.
    pub attacking: bool,
}

/// How the regression runs.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Gradient steps.
    pub steps: u32,
    /// Strength of the pull towards the weights in force.
    pub pull: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { steps: 4000, pull: 2e-4 }
    }
}

/// What the rows teach, starting from `prior`. Both classes weigh the same in all.
pub fn fit(rows: &[Row], prior: &Weights, settings: &Settings) -> Weights {
    let scale = class_weights(rows);
    let prior_weights = prior.of.map(|weight| f64::from(weight) / 256.0);
    let mut weights = prior_weights;
    let mut bias = f64::from(prior.bias) / 256.0;
    let grouped = group(rows, scale);
    // Adam: the features differ a hundredfold in how often they are not nought.
    let (mut first, mut second) = ([0.0; FEATURES + 1], [0.0; FEATURES + 1]);
    for step in 1..=settings.steps {
        let gradient = gradient(&grouped, &weights, bias);
        let rate = 0.05 / (1.0 + f64::from(step) / 1000.0);
        for index in 0..=FEATURES {
            let pull = if index < FEATURES { settings.pull * (weights[index] - prior_weights[index]) } else { 0.0 };
            let slope = gradient[index] + pull;
            first[index] = 0.9 * first[index] + 0.1 * slope;
            second[index] = 0.999 * second[index] + 0.001 * slope * slope;
            let mean = first[index] / (1.0 - 0.9_f64.powf(f64::from(step)));
            let variance: f64 = second[index] / (1.0 - 0.999_f64.powf(f64::from(step)));
            let change = rate * mean / (variance.sqrt() + 1e-8);
            if index < FEATURES {
                weights[index] = (weights[index] - change).max(0.0);
            } else {
                bias -= change;
            }
        }
    }
    Weights { bias: quantised(bias), of: weights.map(|weight| u16::try_from(quantised(weight)).unwrap_or(0)) }
}

/// Equal rows count once, with the sum of their weights: most honest hours look alike.
fn group(rows: &[Row], scale: (f64, f64)) -> Vec<([f64; FEATURES], bool, f64)> {
    let mut counts = std::collections::BTreeMap::<([u16; FEATURES], bool), u32>::new();
    for row in rows {
        // A sixteenth is fine enough to learn from.
        *counts.entry((row.features.0.map(|value| value / 16), row.attacking)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((values, attacking), count)| {
            let each = if attacking { scale.0 } else { scale.1 };
            (values.map(|value| f64::from(value) / 16.0), attacking, each * f64::from(count))
        })
        .collect()
}

fn class_weights(rows: &[Row]) -> (f64, f64) {
    let count = |attacking: bool| {
        let of_class = rows.iter().filter(|row| row.attacking == attacking).count().max(1);
        f64::from(u32::try_from(of_class).unwrap_or(u32::MAX))
    };
    (0.5 / count(true), 0.5 / count(false))
}

fn gradient(rows: &[([f64; FEATURES], bool, f64)], weights: &[f64; FEATURES], bias: f64) -> [f64; FEATURES + 1] {
    let mut sum = [0.0; FEATURES + 1];
    for (values, attacking, scale) in rows {
        let odds: f64 = bias + values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>();
        let error = scale * (1.0 / (1.0 + (-odds).exp()) - if *attacking { 1.0 } else { 0.0 });
        for (slope, value) in sum.iter_mut().zip(values) {
            *slope += error * value;
        }
        sum[FEATURES] += error;
    }
    sum
}

/// In 1/256, within what a weights file holds.
fn quantised(value: f64) -> i32 {
    let scaled = (value * 256.0).round().clamp(-65_535.0, 65_535.0);
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and clamped to 17 bits")]
    let whole = scaled as i32;
    whole
}
