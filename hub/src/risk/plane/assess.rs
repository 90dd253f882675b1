//! Assessments: whether one is due, what it comes to, and what that hinders.

use farthing_channel::record::RiskChange;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Reason;
use farthing_risk::features::Excuse;
use farthing_risk::ladder::Level;
use farthing_risk::model::{Assessment, LaneView};
use farthing_risk::pulse::Kind;

use super::{PlaneRisk, pulse_of};
use crate::risk::engine::facts;
use crate::risk::lane::{LaneRisk, Reasons};
use crate::score_log::Decided;
use crate::table::Lane;

/// One assessment in so many is a sample for the half-space trees: a microsecond each.
pub(super) const SAMPLE_EVERY: u32 = 64;
/// A lane whose score is less than this part of the first rung's may rest.
const RESTED_DIVISOR: u16 = 4;
/// A device that waits for the pace that it was told is not refused for the jitter of its link.
const PACE_TOLERANCE_DIVISOR: u64 = 2;

/// Why a payment is refused by what is done about its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// Nothing is accepted.
    Blocked,
    /// Ticks are not taken.
    VoucherRequired,
    /// It came too soon after the one before.
    TooSoon,
}

impl PlaneRisk {
    /// Assesses a lane, if it is due, and keeps what comes of it. Every assessment passes here. Returns what is to be written down,
    /// where it changed.
    ///
    /// A trusted lane of which the last assessment thought little is due with the first event of a step of four seconds, with
    /// the eighth event after the last assessment, and with every rare event; any other lane always. What an assessment of
    /// each event would have come to is therefore reached at most seven events and four seconds later.
    pub fn assess(&mut self, lane: &Lane, clock: UnixSeconds) -> Option<RiskChange> {
        if !self.is_on || lane.risk().is_rested() {
            return None;
        }
        let mut risk = self.recall(lane);
        // Before its time passes: an assessment that comes ahead of the step's first payment must not hide the lane.
        self.feel_pulse(lane, &mut risk);
        risk.signals.advance(self.now);
        let fleet = self.loaded.fleet(risk.fleet);
        let seen = self.fleets.get(pulse_of(&risk));
        let excuse = seen.map_or(Excuse::NONE, |seen| seen.excuse);
        let facts = facts(lane, &risk, fleet.excuse(clock, excuse));
        let decision = lane.channel().risk_override();
        let view = LaneView {
            signals: &risk.signals,
            profile: fleet.profile(risk.unit),
            facts: &facts,
            standing: risk.standing,
            tenant: fleet.tenant,
            overriding: decision.as_ref(),
        };
        let assessment = self.loaded.model.assess(&view, self.now, clock);
        if let Some(log) = &self.score_log {
            log.note(Decided { lane: lane.id(), device: lane.channel().device(), at: clock, assessment });
        }
        self.sample(&assessment, &mut risk);
        let before = (risk.standing.level(), risk.level, risk.overridden);
        risk.standing = assessment.standing;
        risk.level = assessment.level;
        risk.overridden = assessment.overridden;
        risk.unassessed = 0;
        risk.rested = self.finds_little(&assessment);
        self.suspect(lane, &mut risk, &assessment);
        let changed = before != (risk.standing.level(), risk.level, risk.overridden);
        let change = changed.then(|| {
            let reasons = self.reasons(&assessment);
            risk.reasons = Reasons::of(&reasons);
            lane.count_level((before.1, before.2), (risk.level, risk.overridden));
            self.change(lane, &risk, &assessment, clock, &reasons)
        });
        lane.risk().write(risk);
        change
    }

    /// Whether a lane may rest until it is due: trusted, by nobody's word, and far from the first rung.
    fn finds_little(&self, assessment: &Assessment) -> bool {
        let Assessment { score, standing, level, overridden, .. } = assessment;
        let [first, ..] = self.loaded.model.ladder().rungs();
        let is_trusted = *level == Level::Trusted && standing.level() == Level::Trusted && !overridden;
        is_trusted && score.0 < first.enter / RESTED_DIVISOR
    }

    /// Counts a lane among its fleet's suspects when it begins to stand above trusted for more than its use, or as high as a device
    /// would notice, until it no longer does. A rollout's first devices use much before the fleet follows.
    fn suspect(&mut self, lane: &Lane, risk: &mut LaneRisk, assessment: &Assessment) {
        let level = risk.standing.level();
        let is_suspected = level >= Level::Pace || (level > Level::Trusted && assessment.corroborated);
        if is_suspected != risk.moves.has(Kind::Levels)
            && let Some(seen) = self.fleets.change(pulse_of(risk))
        {
            seen.pulse.suspect(is_suspected, self.now);
            if is_suspected {
                seen.is_suspected(lane.channel().id());
            }
            risk.moves = risk.moves.with(Kind::Levels, is_suspected);
        }
    }

    fn sample(&mut self, assessment: &Assessment, risk: &mut LaneRisk) {
        self.until_sample -= 1;
        if self.until_sample == 0 {
            self.until_sample = SAMPLE_EVERY;
            risk.anomaly = self.forest.observe(&assessment.features);
        }
    }

    /// Why the lane stands where it stands, also where nothing is done about it yet.
    fn reasons(&self, assessment: &Assessment) -> Vec<Reason> {
        let level = if assessment.overridden { assessment.level } else { assessment.standing.level() };
        if assessment.overridden && level == Level::Trusted {
            return vec![Reason::Operator];
        }
        self.loaded.model.reasons(&Assessment { level, ..*assessment })
    }

    fn change(
        &self,
        lane: &Lane,
        risk: &LaneRisk,
        assessment: &Assessment,
        at: UnixSeconds,
        reasons: &[Reason],
    ) -> RiskChange {
        RiskChange {
            lane: lane.id(),
            at,
            standing: risk.standing.level() as u8,
            since: self.clock.unix(risk.standing.since()),
            level: risk.level as u8,
            overridden: risk.overridden,
            odds: assessment.odds.0,
            revision: self.loaded.model.revision().to_owned(),
            features: assessment.features.0.to_vec(),
            reasons: reasons.iter().map(|reason| *reason as u16).collect(),
            signals: risk.signals.to_words().to_vec(),
        }
    }

    /// Whether what is done about a lane hinders a payment.
    pub fn hindrance(&self, lane: &Lane, is_tick: bool) -> Option<Hindrance> {
        let risk = lane.risk().read_own();
        let terms = self.engine.terms(risk.level);
        let since_ms = self.now_ms.saturating_sub(risk.paid_ms);
        if risk.level == Level::Trusted {
            None
        } else if terms.blocked {
            Some(Hindrance::Blocked)
        } else if terms.vouchers_only && is_tick {
            Some(Hindrance::VoucherRequired)
        } else if since_ms < u64::from(terms.pace_ms) / PACE_TOLERANCE_DIVISOR {
            Some(Hindrance::TooSoon)
        } else {
            None
        }
    }
}
