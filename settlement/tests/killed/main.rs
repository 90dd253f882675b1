//! `farthing-settle` dies of kill -9, at exact points and at random moments, on a chain that reorganises all the while: each
//! transfer happens exactly once.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

mod chain;
mod proxy;
mod site;
#[path = "../world/mod.rs"]
mod world;

use std::io::{PipeReader, PipeWriter, Write as _};
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use proxy::{Held, Proxy};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;
use site::Site;

/// Longer than a challenge window, seconds.
const WINDOW: u64 = 12 * 3600 + 60;

/// Most runs of the program that one night may take.
const RUNS_MAX: u32 = 400;

/// What a run of the program came to.
enum Ended {
    Killed,
    /// By itself, with what it printed.
    Exited(bool, Value),
}

fn kill(mut child: Child) -> Ended {
    child.kill().unwrap();
    child.wait().unwrap();
    Ended::Killed
}

fn exited(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        eprintln!("refused in passing: {}", String::from_utf8_lossy(&output.stdout));
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ended::Exited(output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// Plays one night to its end, whatever `run` does to the program on the way.
fn night(site: &Site, mut run: impl FnMut(&Site, &[&str]) -> Ended) {
    let approvals = site.approvals();
    for _ in 0..RUNS_MAX {
        let Ended::Exited(true, view) = run(site, &["run"]) else { continue };
        match view["state"].as_str() {
            Some("needs_approvals") => {
                for approval in &approvals {
                    let arguments: Vec<&str> = approval.iter().map(String::as_str).collect();
                    run(site, &arguments);
                }
            }
            Some("waits_for_ledger") => site.chain.pass(WINDOW),
            Some("closed") => return,
            // The last step was killed after it was kept; then there is nothing left to do.
            Some("nothing_to_settle") => return,
            other => panic!("a night does not stand at {other:?}"),
        }
    }
    panic!("the night did not end in {RUNS_MAX} runs");
}

/// Every transaction is met twice: written down and not sent, and sent without an answer.
#[test]
fn killed_on_either_side_of_every_transaction() {
    let mut site = Site::new();
    let proxy = Proxy::start(&site.chain.address);
    site.configure("rpc_url", &proxy.url);
    site.day();
    let mut kills = Vec::new();
    night(&site, |site, arguments| {
        let mut child = site.spawn(arguments);
        loop {
            if let Some(held) = proxy.held() {
                kills.push(held);
                return kill(child);
            }
            if child.try_wait().unwrap().is_some() {
                return exited(child);
            }
            sleep(Duration::from_millis(2));
        }
    });
    let reorganisations = site.chain.rest();
    site.assert_settled_once();
    let before = kills.iter().filter(|held| **held == Held::BeforeSending).count();
    eprintln!("{} kills, {reorganisations} reorganisations", kills.len());
    // Agreed batch, allowance and bond in two currencies, posting, payment, two fetches, legs, closing.
    assert!(before >= 9 && kills.len() >= 2 * before - 1, "{kills:?}");
    assert!(reorganisations > 0);
}

/// A pipe that takes one message at a time: whoever writes the next one waits until this one is read.
fn one_message() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    (reader.into(), writer.into())
}

/// The program tells each stage that it has kept, and is not listened to after the one it shall die at.
#[test]
fn killed_at_every_stage_boundary() {
    let mut site = Site::new();
    site.day();
    let mut boundaries = Vec::new();
    night(&site, |site, arguments| {
        let before = site.stages().len();
        let (_reader, mut writer) = one_message();
        // The message that is there already is never read, so the program waits with its first one.
        writer.write_all(b"full").unwrap();
        let mut command = site.command(arguments);
        let mut child = command.env("RUST_LOG", "farthing_settlement::book=info").stderr(writer).spawn().unwrap();
        drop(command);
        let mut waited = Duration::ZERO;
        loop {
            if child.try_wait().unwrap().is_some() {
                return exited(child);
            }
            // Where it waits is the kernel's to tell, or it is given time; the stages that are then kept are proof of it.
            let waits_at = std::fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
            if waits_at.contains("pipe_write") || waited > Duration::from_secs(5) {
                let ended = kill(child);
                let kept = site.stages();
                let closed = before > 0 && kept.is_empty();
                assert!(kept.len() <= before + 1, "no more than one stage further: {before}, {kept:?}");
                if closed {
                    boundaries.push("close".to_owned());
                } else if kept.len() > before {
                    boundaries.extend(kept.last().cloned());
                }
                return ended;
            }
            sleep(Duration::from_millis(2));
            waited += Duration::from_millis(2);
        }
    });
    site.chain.rest();
    site.assert_settled_once();
    let all = ["cut-off", "positions", "netting", "proposal", "opening balances", "reconciliation", "close"];
    // What comes after the last is the next night, which finds nothing.
    assert_eq!(boundaries[..all.len()], all);
}

/// A chain that takes back what was final is somebody's to look at; the follower ends with an error instead of trying for ever.
#[test]
fn a_follower_that_cannot_go_on_ends_with_an_error() {
    let mut site = Site::new();
    site.chain.rest();
    let mut follower = site.spawn(&["ledger", "follow"]);
    sleep(Duration::from_millis(300));
    assert!(follower.try_wait().unwrap().is_none(), "it follows");
    site.chain.ask("anvil_reorg", serde_json::json!([20, []]));
    let output = follower.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("was final"), "{told}");
}

/// A small generator of moments; the same seed gives the same.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Nights until the program was killed `kills_min` times.
fn killed_at_random(kills_min: u32, seed: u64) {
    let mut site = Site::new();
    site.configure("bump_after_blocks", "12");
    let (mut kills, mut moments) = (0, Moments(seed));
    while kills < kills_min {
        site.day();
        night(&site, |site, arguments| {
            let child = site.spawn(arguments);
            // Most runs are cut short; the others let the night move on.
            if moments.below(4) == 0 {
                return exited(child);
            }
            sleep(Duration::from_millis(moments.below(1_200)));
            let mut child = child;
            if child.try_wait().unwrap().is_some() {
                return exited(child);
            }
            kills += 1;
            kill(child)
        });
    }
    let reorganisations = site.chain.rest();
    site.assert_settled_once();
    eprintln!("{kills} kills in {} nights, {reorganisations} reorganisations", site.nights);
    assert!(reorganisations > 0);
}

#[test]
fn killed_at_a_few_random_moments() {
    killed_at_random(8, 0x5eed);
}

/// `cargo xtask kills`.
#[test]
#[ignore = "minutes long"]
fn killed_at_a_hundred_random_moments() {
    let seed = std::env::var("FARTHING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_0100);
    killed_at_random(100, seed);
}
