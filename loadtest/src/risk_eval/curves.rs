//! Curves over all thresholds: precision by recall, and how much lies above a score.

use farthing_risk::fit::metrics::Scored;
use serde::Serialize;

/// A point of the curve of precision over recall.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Part of the attacking device-hours above a threshold.
    pub recall: f64,
    /// Part of the device-hours above it that attack.
    pub precision: f64,
}

/// Parts of the device-hours at or above log-odds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Exceedance {
    /// Log-odds, natural units.
    pub log_odds: Vec<f64>,
    /// Of honest device-hours.
    pub honest: Vec<f64>,
    /// Of attacking ones.
    pub attacking: Vec<f64>,
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Precision and recall at each score that an attacking device-hour has.
pub(super) fn curve(scored: &[Scored]) -> Vec<Point> {
    let mut sorted: Vec<&Scored> = scored.iter().collect();
    sorted.sort_unstable_by_key(|row| std::cmp::Reverse(row.odds));
    let attacking = count(sorted.iter().filter(|row| row.attacking).count().max(1));
    let (mut found, mut seen, mut points) = (0, 0, Vec::new());
    for tied in sorted.chunk_by(|a, b| a.odds == b.odds) {
        let hits = tied.iter().filter(|row| row.attacking).count();
        found += hits;
        seen += tied.len();
        if hits > 0 {
            points.push(Point { recall: count(found) / attacking, precision: count(found) / count(seen) });
        }
    }
    points
}

pub(super) fn exceedance(scored: &[Scored]) -> Exceedance {
    let odds = |attacking: bool| {
        let mut odds: Vec<i32> = scored.iter().filter(|row| row.attacking == attacking).map(|row| row.odds.0).collect();
        odds.sort_unstable();
        odds
    };
    let (honest, attacking) = (odds(false), odds(true));
    let part = |odds: &[i32], from: i32| {
        count(odds.len() - odds.partition_point(|value| *value < from)) / count(odds.len().max(1))
    };
    let mut made = Exceedance::default();
    for step in -40..=60_i32 {
        let from = step * 128;
        made.log_odds.push(f64::from(from) / 256.0);
        made.honest.push(part(&honest, from));
        made.attacking.push(part(&attacking, from));
    }
    made
}

#[cfg(test)]
mod tests {
    use farthing_risk::fit::metrics::judge;
    use farthing_risk::score::LogOdds;

    use super::*;

    #[test]
    fn the_curve_of_a_known_ranking() {
        // By falling score: attack, honest, attack, honest.
        let rows = [(40, true), (30, false), (20, true), (10, false)];
        let scored: Vec<Scored> =
            rows.iter().map(|(odds, attacking)| Scored { odds: LogOdds(*odds), attacking: *attacking }).collect();
        let points: Vec<(f64, f64)> = curve(&scored).iter().map(|point| (point.recall, point.precision)).collect();
        assert_eq!(points, [(0.5, 1.0), (1.0, 2.0 / 3.0)]);
        // Average precision of that ranking: half of 1 and half of 2/3.
        assert!((judge(&scored, 0).pr_auc.value - (0.5 + 1.0 / 3.0)).abs() < 1e-12);
    }
}
