//! What is remembered of a lane's risk while its channel is in memory: eight words beside its evidence.
//!
//! Whoever changes them holds the lane's channel ([`Hold`](farthing_cells::Hold)), as for the evidence; anybody reads.

use farthing_cells::Snapshot;
use farthing_channel::record::RiskChange;
use farthing_channel::wire::Reason;
use farthing_risk::ladder::{Level, Standing};
use farthing_risk::pulse::Kinds;
use farthing_risk::reason;
use farthing_risk::signals::{Signals, Sixteenths};

use super::clock::RiskClock;

const WORDS: usize = 8;
/// The word with standing and level.
const STANDING: usize = 4;
/// The word with the last payment's time and the reasons.
const PAID: usize = 5;
/// Milliseconds in the low 40 bits of [`PAID`]: 34 years.
const PAID_BITS: u32 = 40;
const LEVEL_SHIFT: u32 = 36;
/// The bit of [`STANDING`] that says that an operator decided.
const OVERRIDDEN_SHIFT: u32 = 40;
/// The word with the anomaly, the places, and what the next assessment waits for.
const LAST: usize = 7;
/// The bit of [`LAST`] that says that nothing asks for an assessment.
const RESTED_SHIFT: u32 = 56;

/// Reasons as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reasons(u32);

impl Reasons {
    /// The set of these.
    pub fn of(reasons: &[Reason]) -> Self {
        Self(reasons.iter().fold(0, |set, reason| set | 1 << (*reason as u16)))
    }

    /// The same set with one more.
    #[must_use]
    pub fn and(self, reason: Reason) -> Self {
        Self(self.0 | 1 << (reason as u16))
    }

    /// All that are in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one is in it.
    pub fn has(self, reason: Reason) -> bool {
        self.0 >> (reason as u16) & 1 == 1
    }

    /// Its members, ascending.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        (1..24).filter(move |code| self.0 >> code & 1 == 1).filter_map(reason::from_code)
    }
}

/// What is remembered of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneRisk {
    /// Its signals.
    pub signals: Signals,
    /// Where it stands by its score.
    pub standing: Standing,
    /// What is done about it.
    pub level: Level,
    /// Whether an operator decided that.
    pub overridden: bool,
    /// Whether it was met before: a lane begins with nothing known.
    pub known: bool,
    /// Whether its provider reports what it serves, so that payments are not counted as use.
    pub reported: bool,
    /// Its fleet's number, see [`RiskEngine`](super::engine::RiskEngine).
    pub fleet: u16,
    /// Its unit's number, as the fleet's profiles are ordered.
    pub unit: u8,
    /// Why, where something is done or would be.
    pub reasons: Reasons,
    /// When the last payment was taken, milliseconds since the origin of the hub's risk clock.
    pub paid_ms: u64,
    /// Units seen so far, cumulative.
    pub units_seen: u64,
    /// What the half-space trees last said of it.
    pub anomaly: u16,
    /// Where its last payment came from.
    pub place: u16,
    /// Where those before it came from.
    pub place_before: u16,
    /// In what it moved when its fleet's pulse last counted it.
    pub moves: Kinds,
    /// Events since the last assessment, up to 7.
    pub unassessed: u8,
    /// Whether nothing asks for an assessment: the last one found little against the lane, and what came since is neither rare nor
    /// much.
    pub rested: bool,
}

impl LaneRisk {
    /// An operator decided what is done.
    pub fn decide(&mut self, level: Level) {
        self.level = level;
        self.overridden = true;
        self.rested = false;
        self.reasons = Reasons::of(&[Reason::Operator]);
    }

    /// Takes up the signals that were written down, as of `now`.
    pub(super) fn see(&mut self, change: &RiskChange, now: Sixteenths) {
        if let Ok(words) = <[u64; 4]>::try_from(change.signals.as_slice()) {
            self.signals = Signals::from_words(words).rebased(now);
        }
    }

    /// Takes up what was written down of it. What depends on this hub's settings is found anew.
    pub fn restore(&mut self, change: &RiskChange, clock: RiskClock) {
        self.see(change, clock.sixteenths(change.at));
        let level = |code| Level::from_code(code).unwrap_or_default();
        self.standing = Standing::from_parts(level(change.standing), clock.sixteenths(change.since));
        self.level = level(change.level);
        self.overridden = change.overridden;
        let reasons: Vec<Reason> = change.reasons.iter().filter_map(|code| reason::from_code(*code)).collect();
        self.reasons = Reasons::of(&reasons);
        self.known = false;
        self.rested = false;
    }

    fn to_words(self) -> [u64; WORDS] {
        let [times, levels, sizes, counters] = self.signals.to_words();
        let standing = u64::from(self.standing.since().0)
            | u64::from(self.standing.level() as u8) << 32
            | u64::from(self.level as u8) << LEVEL_SHIFT
            | u64::from(self.overridden) << OVERRIDDEN_SHIFT
            | u64::from(self.known) << 41
            | u64::from(self.reported) << 42
            | u64::from(self.unit & 3) << 43
            | u64::from(self.fleet) << 48;
        let paid = self.paid_ms & ((1 << PAID_BITS) - 1) | u64::from(self.reasons.0) << PAID_BITS;
        let last = u64::from(self.anomaly)
            | u64::from(self.place) << 16
            | u64::from(self.place_before) << 32
            | u64::from(self.moves.bits()) << 48
            | u64::from(self.unassessed.min(7)) << 52
            | u64::from(self.rested) << RESTED_SHIFT;
        [times, levels, sizes, counters, standing, paid, self.units_seen, last]
    }

