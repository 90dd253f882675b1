//! What is remembered of a lane: 32 bytes, updated with each event in whole numbers.
//!
//! Windows are exponential. The fast one halves in 64 seconds, the middle one in 1,024; decay is taken in sixteenths of a
//! halving whenever the clock passes a multiple of one, so however often a lane has events, none is lost to rounding.

mod sustained;
mod words;

use crate::fixed::{OCTAVE, Octaves, approach, clamp8, clamp16, clamp32, decay, log2, log2_sixteenths};
use crate::profile::Profile;

/// Time in sixteenths of a second since an origin of the caller's choice; it lasts 8.5 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sixteenths(pub u32);

/// Something that happened on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Units were used, as the lane's reporter says, or paid for, where a lane has no reporter. Nought counts as well:
    /// an event that carries nothing still costs somebody something.
    Served {
        /// Service units of this event alone.
        units: u64,
    },
    /// A proof for the lane failed, or its message was malformed.
    ProofFailed,
    /// A payment skipped this many steps of its chain.
    Gap {
        /// Steps between the last index known and the new one.
        steps: u32,
    },
    /// The device showed a state older than what it had proved before.
    StaleState,
    /// The device attached again.
    Reattached,
    /// The device's address changed.
    AddressChanged,
    /// The device's key is in use on two connections from different addresses.
    TwoPlaces,
    /// What is served and not yet authorised, as a part of the credit window.
    Exposure {
        /// Thousandths of the credit window.
        permille: u32,
    },
}

/// A lane's signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signals {
    /// When decay was last taken.
    last: u32,
    /// Units in the middle window.
    units: u32,
    /// Events in the fast window, sixteenths.
    events_fast: u16,
    /// Events in the middle window, eighths.
    events: u16,
    /// The lane's own usual level of events.
    own_events: Octaves,
    /// The lane's own usual level of units.
    own_units: Octaves,
    /// Mean logarithm of an event's units.
    size_mean: Octaves,
    /// Events seen, up to 255.
    seen: u8,
    /// CUSUM of the surprise of sizes far above the fleet's usual one, half bits.
    surprise_large: u8,
    /// CUSUM of the surprise of other sizes beyond what the fleet has, 1/16 bit.
    surprise: u16,
    /// Greatest step of a size above the lane's mean, 1/16 octave, decaying.
    jump: u8,
    failures: u8,
    stale: u8,
    churn: u8,
    places: u8,
    gap: u8,
    exposure: u8,
    /// CUSUM of events and of units above the own level, quarter-octave steps of 64 seconds.
    drift_events: u8,
    drift_units: u8,
    /// For how long use has been kept up far above the lane's own: see [`sustained`].
    sustained: u8,
}

const _: () = assert!(size_of::<Signals>() == 32);

/// One sixteenth of the halving of the fast window: 4 seconds.
const FAST_STEP_SHIFT: u32 = 6;
/// One sixteenth of the halving of the middle window: 64 seconds.
const STEP_SHIFT: u32 = 10;
/// What a lane may exceed its own level by before its CUSUM grows.
const DRIFT_SLACK: Octaves = OCTAVE / 2;
/// Most surprise that is kept: 128 bits.
const SURPRISE_MAX: u16 = 128 * 16;
/// What each event of a usual size takes off: half a bit. A fleet's own odd events, two in a hundred, add less than that.
const SURPRISE_FALL: u16 = 8;
/// One event in the counters of sixteenths.
const ONE: u8 = 16;

impl Signals {
    /// The same as kept at a moment that another origin of time gives as `now`.
    #[must_use]
    pub fn rebased(self, now: Sixteenths) -> Self {
        Self { last: now.0, ..self }
    }

    /// How the lane stands above its own level, for the fleet's pulse.
    pub fn rises(&self) -> crate::pulse::Rises {
        let (events, units) = self.levels();
        crate::pulse::Rises {
            units: units.saturating_sub(self.own_units),
            events: events.saturating_sub(self.own_events),
            sizes: self.surprise,
        }
    }

