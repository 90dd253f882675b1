//! What is usual in a fleet: how often its lanes have events, how much they use, in which sizes.
//!
//! A [`Profile`] is what a lane is compared with. It is learned by a [`Learner`] while the fleet is watched and nothing is
//! done to it (shadow mode), or by the fit from labelled exports, and lies in the weights file as whole numbers.

use serde::{Deserialize, Serialize};

use crate::fixed::{OCTAVE, Octaves, clamp8, clamp16, log2};
use crate::signals::Signals;

/// Buckets of sizes: sixteenths of an octave up to 2^16, whole octaves above.
pub const SIZE_BUCKETS: usize = 272;
/// Buckets of levels, quarters of an octave.
const LEVEL_BUCKETS: usize = 128;

/// What is usual in one fleet for one kind of unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Median of `log2(events + 1)` in the middle window, 1/256 octave.
    pub events_typical: Octaves,
    /// Its 99th percentile.
    pub events_high: Octaves,
    /// Median of `log2(units + 1)` in the middle window, 1/256 octave.
    pub units_typical: Octaves,
    /// Its 99th percentile.
    pub units_high: Octaves,
    /// The 99th percentile of how far an event's size lies above its lane's mean, 1/16 octave.
    pub jump_high: u8,
    /// Half as much again as the median of an event's size, `log2(units + 1)`: odd sizes from there on are those of downloads. Where a file
    /// does not say it there are none.
    #[serde(default = "no_size")]
    pub size_large: Octaves,
    /// The 98th percentile of its events' surprise, 1/16 bit: what lies above counts as odd.
    pub surprise_high: u8,
    /// How surprising an event of each size is, `-log2` of its share, 1/16 bit; [`SIZE_BUCKETS`] of them.
    #[serde(deserialize_with = "all_buckets")]
    pub surprise: Vec<u8>,
}

fn no_size() -> Octaves {
    u16::MAX
}

fn all_buckets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let surprise = Vec::<u8>::deserialize(deserializer)?;
    if surprise.len() == SIZE_BUCKETS {
        Ok(surprise)
    } else {
        Err(serde::de::Error::custom(format!("{} buckets of surprise, not {SIZE_BUCKETS}", surprise.len())))
    }
}

impl Profile {
    /// A fleet of which nothing is known: no size is odd, no rate high.
    pub fn unknown() -> Self {
        Self {
            events_typical: 0,
            events_high: u16::MAX,
            units_typical: 0,
            units_high: u16::MAX,
            jump_high: u8::MAX,
            size_large: no_size(),
            surprise_high: u8::MAX,
            surprise: vec![0; SIZE_BUCKETS],
        }
    }

    /// The surprise of a size given as `log2(units + 1)`, 1/16 bit.
    pub(crate) fn surprise_of(&self, size: Octaves) -> u8 {
        self.surprise.get(bucket_of(size)).copied().unwrap_or(0)
    }
}

fn bucket_of(size: Octaves) -> usize {
    let sixteenth = usize::from(size >> 4);
    if sixteenth < 256 { sixteenth } else { (256 + (sixteenth - 256) / 16).min(SIZE_BUCKETS - 1) }
}

/// The first size beyond a bucket.
fn size_below(bucket: usize) -> Octaves {
    let sixteenths = if bucket < 256 { bucket + 1 } else { 256 + (bucket - 255) * 16 };
    clamp16(sixteenths as u64 * u64::from(OCTAVE / 16))
}

/// Learns a [`Profile`] from the events of a fleet's lanes. Memory is fixed; counts saturate.
#[derive(Debug, Clone)]
pub struct Learner {
    sizes: [u32; SIZE_BUCKETS],
    events: [u32; LEVEL_BUCKETS],
    units: [u32; LEVEL_BUCKETS],
    jumps: [u32; LEVEL_BUCKETS],
}

impl Default for Learner {
    fn default() -> Self {
        Self {
            sizes: [0; SIZE_BUCKETS],
            events: [0; LEVEL_BUCKETS],
            units: [0; LEVEL_BUCKETS],
            jumps: [0; LEVEL_BUCKETS],
        }
    }
}

impl Learner {
    /// Takes in one event of a lane: its size in units, and the lane's signals after it.
    pub fn observe(&mut self, units: u64, after: &Signals) {
        let (size, levels) = (log2(units), after.levels());
        count(&mut self.sizes, bucket_of(size));
        count(&mut self.events, usize::from(levels.0 >> 6));
        count(&mut self.units, usize::from(levels.1 >> 6));
        count(&mut self.jumps, usize::from(size.saturating_sub(after.size_mean()) >> 6));
    }

    /// Adds what another learner saw.
    pub fn merge(&mut self, other: &Self) {
        let pairs = self.sizes.iter_mut().zip(&other.sizes);
        let pairs = pairs.chain(self.events.iter_mut().zip(&other.events));
        let pairs = pairs.chain(self.units.iter_mut().zip(&other.units));
        for (own, more) in pairs.chain(self.jumps.iter_mut().zip(&other.jumps)) {
            *own = own.saturating_add(*more);
        }
    }