    fn from_words(words: [u64; WORDS]) -> Self {
        let [times, levels, sizes, counters, standing, paid, units_seen, last] = words;
        let [since @ .., wanted, flags, fleet_low, fleet_high] = standing.to_le_bytes();
        let is_set = |bit: u8| flags >> bit & 1 == 1;
        let level = |code: u8| Level::from_code(code & 0xf).unwrap_or_default();
        let [_, _, _, _, _, _, after, _] = last.to_le_bytes();
        let short = |at: u32| u16::try_from(last >> at & 0xffff).unwrap_or_default();
        Self {
            signals: Signals::from_words([times, levels, sizes, counters]),
            standing: Standing::from_parts(level(wanted), Sixteenths(u32::from_le_bytes(since))),
            level: level(wanted >> 4),
            overridden: is_set(0),
            known: is_set(1),
            reported: is_set(2),
            unit: flags >> 3 & 3,
            fleet: u16::from_le_bytes([fleet_low, fleet_high]),
            reasons: Reasons(u32::try_from(paid >> PAID_BITS).unwrap_or_default()),
            paid_ms: paid & ((1 << PAID_BITS) - 1),
            units_seen,
            anomaly: short(0),
            place: short(16),
            place_before: short(32),
            moves: Kinds::from_bits(after & 0xf),
            unassessed: after >> 4 & 7,
            rested: last >> RESTED_SHIFT & 1 == 1,
        }
    }
}

/// Where it is kept.
#[derive(Debug)]
pub struct RiskCell(Snapshot<WORDS>);

impl Default for RiskCell {
    fn default() -> Self {
        Self(Snapshot::new([0; WORDS]))
    }
}

impl RiskCell {
    /// All of it.
    pub fn read(&self) -> LaneRisk {
        LaneRisk::from_words(self.0.read())
    }

    /// All of it, for whoever holds the channel.
    pub fn read_own(&self) -> LaneRisk {
        LaneRisk::from_words(self.0.read_own())
    }

    /// Replaces it. The caller holds the channel.
    pub fn write(&self, risk: LaneRisk) {
        self.0.write(&risk.to_words());
    }

    /// What is done about the lane, and why.
    pub fn level(&self) -> (Level, Reasons) {
        let code = self.0.word(STANDING) >> LEVEL_SHIFT & 0xf;
        let level = u8::try_from(code).ok().and_then(Level::from_code).unwrap_or_default();
        (level, Reasons(u32::try_from(self.0.word(PAID) >> PAID_BITS).unwrap_or_default()))
    }

    /// What is done about the lane, and whether an operator decided that.
    pub fn decided(&self) -> (Level, bool) {
        let (level, _) = self.level();
        (level, self.0.word(STANDING) >> OVERRIDDEN_SHIFT & 1 == 1)
    }

    /// Whether nothing asks for an assessment ([`LaneRisk::rested`]).
    pub(super) fn is_rested(&self) -> bool {
        self.0.word(LAST) >> RESTED_SHIFT & 1 == 1
    }

    /// Whether anything is done about the lane: the question of every payment.
    pub fn is_limited(&self) -> bool {
        self.0.word(STANDING) >> LEVEL_SHIFT & 0xf != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_comes_back(
            words: [u64; 4], since: u32, levels in (0_u8..7, 0_u8..7), flags: [bool; 3], fleet: u16, unit in 0_u8..4,
            codes in proptest::collection::btree_set(1_u16..18, 0..4), paid_ms in 0_u64..1 << 40, units_seen: u64,
            places: [u16; 3], rest: (u8, u8, bool),
        ) {
            let level = |code| Level::from_code(code).unwrap();
            let reasons: Vec<Reason> = codes.iter().filter_map(|code| reason::from_code(*code)).collect();
            let [anomaly, place, place_before] = places;
            let risk = LaneRisk {
                signals: Signals::from_words(words),
                standing: Standing::from_parts(level(levels.0), Sixteenths(since)),
                level: level(levels.1),
                overridden: flags[0], known: flags[1], reported: flags[2],
                fleet, unit, reasons: Reasons::of(&reasons), paid_ms, units_seen, anomaly, place, place_before,
                moves: Kinds::from_bits(rest.0), unassessed: rest.1 & 7, rested: rest.2,
            };
            let cell = RiskCell::default();
            prop_assert_eq!(cell.read(), LaneRisk::default());
            cell.write(risk);
            prop_assert_eq!((cell.read(), cell.read_own()), (risk, risk));
            prop_assert_eq!((cell.level(), cell.is_limited()), ((risk.level, risk.reasons), risk.level > Level::Trusted));
            prop_assert_eq!((cell.decided(), cell.is_rested()), ((risk.level, risk.overridden), risk.rested));
            prop_assert_eq!(cell.level().1.iter().collect::<Vec<_>>(), reasons);
        }
    }
}
