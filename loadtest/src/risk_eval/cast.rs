//! Who teaches and who is judged.
//!
//! No device that is judged taught anything, and no attack that is judged was seen: a fold holds out whole attack families,
//! and its share of the honest devices. What is usual in an honest fleet is learned from the first quarter of its time, in
//! which nobody of it is judged; what is usual in the attacked one from scenarios that teach.

use std::collections::BTreeSet;
use std::ops::Range;

use farthing_risk::fit::attacks;
use farthing_risk::fit::fleets::{HABITS, Habit};
use farthing_risk::fit::study::Fleet;

use super::updates::update_of;

/// Days of a generated fleet.
pub(super) const GENERATED_DAYS: u32 = 7;

/// Devices of each generated fleet at least, for each fold.
const GENERATED_DEVICES_MIN: u32 = 4;

/// Fleets that say so little that their hours cost next to nothing: they fill up what is missing.
const QUIET: [&str; 3] = ["telemetry-15min", "switch", "patchy"];

/// Devices attacked in each generated way, to learn from.
const ATTACKED_DEVICES: u32 = 2;

/// A part of the evaluation with weights of its own.
#[derive(Debug, Clone)]
pub struct Fold {
    /// What is held out, for people.
    pub name: String,
    /// Who teaches.
    pub teach: Vec<Fleet>,
    /// Who is judged. An honest fleet is whole, and `judged` says which of its devices count.
    pub judged: Vec<Judged>,
}

/// A fleet that is judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Those of its devices that are judged, with all their events.
    pub fleet: Fleet,
    /// Whether it is part of the labelled trace.
    pub labelled: bool,
    /// Sixteenths of a second since 1970 before which nothing is judged: until then it was only watched.
    pub from: u64,
    /// When its devices are updated, or still remembered for it; none where they are not.
    pub update: Option<Range<u64>>,
}

/// The family of the attack in a scenario: what stands after its last dash.
fn family(scenario: &str) -> &str {
    scenario.rsplit_once('-').map_or(scenario, |(_, family)| family)
}

/// Scenarios of a fleet, those with attacks and those without.
fn scenarios(fleet: &Fleet) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |attacking: bool| -> BTreeSet<String> {
        let events = fleet.events.iter().filter(|event| event.attacking == attacking);
        events.map(|event| fleet.scenario(event.device).to_owned()).collect()
    };
    let attacked = of(true);
    let honest = of(false).difference(&attacked).cloned().collect();
    (attacked, honest)
}

fn only(fleet: &Fleet, keep: impl Fn(u32) -> bool) -> Fleet {
    let events = fleet.events.iter().filter(|event| keep(event.device)).copied().collect();
    Fleet {
        events,
        ..Fleet { name: fleet.name.clone(), unit: fleet.unit, devices: fleet.devices.clone(), events: Vec::new() }
    }
}

/// What is held out together: whole families, the honest scenarios dealt out among them.
fn parts(trace: &Fleet) -> Vec<(String, BTreeSet<String>)> {
    let (attacked, honest) = scenarios(trace);
    let families: BTreeSet<&str> = attacked.iter().map(|scenario| family(scenario)).collect();
    let folds = families.len().max(1);
    let mut parts: Vec<(String, BTreeSet<String>)> = families
        .into_iter()
        .map(|name| {
            let held_out = attacked.iter().filter(|scenario| family(scenario) == name).cloned().collect();
            (name.to_owned(), held_out)
        })
        .collect();
    if parts.is_empty() {
        parts.push(("no attack".to_owned(), BTreeSet::new()));
    }
    for (index, scenario) in honest.into_iter().enumerate() {
        parts[index % folds].1.insert(scenario);
    }
    parts
}

/// Splits everything into folds: one if there is something else to learn from, or else one for each attack family.
pub fn folds(trace: &Fleet, fit_on: &[Fleet], honest: &[Fleet], seed: u64) -> Vec<Fold> {
    let generated = attacks::attacked_fleet(ATTACKED_DEVICES, GENERATED_DAYS, seed ^ 0x5eed);
    if !fit_on.is_empty() {
        let (attacked, without) = scenarios(trace);
        let known: BTreeSet<String> = attacked.union(&without).cloned().collect();
        let mut teach: Vec<Fleet> =
            fit_on.iter().map(|fleet| only(fleet, |device| !known.contains(fleet.scenario(device)))).collect();
        teach.retain(|fleet| !fleet.events.is_empty());
        teach.push(generated);
        let labelled = Judged { fleet: trace.clone(), labelled: true, from: 0, update: None };
        return vec![with_honest("all scenarios".to_owned(), teach, labelled, honest, (1, 2))];
    }
    let parts = parts(trace);
    let turns = u32::try_from(parts.len().max(2)).unwrap_or(2);
    (0..)
        .zip(parts)
        .map(|(turn, (name, held_out))| {
            let is_held_out = |device: u32| held_out.contains(trace.scenario(device));
            let mut teach = vec![only(trace, |device| !is_held_out(device))];
            teach.retain(|fleet| !fleet.events.is_empty());
            teach.push(generated.clone());
            let labelled = Judged { fleet: only(trace, is_held_out), labelled: true, from: 0, update: None };
            with_honest(name, teach, labelled, honest, (turn, turns))
        })
        .collect()
}

