//! For how long use is kept up far above a lane's own level, in one byte.
//!
//! A window that halves in a quarter of an hour is full for an hour or two after a download that took a minute. What tells a download
//! that is over from one that goes on is whether what comes makes up for what decays. So an event that does leaves a
//! mark, and the next step of 64 seconds adds to the time or takes off it.

use crate::fixed::{OCTAVE, Octaves, decay};

/// The mark; the other seven bits are half steps, of 32 seconds.
pub(super) const KEPT_UP: u8 = 0x80;

/// How far above the usual a lane must stand.
const FAR: Octaves = OCTAVE * 3 / 2;

/// A single event speaks for so many steps at most, on a lane that has few.
const STEPS_MAX: u32 = 8;

/// The byte after so many steps. A step without a mark takes off half of what one with it adds: events come by chance.
pub(super) fn after(sustained: u8, steps: u32) -> u8 {
    let passed = u8::try_from(steps.min(STEPS_MAX)).unwrap_or(u8::MAX);
    let so_far = sustained & !KEPT_UP;
    if sustained & KEPT_UP == 0 { so_far.saturating_sub(passed) } else { (so_far + 2 * passed).min(!KEPT_UP) }
}

/// Seconds that such a byte stands for, up to an hour and seven minutes.
pub(super) fn seconds(sustained: u8) -> u32 {
    u32::from(sustained & !KEPT_UP) * 32
}

/// What a lane uses, an event included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Level of its units.
    pub(super) level: Octaves,
    /// What is usual for the lane, or for its fleet where that is more: a vehicle that was parked may drive.
    pub(super) usual: Octaves,
    /// Units in the middle window.
    pub(super) units: u32,
}

impl Use {
    /// Whether an event of so many units, after so many steps without one, makes up for half of what decays in the meantime or
    /// more. Of a busy lane, with `events_fast` sixteenths of events in the fast window, many such events share in that.
    pub(super) fn is_by(self, units: u32, events_fast: u16, steps: u32) -> bool {
        if self.level < self.usual.saturating_add(FAR) {
            return false;
        }
        let lost = self.units - decay(self.units, steps.max(1));
        // A fast window holds what comes in 92 seconds; a step has 64.
        let events = (u64::from(events_fast) * 64 / 92 / 16).max(1);
        u64::from(units) * events * 2 >= u64::from(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Signals, Sixteenths};
    use crate::profile::{Learner, Profile};

    /// What is usual where every lane reports 200 bytes every so many seconds.
    fn usual(period: u32) -> Profile {
        let (mut learner, mut signals) = (Learner::default(), Signals::default());
        for at in 1..500 {
            signals.observe(Event::Served { units: 200 }, Sixteenths(at * period * 16), &Profile::unknown());
            learner.observe(200, &signals);
        }
        learner.profile()
    }

    /// A lane that reports 200 bytes every so many seconds for a day, then `then` bytes in so many events.
    fn lane(period: u32, then: u64, events: u32) -> (Signals, u32) {
        let (mut signals, mut now, usual) = (Signals::default(), 0, usual(period));
        let mut say = |units, count: u32| {
            for _ in 0..count {
                now += period * 16;
                signals.observe(Event::Served { units }, Sixteenths(now), &usual);
            }
        };
        say(200, 86_400 / period);
        say(then, events);
        (signals, now)
    }

    fn rests(mut signals: Signals, from: u32, period: u32, minutes: u32) -> Signals {
        let usual = usual(period);
        for at in 1..=minutes * 60 / period {
            signals.observe(Event::Served { units: 200 }, Sixteenths(from + at * period * 16), &usual);
        }
        signals
    }

    #[test]
    fn a_single_download_is_over_at_once() {
        for period in [10, 60, 300, 900] {
            let (signals, now) = lane(period, 2_000_000, 1);
            for minutes in [20, 40, 60] {
                let seconds = rests(signals, now, period, minutes).sustained_seconds();
                assert!(seconds <= 512, "{seconds} s after {minutes} minutes, every {period} s");
            }
        }
    }

    #[test]
    fn what_goes_on_is_sustained_however_rare_the_events_are() {
        for (period, factor) in [(10, 20), (60, 20), (60, 100), (300, 50), (900, 50)] {
            let (signals, now) = lane(period, 200 * factor, 3 * 3600 / period);
            assert!(signals.sustained_seconds() >= 3600, "{} s every {period} s", signals.sustained_seconds());
            let after = rests(signals, now, period, 240).sustained_seconds();
            assert!(after <= 256, "{after} s four hours later, every {period} s");
        }
    }

    #[test]
    fn usual_use_is_none() {
        for period in [10, 60, 300, 900, 3600] {
            let (signals, _) = lane(period, 200, 50);
            assert_eq!(signals.sustained_seconds(), 0, "every {period} s");
        }
    }
}
