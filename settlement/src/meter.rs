//! How far a long stage has come, for whoever waits for it. What is counted decides nothing.

use std::fmt;

/// What takes long in a night of many lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading the journal, and checking what each record needs there and then. Counted in bytes; what is left free at the end
    /// of segments counts as read.
    Journal,
    /// Checking the vouchers that stand in the end. Counted in ranges of lanes.
    Proofs,
    /// Reading what every lane is owed. Counted in ranges of lanes.
    Positions,
    /// Positions, netting and the trees of the proposal, which end all at once.
    Proposal,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journal => "reading the journal",
            Self::Proofs => "verifying proofs",
            Self::Positions => "reading positions",
            Self::Proposal => "making the proposal",
        })
    }
}

/// Told how far the work has come, from any thread.
pub trait Meter: fmt::Debug + Send + Sync {
    /// `work` begins; it takes `total` in all, 0 where that is not known.
    fn begin(&self, work: Work, total: u64);

    /// So much more of it is done.
    fn advance(&self, by: u64);

    /// It is over, done or not.
    fn end(&self);
}

/// Nobody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn begin(&self, _: Work, _: u64) {}

    fn advance(&self, _: u64) {}

    fn end(&self) {}
}

/// Work under a meter, which ends with it however it ends.
#[derive(Debug)]
pub struct Metered<'a>(&'a dyn Meter);

impl<'a> Metered<'a> {
    /// Begins.
    #[must_use]
    pub fn begin(meter: &'a dyn Meter, work: Work, total: u64) -> Self {
        meter.begin(work, total);
        Self(meter)
    }

    /// So much more is done.
    pub fn advance(&self, by: u64) {
        self.0.advance(by);
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
