//! How far a lane is suspected for what it uses alone.
//!
//! Who uses much and pays for it harms nobody yet: a device that fetches new firmware does the same in its first minutes as one whose
//! key was stolen. Two things tell them apart. Either something else speaks against the lane: failed proofs, old states,
//! churn, a second place, gaps, sizes that are none of a download, a mandate or escrow that would be gone within hours, or events so
//! many that no download has them. Or it goes on. Until then what it uses adds to the log-odds no more than it has earned.

use serde::{Deserialize, Serialize};

use crate::features::{Feature, Features};
use crate::fixed::{Octaves, log2, log2_sixteenths};
use crate::score::{LogOdds, Weights};
use crate::signals::Signals;

/// Signals that no download gives.
const HARD: [Feature; 6] =
    [Feature::FailedProofs, Feature::StaleStates, Feature::Churn, Feature::TwoPlaces, Feature::Gaps, Feature::DrawDown];

/// What else is not use. Odd sizes are among it without those of downloads.
const SOFT: [Feature; 3] = [Feature::Exposure, Feature::IdleGrant, Feature::Anomaly];

/// When what a lane uses is held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageAlone {
    /// What it adds at first, log-odds at most, 1/256.
    pub at_first: u32,
    /// Seconds for which it must go on before it adds more: as much as leads to the rungs that a device does not notice.
    pub suspect_seconds: u32,
    /// Seconds for which it must go on before it adds all.
    pub throttle_seconds: u32,
    /// Log-odds that hard signals must add, 1/256, so that nothing waits.
    pub hard: u32,
    /// Bits of surprise in sizes that are none of a download, so that nothing waits.
    pub odd_bits: u16,
    /// No download has so many events in a quarter of an hour...
    pub flood_events: u32,
    /// ...where the lane's own level lies so far below, 1/256 octave.
    pub flood_above_own: Octaves,
}

impl Default for UsageAlone {
    fn default() -> Self {
        Self {
            at_first: 1200,
            suspect_seconds: 576,
            throttle_seconds: 4032,
            hard: 512,
            odd_bits: 96,
            flood_events: 512,
            flood_above_own: 1600,
        }
    }
}

/// What a lane's features come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    /// Log-odds, what the lane uses held back.
    pub odds: LogOdds,
    /// Whether anything was held back.
    pub held_back: bool,
    /// Whether something else than its use speaks clearly against the lane, and it comes to anything.
    pub corroborated: bool,
}

impl UsageAlone {
    /// Whether something else than its use speaks clearly against a lane.
    pub fn is_corroborated(&self, signals: &Signals, features: &Features, weights: &Weights) -> bool {
        let hard: u32 = HARD.iter().map(|feature| weights.part(*feature, features.get(*feature))).sum();
        hard >= self.hard || signals.surprise() / 16 >= self.odd_bits || self.is_flood(signals)
    }

    /// Weighs a lane's features. More of any of them, or use that goes on for longer, never comes to less.
    pub(crate) fn weigh(
        &self,
        signals: &Signals,
        features: &Features,
        weights: &Weights,
        unnoticed: LogOdds,
    ) -> Weighed {
        let all = weights.log_odds(features);
        let at_first = i64::from(weights.bias) + i64::from(self.at_first);
        // Nearly every lane ends here: however it came to so little, nothing is held back.
        if i64::from(all.0) <= at_first {
            return Weighed { odds: all, held_back: false, corroborated: false };
        }
        let seconds = signals.sustained_seconds();
        let corroborated = self.is_corroborated(signals, features, weights);
        if corroborated || seconds >= self.throttle_seconds {
            return Weighed { odds: all, held_back: false, corroborated };
        }
        let others = HARD.iter().chain(&SOFT).map(|feature| weights.part(*feature, features.get(*feature)));
        let odd = weights.part(Feature::OddSizes, log2_sixteenths(u64::from(signals.surprise())));
        let others: u32 = others.chain([odd]).sum();
        let at_first = all.min(LogOdds(i32::try_from(at_first + i64::from(others)).unwrap_or(i32::MAX)));
        let odds = if seconds >= self.suspect_seconds { at_first.max(all.min(unnoticed)) } else { at_first };
        Weighed { odds, held_back: odds < all, corroborated }
    }

    /// Whatever the fleet does.
    fn is_flood(&self, signals: &Signals) -> bool {
        let (events, (own, _)) = (signals.levels().0, signals.own_levels());
        events >= log2(u64::from(self.flood_events)) && events.saturating_sub(own) >= self.flood_above_own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FEATURE_MAX, FEATURES};
    use crate::file::{SHIPPED, WeightsFile};
    use crate::profile::Profile;
    use crate::signals::{Event, Sixteenths};
    use proptest::prelude::*;

    const UNNOTICED: LogOdds = LogOdds(355);

    fn lane(of: impl Fn(u32) -> Event, count: u32) -> Signals {
        let mut signals = Signals::default();
        for at in 0..count {
            signals.observe(of(at), Sixteenths(at * 16), &Profile::unknown());
        }
        signals
    }

    fn weigh(signals: &Signals, features: &Features) -> Weighed {
        let file = WeightsFile::parse(SHIPPED).expect("the shipped file");
        UsageAlone::default().weigh(signals, features, &file.weights().expect("its weights"), UNNOTICED)
    }

    #[test]
    fn use_alone_is_held_back_and_what_else_there_is_lets_it_go() {
        let mut features = Features::default();
        features.0[Feature::UnitsAboveFleet as usize] = FEATURE_MAX;
        features.0[Feature::EventsAboveFleet as usize] = FEATURE_MAX;
        let quiet = lane(|_| Event::Served { units: 1 }, 1);
        let held = weigh(&quiet, &features);
        assert!(held.held_back && !held.corroborated && held.odds < LogOdds(0), "{held:?}");
        features.0[Feature::FailedProofs as usize] = 400;
        let free = weigh(&quiet, &features);
        assert!(!free.held_back && free.corroborated && free.odds > UNNOTICED, "{free:?}");
    }

    fn any_features() -> impl Strategy<Value = Features> {
        proptest::array::uniform18(0..=FEATURE_MAX).prop_map(Features)
    }

    proptest! {
        #[test]
        fn more_evidence_never_comes_to_less(features in any_features(), which in 0..FEATURES, more: u16) {
            let quiet = lane(|_| Event::Served { units: 1 }, 1);
            let mut worse = features;
            worse.0[which] = worse.0[which].saturating_add(more);
            prop_assert!(weigh(&quiet, &features).odds <= weigh(&quiet, &worse).odds);
        }

        #[test]
        fn use_that_goes_on_comes_to_more(features in any_features(), minutes in 0_u32..100, more in 0_u32..60) {
            // Each minute a hundred times as much as in the one before.
            let after = |minutes: u32| {
                let mut signals = Signals::default();
                for minute in 0..=minutes {
                    let units = if minute == 0 { 1 } else { 100_000 };
                    signals.observe(Event::Served { units }, Sixteenths(minute * 1024), &Profile::unknown());
                }
                signals
            };
            let (short, long) = (after(minutes), after(minutes + more));
            prop_assert!(short.sustained_seconds() <= long.sustained_seconds());
            prop_assert!(weigh(&short, &features).odds <= weigh(&long, &features).odds);
        }
    }
}
