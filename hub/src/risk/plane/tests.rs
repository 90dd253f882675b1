mod races;
mod updates;

use farthing_channel::record::Record;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::Reason;
use proptest::prelude::*;

use super::*;
use crate::risk::engine::ModelSettings;
use crate::risk::lane::Reasons;
use crate::risk::{RiskLimits, grant};
use crate::table::Table;
use crate::table::tests::{lane_of, opening};

pub(in crate::risk) const START_MS: u64 = 1_800_000_000_000;
const WINDOW: u64 = 1_000_000;

pub(in crate::risk) fn table() -> Table {
    let table = Table::default().starting_at(START_MS);
    opening(u64::MAX / 2, u128::from(u64::MAX / 2), 1).iter().for_each(|record| table.apply(record).unwrap());
    table
}

pub(in crate::risk) fn engine(mode: ModelMode) -> Arc<RiskEngine> {
    let limits = RiskLimits { credit_window_base_units: WINDOW, ..RiskLimits::default() };
    Arc::new(RiskEngine::new(limits, &ModelSettings { mode, ..ModelSettings::default() }).unwrap())
}

pub(in crate::risk) fn at(seconds: u64) -> (u64, UnixSeconds) {
    (START_MS + seconds * 1000, UnixSeconds(START_MS / 1000 + seconds))
}

/// A lane on which so many proofs fail; the changes of its level.
pub(in crate::risk) fn flood(table: &Table, plane: &mut PlaneRisk, failures: u32) -> Vec<RiskChange> {
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    let (ms, now) = at(0);
    plane.begin_turn(ms);
    let mut changes = Vec::new();
    for _ in 0..failures {
        plane.observe(&lane, Event::ProofFailed);
        changes.extend(plane.assess(&lane, now));
    }
    changes
}