    /// Events taken in.
    pub fn observed(&self) -> u64 {
        self.sizes.iter().map(|count| u64::from(*count)).sum()
    }

    /// The profile; [`Profile::unknown`] before the first event.
    pub fn profile(&self) -> Profile {
        let seen = self.observed();
        if seen == 0 {
            return Profile::unknown();
        }
        let surprise = self.surprises(seen);
        Profile {
            events_typical: quantile(&self.events, 500),
            events_high: quantile(&self.events, 990),
            units_typical: quantile(&self.units, 500),
            units_high: quantile(&self.units, 990),
            jump_high: clamp8(u32::from(quantile(&self.jumps, 990) / 16)),
            size_large: quantile_of(&self.sizes, 500).map_or(u16::MAX, size_below).saturating_add(OCTAVE * 3 / 5),
            surprise_high: self.surprise_high(&surprise, seen),
            surprise,
        }
    }

    fn surprise_high(&self, surprise: &[u8], seen: u64) -> u8 {
        let mut events = [0_u64; 256];
        for (bits, count) in surprise.iter().zip(&self.sizes) {
            events[usize::from(*bits)] += u64::from(*count);
        }
        let mut below = 0;
        let high = events.iter().position(|count| {
            below += count;
            below * 100 >= seen * 98
        });
        clamp8(u32::try_from(high.unwrap_or(255)).unwrap_or(255))
    }

    /// Each bucket lends a sixteenth of its count to each neighbour, as sizes near a usual one are less odd; half an event
    /// more in each keeps what never happened finite.
    fn surprises(&self, seen: u64) -> Vec<u8> {
        let at = |bucket: Option<usize>| {
            bucket.and_then(|bucket| self.sizes.get(bucket)).map_or(0, |count| u64::from(*count))
        };
        let total = seen.saturating_mul(16).saturating_add(8 * 272);
        (0..SIZE_BUCKETS)
            .map(|bucket| {
                let near = at(bucket.checked_sub(1)).saturating_add(at(Some(bucket + 1)));
                let share = at(Some(bucket)).saturating_mul(14).saturating_add(near).saturating_add(8);
                let bits = log2(total).saturating_sub(log2(share));
                clamp8(u32::from(bits / 16))
            })
            .collect()
    }
}

fn count<const N: usize>(counts: &mut [u32; N], bucket: usize) {
    let bucket = &mut counts[bucket.min(N - 1)];
    *bucket = bucket.saturating_add(1);
}

/// The upper edge of the bucket in which the given share of all counts is reached.
fn quantile(counts: &[u32], permille: u64) -> Octaves {
    quantile_of(counts, permille).map_or(u16::MAX, |bucket| clamp16((bucket as u64 + 1) * u64::from(OCTAVE / 4)))
}

/// That bucket.
fn quantile_of(counts: &[u32], permille: u64) -> Option<usize> {
    let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut below = 0_u64;
    counts.iter().position(|count| {
        below = below.saturating_add(u64::from(*count));
        below.saturating_mul(1000) >= all.saturating_mul(permille)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::{Event, Sixteenths};

    #[test]
    fn what_is_usual_surprises_little_and_what_never_was_much() {
        let (mut learner, mut signals) = (Learner::default(), Signals::default());
        for index in 0..1000_u32 {
            let units = if index % 10 == 0 { 1200 } else { 152 };
            signals.observe(Event::Served { units }, Sixteenths(index * 960), &Profile::unknown());
            learner.observe(units, &signals);
        }
        let profile = learner.profile();
        let bits = |units| profile.surprise_of(log2(units)) / 16;
        assert!(
            bits(152) < 2 && (3..6).contains(&bits(1200)) && bits(60) >= 9,
            "{} {} {}",
            bits(152),
            bits(1200),
            bits(60)
        );
        let (events, _) = signals.levels();
        assert!(profile.events_typical.abs_diff(events) <= 64, "{} {events}", profile.events_typical);
        // Three octaves lie between its two sizes.
        assert!((32..64).contains(&profile.jump_high), "{}", profile.jump_high);
        assert_eq!(Learner::default().profile(), Profile::unknown());
    }

    #[test]
    fn every_size_has_a_bucket() {
        assert_eq!(
            (bucket_of(0), bucket_of(log2(u64::MAX)), bucket_of(u16::MAX)),
            (0, SIZE_BUCKETS - 1, SIZE_BUCKETS - 1)
        );
        for units in [0, 1, 77, 1400, 65_535, 65_536, 1 << 30] {
            let (size, bucket) = (log2(units), bucket_of(log2(units)));
            assert!(size < size_below(bucket) && (bucket == 0 || size >= size_below(bucket - 1)), "{units}");
        }
    }
}
