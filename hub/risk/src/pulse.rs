//! The fleet as a whole: whether many of its lanes move together.
//!
//! A firmware update makes a hundred devices use a thousand times as much in the same minutes, and means no harm; so what a
//! fleet does together is not held against its lanes. A botnet moves together too, but its lanes have events in sizes that
//! are none of a download. [`Watch`](crate::fleet::Watch) tells the two apart, reports them, and says what is excused.
//!
//! Lanes are counted, not events: a lane that was last counted `s` steps ago still stands in the count with `2^(-s/16)`, and
//! adds what is missing to one. So one busy lane is never a crowd, and pulses of several threads, between which lanes wander, can
//! be added up.

use crate::fixed::{OCTAVE, Octaves, clamp16, decay};
use crate::signals::Sixteenths;

/// One lane in the counts.
const LANE: u32 = 256;
/// Fewer lanes than these are no crowd.
pub const LANES_MIN: u32 = 16;
/// Steps of 64 seconds, as the middle window of the signals has.
pub(crate) const STEP_SHIFT: u32 = 10;
/// A lane moves in sizes from 64 bits of surprise on: a few odd events are nobody's doing.
const ODD: u16 = 64 * 16;
/// One observation of a rise in the sums that their mean is taken from.
const OBSERVATION: u32 = 4;

/// In what lanes can move together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// They use more.
    Units = 0,
    /// They have events more often.
    Events = 1,
    /// Their events have sizes that the fleet does not have, and that are not those of downloads.
    Sizes = 2,
    /// Their scores lead to levels above trusted, and not for what they use alone.
    Levels = 3,
}

/// How many kinds there are.
pub const KINDS: usize = 4;

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; KINDS] = [Self::Units, Self::Events, Self::Sizes, Self::Levels];

    /// Its name for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Events => "events",
            Self::Sizes => "sizes",
            Self::Levels => "levels",
        }
    }
}

/// A set of kinds: in what a lane moved when it was last counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// The set with this number.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 0xf)
    }

    /// Its number, of four bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether a kind is in it.
    pub fn has(self, kind: Kind) -> bool {
        self.0 >> (kind as u8) & 1 == 1
    }

    /// The same set with, or without, a kind.
    #[must_use]
    pub fn with(self, kind: Kind, is_in: bool) -> Self {
        let bit = 1 << (kind as u8);
        Self(if is_in { self.0 | bit } else { self.0 & !bit })
    }

    /// Its members, in order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Movement {
    /// Lanes, 1/256.
    lanes: u32,
    /// Observations, and the sum of their rises.
    observed: u32,
    rises: u32,
}

/// Follows one fleet. What is not counted anew halves in 1,024 seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    last: u32,
    active: u32,
    movements: [Movement; KINDS],
}

/// How a lane stands above its own level, as the features have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rises {
    /// Units, octaves.
    pub units: Octaves,
    /// Events, octaves.
    pub events: Octaves,
    /// Surprise of sizes, sixteenths of bits times sixteen.
    pub sizes: u16,
}

/// Words of a [`Pulse`].
pub const PULSE_WORDS: usize = 7;

impl Pulse {
    /// Takes in a lane that stands so above its own level and was last counted `idle_steps` steps of 64 seconds ago, moving in
    /// `before`. To be called once for each lane in each step in which it has events
    /// ([`Signals::steps_to`](crate::signals::Signals::steps_to) says when). Returns in what it moves now; whether it is
    /// suspected stays as it was.
    pub fn observe(&mut self, rises: Rises, before: Kinds, idle_steps: u32, now: Sixteenths) -> Kinds {
        self.advance(now);
        let kept = decay(LANE, idle_steps);
        let fresh = LANE.saturating_sub(kept);
        self.active = self.active.saturating_add(fresh);
        let mut moves = before;
        for (kind, rise) in Kind::ALL.into_iter().zip([rises.units, rises.events, rises.sizes]) {
            let is_moving = rise >= if kind == Kind::Sizes { ODD } else { OCTAVE };
            moves = moves.with(kind, is_moving);
            if is_moving {
                let movement = &mut self.movements[kind as usize];
                movement.observed = movement.observed.saturating_add(OBSERVATION);
                movement.rises = movement.rises.saturating_add(u32::from(rise) * OBSERVATION);
            }
        }
        for kind in Kind::ALL {
            let lanes = &mut self.movements[kind as usize].lanes;
            *lanes = match (before.has(kind), moves.has(kind)) {
                (true, true) => lanes.saturating_add(fresh),
                (false, true) => lanes.saturating_add(LANE),
                (true, false) => lanes.saturating_sub(kept),
                (false, false) => *lanes,
            };
        }
        moves
    }

