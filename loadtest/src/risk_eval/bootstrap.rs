//! An interval that knows that hours of one device are alike: devices are drawn, not hours.

use std::collections::BTreeMap;

use farthing_risk::fit::metrics::{Scored, judge};

use super::result::Figure;
use super::verdict::DeviceHour;

/// The interval of the recall at a thousandth of false positives. In each drawing the scenarios with attacks are drawn anew with
/// all their hours, and so are the honest devices, from which the threshold follows.
pub(super) fn recall_by_device(hours: &[DeviceHour], resamplings: u32) -> Figure {
    let (mut attacked, mut honest) =
        (BTreeMap::<&str, Vec<Scored>>::new(), BTreeMap::<(&str, &str), Vec<Scored>>::new());
    for hour in hours {
        let rows = match hour.scored.attacking {
            true => attacked.entry(&hour.source).or_default(),
            false => honest.entry((&hour.source, &hour.device)).or_default(),
        };
        rows.push(hour.scored);
    }
    let (attacked, honest): (Vec<_>, Vec<_>) = (attacked.into_values().collect(), honest.into_values().collect());
    let all: Vec<Scored> = hours.iter().map(|hour| hour.scored).collect();
    let value = judge(&all, 0).recall.value;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut recalls: Vec<f64> = (0..resamplings)
        .map(|_| {
            let mut rows = Vec::with_capacity(all.len());
            for groups in [&attacked, &honest] {
                for _ in 0..groups.len() {
                    rows.extend_from_slice(&groups[draw(&mut state, groups.len())]);
                }
            }
            judge(&rows, 0).recall.value
        })
        .collect();
    recalls.sort_unstable_by(f64::total_cmp);
    let at = |permille: usize| recalls.get(recalls.len() * permille / 1000).copied().unwrap_or(value);
    Figure { value, low: at(25), high: at(975) }
}

/// splitmix64.
fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0) % below.max(1)
}

#[cfg(test)]
mod tests {
    use farthing_risk::score::LogOdds;

    use super::*;

    #[test]
    fn two_scenarios_of_which_one_is_missed_tell_little() {
        let hour = |source: &str, device: &str, odds, attacking| DeviceHour {
            source: source.to_owned(),
            device: device.to_owned(),
            labelled: true,
            scored: Scored { odds: LogOdds(odds), attacking },
            standing: 0,
            updated: false,
        };
        let mut hours: Vec<DeviceHour> =
            (0..2000).map(|index| hour("calm", &format!("d{}", index % 40), index % 100, false)).collect();
        hours.extend((0..50).map(|_| hour("found", "a", 5000, true)));
        hours.extend((0..50).map(|_| hour("missed", "b", -5000, true)));
        let figure = recall_by_device(&hours, 200);
        assert!((figure.value - 0.5).abs() < 1e-9 && figure.low == 0.0 && figure.high == 1.0, "{figure:?}");
    }
}