    /// Takes in one event.
    pub fn observe(&mut self, event: Event, now: Sixteenths, profile: &Profile) {
        let steps = self.steps_to(now);
        self.advance(now);
        match event {
            Event::Served { units } => self.served(units, steps, profile),
            Event::ProofFailed => self.failures = self.failures.saturating_add(ONE),
            Event::Gap { steps } => self.gap = self.gap.max(clamp8(u32::from(log2(u64::from(steps)) / 16))),
            Event::StaleState => self.stale = self.stale.saturating_add(ONE),
            Event::Reattached => self.churn = self.churn.saturating_add(ONE / 2),
            Event::AddressChanged => self.churn = self.churn.saturating_add(ONE),
            Event::TwoPlaces => self.places = self.places.saturating_add(4 * ONE),
            Event::Exposure { permille } => self.exposure = self.exposure.max(clamp8(permille.min(1000) * 255 / 1000)),
        }
    }

    /// Lets time pass: windows decay, the lane's own levels follow, CUSUMs take their step. Time that runs backwards is
    /// no time.
    pub fn advance(&mut self, now: Sixteenths) {
        let fast = (now.0 >> FAST_STEP_SHIFT).saturating_sub(self.last >> FAST_STEP_SHIFT);
        let steps = (now.0 >> STEP_SHIFT).saturating_sub(self.last >> STEP_SHIFT);
        self.last = self.last.max(now.0);
        if fast > 0 {
            self.events_fast = clamp16(u64::from(decay(u32::from(self.events_fast), fast)));
        }
        if steps > 0 {
            self.step(steps);
        }
    }

    /// Steps of 64 seconds that the clock has passed since the lane's last event: a caller that follows the fleet counts the
    /// lane when there are any.
    pub fn steps_to(&self, now: Sixteenths) -> u32 {
        (now.0 >> STEP_SHIFT).saturating_sub(self.last >> STEP_SHIFT)
    }

    /// Whether the clock has passed a multiple of four seconds since the lane's last event: the finest step in which anything
    /// decays.
    pub fn is_new_step(&self, now: Sixteenths) -> bool {
        now.0 >> FAST_STEP_SHIFT > self.last >> FAST_STEP_SHIFT
    }

    /// Whether what is rare on an honest lane has become more since `before`: an odd or great size, a failed proof, an old
    /// state, churn, a second place, a greater gap, more exposure.
    pub fn is_worse_than(&self, before: &Self) -> bool {
        self.surprise > before.surprise
            || self.surprise_large > before.surprise_large
            || self.jump > before.jump
            || self.failures > before.failures
            || self.stale > before.stale
            || self.churn > before.churn
            || self.places > before.places
            || self.gap > before.gap
            || self.exposure > before.exposure
    }

    fn step(&mut self, steps: u32) {
        let (events, units) = self.levels();
        // A level follows by 1/128 a step, faster after a pause, and sees at most twice itself: nobody teaches it in an hour.
        let shift = 7 - steps.min(32).ilog2();
        self.drift_events = drift(self.drift_events, events, self.own_events, steps);
        self.drift_units = drift(self.drift_units, units, self.own_units, steps);
        self.own_events = approach(self.own_events, events.min(self.own_events.saturating_add(OCTAVE)), shift);
        self.own_units = approach(self.own_units, units.min(self.own_units.saturating_add(OCTAVE)), shift);
        self.units = decay(self.units, steps);
        self.events = clamp16(u64::from(decay(u32::from(self.events), steps)));
        self.surprise = clamp16(u64::from(decay(u32::from(self.surprise), steps)));
        self.sustained = sustained::after(self.sustained, steps);
        for counter in [
            &mut self.surprise_large,
            &mut self.jump,
            &mut self.failures,
            &mut self.stale,
            &mut self.churn,
            &mut self.places,
            &mut self.gap,
            &mut self.exposure,
        ] {
            *counter = clamp8(decay(u32::from(*counter), steps));
        }
    }

    /// An event of so many units, the first for so many steps.
    fn served(&mut self, units: u64, steps: u32, profile: &Profile) {
        let size = log2(units);
        if self.seen == 0 {
            self.size_mean = size;
            self.own_events = profile.events_typical;
            self.own_units = profile.units_typical;
        }
        self.seen = self.seen.saturating_add(1);
        let above = size.saturating_sub(self.size_mean);
        self.jump = self.jump.max(clamp8(u32::from(above / 16)));
        // The mean of the first events, then one that forgets with the sixty-fourth part.
        let shift = self.seen.ilog2().min(6);
        self.size_mean = approach(self.size_mean, size, shift);

        self.surprised(size, profile);
        self.events_fast = self.events_fast.saturating_add(16);
        self.events = self.events.saturating_add(8);
        // One event counts for at most 64 times the usual level, or a single download would stand out for half a day.
        let most = 1_u64 << (self.own_units / OCTAVE + 6).min(32);
        let units = clamp32(units.min(most));
        self.units = self.units.saturating_add(units);
        let kept_up = sustained::Use {
            level: self.levels().1,
            usual: self.own_units.max(profile.units_typical),
            units: self.units,
        };
        if kept_up.is_by(units, self.events_fast, steps) {
            self.sustained |= sustained::KEPT_UP;
        }
    }

