//! `farthing-loadtest bench`: a small load through a real hub.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::programs;
use farthing_loadtest::site::FOLDER_VARIABLE;

/// Runs the command for a moment; 50 connections, unless the arguments say otherwise.
fn bench(folder: &Path, arguments: &[&str]) -> Value {
    let json = folder.join("bench.json");
    let output = Command::new(env!("CARGO_BIN_EXE_farthing-loadtest"))
        .args(["bench", "--connections", "50", "--warm-up", "0.3", "--duration", "1", "--chains-mib", "8"])
        .args(["--presigned-per-second", "100", "--json"])
        .arg(&json)
        .args(arguments)
        .env(FOLDER_VARIABLE, programs())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    let result: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((&result["lost"], &result["refused"]), (&0.into(), &Value::Object(Default::default())), "{said}");
    assert_eq!(result["dropped"], Value::Object(Default::default()), "{said}");
    result
}

fn acknowledged(period: &Value) -> u64 {
    let count = period["acknowledged"].as_u64().unwrap();
    assert_eq!(period["latency"]["count"], count, "every payment has its latency: {period}");
    count
}

#[test]
fn ticks_beside_an_echo_with_all_reports() {
    let folder = tempfile::tempdir().unwrap();
    let [log, page] = ["bench.hlog", "bench.html"].map(|name| folder.path().join(name));
    let files = ["--histogram", log.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let result = bench(folder.path(), &[&["--profile", "tick", "--echo", "--in-flight", "2"][..], &files].concat());
    let servers: Vec<_> = result["periods"].as_array().unwrap().iter().map(|period| &period["server"]).collect();
    assert_eq!(servers, ["echo", "hub"]);
    for period in result["periods"].as_array().unwrap() {
        assert!(acknowledged(period) > 50, "{period}");
        assert!(period["hub_cpu"]["process"].as_f64().unwrap() > 0.0, "{period}");
    }
    assert!(result["echo"]["per_second"].as_f64().unwrap() > 0.0, "{result}");
    assert!(std::fs::read_to_string(log).unwrap().contains("HISTFAAA"));
    assert!(std::fs::read_to_string(page).unwrap().contains("<polyline"));
}

#[test]
fn ticks_beside_a_hub_with_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let modes = ["enforce", "off"].map(|mode| format!("FARTHING_HUB__RISK_MODEL__MODE={mode}"));
    let result = bench(folder.path(), &["--profile", "tick", "--hub-setting", &modes[0], "--beside", &modes[1]]);
    let servers: Vec<_> = result["periods"].as_array().unwrap().iter().map(|period| &period["server"]).collect();
    assert_eq!(servers, ["beside", "hub"]);
    assert!(result["periods"].as_array().unwrap().iter().all(|period| acknowledged(period) > 50), "{result}");
    assert!(result["beside"]["per_second"].as_f64().unwrap() > 0.0, "{result}");
}

#[test]
fn gateways_fill_their_packets_and_an_open_loop_keeps_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--profile", "batch", "--lanes-per-connection", "20", "--ticks-per-packet", "8", "--rate", "800"];
    let period = &bench(folder.path(), &arguments)["periods"][0];
    // A hundred packets are due in the second; how many of their acknowledgements fall into it is the machine's affair.
    let payments = acknowledged(period);
    assert!((1..=1600).contains(&payments), "{period}");
}

#[test]
fn vouchers_pay_too() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--profile", "voucher", "--lanes-per-connection", "2", "--vouchers-per-packet", "2"];
    assert!(acknowledged(&bench(folder.path(), &arguments)["periods"][0]) >= 2);
}

#[test]
fn a_dropped_crowd_comes_back_and_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--profile", "reconnect-storm", "--honest", "10", "--silent", "--rate", "100"];
    let result = bench(folder.path(), &arguments);
    assert!(result["back_after_seconds"].as_f64().unwrap() > 0.0, "{result}");
    let names: Vec<_> = result["periods"].as_array().unwrap().iter().map(|period| &period["name"]).collect();
    assert_eq!(names, ["before the storm", "during the storm"]);
}

#[test]
fn strangers_and_idle_crowds_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let storm = bench(folder.path(), &["--profile", "handshake-storm", "--handshakes", "50", "--leave"]);
    assert!(storm["strangers"]["connected"].as_u64().unwrap() > 0, "{storm}");
    let idle = bench(folder.path(), &["--profile", "idle", "--hold", "0.2"]);
    assert!(idle["hub_bytes_per_connection"].as_f64().is_some(), "{idle}");
    let channels = bench(folder.path(), &["--profile", "idle-channels", "--channels", "300", "--hold", "0.2"]);
    assert!(channels["restart_ms"].as_u64().is_some(), "{channels}");
}
