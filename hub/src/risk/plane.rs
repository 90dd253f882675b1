//! One data-plane thread's part of the model: events in. What comes of them is in `assess`.
//!
//! Whoever calls holds the channel of the lane that is spoken of. Nothing here allocates or waits, but where a lane's level
//! changes, which is rare.

mod assess;

use std::sync::Arc;

pub use assess::Hindrance;
use assess::SAMPLE_EVERY;
use farthing_channel::record::RiskChange;
use farthing_risk::anomaly::HalfSpaceTrees;
use farthing_risk::ladder::Level;
use farthing_risk::signals::{Event, Sixteenths};
use farthing_risk::sketch::{SourceCounts, Sources};

use super::clock::{RiskClock, sixteenths};
use super::engine::{Loaded, ModelMode, RiskEngine, unit_number};
use super::fleets::{SeenFleets, UNITS};
use super::lane::LaneRisk;
use crate::score_log::ScoreLog;
use crate::table::Lane;

/// Samples in a window of the half-space trees.
const SAMPLES_WINDOW: u16 = 512;
/// Events of a trusted lane that may wait for an assessment.
const EVENTS_UNASSESSED_MAX: u8 = 8;
/// Sketches of sources: 2^12 counters a row, 96 KiB in all.
const SOURCES_WIDTH_LOG2: u32 = 12;
/// Time between two halvings of the sketches of sources, sixteenths of a second: a quarter of an hour.
const SOURCES_WINDOW: u32 = 16 * 900;
/// Failures of a source that are put down to a lane which it opens. Behind one address there may be many.
const SOURCE_FAILURES_MAX: u16 = 4;

/// The place of a lane's pulse: each fleet has one for each unit.
fn pulse_of(risk: &LaneRisk) -> usize {
    usize::from(risk.fleet) * UNITS + usize::from(risk.unit)
}

/// The model on one thread.
#[derive(Debug)]
pub struct PlaneRisk {
    engine: Arc<RiskEngine>,
    loaded: Arc<Loaded>,
    is_on: bool,
    clock: RiskClock,
    now_ms: u64,
    now: Sixteenths,
    fleets: SeenFleets,
    sources: Sources,
    sources_halved: Sixteenths,
    forest: HalfSpaceTrees,
    until_sample: u32,
    /// Where a rehearsal notes every assessment.
    score_log: Option<ScoreLog>,
}

impl PlaneRisk {
    /// The model of a thread; `key` is random, and nobody outside knows it.
    pub fn new(engine: &Arc<RiskEngine>, clock: RiskClock, key: u64) -> Self {
        Self {
            loaded: Arc::clone(&engine.loaded()),
            is_on: engine.mode() != ModelMode::Off,
            clock,
            now_ms: 0,
            now: Sixteenths(0),
            fleets: engine.watched().join(),
            sources: Sources::new(SOURCES_WIDTH_LOG2, key),
            sources_halved: Sixteenths(0),
            forest: HalfSpaceTrees::new(SAMPLES_WINDOW, key),
            until_sample: SAMPLE_EVERY,
            score_log: None,
            engine: Arc::clone(engine),
        }
    }

    /// The same, with every assessment noted.
    #[must_use]
    pub fn noting(self, score_log: Option<ScoreLog>) -> Self {
        Self { score_log, ..self }
    }

    /// Whether there is a model.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// A turn begins: the time is read, weights that were loaded anew are taken up.
    pub fn begin_turn(&mut self, unix_ms: u64) {
        if !self.is_on {
            return;
        }
        self.now_ms = self.clock.milliseconds(unix_ms);
        self.now = sixteenths(self.now_ms);
        let newest = self.engine.loaded();
        if !Arc::ptr_eq(&newest, &self.loaded) {
            self.loaded = Arc::clone(&newest);
        }
        if self.now.0.saturating_sub(self.sources_halved.0) >= SOURCES_WINDOW {
            self.sources.turn();
            self.sources_halved = self.now;
        }
        self.fleets.show(self.now);
    }

    /// The lane's memory. Where it has none it begins with what the lane had at `authorised` base units.
    fn recall_from(&self, lane: &Lane, authorised: u64) -> LaneRisk {
        let mut risk = lane.risk().read_own();
        if !risk.known {
            risk.known = true;
            risk.fleet = self.engine.fleet_of(&lane.channel().escrow().id());
            risk.unit = unit_number(lane.tariff_unit());
            let report = lane.report();
            risk.reported = report.is_some();
            risk.units_seen = match report {
                Some(report) => report.used_units,
                None => lane.units_for(authorised),
            };
        }
        risk
    }

    /// As [`recall_from`](Self::recall_from), from where the lane stands.
    fn recall(&self, lane: &Lane) -> LaneRisk {
        self.recall_from(lane, lane.evidence().amount())
    }

