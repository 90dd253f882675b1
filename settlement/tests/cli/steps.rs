//! The words of the night, one by one.

use std::path::Path;

use farthing_channel::sign::Signer as _;
use serde_json::Value;

use crate::{json, settle, site_after_a_day, text};

/// Where an epoch stands by the answer to a word that came too early.
fn too_early(site: &Path, word: &str) -> String {
    let output = settle(site, &["--json", word]);
    assert_eq!(output.status.code(), Some(3), "{word}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["code"], "not_yet");
    answer["standing"]["state"].as_str().unwrap().to_owned()
}

#[test]
fn each_word_does_its_step_once_and_waits_for_the_one_before() {
    let (_world, site, [first, second], comes_to) = site_after_a_day();
    let state = |arguments: &[&str]| json(&site, arguments)["state"].as_str().unwrap().to_owned();
    for word in ["submit", "reconcile", "close", "discard"] {
        assert_eq!(too_early(&site, word), "nothing_to_settle");
    }
    assert_eq!(json(&site, &["show"])["standing"]["state"], "nothing_to_settle");
    let planned = json(&site, &["plan"]);
    assert_eq!((planned["state"].as_str(), planned["approvals"].as_u64()), (Some("needs_approvals"), Some(0)));
    assert_eq!(json(&site, &["plan"]), planned, "a plan that there is stays as it is");
    for word in ["submit", "reconcile", "close"] {
        assert_eq!(too_early(&site, word), "needs_approvals");
    }
    assert_eq!(state(&["approve", "--key", text(&first)]), "needs_approvals");
    assert_eq!(state(&["approve", "--key", text(&second)]), "approved");
    assert_eq!([too_early(&site, "reconcile"), too_early(&site, "close")], ["approved", "approved"]);
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], 0, "nothing has moved yet");
    assert_eq!([state(&["submit"]), state(&["submit"])], ["submitted", "submitted"]);
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], comes_to);
    assert_eq!(settle(&site, &["discard"]).status.code(), Some(3), "what is on the ledger is not taken back");
    assert_eq!(too_early(&site, "close"), "submitted");
    assert_eq!([state(&["reconcile"]), state(&["reconcile"])], ["reconciled", "reconciled"]);
    assert_eq!(state(&["submit"]), "reconciled");
    assert_eq!([state(&["close"]), state(&["close"]), state(&["submit"])], ["closed", "closed", "closed"]);
    let shown = json(&site, &["show"]);
    assert_eq!((shown["standing"]["state"].as_str(), shown["netting"]["legs"].as_u64()), (Some("closed"), Some(3)));
    assert_eq!(state(&["plan"]), "nothing_to_settle");
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], comes_to);
}

#[test]
fn a_plan_is_taken_back_and_made_anew() {
    let (world, site, [first, _], _) = site_after_a_day();
    let planned = json(&site, &["plan"]);
    json(&site, &["approve", "--key", text(&first)]);
    assert_eq!(json(&site, &["discard"])["discarded"], planned["epoch"]);
    assert_eq!(too_early(&site, "submit"), "nothing_to_settle");
    // A plan that its terms do not allow leaves nothing behind, so mended terms count at once.
    let terms = site.join("settlement/netting.toml");
    let capped = format!("[[participant]]\naccount = \"{}\"\nnet_debit_cap = 1\n", world.hub.address());
    std::fs::write(&terms, capped).unwrap();
    assert_eq!(settle(&site, &["plan"]).status.code(), Some(2));
    std::fs::remove_file(&terms).unwrap();
    let again = json(&site, &["plan"]);
    assert_eq!((&again["settled_base_units"], &again["legs"]), (&planned["settled_base_units"], &planned["legs"]));
    assert_eq!((again["approvals"].as_u64(), again["epoch"].as_u64()), (Some(0), Some(1)));
}

/// Every file of a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_dry_run_is_the_real_one_to_the_last_byte() {
    let (_world, site, _, comes_to) = site_after_a_day();
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("dry");
    let dry = json(&site, &["plan", "--dry-run", "--out", text(&out)]);
    assert_eq!((dry["dry_run"].as_bool(), dry["settled_base_units"].as_u64()), (Some(true), Some(comes_to)));
    // Nothing stays of it.
    let settlement = site.join("settlement");
    let names: Vec<_> = files(&settlement).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["book.redb"]);
    assert_eq!(json(&site, &["show"])["standing"]["state"], "nothing_to_settle");
    let at = dry["planned_at"].as_u64().unwrap().to_string();
    assert_eq!(json(&site, &["plan", "--dry-run", "--as-of", &at])["proposal"], dry["proposal"]);
    // A real plan made later, as of the same moment.
    let real = json(&site, &["plan", "--as-of", &at]);
    assert_eq!((real["dry_run"].as_bool(), &real["proposal"]), (Some(false), &dry["proposal"]));
    assert!(files(&out).len() > 5);
    assert_eq!(files(&out), files(&settlement.join("epoch-1")));
    // A dry run of what is proposed is what is proposed.
    assert_eq!(json(&site, &["plan", "--dry-run"])["proposal"], dry["proposal"]);
    let long_ago = settle(&site, &["plan", "--as-of", "1700000000"]);
    assert!(String::from_utf8_lossy(&long_ago.stderr).contains("not within the last 24 hours"));
}

#[test]
fn a_run_over_its_limit_is_refused_loudly() {
    let (_world, site, [first, second], comes_to) = site_after_a_day();
    let terms = site.join("settlement/netting.toml");
    std::fs::create_dir_all(site.join("settlement")).unwrap();
    let refused = |limits: &str, word: &str| {
        std::fs::write(&terms, format!("[limits]\n{limits}\n")).unwrap();
        let output = settle(&site, &["--json", word]);
        assert_eq!(output.status.code(), Some(4), "{limits}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["code"], "over_limit");
        answer["error"].as_str().unwrap().to_owned()
    };
    let below = comes_to - 1;
    let told = refused(&format!("collected_max = {below}"), "plan");
    assert!(told.contains(&comes_to.to_string()) && told.contains(&below.to_string()), "{told}");
    assert!(refused(&format!("paid_max = {below}"), "run").contains("paid_max"));
    assert!(refused("leg_max = 1", "plan").contains("leg_max"));
    assert_eq!(json(&site, &["show"])["standing"]["state"], "nothing_to_settle", "nothing of it is kept");
    // At the limit it goes; a limit that is lowered later stops it as long as nothing has moved.
    std::fs::write(&terms, format!("[limits]\ncollected_max = {comes_to}\npaid_max = {comes_to}\n")).unwrap();
    json(&site, &["plan"]);
    json(&site, &["approve", "--key", text(&first)]);
    json(&site, &["approve", "--key", text(&second)]);
    refused("paid_max = 7", "submit");
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], 0);
    std::fs::remove_file(&terms).unwrap();
    assert_eq!(json(&site, &["run"])["state"], "closed");
}
