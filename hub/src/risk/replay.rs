//! A recorded journal under some weights: what would have been done about its lanes.
//!
//! The records are folded into a table of their own and told to the same [`PlaneRisk`] that judges live payments, with the time
//! of their blocks. What a journal does not hold of a lane (failed proofs, churn, places) comes from the signals that its changes
//! of level carry. Ticks that a group commit has put together are one event here, so replays of two sets of weights are to be
//! compared with each other rather than with what was done on the day.

use std::collections::BTreeMap;
use std::sync::Arc;

use farthing_channel::id::{ChannelId, LaneId};
use farthing_channel::record::{Record, RiskChange};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Reason;
use farthing_risk::ladder::Level;
use farthing_risk::reason;

use super::engine::RiskEngine;
use super::plane::PlaneRisk;
use crate::table::fold::FoldError;
use crate::table::{Lane, Table};

/// Sources are not recorded, so whatever key there is gives the same replay.
const KEY: u64 = 0;
const HOUR_SECONDS: u64 = 3600;

/// What would have been done about a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneOutcome {
    /// Its channel.
    pub channel: ChannelId,
    /// The number of its fleet.
    pub fleet: u16,
    /// The most that would have been done.
    pub highest: Level,
    /// Log-odds when that was decided, 1/256.
    pub odds: i32,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The level at the end.
    pub last: Level,
    /// Hours in which it paid or was reported on.
    pub hours: u64,
    /// Those of them in which anything would have been done about it.
    pub throttled_hours: u64,
    /// Those of them for which an operator had decided to trust it, and the weights alone would have slowed it.
    pub false_hours: u64,
    hour: Hour,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Hour {
    number: Option<u64>,
    is_throttled: bool,
    is_false: bool,
}

/// A journal being replayed.
#[derive(Debug)]
pub struct Replay {
    table: Table,
    plane: PlaneRisk,
    engine: Arc<RiskEngine>,
    lanes: BTreeMap<LaneId, LaneOutcome>,
    /// Records that speak of what was opened before the journal begins.
    pub unknown: u64,
}

impl Replay {
    /// A replay of a journal whose first block was written at `start_ms`, Unix time.
    pub fn new(engine: RiskEngine, start_ms: u64) -> Self {
        let engine = Arc::new(engine);
        let table = Table::default().starting_at(start_ms);
        let plane = PlaneRisk::new(&engine, table.risk_clock(), KEY);
        Self { table, plane, engine, lanes: BTreeMap::new(), unknown: 0 }
    }

    /// Takes in a record of a block that was written at `unix_ms`.
    ///
    /// # Errors
    /// [`FoldError`] where the record contradicts those before it; that it speaks of something older is only counted.
    pub fn take(&mut self, record: &Record, unix_ms: u64) -> Result<(), FoldError> {
        match self.fold(record, unix_ms) {
            Err(
                FoldError::UnknownEscrow
                | FoldError::UnknownChannel
                | FoldError::UnknownLane
                | FoldError::UnknownTariff,
            ) => {
                self.unknown = self.unknown.saturating_add(1);
                Ok(())
            }
            done => done,
        }
    }

    fn fold(&mut self, record: &Record, unix_ms: u64) -> Result<(), FoldError> {
        self.plane.begin_turn(unix_ms);
        let now = UnixSeconds(unix_ms / 1000);
        match record {
            Record::Anchor { lane, .. } | Record::Voucher { lane, .. } | Record::Tick { lane, .. } => {
                let lane = self.table.lane(lane)?.ok_or(FoldError::UnknownLane)?;
                let before = lane.evidence().amount();
                self.table.apply(record)?;
                self.plane.paid(&lane, before, lane.evidence().amount(), 1, 0);
                self.judge(&lane, now);
            }
            Record::Report(report) => {
                self.table.apply(record)?;
                let lane = self.table.lane(&report.lane)?.ok_or(FoldError::UnknownLane)?;
                self.plane.reported(&lane, report.used_units);
                self.judge(&lane, now);
            }
            // The level is what these weights make of it; only what happened counts.
            Record::Risk(change) => {
                let lane = self.table.lane(&change.lane)?.ok_or(FoldError::UnknownLane)?;
                self.plane.recorded(&lane, change);
                self.judge(&lane, now);
            }
            other => self.table.apply(other)?,
        }
        Ok(())
    }

    fn judge(&mut self, lane: &Arc<Lane>, now: UnixSeconds) {
        let change = self.plane.assess(lane, now);
        let risk = lane.risk().read();
        let outcome = self.lanes.entry(lane.id()).or_insert_with(|| LaneOutcome::new(lane.channel().id(), risk.fleet));
        outcome.last = risk.level;
        if let Some(change) = change.filter(|_| risk.level > outcome.highest) {
            outcome.reach(risk.level, &change);
        }
        let is_false = risk.overridden && risk.level == Level::Trusted && risk.standing.level() > Level::Trusted;
        outcome.count(now, risk.level > Level::Trusted, is_false);
    }

    /// The name of a fleet; empty for channels that have none.
    pub fn fleet_name(&self, number: u16) -> &str {
        self.engine.fleet_name(number)
    }

    /// What came of it, lane by lane.
    pub fn lanes(&self) -> &BTreeMap<LaneId, LaneOutcome> {
        &self.lanes
    }

    /// The weights that judged.
    pub fn revision(&self) -> String {
        self.engine.revision()
    }
}

impl LaneOutcome {
    fn new(channel: ChannelId, fleet: u16) -> Self {
        Self {
            channel,
            fleet,
            highest: Level::Trusted,
            odds: 0,
            reasons: Vec::new(),
            last: Level::Trusted,
            hours: 0,
            throttled_hours: 0,
            false_hours: 0,
            hour: Hour::default(),
        }
    }

    fn reach(&mut self, level: Level, change: &RiskChange) {
        self.highest = level;
        self.odds = change.odds;
        self.reasons = change.reasons.iter().filter_map(|code| reason::from_code(*code)).collect();
    }

    /// Counts each hour once, and what is true at any time of it once more.
    fn count(&mut self, now: UnixSeconds, is_throttled: bool, is_false: bool) {
        let number = Some(now.0 / HOUR_SECONDS);
        if self.hour.number != number {
            self.hour = Hour { number, ..Hour::default() };
            self.hours = self.hours.saturating_add(1);
        }
        let once = |is: bool, was: &mut bool| {
            let counts = is && !*was;
            *was |= is;
            u64::from(counts)
        };
        self.throttled_hours = self.throttled_hours.saturating_add(once(is_throttled, &mut self.hour.is_throttled));
        self.false_hours = self.false_hours.saturating_add(once(is_false, &mut self.hour.is_false));
    }
}

#[cfg(test)]
mod tests;