    /// A lane is suspected from now on, or no longer is.
    pub fn suspect(&mut self, is_suspected: bool, now: Sixteenths) {
        self.advance(now);
        let lanes = &mut self.movements[Kind::Levels as usize].lanes;
        *lanes = if is_suspected { lanes.saturating_add(LANE) } else { lanes.saturating_sub(LANE) };
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Sixteenths) {
        let steps = (now.0 >> STEP_SHIFT).saturating_sub(self.last >> STEP_SHIFT);
        self.last = self.last.max(now.0);
        if steps > 0 {
            self.active = decay(self.active, steps);
            for movement in &mut self.movements {
                movement.lanes = decay(movement.lanes, steps);
                movement.observed = decay(movement.observed, steps);
                movement.rises = decay(movement.rises, steps);
            }
        }
    }

    /// Adds what another thread saw of the fleet, as of `now`.
    pub fn merge(&mut self, mut other: Self, now: Sixteenths) {
        self.advance(now);
        other.advance(now);
        self.active = self.active.saturating_add(other.active);
        for (own, more) in self.movements.iter_mut().zip(other.movements) {
            own.lanes = own.lanes.saturating_add(more.lanes);
            own.observed = own.observed.saturating_add(more.observed);
            own.rises = own.rises.saturating_add(more.rises);
        }
    }

    /// Lanes with events in the last quarter of an hour or so.
    pub fn active(&self) -> u32 {
        self.active / LANE
    }

    /// Lanes of them that move in `kind`; never more than there are.
    pub fn moving(&self, kind: Kind) -> u32 {
        self.movements[kind as usize].lanes.min(self.active) / LANE
    }

    /// By how much those rise on average.
    pub fn rise(&self, kind: Kind) -> Octaves {
        let movement = &self.movements[kind as usize];
        clamp16(u64::from(movement.rises / movement.observed.max(1)))
    }

    /// The part of the active lanes that moves in `kind`, thousandths.
    pub fn share(&self, kind: Kind) -> u16 {
        let moving = u64::from(self.movements[kind as usize].lanes.min(self.active));
        clamp16(moving * 1000 / u64::from(self.active.max(1)))
    }

    /// Whether there are lanes enough to speak of a crowd.
    pub fn is_crowd(&self) -> bool {
        self.active >= LANES_MIN * LANE
    }

    /// All of it as words, for another thread.
    pub fn to_words(&self) -> [u64; PULSE_WORDS] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let [units, events, sizes, levels] = self.movements;
        [
            pair(self.last, self.active),
            pair(units.lanes, events.lanes),
            pair(sizes.lanes, levels.lanes),
            pair(units.observed, units.rises),
            pair(events.observed, events.rises),
            pair(sizes.observed, sizes.rises),
            pair(levels.observed, levels.rises),
        ]
    }

    /// What [`to_words`](Self::to_words) made.
    pub fn from_words(words: [u64; PULSE_WORDS]) -> Self {
        let parts = words.map(|word| {
            let low = u32::try_from(word & 0xffff_ffff).unwrap_or_default();
            (low, u32::try_from(word >> 32).unwrap_or_default())
        });
        let [(last, active), (units, events), (sizes, levels), sums @ ..] = parts;
        let mut movements = [Movement::default(); KINDS];
        for ((movement, lanes), (observed, rises)) in movements.iter_mut().zip([units, events, sizes, levels]).zip(sums)
        {
            *movement = Movement { lanes, observed, rises };
        }
        Self { last, active, movements }
    }
}

#[cfg(test)]
mod tests;
