//! What a fleet does as a whole, told to an operator once when it begins and once when it ends.
//!
//! | what moves | finding |
//! | --- | --- |
//! | a quarter of the lanes or more, in what they use, and hardly any is suspected | [`Finding::Surge`]: an update; nobody is to be punished for it |
//! | so in how often and in what odd sizes, or many are suspected at once; or for a quarter of an hour a part of them, in what it uses | [`Finding::Cluster`]: somebody drives them |
//! | no more than usual | nothing |
//!
//! While the fleet moves as a whole there is an [`Excuse`] for its lanes, for six hours at most: what they use up to four times as
//! far above the usual as the fleet, and how often where the fleet moves in that too. Whether a lane may have it is the
//! model's to say: not one against which something else speaks.
//!
//! What is usual is learned: the part of a fleet that stands above its own level at any time is near nought for meters and large
//! for cameras. For the first quarter of an hour a fleet is only watched, but for its levels; nothing is learned while
//! something is found.

use crate::features::Excuse;
use crate::fixed::{OCTAVE, Octaves, approach};
use crate::pulse::{KINDS, Kind, Kinds, Pulse, STEP_SHIFT};
use crate::signals::Sixteenths;

/// Fewer lanes than these move by chance.
const LANES_MOVING_MIN: u32 = 8;
/// More of the fleet than usual that has to move, thousandths.
const ENTER: u16 = 100;
/// Less than this, and it is over.
const LEAVE: u16 = 50;
/// The part from which on it is the fleet that moves, and not some of it.
const WHOLE: u16 = 250;
/// Steps of 64 seconds in which a fleet is only watched.
const WATCH_STEPS: u32 = 16;
/// Steps for which nothing may move before a finding is taken back.
const QUIET_STEPS: u32 = 2;
/// Steps for which a part of a fleet must use more before that is a cluster: a rollout begins with a part.
const PART_STEPS: u32 = 16;
/// A lane may rise four times as much as its fleet does on average.
const EXCUSE_MARGIN: Octaves = 2 * OCTAVE;
/// For how long a fleet is excused: no rollout makes every device download for longer.
const EXCUSED_MAX: Sixteenths = Sixteenths(16 * 6 * 3600);
/// What is usual follows by 1/64 a step: an hour.
const USUAL_SHIFT: u32 = 6;

/// What many lanes of a fleet do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finding {
    /// The fleet as a whole uses more, and means no harm.
    Surge,
    /// Some of it move together, or are suspected together.
    Cluster,
}

impl Finding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Surge, Self::Cluster];

    /// Its name in files and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Surge => "surge",
            Self::Cluster => "cluster",
        }
    }
}

/// A finding that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// What it is.
    pub finding: Finding,
    /// Since when.
    pub since: Sixteenths,
    /// In what lanes moved together at any time since.
    pub kinds: Kinds,
}

/// What became of a fleet's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Something is found; what stood before it is over.
    Raised(Raised),
    /// It is over.
    Cleared(Raised),
}

/// Watches one fleet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch {
    /// The part of the active lanes that usually moves, thousandths.
    usual: [u16; KINDS],
    /// The step in which that was last brought up to date.
    step: u32,
    /// Steps watched, up to [`WATCH_STEPS`].
    watched: u32,
    raised: Option<Raised>,
    /// When something began to move, while it does.
    began: Option<Sixteenths>,
    /// When something last moved.
    moved: Sixteenths,
    /// When what the fleet does as a whole began to be excused, while it does that.
    excused: Option<Sixteenths>,
}

impl Watch {
    /// What stands.
    pub fn raised(&self) -> Option<Raised> {
        self.raised
    }

    /// Looks at the fleet's pulse as of `now`. To be called once a second or so.
    pub fn look(&mut self, pulse: &Pulse, now: Sixteenths) -> Option<Change> {
        self.learn(pulse, now);
        self.excuse_from(pulse, now);
        let threshold = if self.raised.is_some() { LEAVE } else { ENTER };
        let moving = self.moving(pulse, threshold);
        if moving == Kinds::default() {
            self.began = None;
            return self.quiet(now);
        }
        let began = *self.began.get_or_insert(now);
        self.moved = now;
        let finding = self.finding(pulse, moving);
        if let Some(raised) = self.raised.as_mut().filter(|raised| raised.finding == finding) {
            raised.kinds = Kinds::from_bits(raised.kinds.bits() | moving.bits());
            return None;
        }
        // What goes over into a surge, or turns out to be a cluster, has to be as clear as if nothing stood.
        if self.moving(pulse, ENTER) == Kinds::default() {
            return None;
        }
        let steps = (now.0 >> STEP_SHIFT).saturating_sub(began.0 >> STEP_SHIFT);
        if finding == Finding::Cluster && !is_driven(moving) && steps < PART_STEPS {
            return None;
        }
        let raised = Raised { finding, since: now, kinds: moving };
        self.raised = Some(raised);
        Some(Change::Raised(raised))
    }

