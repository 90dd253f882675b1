//! The risk model of a running hub: what a device feels of it, what the operator is told, and what a crash leaves.

use std::time::Duration;

use farthing_channel::id::LaneId;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{Answer, Reason};
use farthing_client::DeviceKey;
use farthing_loadtest::site::SiteOptions;
use farthing_risk::features::FEATURES;
use farthing_risk::file::{SHIPPED, WeightsFile};
use farthing_risk::score::Weights;
use serde_json::Value;

use crate::refusals::bench::{Bench, Wire};
use crate::refusals::rows::{ALLOWED, honest, tick};

/// Failed proofs that no honest device has.
const FAILURES: u16 = 24;

fn bench(mode: &str) -> Bench {
    bench_with(&[("RISK_MODEL__MODE", mode)])
}

fn bench_with(settings: &[(&str, &str)]) -> Bench {
    let set = |(name, value): &(&str, &str)| (format!("FARTHING_HUB__{name}"), (*value).to_owned());
    let hub_environment = settings.iter().map(set).collect();
    Bench::with(SiteOptions { hub_environment, ..SiteOptions::default() })
}

/// Attaches a device, and has it pay a little; then proofs of it fail one after another.
fn flood(bench: &mut Bench) -> (DeviceKey, LaneId, Vec<Refusal>) {
    let (key, lane) = bench.admit("payer", ALLOWED);
    let domain = bench.domain;
    bench.acknowledged("a voucher", &honest(&key, &domain, lane, 10), 10);
    let stranger = bench.key("somebody else");
    let refusals = (0..FAILURES).map(|n| {
        let forged = honest(&stranger, &domain, lane, 100 + u64::from(n));
        match bench.runtime.block_on(bench.wire.pay(&forged)) {
            Answer::Refused { refusal, .. } => refusal,
            other => panic!("a forged voucher is answered by {other:?}"),
        }
    });
    let refusals = refusals.collect();
    (key, lane, refusals)
}

fn explained(bench: &Bench, key: &DeviceKey) -> Value {
    bench.world.site.ask_hub(&["risk", "explain", &bench.channel(key).to_string()]).unwrap()
}

