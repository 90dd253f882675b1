//! From a score to an action: up at once, down one rung at a time, never back and forth.

use serde::{Deserialize, Serialize};

use crate::score::{LogOdds, Score};
use crate::signals::Sixteenths;

/// What is done to a lane. Each rung has all those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    #[default]
    Trusted = 0,
    /// A smaller grant.
    SmallerGrant = 1,
    /// A grant that is good for a shorter time.
    ShorterValidity = 2,
    /// Time between two payments.
    Pace = 3,
    /// A voucher for each payment.
    VoucherPerPayment = 4,
    /// Nothing is served on credit.
    Restrict = 5,
    /// Nothing is accepted.
    Block = 6,
}

impl Level {
    /// All of them, ascending.
    pub const ALL: [Self; 7] = [
        Self::Trusted,
        Self::SmallerGrant,
        Self::ShorterValidity,
        Self::Pace,
        Self::VoucherPerPayment,
        Self::Restrict,
        Self::Block,
    ];

    /// Its name in files and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::SmallerGrant => "smaller-grant",
            Self::ShorterValidity => "shorter-validity",
            Self::Pace => "pace",
            Self::VoucherPerPayment => "voucher-per-payment",
            Self::Restrict => "restrict",
            Self::Block => "block",
        }
    }

    /// The level with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    fn below(self) -> Self {
        Self::ALL[usize::from((self as u8).saturating_sub(1))]
    }
}

/// One rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// The action.
    pub level: Level,
    /// The score from which it is taken, ten-thousandths.
    pub enter: u16,
    /// The score below which it is left; less than `enter`.
    pub leave: u16,
    /// Seconds for which it is kept at least.
    pub hold_seconds: u32,
}

/// All rungs, from the lowest to the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    rungs: [Rung; 6],
    confirm_seconds: u32,
}

/// Why rungs are no ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// There must be one for each action, in their order.
    #[error("the ladder has one rung for each action, from smaller-grant to block, in this order")]
    Order,
    /// `leave` must be below `enter`, or the lane would flap.
    #[error("the rung {0:?} is left at no lower score than it is entered")]
    NoHysteresis(Level),
    /// Scores must rise from rung to rung.
    #[error("the rung {0:?} is entered or left at a lower score than the one below it")]
    NotRising(Level),
}

impl Ladder {
    /// The ladder of these rungs; a lane is blocked only after `confirm_seconds` of restriction.
    ///
    /// # Errors
    /// [`LadderError`].
    pub fn new(rungs: &[Rung], confirm_seconds: u32) -> Result<Self, LadderError> {
        let rungs: [Rung; 6] = rungs.try_into().map_err(|_| LadderError::Order)?;
        if rungs.iter().zip(&Level::ALL[1..]).any(|(rung, level)| rung.level != *level) {
            return Err(LadderError::Order);
        }
        if let Some(rung) = rungs.iter().find(|rung| rung.leave >= rung.enter) {
            return Err(LadderError::NoHysteresis(rung.level));
        }
        let falling = rungs.windows(2).find(|pair| pair[0].enter > pair[1].enter || pair[0].leave > pair[1].leave);
        match falling {
            Some(pair) => Err(LadderError::NotRising(pair[1].level)),
            None => Ok(Self { rungs, confirm_seconds }),
        }
    }

    /// Its rungs, ascending.
    pub fn rungs(&self) -> &[Rung; 6] {
        &self.rungs
    }

    /// The greatest log-odds that lead to none of the rungs that a device notices: payments are not paced.
    pub fn unnoticed(&self) -> LogOdds {
        self.rung(Level::Pace).map_or(LogOdds(i32::MAX), |pace| LogOdds::below(pace.enter))
    }

    /// Seconds of restriction before a block.
    pub fn confirm_seconds(&self) -> u32 {
        self.confirm_seconds
    }

    fn wanted(&self, score: Score) -> Level {
        self.rungs.iter().rev().find(|rung| score.0 >= rung.enter).map_or(Level::Trusted, |rung| rung.level)
    }

    fn rung(&self, level: Level) -> Option<&Rung> {
        usize::from(level as u8).checked_sub(1).and_then(|index| self.rungs.get(index))
    }
}

/// Where a lane stands on the ladder: 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    level: Level,
    since: Sixteenths,
}

impl Standing {
    /// The rung.
    pub fn level(self) -> Level {
        self.level
    }

    /// When it was last entered, or asked for again.
    pub fn since(self) -> Sixteenths {
        self.since
    }

    /// A standing as it was kept.
    pub fn from_parts(level: Level, since: Sixteenths) -> Self {
        Self { level, since }
    }

    /// The standing after a score, with a rung that a hard rule asks for at least. A rule asks only while its cause lasts; what
    /// it did is undone like what a score did.
    #[must_use]
    pub fn after(self, score: Score, floor: Level, now: Sixteenths, ladder: &Ladder) -> Self {
        let seconds = now.0.saturating_sub(self.since.0) / 16;
        let mut wanted = ladder.wanted(score);
        let confirmed = self.level >= Level::Restrict && seconds >= ladder.confirm_seconds;
        if wanted == Level::Block && self.level != Level::Block && !confirmed {
            wanted = Level::Restrict;
        }
        let wanted = wanted.max(floor);
        if wanted > self.level {
            return Self { level: wanted, since: now.max(self.since) };
        }
        let Some(rung) = ladder.rung(self.level) else { return self };
        if wanted < self.level && floor < self.level && score.0 < rung.leave && seconds >= rung.hold_seconds {
            return Self { level: self.level.below(), since: now };
        }
        self
    }
}

#[cfg(test)]
mod tests;
