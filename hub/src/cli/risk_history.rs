//! Why a channel's lanes are trusted as far as they are, now and before: from the running hub, and from its journal.

use farthing_channel::id::ChannelId;
use farthing_channel::record::{Record, RiskChange};
use farthing_risk::ladder::Level;
use farthing_risk::reason;
use serde::Serialize;

use super::failure::Failure;
use super::recorded::each_record;
use crate::admin::risk_form::{ReasonForm, RiskExplained};
use crate::config::Config;

/// The last decisions that are shown.
const HISTORY_MAX: usize = 50;

/// A decision that the journal holds.
#[derive(Debug, Serialize)]
pub(super) struct Decided {
    /// Unix seconds.
    at: u64,
    /// The lane; absent where an operator decided about the channel.
    lane: Option<String>,
    standing: Option<Level>,
    level: Level,
    odds: Option<i32>,
    revision: Option<String>,
    reasons: Vec<ReasonForm>,
    /// When an operator's decision ends, Unix seconds.
    until: Option<u64>,
}

/// What `risk explain` shows.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    #[serde(flatten)]
    pub(super) now: RiskExplained,
    /// Oldest first.
    pub(super) history: Vec<Decided>,
}

fn level(code: u8) -> Level {
    Level::from_code(code).unwrap_or_default()
}

fn of_change(change: &RiskChange) -> Decided {
    let reasons = change.reasons.iter().filter_map(|code| reason::from_code(*code));
    Decided {
        at: change.at.0,
        lane: Some(change.lane.to_string()),
        standing: Some(level(change.standing)),
        level: level(change.level),
        odds: Some(change.odds),
        revision: Some(change.revision.clone()),
        reasons: reasons.map(ReasonForm::of).collect(),
        until: None,
    }
}

/// What the journal on this machine says was decided about a channel's lanes, oldest first.
///
/// # Errors
/// [`Failure`] where the journal cannot be read.
pub(super) fn history(config: &Config, channel: &ChannelId, now: &RiskExplained) -> Result<Vec<Decided>, Failure> {
    let mut found = std::collections::VecDeque::new();
    each_record(config, None, |record, _| {
        let decided = match record {
            Record::Risk(change) if now.lanes.iter().any(|lane| lane.lane.0 == change.lane) => of_change(change),
            Record::RiskOverride(decision) if decision.channel == *channel => Decided {
                at: decision.at.0,
                lane: None,
                standing: None,
                level: level(decision.level),
                odds: None,
                revision: None,
                reasons: Vec::new(),
                until: Some(decision.until.0),
            },
            _ => return Ok(()),
        };
        if found.len() == HISTORY_MAX {
            found.pop_front();
        }
        found.push_back(decided);
        Ok(())
    })?;
    Ok(found.into())
}

/// Hundredths of a whole from 1/256.
fn hundredths(value: i64) -> String {
    let hundredths = value * 100 / 256;
    format!("{}{}.{:02}", if hundredths < 0 { "-" } else { "" }, hundredths.abs() / 100, hundredths.abs() % 100)
}

/// The same for people.
pub(super) fn explanation(of: &Explanation) -> String {
    let Explanation { now, history } = of;
    let mut text = format!("channel {}; the model is {}, weights {}\n", now.channel, now.mode, now.revision);
    if let (Some(level), Some(until)) = (now.override_level, now.override_until) {
        text.push_str(&format!("An operator decided on {} until {until} (Unix time).\n", level.name()));
    }
    for lane in &now.lanes {
        text.push_str(&format!(
            "\nlane {}: {} is done; its score leads to {} since {}\n",
            lane.lane,
            lane.level.name(),
            lane.standing.name(),
            lane.since
        ));
        for reason in &lane.reasons {
            text.push_str(&format!("  {} ({})\n", reason.sentence, reason.code));
        }
        let percent = format!("{}.{:02}%", lane.score / 100, lane.score % 100);
        text.push_str(&format!("  log-odds now {}, that is {percent}; of that\n", hundredths(lane.odds.into())));
        if lane.held_back {
            text.push_str(&format!(
                "    Held back: nothing speaks against it but what it uses, far more than ever for {} s.\n",
                lane.sustained_seconds
            ));
        }
        for part in &lane.parts {
            let (value, weight) = (hundredths(part.value.into()), hundredths(part.weight.into()));
            text.push_str(&format!(
                "    {:<20} {value} x {weight} = {}\n",
                part.feature,
                hundredths(part.added.into())
            ));
        }
    }
    if !history.is_empty() {
        text.push_str("\nbefore\n");
    }
    for decided in history {
        text.push_str(&format!("  {} {}", decided.at, decided.level.name()));
        match (&decided.lane, decided.until) {
            (Some(lane), _) => text.push_str(&format!(" on lane {lane}")),
            (None, Some(until)) => text.push_str(&format!(" by an operator until {until}")),
            (None, None) => {}
        }
        let sentences: Vec<&str> = decided.reasons.iter().map(|reason| reason.sentence.as_str()).collect();
        text.push_str(&format!(" {}\n", sentences.join(" ")));
    }
    text
}
