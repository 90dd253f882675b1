//! How far a channel's lanes are trusted, and why, as an operator is told.

use farthing_channel::id::{ChannelId, LaneId};
use farthing_channel::wire::Reason;
use farthing_risk::ladder::Level;
use farthing_risk::pulse::Kind;
use farthing_risk::reason;
use serde::{Deserialize, Serialize};

use super::encoded::Text;
use crate::clock;
use crate::risk::engine::{RiskEngine, unit_name};
use crate::risk::fleets::FleetSeen;
use crate::table::{Channel, Table};

/// Why a lane stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonForm {
    /// As in a grant.
    pub code: u16,
    /// The same for people.
    pub sentence: String,
}

impl ReasonForm {
    /// A reason that is known.
    pub fn of(reason: Reason) -> Self {
        Self { code: reason as u16, sentence: reason::sentence(reason).to_owned() }
    }
}

/// What a feature adds to a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartForm {
    /// The feature, as in the weights file.
    pub feature: String,
    /// Its value, 1/256.
    pub value: u16,
    /// Its weight: log-odds for each whole, 1/256.
    pub weight: u16,
    /// What it adds to the log-odds, 1/256.
    pub added: u32,
}

/// How far a lane is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRiskForm {
    /// The lane.
    pub lane: Text<LaneId>,
    /// Its fleet and tenant; empty where it has none of its own.
    pub fleet: String,
    /// The level that its score leads to.
    pub standing: Level,
    /// Since when, Unix seconds.
    pub since: u64,
    /// What is done.
    pub level: Level,
    /// Whether an operator decided that.
    pub overridden: bool,
    /// Why.
    pub reasons: Vec<ReasonForm>,
    /// Log-odds of abuse by its signals now, 1/256.
    pub odds: i32,
    /// The same as a probability, ten-thousandths.
    pub score: u16,
    /// Whether they are less than their parts come to: nothing speaks against the lane but what it uses, and not for long enough.
    #[serde(default)]
    pub held_back: bool,
    /// For how long it has used far more than ever, seconds.
    #[serde(default)]
    pub sustained_seconds: u32,
    /// What adds to that, greatest first.
    pub parts: Vec<PartForm>,
}

/// How far a channel's lanes are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskExplained {
    /// The channel.
    pub channel: Text<ChannelId>,
    /// `off`, `shadow` or `enforce`.
    pub mode: String,
    /// The weights in force.
    pub revision: String,
    /// An operator's level, while it holds.
    pub override_level: Option<Level>,
    /// When that ends, Unix seconds.
    pub override_until: Option<u64>,
    /// Its lanes.
    pub lanes: Vec<LaneRiskForm>,
}

/// Explains a channel's lanes by their signals now.
pub(super) fn explain(engine: &RiskEngine, table: &Table, channel: &Channel) -> RiskExplained {
    let now = clock::unix_milliseconds();
    let unix = farthing_channel::time::UnixSeconds(now / 1000);
    let decision = channel.risk_override().filter(|decision| decision.at(unix).is_some());
    let lanes = channel.lanes().into_iter().map(|lane| {
        let risk = lane.risk().read();
        let (fleet, assessment, parts) = engine.look_at(&lane, now, table.risk_clock());
        LaneRiskForm {
            lane: Text(lane.id()),
            fleet,
            standing: risk.standing.level(),
            since: table.risk_clock().unix(risk.standing.since()).0,
            level: risk.level,
            overridden: risk.overridden,
            reasons: risk.reasons.iter().map(ReasonForm::of).collect(),
            odds: assessment.odds.0,
            score: assessment.score.0,
            held_back: assessment.held_back,
            sustained_seconds: risk.signals.sustained_seconds(),
            parts: parts
                .into_iter()
                .map(|(part, weight)| PartForm {
                    feature: part.feature.name().to_owned(),
                    value: part.value,
                    weight,
                    added: part.added,
                })
                .collect(),
        }
    });
    RiskExplained {
        channel: Text(channel.id()),
        mode: engine.mode().name().to_owned(),
        revision: engine.revision(),
        override_level: decision.map(|decision| decision.level),
        override_until: decision.map(|decision| decision.until.0),
        lanes: lanes.collect(),
    }
}

/// In what lanes of a fleet stand above their own level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementForm {
    /// `units`, `events`, `sizes` or `levels`: they use more, have events more often, have events of odd sizes, or are suspected.
    pub kind: String,
    /// Lanes that do.
    pub lanes: u32,
    /// By how much on average, 1/256 octave; nought for `levels`.
    pub rise: u16,
    /// Whether it is more than usual in the fleet, so that it is part of what is found.
    pub unusual: bool,
}

/// A fleet's lanes of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetForm {
    /// Its name; empty for escrows that have none of their own.
    pub fleet: String,
    /// `octets`, `seconds` or `events`.
    pub unit: String,
    /// Lanes with events in the last quarter of an hour or so.
    pub lanes: u32,
    /// `surge`, `cluster`; absent where nothing is found.
    pub finding: Option<String>,
    /// Since when, Unix seconds.
    pub since: Option<u64>,
    /// Lanes that move together; nought where nothing is found.
    pub moving: u32,
    /// In what.
    pub movements: Vec<MovementForm>,
    /// Some channels that were suspected or, where none was, moved lately.
    pub channels: Vec<Text<ChannelId>>,
}

/// Fleets as wholes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetsSeen {
    /// `off`, `shadow` or `enforce`.
    pub mode: String,
    /// Those with lanes that had events lately, or of which something is found.
    pub fleets: Vec<FleetForm>,
}

/// What is seen of fleets now.
pub(super) fn fleets(engine: &RiskEngine, table: &Table) -> FleetsSeen {
    let clock = table.risk_clock();
    let now = clock.at_unix_ms(clock::unix_milliseconds());
    let form = |seen: FleetSeen| {
        let kinds = seen.kinds();
        let movement = |kind: Kind| MovementForm {
            kind: kind.name().to_owned(),
            lanes: seen.pulse.moving(kind),
            rise: seen.pulse.rise(kind),
            unusual: kinds.has(kind),
        };
        FleetForm {
            fleet: engine.fleet_name(seen.fleet).to_owned(),
            unit: unit_name(seen.unit).to_owned(),
            lanes: seen.pulse.active(),
            finding: seen.raised.map(|raised| raised.finding.name().to_owned()),
            since: seen.raised.map(|raised| clock.unix(raised.since).0),
            moving: kinds.iter().map(|kind| seen.pulse.moving(kind)).max().unwrap_or_default(),
            movements: Kind::ALL.into_iter().map(movement).filter(|movement| movement.lanes > 0).collect(),
            channels: seen.channels.iter().copied().map(Text).collect(),
        }
    };
    let fleets = engine.watched().all(now).into_iter().map(form).collect();
    FleetsSeen { mode: engine.mode().name().to_owned(), fleets }
}