#[test]
fn a_flood_of_failed_proofs_is_slowed_and_let_go_again() {
    let (table, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let last = flood(&table, &mut plane, 30).pop().unwrap();
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    assert!(last.level >= Level::Pace as u8 && last.reasons.contains(&(Reason::ProofsFailed as u16)), "{last:?}");
    let decision = engine.decide(&lane, at(0).1);
    assert!(decision.credit_window < WINDOW && decision.pace_ms >= 1000 && decision.reasons.has(Reason::ProofsFailed));
    plane.paid(&lane, 0, 1, 1, 7);
    assert!(plane.hindrance(&lane, true).is_some());
    let mut levels = Vec::new();
    for minute in 1..6 * 60 {
        let (ms, now) = at(minute * 60);
        plane.begin_turn(ms);
        levels.extend(plane.assess(&lane, now).map(|change| change.level));
    }
    assert!(levels.windows(2).all(|pair| pair[1] < pair[0]), "one rung at a time: {levels:?}");
    assert_eq!((levels.last(), plane.hindrance(&lane, true)), (Some(&0), None));
    assert_eq!(engine.decide(&lane, at(0).1).credit_window, WINDOW);
}

#[test]
fn in_shadow_mode_it_is_written_down_and_nothing_is_done() {
    let (table, engine) = (table(), engine(ModelMode::Shadow));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let last = flood(&table, &mut plane, 30).pop().unwrap();
    assert!(last.standing >= Level::Pace as u8 && last.level == 0 && !last.reasons.is_empty(), "{last:?}");
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    assert!(!lane.risk().is_limited());
    let decision = engine.decide(&lane, at(0).1);
    assert_eq!((decision.credit_window, decision.pace_ms, decision.reasons), (WINDOW, 0, Reasons::default()));
}

#[test]
fn without_a_model_nothing_is_kept() {
    let (table, engine) = (table(), engine(ModelMode::Off));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    assert_eq!(flood(&table, &mut plane, 30), []);
    assert_eq!(table.lane(&lane_of(0)).unwrap().unwrap().risk().read(), LaneRisk::default());
}

#[test]
fn a_level_comes_back_from_its_record() {
    let (before, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, before.risk_clock(), 1);
    let change = flood(&before, &mut plane, 30).pop().unwrap();
    // Another process, a day later: another origin of its clock.
    let after = Table::default().starting_at(START_MS + 86_400_000);
    opening(1000, 1000, 1).iter().for_each(|record| after.apply(record).unwrap());
    after.apply(&Record::Risk(change.clone())).unwrap();
    let (old, new) = (before.lane(&lane_of(0)).unwrap().unwrap(), after.lane(&lane_of(0)).unwrap().unwrap());
    let (old, new) = (old.risk().read(), new.risk().read());
    assert_eq!((new.level as u8, new.standing.level() as u8), (change.level, change.standing));
    assert_eq!((new.reasons, new.signals.failures()), (old.reasons, old.signals.failures()));
    assert_eq!(after.risk_clock().unix(new.standing.since()), change.since);
}

#[test]
fn an_operators_word_holds_until_it_ends() {
    let (table, engine) = (table(), engine(ModelMode::Shadow));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    let (ms, now) = at(0);
    let decision = farthing_channel::record::RiskOverride {
        channel: lane.channel().id(),
        at: now,
        level: Level::Block as u8,
        until: at(60).1,
    };
    table.apply(&Record::RiskOverride(decision)).unwrap();
    plane.begin_turn(ms);
    let change = plane.assess(&lane, now).unwrap();
    assert_eq!((change.level, change.overridden, change.reasons), (6, true, vec![Reason::Operator as u16]));
    assert_eq!(plane.hindrance(&lane, false), Some(Hindrance::Blocked));
    plane.begin_turn(at(60).0);
    assert_eq!(plane.assess(&lane, at(60).1).map(|change| (change.level, change.overridden)), Some((0, false)));
    assert_eq!(plane.hindrance(&lane, false), None);
}

fn event() -> impl Strategy<Value = (u8, u32, u64)> {
    (0_u8..8, any::<u32>(), 0_u64..4000)
}

proptest! {
    /// Whatever happens in whatever order, on whichever thread: what is granted never goes beyond what is on disk by more than
    /// the credit window.
    #[test]
    fn exposure_never_exceeds_the_credit_window(
        events in proptest::collection::vec(event(), 1..80), threads in 1_usize..4,
    ) {
        let (table, engine) = (table(), engine(ModelMode::Enforce));
        let lane = table.lane(&lane_of(0)).unwrap().unwrap();
        let (mut seconds, mut paid) = (0, 0_u64);
        let mut planes: Vec<_> = (0..threads).map(|_| PlaneRisk::new(&engine, table.risk_clock(), 1)).collect();
        for (step, (kind, amount, pause)) in events.into_iter().enumerate() {
            let plane = &mut planes[step % threads];
            seconds += pause;
            let (ms, now) = at(seconds);
            plane.begin_turn(ms);
            match kind {
                0 => plane.observe(&lane, Event::ProofFailed),
                1 => plane.observe(&lane, Event::StaleState),
                2 => plane.observe(&lane, Event::TwoPlaces),
                3 => plane.reported(&lane, u64::from(amount)),
                4 => plane.attached(&lane, u64::from(amount)),
                5 => lane.raise_durable(paid),
                _ => {
                    let before = paid;
                    paid += u64::from(amount);
                    plane.paid(&lane, before, paid, 3, u16::from(kind));
                }
            }
            plane.assess(&lane, now);
            let decision = engine.decide(&lane, now);
            prop_assert!(decision.credit_window <= WINDOW);
            let granted = grant(&lane, &decision, lane.durable()).units;
            prop_assert!(granted >= lane.durable() && granted - lane.durable() <= WINDOW);
        }
    }
}

/// What happens on a lane of the test below: mostly payments, a few at once, seldom something rare.
fn happening() -> impl Strategy<Value = (u8, u64, u64)> {
    (0_u8..40, 0_u64..5000, prop_oneof![4 => Just(0_u64), 2 => 0_u64..900, 1 => 0_u64..90_000])
}

proptest! {
    /// A hub that assesses a lane only when it is due, beside one that assesses it at every event: what the second raises, the
    /// first has raised seven events later, or with the first event of the next step of four seconds.
    #[test]
    fn a_level_comes_at_most_seven_events_late(
        events in proptest::collection::vec(happening(), 1..400), lavish: bool,
    ) {
        let engine = engine(ModelMode::Enforce);
        let worlds = [table(), table()];
        let mut planes = [0, 1].map(|at: usize| PlaneRisk::new(&engine, worlds[at].risk_clock(), 1));
        let lanes = [0, 1].map(|at: usize| worlds[at].lane(&lane_of(0)).unwrap().unwrap());
        let (mut ms, mut paid) = (0, 0_u64);
        // Since which event the eager one has a higher level than the other.
        let mut late: Option<usize> = None;
        for (number, (kind, amount, pause)) in events.into_iter().enumerate() {
            ms += pause;
            let unix_ms = START_MS + ms;
            let before = paid;
            if kind >= 6 {
                paid += if lavish { amount << (number % 12) } else { amount % 50 + 100 };
            }
            for (at, (plane, lane)) in planes.iter_mut().zip(&lanes).enumerate() {
                plane.begin_turn(unix_ms);
                match kind {
                    0 => plane.observe(lane, Event::ProofFailed),
                    1 => plane.observe(lane, Event::StaleState),
                    2 => plane.observe(lane, Event::AddressChanged),
                    3 => plane.observe(lane, Event::Exposure { permille: u32::try_from(amount % 1000).unwrap() }),
                    _ => plane.paid(lane, before, paid, u16::from(kind == 4) * 200 + 1, u16::from(kind == 5)),
                }
                if at == 0 {
                    let risk = LaneRisk { rested: false, ..lane.risk().read_own() };
                    lane.risk().write(risk);
                }
                plane.assess(lane, UnixSeconds(unix_ms / 1000));
            }
            let [eager, lazy] = [0, 1].map(|at: usize| lanes[at].risk().read().standing.level());
            late = if eager > lazy { late.or(Some(number)) } else { None };
            if let Some(since) = late {
                prop_assert!(number - since < 7, "{eager:?} since event {since}, {lazy:?} at {number}");
            }
        }
    }
}

#[test]
fn a_trusted_lane_is_assessed_when_it_is_due() {
    let (table, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    plane.begin_turn(START_MS);
    let rested = |plane: &mut PlaneRisk, amount| {
        plane.paid(&lane, amount - 1, amount, 1, 1);
        let rested = lane.risk().is_rested();
        plane.assess(&lane, at(0).1);
        rested
    };
    let first: Vec<bool> = (1..20).map(|amount| rested(&mut plane, amount)).collect();
    let due: Vec<usize> = first.iter().enumerate().filter(|(_, rested)| !**rested).map(|(index, _)| index).collect();
    assert_eq!(due, [0, 8, 16]);
    plane.begin_turn(START_MS + 4000);
    assert!(!rested(&mut plane, 20), "the first event of a step");
    assert!(rested(&mut plane, 21));
    plane.observe(&lane, Event::ProofFailed);
    assert!(!lane.risk().is_rested(), "a rare event");
}

#[test]
fn lanes_are_counted_by_level_while_they_are_in_memory() {
    let (table, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let last = flood(&table, &mut plane, 30).pop().unwrap();
    let of = |level: u8| table.levels().at(Level::from_code(level).unwrap());
    assert_eq!((of(last.level), table.levels().overridden()), (1, 0));
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    lane.override_risk(Level::Block);
    assert_eq!((of(last.level), of(Level::Block as u8), table.levels().overridden()), (0, 1, 1));
    plane.begin_turn(at(1).0);
    plane.assess(&lane, at(1).1);
    assert_eq!(
        (of(last.level), of(Level::Block as u8), table.levels().overridden()),
        (1, 0, 0),
        "the model decides again"
    );
}

/// A lane that is slowed costs no allocation for each of its payments either: not when it is told of them, not when it is
/// assessed, not when its grant and the reasons are put into an acknowledgement.
#[test]
fn a_throttled_lane_allocates_nothing_per_payment() {
    let (table, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    flood(&table, &mut plane, 30);
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    let (mut codes, mut told) = (Vec::with_capacity(4), 0);
    for amount in 1..200 {
        let (ms, now) = at(amount);
        plane.begin_turn(ms);
        let mut is_changed = false;
        let info = allocation_counter::measure(|| {
            plane.paid(&lane, amount - 1, amount, 1, 1);
            is_changed = plane.assess(&lane, now).is_some();
            let granted = grant(&lane, &engine.decide(&lane, now), amount);
            let grant = granted.told_in(std::mem::take(&mut codes));
            told += usize::from(!grant.reasons.is_empty());
            codes = grant.reasons;
        });
        assert!(info.count_total == 0 || is_changed, "{info:?} for payment {amount}");
    }
    assert_eq!(told, 199, "each of them had its reasons");
}

#[test]
fn a_lane_that_is_assessed_before_it_pays_is_counted_in_its_fleet() {
    let (table, engine) = (table(), engine(ModelMode::Enforce));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    plane.begin_turn(at(0).0);
    plane.attached(&lane, 1);
    plane.assess(&lane, at(0).1);
    plane.paid(&lane, 0, 1, 1, 1);
    plane.begin_turn(at(2).0);
    let seen = engine.watched().all(table.risk_clock().at_unix_ms(at(2).0));
    assert_eq!(seen.iter().map(|seen| (seen.fleet, seen.pulse.active())).collect::<Vec<_>>(), [(0, 1)]);
}
