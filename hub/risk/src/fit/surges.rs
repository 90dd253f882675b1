//! Updates of whole fleets: every device fetches its firmware, and pays for it as for anything else.

use super::fleets::Random;
use super::replay::TraceEvent;

/// What a download looks like in a device's payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As many events as ever, so many times as large.
    Larger,
    /// Events of the sizes that the device has, so many times as often.
    MoreOften,
    /// Four times as large, and as much more often as is left.
    Both,
}

/// In what order a fleet's devices begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// All within five minutes.
    AtOnce,
    /// Each at a random moment of an hour.
    RandomHour,
    /// One in a hundred; an hour later one in ten, then half of them, then all.
    Staged,
}

/// All shapes, with their names.
pub const SHAPES: [(&str, Shape); 3] =
    [("larger", Shape::Larger), ("more-often", Shape::MoreOften), ("both", Shape::Both)];

/// All rollouts, with their names.
pub const ROLLOUTS: [(&str, Rollout); 3] =
    [("at-once", Rollout::AtOnce), ("random-hour", Rollout::RandomHour), ("staged", Rollout::Staged)];

/// An update of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surge {
    /// What each device's payments look like.
    pub shape: Shape,
    /// Who begins when.
    pub rollout: Rollout,
    /// How many times as much as usual a device uses while it downloads.
    pub factor: u64,
    /// The longest download, minutes; the shortest takes a third of it.
    pub minutes_max: u64,
}

const MINUTE: u64 = 60 * 16;
const HOUR: u64 = 60 * MINUTE;
/// Devices of one stage begin within this.
const STAGE_SPREAD: u64 = 10 * MINUTE;

impl Surge {
    /// Sixteenths of a second after the beginning of the update at which the device at `place` of `devices` begins.
    fn begins(&self, place: u32, devices: u32, random: &mut Random) -> u64 {
        match self.rollout {
            Rollout::AtOnce => random.below(5 * MINUTE),
            Rollout::RandomHour => random.below(HOUR),
            Rollout::Staged => {
                let first_of = |percent: u32| place < (devices * percent).div_ceil(100);
                let stage = [1, 10, 50].iter().filter(|percent| !first_of(**percent)).count();
                u64::try_from(stage).unwrap_or(3) * HOUR + random.below(STAGE_SPREAD)
            }
        }
    }

    /// How long after its beginning the last device has done.
    pub fn lasts(&self) -> u64 {
        let begins = match self.rollout {
            Rollout::AtOnce => 5 * MINUTE,
            Rollout::RandomHour => HOUR,
            Rollout::Staged => 3 * HOUR + STAGE_SPREAD,
        };
        begins + self.minutes_max * MINUTE
    }

    /// What the devices of a fleet pay beside what they pay anyway, when they are updated from `at` on. `events` are those of the fleet,
    /// sorted by time; what is usual for a device is taken from them.
    pub fn downloads(&self, events: &[TraceEvent], at: u64, seed: u64) -> Vec<TraceEvent> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Vec::new() };
        let devices = events.iter().map(|event| event.device).max().map_or(0, |most| most + 1);
        let span = (last.at - first.at).max(1);
        let mut made = Vec::new();
        for device in 0..devices {
            let mut random = Random::new(seed ^ u64::from(device) << 32);
            let own: Vec<u64> =
                events.iter().filter(|event| event.device == device).map(|event| event.quantity).collect();
            if own.is_empty() {
                continue;
            }
            let begins = at + self.begins(device, devices, &mut random);
            let lasts = (self.minutes_max * MINUTE).max(3);
            let lasts = lasts / 3 + random.below(lasts * 2 / 3);
            let usual = (u64::try_from(own.len()).unwrap_or(u64::MAX).saturating_mul(lasts) / span).max(1);
            let (times, larger) = match self.shape {
                Shape::Larger => (1, self.factor),
                Shape::MoreOften => (self.factor, 1),
                Shape::Both => ((self.factor / 4).max(1), 4),
            };
            for _ in 0..usual * times {
                let alike = own[usize::try_from(random.below(own.len() as u64)).unwrap_or(0)];
                let quantity = alike.saturating_mul(larger);
                made.push(TraceEvent { at: begins + random.below(lasts), device, quantity, attacking: false });
            }
        }
        made.sort_unstable_by_key(|event| event.at);
        made
    }
}

#[cfg(test)]
mod tests;