/// Waits until `told` says so: what is counted or found is shown once a second.
fn awaited<T>(what: &str, told: impl Fn() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..100 {
        match told() {
            Ok(found) => return found,
            Err(other) => last = other,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} does not come: {last}")
}

fn shows(bench: &Bench, line: &str) {
    awaited(line, || {
        let page = bench.world.site.hub_page("/metrics").unwrap();
        if page.contains(line) { Ok(()) } else { Err(page) }
    });
}

fn has_sentence(reasons: &Value, reason: Reason) -> bool {
    reasons.as_array().unwrap().iter().any(|told| {
        told["code"] == reason as u16 && told["sentence"].as_str().is_some_and(|sentence| sentence.ends_with('.'))
    })
}

fn pay(bench: &mut Bench, message: &[u8]) -> Answer {
    bench.runtime.block_on(bench.wire.pay(message))
}

#[test]
fn a_flood_of_failed_proofs_is_slowed_explained_and_survives_a_crash() {
    let mut bench = bench("enforce");
    let (key, lane, refusals) = flood(&mut bench);
    assert_eq!(refusals[0], Refusal::WrongSigner);
    assert!(refusals.contains(&Refusal::RateLimited), "{refusals:?}");

    let told = explained(&bench, &key);
    let risk = &told["lanes"][0];
    assert!(has_sentence(&risk["reasons"], Reason::ProofsFailed), "{told}");
    assert!(risk["parts"].as_array().unwrap().iter().any(|part| part["feature"] == "failed_proofs"), "{told}");
    let history = told["history"].as_array().unwrap();
    assert!(!history.is_empty() && history.iter().all(|decided| decided["revision"] == told["revision"]), "{told}");
    let level = risk["level"].clone();
    assert_ne!(level, "trusted");

    // A second later the pace is kept, and the device is told why it is slowed.
    std::thread::sleep(Duration::from_millis(1100));
    let domain = bench.domain;
    let answer = pay(&mut bench, &honest(&key, &domain, lane, 11));
    let Answer::Acknowledged { authorised: 11, grant: Some(grant), .. } = answer else {
        panic!("an honest voucher at its pace is answered by {answer:?}")
    };
    assert!(grant.pace_ms >= 1000 && grant.reasons.contains(&(Reason::ProofsFailed as u16)), "{grant:?}");
    for code in &grant.reasons {
        let reason = farthing_risk::reason::from_code(*code).unwrap();
        assert!(has_sentence(&risk["reasons"], reason), "{reason:?} of the acknowledgement: {told}");
    }
    shows(&bench, "farthing_hub_risk_level_changes_total");
    shows(&bench, &format!("farthing_hub_risk_lanes{{level={level}}} 1"));

    bench.world.site.kill_hub().unwrap();
    bench.world.site.start_hub().unwrap();
    assert_eq!(explained(&bench, &key)["lanes"][0]["level"], level);
    bench.wire = bench.runtime.block_on(Wire::open(&bench.world));
    bench.attach(&bench.proof(&key));

    // The operator knows better.
    let channel = bench.channel(&key).to_string();
    let site = &bench.world.site;
    site.ask_hub(&["risk", "override", &channel, "--level", "trusted", "--for", "1h"]).unwrap();
    for amount in [12, 13, 14] {
        bench.acknowledged("at any pace", &honest(&key, &domain, lane, amount), amount);
    }
    shows(&bench, "farthing_hub_risk_overridden_lanes 1");
    weights_are_tried(&bench, lane);
    bench.finish();
}

/// Weights to which nothing is suspicious, over the journal of the flood: they would have slowed nobody.
fn weights_are_tried(bench: &Bench, lane: LaneId) {
    let mut file = WeightsFile::parse(SHIPPED).unwrap();
    file.revision = "blind".to_owned();
    file.rule.clear();
    file.set_weights(&Weights { bias: -2560, of: [0; FEATURES] });
    let path = bench.world.folder.path().join("blind.toml");
    std::fs::write(&path, file.text()).unwrap();
    let replay = || bench.world.site.ask_hub(&["risk", "replay", "--weights", path.to_str().unwrap()]).unwrap();
    let told = replay();
    assert_eq!((&told["raised"], &told["lowered"]), (&0.into(), &1.into()), "{told}");
    assert_eq!(told["candidate"]["lanes"]["trusted"], told["lanes"], "{told}");
    let differing = &told["differing"][0];
    assert_eq!((&differing["lane"], &differing["candidate"]), (&lane.to_string().into(), &"trusted".into()), "{told}");
    assert!(has_sentence(&differing["reasons"], Reason::ProofsFailed), "{told}");
    assert_eq!(replay(), told, "it tells the same again, and has changed nothing");
}

#[test]
fn in_shadow_mode_everything_is_written_down_and_nothing_is_done() {
    let mut bench = bench("shadow");
    let (key, lane, refusals) = flood(&mut bench);
    assert!(refusals.iter().all(|refusal| *refusal == Refusal::WrongSigner), "{refusals:?}");
    let told = explained(&bench, &key);
    assert_eq!(told["lanes"][0]["level"], "trusted");
    assert_ne!(told["lanes"][0]["standing"], "trusted");
    assert!(has_sentence(&told["history"][0]["reasons"], Reason::ProofsFailed), "{told}");
    let domain = bench.domain;
    for amount in [11, 12, 13] {
        bench.acknowledged("at any pace", &honest(&key, &domain, lane, amount), amount);
    }
    bench.finish();
}

#[test]
fn an_operators_word_holds_at_once_and_ends_by_itself() {
    let mut bench = bench("shadow");
    let (key, lane) = bench.admit("payer", ALLOWED);
    let channel = bench.channel(&key).to_string();
    let domain = bench.domain;
    bench.world.site.ask_hub(&["risk", "override", &channel, "--level", "block", "--for", "1h"]).unwrap();
    let refused = |bench: &mut Bench, message: &[u8]| match pay(bench, message) {
        Answer::Refused { refusal, .. } => refusal,
        other => panic!("answered by {other:?}"),
    };
    assert_eq!(refused(&mut bench, &honest(&key, &domain, lane, 10)), Refusal::LaneBlocked);
    bench.world.site.ask_hub(&["risk", "override", &channel, "--clear"]).unwrap();
    bench.acknowledged("after it was taken back", &honest(&key, &domain, lane, 10), 10);

    let told = ["risk", "override", &channel, "--level", "voucher-per-payment", "--for", "2s"];
    bench.world.site.ask_hub(&told).unwrap();
    let link = farthing_channel::id::Preimage([1; 32]);
    assert_eq!(refused(&mut bench, &tick(lane, 1, link)), Refusal::VoucherRequired);
    std::thread::sleep(Duration::from_millis(3100));
    assert_eq!(refused(&mut bench, &tick(lane, 1, link)), Refusal::NoAnchor, "it ended");
    assert_eq!(explained(&bench, &key)["lanes"][0]["level"], "trusted");
    bench.finish();
}

/// What the hub says of its fleets, once the only one has this finding.
fn fleet(bench: &Bench, lanes: u64, finding: Option<&str>) -> Value {
    awaited("the finding", || {
        let told = bench.world.site.ask_hub(&["risk", "fleets"]).unwrap();
        let fleet = &told["fleets"][0];
        let is_it = fleet["finding"].as_str() == finding && fleet["lanes"].as_u64() >= Some(lanes);
        if is_it { Ok(fleet.clone()) } else { Err(told.to_string()) }
    })
}

#[test]
fn members_of_a_fleet_that_are_suspected_together_are_a_cluster() {
    const MEMBERS: usize = 24;
    const DRIVEN: usize = 10;
    // All of them are on one connection, whose failures are not what is looked at here.
    let mut bench = bench_with(&[("RISK_MODEL__MODE", "shadow"), ("SOURCE__SIGNATURES_BURST", "1000000")]);
    let domain = bench.domain;
    let members: Vec<_> = (0..MEMBERS).map(|index| bench.admit(&format!("member {index}"), ALLOWED)).collect();
    for (key, lane) in &members {
        bench.acknowledged("a voucher", &honest(key, &domain, *lane, 10), 10);
    }
    let before = fleet(&bench, 20, None);
    assert_eq!((&before["moving"], &before["since"]), (&0.into(), &Value::Null), "{before}");

    let stranger = bench.key("somebody else");
    for (_, lane) in &members[..DRIVEN] {
        for amount in 0..u64::from(FAILURES) {
            pay(&mut bench, &honest(&stranger, &domain, *lane, 100 + amount));
        }
    }
    let found = fleet(&bench, 20, Some("cluster"));
    assert!(found["moving"].as_u64().unwrap() >= 8 && found["since"].is_u64(), "{found}");
    let levels = found["movements"].as_array().unwrap().iter().find(|movement| movement["kind"] == "levels");
    assert_eq!(levels.unwrap()["unusual"], true, "{found}");
    let driven: Vec<Value> = members[..DRIVEN].iter().map(|(key, _)| bench.channel(key).to_string().into()).collect();
    let sample = found["channels"].as_array().unwrap();
    assert!(!sample.is_empty() && sample.iter().all(|channel| driven.contains(channel)), "{found}");
    shows(&bench, "farthing_hub_risk_fleets{finding=\"cluster\"} 1");
    bench.finish();
}
