//! The command line over a site on disk, as an operator and a finance team use it.
#![allow(clippy::unwrap_used)]

mod keystores;
mod scheduled;
mod steps;
mod terminal;
#[path = "../world/mod.rs"]
mod world;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use farthing_channel::codec::decode_first;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::sign::Signer as _;
use serde_json::Value;
use world::{World, key};

/// Runs the program on a site.
fn settle(site: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farthing-settle")).arg("--site").arg(site).args(arguments).output().unwrap()
}

fn json(site: &Path, arguments: &[&str]) -> Value {
    let mut with_json = vec!["--json"];
    with_json.extend(arguments);
    let output = settle(site, &with_json);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a key of the world into a file as the program wants it.
fn key_file(directory: &Path, name: &str, number: u16) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, hex::encode(key(number).secret_bytes())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_fleet_owner_funds_mandates_and_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    let address = |name: &str| {
        let file = site.join("keys").join(name);
        let made = json(site, &["key", "new", text(&file)]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let shown = json(site, &["key", "show", text(&file)]);
        assert_eq!(made["address"], shown["address"]);
        (text(&file).to_owned(), made["address"].as_str().unwrap().to_owned())
    };
    let (first, first_address) = address("alice.key");
    let (second, second_address) = address("bob.key");
    let (payer, payer_address) = address("payer.key");
    let (_, hub) = address("hub.key");
    let (_, provider) = address("provider.key");
    let (_, device) = address("device.key");
    let label = format!("{hub}=Harbour hub");
    let init = ["ledger", "init", "--approver", &first_address, "--approver", &second_address, "--hub-account", &label];
    let info = json(site, &init);
    assert_eq!(info["hub"].as_str().unwrap(), hub);
    let register = ["ledger", "register", &provider, "--kind", "provider", "--label", "Weather", "--key", &first];
    assert!(!settle(site, &register).status.success(), "one approver is not enough");
    json(site, &[&register[..], &["--key", &second]].concat());
    let issue = ["ledger", "issue", &payer_address, "25.5", "--key", &first, "--key", &second, "--reference", "wire 1"];
    json(site, &issue);
    assert!(!settle(site, &issue).status.success(), "a payment outside is recorded once");
    let escrow = json(site, &["escrow", "open", "--key", &payer, "--deposit", "20.0"]);
    assert_eq!(escrow["deposit"], 20_000_000);
    let id = escrow["escrow"].as_str().unwrap();
    let topped_up = json(site, &["escrow", "top-up", id, "500000", "--key", &payer]);
    assert_eq!(topped_up["deposit"], 20_500_000);
    let devices = site.join("devices.csv");
    let mut lines = String::from("device,limit\n");
    (0..300).for_each(|n| lines.push_str(&format!("{},{}\n", key(1000 + n).address(), 1000 + n)));
    std::fs::write(&devices, lines).unwrap();
    let out = site.join("mandates.cbor");
    let sign = ["mandate", "sign", "--escrow", id, "--key", &payer, "--limit", "1.0", "--out", text(&out)];
    let signed = json(site, &[&sign[..], &["--devices", text(&devices), "--payee", &provider]].concat());
    assert_eq!((signed["mandates"].as_u64(), signed["bundles"].as_u64()), (Some(300), Some(2)));
    let bytes = std::fs::read(&out).unwrap();
    let (bundle, taken) = decode_first::<MandateBundle>(&bytes).unwrap();
    assert_eq!((bundle.mandates.len(), bundle.mandates[7].limit), (256, 1007));
    assert_eq!(decode_first::<MandateBundle>(&bytes[taken..]).unwrap().0.mandates.len(), 44);
    json(site, &[&sign[..], &["--device", &device]].concat());
    json(site, &["mandate", "revoke", id, &device, "--key", &payer, "--serial", "1"]);
    assert_eq!(json(site, &["escrow", "request-close", id, "--key", &payer])["state"], "close_requested");
    assert!(!settle(site, &["escrow", "withdraw", id, "--key", &payer]).status.success(), "the grace period runs");
    let audit = json(site, &["ledger", "audit"]);
    assert_eq!((audit["issued"].as_u64(), audit["conserved"].as_bool()), (Some(25_500_000), Some(true)));
    assert_eq!(json(site, &["ledger", "account", &payer_address])["balance"], 5_000_000);
    assert!(json(site, &["ledger", "events"]).as_array().unwrap().len() > 5);
    assert_eq!(json(site, &["escrow", "show"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = key_file(directory.path(), "open.key", 5);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = settle(directory.path(), &["key", "show", text(&file)]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod 600"));
}

/// A site with a day of vouchers in its journal, and the keys of its hub and both approvers; what the day comes to.
fn site_after_a_day() -> (World, PathBuf, [PathBuf; 2], u64) {
    let mut world = World::new(3);
    let payer = key(4);
    let escrow = world.escrow(&payer, 5_000_000);
    let devices: Vec<u16> = (200..240).collect();
    let mut records = world.mandates(&payer, escrow, &devices, 1_000_000, 1);
    for device in &devices {
        let (lane, opened) = world.lane(escrow, *device, usize::from(*device % 3), u32::from(*device % 2));
        records.extend([opened, world.voucher(&lane, 1_000 * u64::from(*device))]);
    }
    world.journal.write(&records);
    let site = world.directory.path().to_owned();
    key_file(&site, "hub/hub.key", 1);
    let keys = [key_file(&site, "keys/alice.key", 2), key_file(&site, "keys/bob.key", 3)];
    let comes_to = devices.iter().map(|device| 1_000 * u64::from(*device)).sum::<u64>().min(5_000_000);
    (world, site, keys, comes_to)
}

#[test]
fn finance_runs_a_night_and_an_auditor_checks_it() {
    let (_world, site, [first, second], expected) = site_after_a_day();
    let proposed = json(&site, &["run"]);
    assert_eq!((proposed["state"].as_str(), proposed["legs"].as_u64()), (Some("needs_approvals"), Some(3)));
    let id = proposed["proposal"].as_str().unwrap();
    json(&site, &["approve", "--key", text(&first), "--proposal", id]);
    let other = format!("0x{}", "11".repeat(32));
    let wrong = settle(&site, &["approve", "--key", text(&second), "--proposal", &other]);
    assert!(!wrong.status.success());
    let status = json(&site, &["show"]);
    assert_eq!((status["epoch"].as_u64(), status["approvers"].as_array().unwrap().len()), (Some(1), 1));
    json(&site, &["approve", "--key", text(&second)]);
    let closed = json(&site, &["run"]);
    assert_eq!((closed["state"].as_str(), closed["reconciled"].as_bool()), (Some("closed"), Some(true)));
    assert_eq!(closed["settled_base_units"].as_u64(), Some(expected));
    assert_eq!(closed["paid_base_units"], closed["settled_base_units"]);
    assert_eq!(json(&site, &["run"])["state"], "nothing_to_settle");
    // The folder goes to an auditor, who has nothing else.
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("epoch");
    json(&site, &["report", "--out", text(&folder)]);
    let verified = json(elsewhere.path(), &["verify", text(&folder)]);
    assert_eq!(verified["holds"], true);
    let lanes = folder.join("lanes.csv");
    let changed = std::fs::read_to_string(&lanes).unwrap().replacen("200000", "200001", 1);
    std::fs::write(&lanes, changed).unwrap();
    assert_eq!(settle(elsewhere.path(), &["verify", text(&folder)]).status.code(), Some(1));
    let explained = json(&site, &["explain", "0"]);
    assert!(explained["lanes"].as_array().unwrap().len() >= 13);
    let told = settle(&site, &["explain", "0", "--lanes", "1"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("signed by 0x"));
    let statement = json(&site, &["report"]);
    assert_eq!(statement["closed"], true);
}

#[test]
fn a_providers_money_moves_by_its_own_approvers() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    let address = |name: &str, number: u16| (key_file(site, name, number), key(number).address().to_string());
    let (hub, first, second) = (address("hub/hub.key", 1), address("alice.key", 2), address("bob.key", 3));
    let (provider, own_1, own_2) = (address("provider.key", 6), address("carol.key", 7), address("dan.key", 8));
    let label = format!("{}=Harbour hub", hub.1);
    let provided = format!("{}=Weather", provider.1);
    let init = ["ledger", "init", "--approver", &first.1, "--approver", &second.1, "--hub-account", &label];
    json(site, &[&init[..], &["--provider", &provided]].concat());
    let (first, second) = (text(&first.0), text(&second.0));
    let (own_1_key, own_2_key) = (text(&own_1.0), text(&own_2.0));
    json(site, &["ledger", "issue", &provider.1, "9.0", "--key", first, "--key", second, "--reference", "deposit"]);
    let set = ["participant", "set", &provider.1, "--cap", "4.5", "--approver", &own_2.1, "--approver", &own_1.1];
    json(site, &[&set[..], &["--key", first, "--key", second]].concat());
    assert!(!settle(site, &[&set[..], &["--key", first, "--key", second]].concat()).status.success());
    let pay_out = ["participant", "pay-out", &provider.1, "2.0", "--reference", "invoice 7"];
    assert!(!settle(site, &[&pay_out[..], &["--key", first, "--key", second]].concat()).status.success());
    json(site, &[&pay_out[..], &["--key", own_1_key, "--key", own_2_key]].concat());
    assert!(!settle(site, &[&pay_out[..], &["--key", own_1_key, "--key", own_2_key]].concat()).status.success());
    let home = key(9).address().to_string();
    json(site, &["participant", "payout-address", &home, "--key", text(&provider.0)]);
    let shown = json(site, &["participant", "show"]);
    let shown = shown.as_array().unwrap().iter().find(|row| row["account"] == provider.1.as_str()).unwrap();
    assert_eq!((shown["balance"].as_u64(), shown["net_debit_cap"].as_u64()), (Some(7_000_000), Some(4_500_000)));
    assert_eq!(shown["approvers"].as_array().unwrap().len(), 2);
    assert_eq!((&shown["payout"], &shown["payout_next"]["payout"]), (&provider.1.into(), &home.into()));
}