    /// Counts a lane once in each step of time in which it has events: its fleet's pulse.
    fn feel_pulse(&mut self, lane: &Lane, risk: &mut LaneRisk) {
        let idle_steps = risk.signals.steps_to(self.now);
        if idle_steps > 0
            && let Some(seen) = self.fleets.change(pulse_of(risk))
        {
            let before = risk.moves;
            risk.moves = seen.pulse.observe(risk.signals.rises(), before, idle_steps, self.now);
            if risk.moves.bits() & !before.bits() != 0 {
                seen.moves(lane.channel().id());
            }
        }
    }

    fn take_in(&mut self, lane: &Lane, risk: &mut LaneRisk, event: Event) {
        self.feel_pulse(lane, risk);
        let profile = self.loaded.fleet(risk.fleet).profile(risk.unit);
        let before = risk.signals;
        risk.signals.observe(event, self.now, profile);
        risk.unassessed = risk.unassessed.saturating_add(1);
        // As many as eight events and as much as a step of the windows may wait for an assessment, but nothing rare.
        if risk.unassessed >= EVENTS_UNASSESSED_MAX
            || before.is_new_step(self.now)
            || risk.signals.is_worse_than(&before)
        {
            risk.rested = false;
        }
    }

    /// Something happened on a lane.
    pub fn observe(&mut self, lane: &Lane, event: Event) {
        if self.is_on {
            let mut risk = self.recall(lane);
            self.take_in(lane, &mut risk, event);
            lane.risk().write(risk);
        }
    }

    /// A payment brought a lane to `authorised` base units, over so many steps of its chain, from `place`. `before` is where
    /// it stood.
    pub fn paid(&mut self, lane: &Lane, before: u64, authorised: u64, steps: u16, place: u16) {
        if !self.is_on {
            return;
        }
        // What a lane begins with is what it had before this payment.
        let mut risk = self.recall_from(lane, before);
        if !risk.reported {
            let units = lane.units_for(authorised);
            let served = units.saturating_sub(risk.units_seen);
            risk.units_seen = risk.units_seen.max(units);
            self.take_in(lane, &mut risk, Event::Served { units: served });
        }
        if steps > 1 {
            self.take_in(lane, &mut risk, Event::Gap { steps: u32::from(steps) });
        }
        if risk.place != place {
            // Back on a connection that was left for one from elsewhere: both are in use.
            if risk.place_before == place && (risk.place ^ place) & 0xff != 0 {
                self.take_in(lane, &mut risk, Event::TwoPlaces);
            }
            risk.place_before = risk.place;
            risk.place = place;
            risk.rested = false;
        }
        risk.paid_ms = self.now_ms;
        lane.risk().write(risk);
    }

    /// A provider reported what it has served in all.
    pub fn reported(&mut self, lane: &Lane, used_units: u64) {
        if !self.is_on {
            return;
        }
        let mut risk = self.recall(lane);
        let (authorised, window) = (lane.durable(), self.engine.terms(Level::Trusted).credit_window);
        let granted = lane.units_for(authorised);
        let on_credit = lane.units_for(authorised.saturating_add(window)).saturating_sub(granted);
        // The first report of a lane begins the count: what was paid until then was counted already.
        let served = if risk.reported { used_units.saturating_sub(risk.units_seen) } else { 0 };
        risk.reported = true;
        risk.units_seen = used_units;
        self.take_in(lane, &mut risk, Event::Served { units: served });
        if on_credit > 0 {
            let used = u128::from(used_units.saturating_sub(granted)) * 1000 / u128::from(on_credit);
            let permille = u32::try_from(used).unwrap_or(u32::MAX);
            self.take_in(lane, &mut risk, Event::Exposure { permille });
        }
        lane.risk().write(risk);
    }

    /// Takes up what a record of the journal says was seen on a lane. What was done about it is left as it is.
    pub fn recorded(&mut self, lane: &Lane, change: &RiskChange) {
        if self.is_on {
            let mut risk = self.recall(lane);
            risk.see(change, self.now);
            risk.rested = false;
            lane.risk().write(risk);
        }
    }

    /// A source shook hands.
    pub fn handshake(&mut self, source: u64) {
        if self.is_on {
            self.sources.handshake(source);
        }
    }

    /// A proof of a source failed.
    pub fn source_failed(&mut self, source: u64) {
        if self.is_on {
            self.sources.failure(source);
        }
    }

    /// A device attached a lane, from `source`. What the source did before is the only history that a new lane has: failures
    /// are put down to it.
    pub fn attached(&mut self, lane: &Lane, source: u64) {
        if lane.risk().read_own().known {
            self.observe(lane, Event::Reattached);
            return;
        }
        self.sources.new_lane(source);
        let SourceCounts { failures, .. } = self.sources.counts(source);
        for _ in 0..failures.min(SOURCE_FAILURES_MAX) {
            self.observe(lane, Event::ProofFailed);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
