//! The fleet as a whole: whether many of its lanes move together.
//!
//! A firmware update makes a hundred devices use a thousand times as much in the same minutes, and means no harm; so what a
//! fleet does together is taken off each lane's usage. A botnet moves together too, but in how often and in what sizes
//! its lanes have events, and those are not excused. Both are reported.

use crate::fixed::{OCTAVE, Octaves, clamp16, decay};
use crate::signals::Sixteenths;

/// Fewer lanes than these are no crowd, sixteenths.
const LANES_MIN: u32 = 16 * 16;
/// Steps of 64 seconds, as the middle window of the signals has.
const STEP_SHIFT: u32 = 10;

/// What many lanes of a fleet do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// In what they move.
    pub kind: Kind,
    /// Lanes that move, of those below.
    pub moving: u32,
    /// Lanes with events in the same minutes.
    pub active: u32,
    /// By how much on average, 1/256 octave.
    pub rise: Octaves,
}

/// In what lanes can move together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// They use more.
    Units,
    /// They have events more often.
    Events,
    /// Their events have sizes that the fleet does not have.
    Sizes,
}

#[derive(Debug, Clone, Copy, Default)]
struct Movement {
    /// Lanes, sixteenths.
    lanes: u32,
    /// Sum of their rises.
    rises: u32,
}

/// Follows one fleet. Counts halve in 1,024 seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pulse {
    last: u32,
    active: u32,
    movements: [Movement; 3],
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

impl Pulse {
    /// Takes in a lane. To be called once for each lane in each step of 64 seconds in which it has events
    /// ([`Signals::steps_to`](crate::signals::Signals::steps_to) says when).
    pub fn observe(&mut self, rises: Rises, now: Sixteenths) {
        self.advance(now);
        self.active = self.active.saturating_add(16);
        for (movement, rise) in self.movements.iter_mut().zip([rises.units, rises.events, rises.sizes]) {
            if rise >= OCTAVE {
                movement.lanes = movement.lanes.saturating_add(16);
                movement.rises = movement.rises.saturating_add(u32::from(rise) * 16);
            }
        }
    }

    fn advance(&mut self, now: Sixteenths) {
        let steps = (now.0 >> STEP_SHIFT).saturating_sub(self.last >> STEP_SHIFT);
        self.last = self.last.max(now.0);
        if steps > 0 {
            self.active = decay(self.active, steps);
            for movement in &mut self.movements {
                movement.lanes = decay(movement.lanes, steps);
                movement.rises = decay(movement.rises, steps);
            }
        }
    }

    /// What a quarter or more of the active lanes do together.
    pub fn clusters(&self) -> impl Iterator<Item = Cluster> + '_ {
        let kinds = [Kind::Units, Kind::Events, Kind::Sizes];
        kinds.into_iter().zip(&self.movements).filter_map(|(kind, movement)| {
            let crowd = self.active >= LANES_MIN && movement.lanes >= self.active / 4;
            let rise = clamp16(u64::from(movement.rises / movement.lanes.max(1)));
            crowd.then_some(Cluster { kind, moving: movement.lanes / 16, active: self.active / 16, rise })
        })
    }

    /// What is taken off each lane's usage: the rise in units, unless the crowd moves in sizes too.
    pub fn excused_rise(&self) -> Octaves {
        let of = |wanted| self.clusters().find(|cluster| cluster.kind == wanted).map(|cluster| cluster.rise);
        if of(Kind::Sizes).is_some() && of(Kind::Events).is_some() { 0 } else { of(Kind::Units).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(lanes: u32, moving: u32, rises: Rises) -> Pulse {
        let mut pulse = Pulse::default();
        for lane in 0..lanes {
            pulse.observe(if lane < moving { rises } else { Rises::default() }, Sixteenths(100));
        }
        pulse
    }

    #[test]
    fn an_update_of_the_whole_fleet_is_excused_and_reported() {
        let pulse = pulse(100, 80, Rises { units: 8 * OCTAVE, ..Rises::default() });
        assert_eq!(pulse.excused_rise(), 8 * OCTAVE);
        let found: Vec<Cluster> = pulse.clusters().collect();
        assert_eq!(found, [Cluster { kind: Kind::Units, moving: 80, active: 100, rise: 8 * OCTAVE }]);
    }

    #[test]
    fn a_few_lanes_excuse_nobody() {
        let rises = Rises { units: 8 * OCTAVE, ..Rises::default() };
        assert_eq!(pulse(100, 10, rises).excused_rise(), 0);
        assert_eq!(pulse(8, 8, rises).excused_rise(), 0, "eight are no crowd");
    }

    #[test]
    fn a_botnet_is_reported_and_not_excused() {
        let pulse = pulse(100, 60, Rises { units: 4 * OCTAVE, events: 3 * OCTAVE, sizes: 2048 });
        assert_eq!(pulse.excused_rise(), 0);
        assert_eq!(pulse.clusters().count(), 3);
    }

    #[test]
    fn a_crowd_is_forgotten() {
        let mut pulse = pulse(100, 80, Rises { units: 8 * OCTAVE, ..Rises::default() });
        pulse.advance(Sixteenths(16 * 1024 * 6));
        assert_eq!((pulse.excused_rise(), pulse.clusters().count()), (0, 0));
    }
}