    /// A size is told from what the fleet has. Sizes far above its usual one are counted apart, for a download has them.
    fn surprised(&mut self, size: Octaves, profile: &Profile) {
        let (surprise, high) = (profile.surprise_of(size), profile.surprise_high);
        if surprise <= high {
            self.surprise = self.surprise.saturating_sub(SURPRISE_FALL);
            self.surprise_large = self.surprise_large.saturating_sub(1);
        } else if size >= profile.size_large {
            self.surprise_large = self.surprise_large.saturating_add((surprise - high).div_ceil(8));
        } else {
            self.surprise = self.surprise.saturating_add(u16::from(surprise - high)).min(SURPRISE_MAX);
        }
    }

    /// Levels of events and units in the middle window, `log2(n + 1)`.
    pub fn levels(&self) -> (Octaves, Octaves) {
        (log2_sixteenths(u64::from(self.events) * 2), log2(u64::from(self.units)))
    }

    /// The level of events in the fast window.
    pub(crate) fn fast_level(&self) -> Octaves {
        log2_sixteenths(u64::from(self.events_fast))
    }

    /// The lane's own usual levels of events and units.
    pub(crate) fn own_levels(&self) -> (Octaves, Octaves) {
        (self.own_events, self.own_units)
    }

    /// CUSUMs of events and units, quarter-octave steps.
    pub(crate) fn drifts(&self) -> (u8, u8) {
        (self.drift_events, self.drift_units)
    }

    /// CUSUM of surprise beyond what the fleet has, without sizes far above its usual one; 1/16 bit, at most 2,048.
    pub(crate) fn surprise(&self) -> u16 {
        self.surprise
    }

    /// The same of sizes far above the fleet's usual one.
    pub(crate) fn surprise_large(&self) -> u16 {
        u16::from(self.surprise_large) * 8
    }

    /// Seconds for which use has been kept up far above the lane's own, up to an hour and seven minutes; half of the time in which it
    /// was not is taken off.
    pub fn sustained_seconds(&self) -> u32 {
        sustained::seconds(self.sustained)
    }

    /// Mean logarithm of an event's units.
    pub(crate) fn size_mean(&self) -> Octaves {
        self.size_mean
    }

    /// Greatest recent step of a size, 1/16 octave.
    pub(crate) fn jump(&self) -> u8 {
        self.jump
    }

    /// Recent failed proofs, sixteenths.
    pub fn failures(&self) -> u8 {
        self.failures
    }

    /// Recent presentations of an old state, sixteenths.
    pub fn stale(&self) -> u8 {
        self.stale
    }

    /// Recent attachments and changes of address, sixteenths.
    pub fn churn(&self) -> u8 {
        self.churn
    }

    /// Recent sightings at two places, sixteenths, four for each.
    pub fn places(&self) -> u8 {
        self.places
    }

    /// Greatest recent gap in a chain, 1/16 octave.
    pub(crate) fn gap(&self) -> u8 {
        self.gap
    }

    /// Greatest recent exposure, 1/255 of the credit window.
    pub(crate) fn exposure(&self) -> u8 {
        self.exposure
    }
}

/// One step of a CUSUM. It grows by one step however long the pause was, as nothing is known of the pause; it falls by
/// each step of it.
fn drift(sum: u8, level: Octaves, own: Octaves, steps: u32) -> u8 {
    let usual = own.saturating_add(DRIFT_SLACK);
    if level > usual {
        sum.saturating_add(clamp8(u32::from(level - usual) / 64))
    } else {
        let fall = u32::from(usual - level).saturating_mul(steps.min(64)) / 64;
        sum.saturating_sub(clamp8(fall))
    }
}

#[cfg(test)]
mod tests;
