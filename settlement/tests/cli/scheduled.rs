//! A night that runs by itself: a process that stays.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{json, settle, site_after_a_day, text};

/// Looks at something that another process does before the test gives up.
const LOOKS_MAX: u32 = 600;

fn stay(site: &Path, at: &str, zone: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farthing-settle"));
    command.args(["--json", "--site"]).arg(site).args(["run", "--at", at, "--zone", zone, "--look-every", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ends it as a service manager does; what it printed, a line for each, and what it logged.
fn end(child: Child) -> (Vec<Value>, String) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let lines = String::from_utf8(output.stdout).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), log)
}

fn wait_for(site: &Path, state: &str) {
    for _ in 0..LOOKS_MAX {
        if json(site, &["show"])["standing"]["state"] == state {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("the night never came to {state}");
}

/// `HH:MM:SS` on the clock of `zone`, some seconds from now.
fn soon(zone: &str) -> String {
    let then = Timestamp::now().checked_add(2.seconds()).unwrap();
    then.in_tz(zone).unwrap().strftime("%H:%M:%S").to_string()
}

#[test]
fn a_night_runs_at_its_time_and_goes_on_when_it_is_approved() {
    let (_world, site, [first, second], comes_to) = site_after_a_day();
    let child = stay(&site, &soon("Asia/Kathmandu"), "Asia/Kathmandu");
    wait_for(&site, "needs_approvals");
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], 0, "without approvals nothing moves");
    json(&site, &["approve", "--key", text(&first)]);
    json(&site, &["approve", "--key", text(&second)]);
    wait_for(&site, "closed");
    assert_eq!(json(&site, &["ledger", "audit"])["settled"], comes_to);
    let (lines, log) = end(child);
    let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!((states.first(), states.last()), (Some(&"needs_approvals"), Some(&"closed")), "{states:?}");
    assert!(lines.last().unwrap()["reconciled"].as_bool().unwrap());
    assert!(log.contains("+05:45[Asia/Kathmandu]") && log.contains("stopped"), "{log}");
    assert!(site.join("settlement/epoch-1/statement.html").is_file());
}

#[test]
fn what_was_open_goes_on_before_the_night() {
    let (_world, site, [first, second], _) = site_after_a_day();
    json(&site, &["plan"]);
    json(&site, &["approve", "--key", text(&first)]);
    json(&site, &["approve", "--key", text(&second)]);
    let child = stay(&site, "12:00", "Pacific/Auckland");
    wait_for(&site, "closed");
    end(child);
}

#[test]
fn a_fault_is_told_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    let mut child = stay(site, "12:00", "Europe/Berlin");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains("trying again") {
        assert!(stderr.read_line(&mut log).unwrap() > 0, "it ended: {log}");
    }
    assert!(log.contains("[Europe/Berlin]") && log.contains("cannot open the ledger"), "{log}");
    let (lines, _) = end(child);
    stderr.read_to_string(&mut log).unwrap();
    assert!(lines.is_empty() && log.contains("stopped"), "{log}");
    let no_place = settle(site, &["run", "--at", "02:00", "--zone", "Europe/Nowhere"]);
    assert_eq!(no_place.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&no_place.stderr).contains("Europe/Nowhere"));
}