/// Adds the honest fleets: in turn `turn` of `turns` every so-manieth device is judged, and the others teach.
fn with_honest(
    name: String,
    mut teach: Vec<Fleet>,
    labelled: Judged,
    honest: &[Fleet],
    (turn, turns): (u32, u32),
) -> Fold {
    let mut judged = vec![labelled];
    for fleet in honest {
        let is_judged = |device: u32| device % turns == turn;
        let update = update_of(fleet);
        // A fleet with one device has none to spare; what is usual in it comes from its own past, and so may its weights.
        // Who is updated teaches nothing: in a lesson nobody sees that the fleet moves as a whole.
        if update.is_none() {
            teach.push(only(fleet, |device| !is_judged(device)));
        }
        let from = fleet.watched_until();
        judged.push(Judged { fleet: only(fleet, is_judged), labelled: false, from, update });
    }
    teach.retain(|fleet| !fleet.events.is_empty());
    judged.retain(|judged| !judged.fleet.events.is_empty());
    Fold { name, teach, judged }
}

/// Device-hours with events after the time in which a fleet is only watched.
pub fn hours(fleet: &Fleet) -> u64 {
    const HOUR: u64 = 3600 * 16;
    let from = fleet.watched_until();
    let judged = fleet.events.iter().filter(|event| event.at >= from);
    let hours: BTreeSet<(u32, u64)> = judged.map(|event| (event.device, event.at / HOUR)).collect();
    u64::try_from(hours.len()).unwrap_or(u64::MAX)
}

/// Generated honest fleets of all habits, with `wanted` device-hours to judge or a few more; `turns` as in the folds.
pub fn generated(wanted: u64, turns: u32, seed: u64) -> Vec<Fleet> {
    let make = |name: &str, habit: Habit, devices: u32| {
        let index = HABITS.iter().position(|(known, _)| *known == name).unwrap_or(0);
        let seed = seed.wrapping_add(u64::try_from(index).unwrap_or(0));
        Fleet::generated(name, habit, devices, GENERATED_DAYS, seed)
    };
    let least = GENERATED_DEVICES_MIN * turns;
    let mut made: Vec<Fleet> = HABITS.iter().map(|(name, habit)| make(name, *habit, least)).collect();
    let missing = wanted.saturating_sub(made.iter().map(hours).sum());
    for (fleet, (name, habit)) in made.iter_mut().zip(HABITS) {
        if missing > 0 && QUIET.contains(&name) {
            let each = hours(fleet).max(1) / u64::from(least);
            let quiet = u64::try_from(QUIET.len()).unwrap_or(1);
            let more = u32::try_from(missing.div_ceil(quiet).div_ceil(each.max(1))).unwrap_or(u32::MAX);
            *fleet = make(name, habit, least.saturating_add(more));
        }
    }
    made
}

/// Which turns the folds of a trace take.
pub fn turns(trace: &Fleet, fit_on: &[Fleet]) -> u32 {
    if fit_on.is_empty() { u32::try_from(parts(trace).len().max(2)).unwrap_or(2) } else { 2 }
}

#[cfg(test)]
mod tests {
    use farthing_risk::file::Unit;
    use farthing_risk::fit::replay::TraceEvent;

    use super::*;

    fn trace(devices: &[&str], attacking: &[u32]) -> Fleet {
        let events = (0..200_u32)
            .map(|index| {
                let device = index % u32::try_from(devices.len()).unwrap();
                let attacking = attacking.contains(&device) && index > 100;
                TraceEvent { at: u64::from(index) * 9600, device, quantity: 100, attacking }
            })
            .collect();
        let devices = devices.iter().map(|name| (*name).to_owned()).collect();
        Fleet { name: "homes".to_owned(), unit: Unit::Octets, devices, events }
    }

    fn seen(fleets: &[Fleet]) -> BTreeSet<String> {
        fleets
            .iter()
            .flat_map(|fleet| {
                fleet
                    .events
                    .iter()
                    .map(|event| format!("{}:{}", fleet.name, fleet.devices[usize::try_from(event.device).unwrap()]))
            })
            .collect()
    }

    #[test]
    fn a_family_is_held_out_as_a_whole_and_no_judged_device_teaches() {
        let homes = trace(&["M1-mirai/a", "M2-mirai/a", "M3-torii/a", "H1-lamp/a"], &[0, 1, 2]);
        let bicycles = Fleet { name: "bicycles".to_owned(), ..trace(&["a", "b", "c", "d"], &[]) };
        let folds = folds(&homes, &[], &[bicycles], 1);
        assert_eq!(folds.iter().map(|fold| fold.name.as_str()).collect::<Vec<_>>(), ["mirai", "torii"]);
        for fold in &folds {
            let judged: Vec<Fleet> = fold.judged.iter().map(|judged| judged.fleet.clone()).collect();
            assert!(seen(&fold.teach).is_disjoint(&seen(&judged)), "{:?}", seen(&judged));
        }
        let names = seen(
            &folds.iter().flat_map(|fold| fold.judged.iter().map(|judged| judged.fleet.clone())).collect::<Vec<_>>(),
        );
        assert_eq!(names.len(), 8, "everyone is judged once: {names:?}");
        assert!(seen(&folds[0].teach).contains("homes:M3-torii/a"));
        assert!(!seen(&folds[0].teach).iter().any(|name| name.contains("mirai")));
    }

    #[test]
    fn what_is_judged_is_not_learned_from_another_file_either() {
        let judged = trace(&["M1-mirai/a", "M3-torii/a"], &[0, 1]);
        let more = trace(&["M1-mirai/a", "M9-gafgyt/a"], &[0, 1]);
        let folds = folds(&judged, &[more], &[], 1);
        assert_eq!(folds.len(), 1);
        let names = seen(&folds[0].teach);
        assert!(names.contains("homes:M9-gafgyt/a") && !names.contains("homes:M1-mirai/a"), "{names:?}");
    }

    #[test]
    fn generated_fleets_fill_up_what_is_missing() {
        let made = generated(9_000, 2, 3);
        let all: u64 = made.iter().map(hours).sum();
        assert!((9_000..20_000).contains(&all), "{all}");
        assert_eq!(made.len(), HABITS.len());
    }
}
