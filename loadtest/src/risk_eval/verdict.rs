//! What a hub's own scores say of each device-hour, beside what was true.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use farthing_risk::fit::metrics::Scored;
use farthing_risk::ladder::Level;
use farthing_risk::score::LogOdds;

use super::cast::Fold;
use super::stage::Played;
use super::timeline::{HOUR, Timeline};

/// Sixteenths of a second in a second.
const SECOND: u64 = 16;

/// A device-hour in which a device paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHour {
    /// Its fleet, or its scenario in the labelled trace.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// Whether it is of the labelled trace.
    pub labelled: bool,
    /// The hour's worst score, over its lanes, and whether the device attacked in it.
    pub scored: Scored,
    /// The highest standing of its lanes.
    pub standing: u8,
    /// Whether its fleet is updated in it, or was shortly before.
    pub updated: bool,
}

/// An attack on a device, from its first event on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// The scenario.
    pub source: String,
    /// The device.
    pub device: String,
    /// Seconds from the first attacking event to the moment in which the hub would have throttled a lane of it; none if it
    /// never did.
    pub throttled_after_seconds: Option<u64>,
    /// What the attack paid for before: units.
    pub units_before: u64,
    /// And events.
    pub events_before: u64,
    /// What it paid for in all: units.
    pub units: u64,
    /// And events.
    pub events: u64,
}

/// A row of the hub's log.
#[derive(Debug, Clone, Copy)]
struct Row {
    odds: LogOdds,
    standing: u8,
    raised_at: Option<u64>,
}

/// Rows by device and hour; the worst of a device's lanes counts.
fn read(path: &Path) -> anyhow::Result<BTreeMap<(String, u64), Row>> {
    let shown = path.display();
    let mut table = csv::Reader::from_path(path).with_context(|| format!("cannot read {shown}"))?;
    let head = table.headers()?.clone();
    let column = |name: &str| {
        head.iter().position(|column| column == name).with_context(|| format!("{shown} has no column {name}"))
    };
    let (device, hour, odds) = (column("device")?, column("hour")?, column("odds")?);
    let (standing, raised_at) = (column("standing")?, column("raised_at")?);
    let mut rows = BTreeMap::<(String, u64), Row>::new();
    for record in table.records() {
        let record = record?;
        let text = |column: usize| record.get(column).unwrap_or_default();
        let raised = text(raised_at);
        let row = Row {
            odds: LogOdds(text(odds).parse().with_context(|| format!("{shown}: odds"))?),
            standing: text(standing).parse().with_context(|| format!("{shown}: standing"))?,
            raised_at: if raised.is_empty() {
                None
            } else {
                Some(raised.parse().with_context(|| format!("{shown}: raised_at"))?)
            },
        };
        let hour = text(hour).parse().with_context(|| format!("{shown}: hour"))?;
        let known = rows.entry((text(device).to_owned(), hour)).or_insert(row);
        known.odds = known.odds.max(row.odds);
        known.standing = known.standing.max(row.standing);
        known.raised_at = match (known.raised_at, row.raised_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    Ok(rows)
}

/// What was true of an hour, and what the hub said.
#[derive(Debug, Clone, Copy, Default)]
struct Truth {
    attacking: bool,
    is_judged: bool,
    updated: bool,
}

/// Joins a play with its labels.
///
/// # Errors
/// Where the hub's log cannot be read, or lacks an hour.
pub fn judge(fold: &Fold, timeline: &Timeline, played: &Played) -> anyhow::Result<(Vec<DeviceHour>, Vec<Attack>)> {
    let rows = read(&played.scores)?;
    let origin_hour = played.origin_seconds * SECOND / HOUR;
    let (mut hours, mut attacks) = (Vec::new(), Vec::new());
    for (place, actor) in timeline.actors.iter().enumerate() {
        let judged = &fold.judged[actor.fleet];
        let origin = timeline.origins[actor.fleet];
        let name = &judged.fleet.devices[usize::try_from(actor.device)?];
        let source = judged.fleet.scenario(actor.device);
        let address = &played.devices[place];
        let own = judged.fleet.events.iter().filter(|event| event.device == actor.device);
        let mut truths = BTreeMap::<u64, Truth>::new();
        let mut attack = Vec::new();
        for event in own {
            let truth = truths.entry((event.at - origin) / HOUR).or_default();
            truth.attacking |= event.attacking;
            truth.is_judged |= event.at >= judged.from;
            truth.updated |= judged.update.as_ref().is_some_and(|update| update.contains(&event.at));
            if event.attacking {
                attack.push((event.at - origin, event.quantity));
            }
        }
        let mut raises = Vec::new();
        for (hour, truth) in truths {
            let row = rows.get(&(address.clone(), origin_hour + hour));
            let row = row.with_context(|| format!("the hub's log lacks hour {hour} of {name}"))?;
            raises.extend(row.raised_at.map(|at| (at.saturating_sub(played.origin_seconds)) * SECOND));
            if truth.is_judged {
                let scored = Scored { odds: row.odds, attacking: truth.attacking };
                let (source, device) = (source.to_owned(), name.clone());
                let (labelled, standing, updated) = (judged.labelled, row.standing, truth.updated);
                hours.push(DeviceHour { source, device, labelled, scored, standing, updated });
            }
        }
        if !attack.is_empty() {
            attacks.push(attack_of(source, name, &attack, &raises));
        }
    }
    ensure!(!hours.is_empty(), "there is nothing to judge");
    Ok((hours, attacks))
}

fn attack_of(source: &str, device: &str, events: &[(u64, u64)], raises: &[u64]) -> Attack {
    let begun = events.first().map_or(0, |(at, _)| *at);
    // A raise within the second of the first event is by it.
    let throttled = raises.iter().copied().filter(|at| *at + SECOND > begun).min();
    let before = |at: u64| throttled.is_none_or(|throttled| at <= throttled);
    let sum = |counts: &dyn Fn(u64) -> bool| {
        let counted = events.iter().filter(|(at, _)| counts(*at));
        counted.fold((0_u64, 0_u64), |(units, events), (_, quantity)| (units.saturating_add(*quantity), events + 1))
    };
    let ((units_before, events_before), (units, all)) = (sum(&before), sum(&|_| true));
    Attack {
        source: source.to_owned(),
        device: device.to_owned(),
        throttled_after_seconds: throttled.map(|at| at.saturating_sub(begun) / SECOND),
        units_before,
        events_before,
        units,
        events: all,
    }
}

/// The standing from which on a device notices: its payments are paced.
pub const FELT: u8 = Level::Pace as u8;

/// The standing from which nothing is accepted.
pub const BLOCKED: u8 = Level::Block as u8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_what_was_paid_for_before_the_throttle() {
        let events = [(160, 10), (1600, 20), (3200, 40)];
        let attack = attack_of("S", "d", &events, &[16, 1600, 90_000]);
        assert_eq!((attack.throttled_after_seconds, attack.units_before, attack.events_before), (Some(90), 30, 2));
        assert_eq!((attack.units, attack.events), (70, 3));
        let never = attack_of("S", "d", &events, &[16]);
        assert_eq!((never.throttled_after_seconds, never.units_before), (None, 70));
    }
}