    fn quiet(&mut self, now: Sixteenths) -> Option<Change> {
        let steps = (now.0 >> STEP_SHIFT).saturating_sub(self.moved.0 >> STEP_SHIFT);
        let raised = self.raised.filter(|_| steps >= QUIET_STEPS)?;
        self.raised = None;
        Some(Change::Cleared(raised))
    }

    /// In what so much more of the fleet moves than usual.
    fn moving(&self, pulse: &Pulse, threshold: u16) -> Kinds {
        if !pulse.is_crowd() {
            return Kinds::default();
        }
        Kind::ALL.into_iter().fold(Kinds::default(), |all, kind| {
            let is_watched = self.watched >= WATCH_STEPS || kind == Kind::Levels;
            let above = pulse.share(kind).saturating_sub(self.usual[kind as usize]);
            all.with(kind, is_watched && above >= threshold && pulse.moving(kind) >= LANES_MOVING_MIN)
        })
    }

    fn finding(&self, pulse: &Pulse, moving: Kinds) -> Finding {
        let stands = self.raised.is_some_and(|raised| raised.finding == Finding::Surge);
        // A surge that ebbs away is a surge to its end.
        let is_whole = stands || self.above_usual(pulse, Kind::Units) >= WHOLE;
        if is_whole && !is_driven(moving) { Finding::Surge } else { Finding::Cluster }
    }

    /// By how much more of the fleet moves in `kind` than usual, thousandths. Until a fleet was watched nothing is usual.
    fn above_usual(&self, pulse: &Pulse, kind: Kind) -> u16 {
        let usual = if self.watched >= WATCH_STEPS { self.usual[kind as usize] } else { 0 };
        pulse.share(kind).saturating_sub(usual)
    }

    fn excuse_from(&mut self, pulse: &Pulse, now: Sixteenths) {
        let threshold = if self.excused.is_some() { ENTER } else { WHOLE };
        let moves = |kind| self.above_usual(pulse, kind) >= ENTER;
        let driven = moves(Kind::Sizes) && moves(Kind::Events);
        let is_whole = pulse.is_crowd() && self.above_usual(pulse, Kind::Units) >= threshold;
        self.excused = (is_whole && !driven).then(|| self.excused.unwrap_or(now));
    }

    /// What the fleet's lanes are excused for, as it was last looked at.
    pub fn excuse(&self, pulse: &Pulse, now: Sixteenths) -> Excuse {
        if self.excused.is_none_or(|since| now.0.saturating_sub(since.0) >= EXCUSED_MAX.0) {
            return Excuse::NONE;
        }
        let rise = |kind| pulse.rise(kind).saturating_add(EXCUSE_MARGIN);
        let often = self.above_usual(pulse, Kind::Events) >= ENTER;
        Excuse { units: rise(Kind::Units), events: if often { rise(Kind::Events) } else { 0 } }
    }

    fn learn(&mut self, pulse: &Pulse, now: Sixteenths) {
        let step = now.0 >> STEP_SHIFT;
        if step == self.step || !pulse.is_crowd() || self.raised.is_some() || self.began.is_some() {
            return;
        }
        self.step = step;
        let is_new = self.watched < WATCH_STEPS;
        self.watched = self.watched.saturating_add(1).min(WATCH_STEPS);
        for kind in [Kind::Units, Kind::Events, Kind::Sizes] {
            let (share, usual) = (pulse.share(kind), &mut self.usual[kind as usize]);
            *usual = if is_new { share.max(*usual) } else { approach(*usual, share, USUAL_SHIFT) };
        }
    }
}

/// Whether what moves is none of an update.
fn is_driven(moving: Kinds) -> bool {
    moving.has(Kind::Levels) || (moving.has(Kind::Events) && moving.has(Kind::Sizes))
}

#[cfg(test)]
mod tests;
