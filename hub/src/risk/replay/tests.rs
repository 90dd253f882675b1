use farthing_channel::record::RiskOverride;
use farthing_risk::file::{SHIPPED, WeightsFile};
use farthing_risk::score::Weights;

use super::*;
use crate::risk::RiskLimits;
use crate::risk::engine::{ModelMode, ModelSettings};
use crate::risk::plane::tests::{START_MS, at, engine, flood, table};
use crate::table::tests::{lane_of, opening};

/// A day of one lane, as a hub wrote it: proofs fail, and then it is reported on every ten minutes.
fn journal() -> Vec<(Record, u64)> {
    let mut records: Vec<_> = opening(1000, 1000, 1).into_iter().map(|record| (record, START_MS)).collect();
    let (table, engine) = (table(), engine(ModelMode::Shadow));
    let mut plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
    records.extend(flood(&table, &mut plane, 30).into_iter().map(|change| (Record::Risk(change), START_MS)));
    let signature = farthing_channel::sign::UncheckedSignature([0; 64]);
    for step in 1..100 {
        let report = farthing_channel::wire::SignedReport {
            lane: lane_of(0),
            revision: step,
            used_units: step,
            credited: 0,
            signature,
        };
        records.push((Record::Report(report), at(step * 600).0));
    }
    records
}

fn replay(engine: RiskEngine, journal: &[(Record, u64)]) -> Replay {
    let mut replay = Replay::new(engine, START_MS);
    for (record, unix_ms) in journal {
        replay.take(record, *unix_ms).unwrap();
    }
    replay
}

fn shipped() -> RiskEngine {
    let settings = ModelSettings { mode: ModelMode::Enforce, ..ModelSettings::default() };
    RiskEngine::new(RiskLimits::default(), &settings).unwrap()
}

/// Weights to which nothing is suspicious.
fn blind(folder: &std::path::Path) -> RiskEngine {
    let mut file = WeightsFile::parse(SHIPPED).unwrap();
    file.revision = "blind".to_owned();
    file.rule.clear();
    file.set_weights(&Weights { bias: -2560, of: [0; farthing_risk::features::FEATURES] });
    let path = folder.join("weights.toml");
    std::fs::write(&path, file.text()).unwrap();
    let settings = ModelSettings { mode: ModelMode::Enforce, weights: Some(path), ..ModelSettings::default() };
    RiskEngine::new(RiskLimits::default(), &settings).unwrap()
}

#[test]
fn what_was_recorded_is_judged_again_and_always_the_same() {
    let journal = journal();
    let (one, two) = (replay(shipped(), &journal), replay(shipped(), &journal));
    assert_eq!(one.lanes(), two.lanes());
    let outcome = &one.lanes()[&lane_of(0)];
    assert!(outcome.highest >= Level::Pace && outcome.reasons.contains(&Reason::ProofsFailed), "{outcome:?}");
    assert_eq!(outcome.last, Level::Trusted, "it is let go again");
    assert!(outcome.hours >= 16 && (1..outcome.hours).contains(&outcome.throttled_hours), "{outcome:?}");
    assert_eq!((outcome.false_hours, one.unknown), (0, 0));
}

#[test]
fn other_weights_come_to_other_levels() {
    let folder = tempfile::tempdir().unwrap();
    let replay = replay(blind(folder.path()), &journal());
    let outcome = &replay.lanes()[&lane_of(0)];
    assert_eq!((replay.revision().as_str(), outcome.highest, outcome.throttled_hours), ("blind", Level::Trusted, 0));
}

#[test]
fn what_an_operator_trusts_counts_as_falsely_slowed() {
    let mut journal = journal();
    let channel = shipped_channel();
    let decision = RiskOverride { channel, at: at(0).1, level: Level::Trusted as u8, until: at(86_400).1 };
    let after = journal.iter().position(|(record, _)| matches!(record, Record::Lane(_))).unwrap() + 1;
    journal.insert(after, (Record::RiskOverride(decision), START_MS));
    let replay = replay(shipped(), &journal);
    let outcome = &replay.lanes()[&lane_of(0)];
    assert_eq!((outcome.highest, outcome.throttled_hours), (Level::Trusted, 0));
    assert!(outcome.false_hours >= 1, "{outcome:?}");
}

fn shipped_channel() -> ChannelId {
    table().lane(&lane_of(0)).unwrap().unwrap().channel().id()
}

#[test]
fn what_is_older_than_the_journal_is_counted_and_left_out() {
    let journal: Vec<_> = journal().into_iter().skip_while(|(record, _)| !matches!(record, Record::Risk(_))).collect();
    let replay = replay(shipped(), &journal);
    assert!(replay.lanes().is_empty());
    assert_eq!(replay.unknown, u64::try_from(journal.len()).unwrap());
}
