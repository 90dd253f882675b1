//! The score: a logistic of weighted features, in whole numbers.

use crate::features::{FEATURES, Feature, Features};

/// Weights of the features. None is negative, so more evidence never lowers a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Log-odds of a lane with nothing against it, 1/256.
    pub bias: i32,
    /// Log-odds for each whole of a feature, 1/256.
    pub of: [u16; FEATURES],
}

/// Log-odds in 1/256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogOdds(pub i32);

/// A probability in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(pub u16);

impl Weights {
    /// The log-odds that a lane with these features is being abused.
    pub fn log_odds(&self, features: &Features) -> LogOdds {
        // 18 products of two 16-bit numbers fit in 38 bits.
        let sum: i64 =
            self.of.iter().zip(features.0).map(|(weight, value)| i64::from(*weight) * i64::from(value)).sum();
        let odds = i64::from(self.bias).saturating_add(sum >> 8);
        LogOdds(i32::try_from(odds).unwrap_or(if odds < 0 { i32::MIN } else { i32::MAX }))
    }

    /// What a feature adds with this value, 1/256.
    pub fn part(&self, feature: Feature, value: u16) -> u32 {
        (u32::from(self.of[feature as usize]) * u32::from(value)) >> 8
    }

    /// What each feature adds, 1/256, greatest first; those that add nothing are left out.
    pub fn contributions(&self, features: &Features) -> Vec<(Feature, u32)> {
        let mut all: Vec<(Feature, u32)> = Feature::ALL
            .into_iter()
            .map(|feature| (feature, self.part(feature, features.get(feature))))
            .filter(|(_, added)| *added > 0)
            .collect();
        all.sort_by_key(|(feature, added)| (std::cmp::Reverse(*added), *feature));
        all
    }
}

/// `10000 / (1 + e^-x)` at `x` from 0 to 10 in halves.
const LOGISTIC: [u16; 21] = [
    5000, 6225, 7311, 8176, 8808, 9241, 9526, 9707, 9820, 9890, 9933, 9959, 9975, 9985, 9991, 9994, 9997, 9998, 9999,
    9999, 10000,
];

/// Where the table ends, on both sides, 1/256.
const LOGISTIC_END: i32 = 20 * 128;

impl LogOdds {
    /// The greatest log-odds with a score less than this.
    pub fn below(score: u16) -> Self {
        let (mut low, mut high) = (-LOGISTIC_END - 1, LOGISTIC_END);
        // Scores rise with the odds, so a bisection finds the last one.
        while high - low > 1 {
            let middle = i32::midpoint(low, high);
            if Self(middle).score().0 < score { low = middle } else { high = middle }
        }
        Self(low)
    }

    /// The probability, from a table by linear interpolation: monotone, at most 20 ten-thousandths off.
    pub fn score(self) -> Score {
        let distance = self.0.unsigned_abs().min(20 * 128);
        let at = usize::try_from(distance / 128).unwrap_or(20);
        let low = u32::from(LOGISTIC[at]);
        let high = u32::from(LOGISTIC[(at + 1).min(20)]);
        let value = low + (high - low) * (distance % 128) / 128;
        let value = u16::try_from(value).unwrap_or(10_000);
        Score(if self.0 < 0 { 10_000 - value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURE_MAX;
    use proptest::prelude::*;

    #[test]
    #[allow(clippy::float_arithmetic, reason = "the exact function, to compare with")]
    fn the_logistic_is_close_to_the_real_one() {
        for odds in -2700_i32..2700 {
            let exact = 10_000.0 / (1.0 + (-f64::from(odds) / 256.0).exp());
            assert!((exact - f64::from(LogOdds(odds).score().0)).abs() <= 100.0, "{odds}: {exact}");
        }
        assert_eq!(
            (LogOdds(i32::MIN).score(), LogOdds(0).score(), LogOdds(i32::MAX).score()),
            (Score(0), Score(5000), Score(10_000))
        );
    }

    fn any_features() -> impl Strategy<Value = Features> {
        proptest::array::uniform18(0..=FEATURE_MAX).prop_map(Features)
    }

    proptest! {
        #[test]
        fn more_evidence_never_lowers_a_score(
            bias: i32, of in proptest::array::uniform18(any::<u16>()), features in any_features(), which in 0..FEATURES, more: u16,
        ) {
            let weights = Weights { bias, of };
            let mut worse = features;
            worse.0[which] = worse.0[which].saturating_add(more);
            prop_assert!(weights.log_odds(&features) <= weights.log_odds(&worse));
            prop_assert!(weights.log_odds(&features).score() <= weights.log_odds(&worse).score());
        }

        #[test]
        fn what_lies_below_a_score_is_the_last_that_does(score in 1_u16..=10_000) {
            let odds = LogOdds::below(score);
            prop_assert!(odds.score().0 < score && LogOdds(odds.0 + 1).score().0 >= score);
        }

        #[test]
        fn a_greater_log_odds_is_no_smaller_score(a: i32, b: i32) {
            prop_assert!(LogOdds(a.min(b)).score() <= LogOdds(a.max(b)).score());
        }
    }
}
