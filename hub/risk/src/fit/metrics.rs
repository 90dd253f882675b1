//! How well scores tell attacking device-hours from honest ones.

use crate::score::LogOdds;

/// A scored device-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored {
    /// The hour's highest log-odds.
    pub odds: LogOdds,
    /// Whether the device attacked in it.
    pub attacking: bool,
}

/// A figure with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The figure of all rows.
    pub value: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What scores achieve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Area under the curve of precision over recall, as average precision; interval by resampling.
    pub pr_auc: Interval,
    /// Part of the attacking hours above a threshold that a thousandth of the honest hours passes; Wilson's interval, which
    /// says something even where all were found.
    pub recall: Interval,
    /// That threshold: throttled is what lies above.
    pub threshold: LogOdds,
    /// Attacking device-hours.
    pub attacking: usize,
    /// Honest device-hours.
    pub honest: usize,
}

fn count(rows: usize) -> f64 {
    f64::from(u32::try_from(rows).unwrap_or(u32::MAX))
}

/// The lowest threshold above which at most `part_per_million / 1_000_000` of the honest rows lie.
fn threshold(rows: &[Scored], part_per_million: usize) -> LogOdds {
    let mut honest: Vec<LogOdds> = rows.iter().filter(|row| !row.attacking).map(|row| row.odds).collect();
    honest.sort_unstable_by_key(|odds| std::cmp::Reverse(*odds));
    let allowed = honest.len() * part_per_million / 1_000_000;
    honest.get(allowed).copied().unwrap_or(LogOdds(i32::MIN))
}

fn found_above(rows: &[Scored], threshold: LogOdds) -> usize {
    rows.iter().filter(|row| row.attacking && row.odds > threshold).count()
}

/// Wilson's score interval of `found` in `all`, at 95%.
pub fn proportion(found: usize, all: usize) -> Interval {
    if all == 0 {
        return Interval { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (all, share) = (count(all), count(found) / count(all));
    let z2 = 1.959_964_f64.powi(2);
    let centre = (share + z2 / (2.0 * all)) / (1.0 + z2 / all);
    let reach = (z2 * (share * (1.0 - share) / all + z2 / (4.0 * all * all))).sqrt() / (1.0 + z2 / all);
    Interval { value: share, low: (centre - reach).max(0.0), high: (centre + reach).min(1.0) }
}

/// Average precision; rows of equal odds are taken together, so that their order cannot help.
fn average_precision(rows: &[Scored]) -> f64 {
    let mut sorted: Vec<&Scored> = rows.iter().collect();
    sorted.sort_unstable_by_key(|row| std::cmp::Reverse(row.odds));
    let attacking = count(sorted.iter().filter(|row| row.attacking).count().max(1));
    let (mut found, mut seen, mut area) = (0, 0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.odds == b.odds) {
        let hits = tied.iter().filter(|row| row.attacking).count();
        found += hits;
        seen += tied.len();
        area += count(hits) / attacking * count(found) / count(seen);
    }
    area
}

/// Judges scored rows, resampling each class `resamplings` times with a fixed seed.
pub fn judge(rows: &[Scored], resamplings: u32) -> Quality {
    let threshold_of_all = threshold(rows, 1000);
    let (attacking, honest): (Vec<Scored>, Vec<Scored>) = rows.iter().partition(|row| row.attacking);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut areas = Vec::new();
    for _ in 0..resamplings {
        let mut sample = Vec::with_capacity(rows.len());
        for class in [&attacking, &honest] {
            sample.extend((0..class.len()).map(|_| class[draw(&mut random, class.len())]));
        }
        areas.push(average_precision(&sample));
    }
    Quality {
        pr_auc: interval(average_precision(rows), areas),
        recall: proportion(found_above(rows, threshold_of_all), attacking.len()),
        threshold: threshold_of_all,
        attacking: attacking.len(),
        honest: honest.len(),
    }
}

fn interval(value: f64, mut samples: Vec<f64>) -> Interval {
    samples.sort_unstable_by(f64::total_cmp);
    let at = |permille: usize| samples.get(samples.len() * permille / 1000).copied().unwrap_or(value);
    Interval { value, low: at(25), high: at(975) }
}

/// xorshift64*: resampling needs no better.
fn draw(state: &mut u64, below: usize) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let mixed = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
    usize::try_from(mixed).unwrap_or(0) % below.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(honest: impl IntoIterator<Item = i32>, attacking: impl IntoIterator<Item = i32>) -> Vec<Scored> {
        let of = |odds, attacking| Scored { odds: LogOdds(odds), attacking };
        honest.into_iter().map(|odds| of(odds, false)).chain(attacking.into_iter().map(|odds| of(odds, true))).collect()
    }

    #[test]
    fn a_perfect_score_is_perfect() {
        let quality = judge(&rows(0..2000, 3000..3100), 50);
        assert!((quality.pr_auc.value - 1.0).abs() < 1e-9 && (quality.recall.value - 1.0).abs() < 1e-9);
        assert_eq!((quality.attacking, quality.honest), (100, 2000));
    }

    #[test]
    fn at_most_a_thousandth_of_the_honest_pass_the_threshold() {
        let scored = rows(0..10_000, [9_980, 9_995]);
        let quality = judge(&scored, 10);
        assert_eq!(scored.iter().filter(|row| !row.attacking && row.odds > quality.threshold).count(), 10);
        assert!((quality.recall.value - 0.5).abs() < 1e-9);
    }

    #[test]
    fn twenty_of_twenty_are_no_certainty() {
        let interval = proportion(20, 20);
        assert!(interval.value == 1.0 && (interval.low - 0.839).abs() < 0.001 && interval.high == 1.0, "{interval:?}");
    }

    #[test]
    fn ties_are_no_help() {
        let quality = judge(&rows([1; 1000], [1; 10]), 0);
        assert!(quality.pr_auc.value < 0.011 && quality.recall.value == 0.0);
    }
}
