//! `cargo xtask compare`: the hub and its peers, side by side, in one run on one machine.
//!
//! Every server runs on the first core and its client on the second. Runs are interleaved (hub, peer, hub, peer, ...)
//! so that what else the machine does falls on both; a ratio is taken within a run, never between runs.
//!
//! | file | holds |
//! | --- | --- |
//! | [`shapes`] | what is compared with what |
//! | [`lab`] | the servers and clients, started on first use |
//! | [`redis`], [`postgres`], [`generator`], [`ecdsa`] | one peer each |
//! | [`outcome`] | medians, spreads, the table and the JSON file |

mod ecdsa;
mod generator;
mod lab;
mod outcome;
mod postgres;
mod redis;
mod shapes;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::process::Failure;
use crate::workspace::Workspace;
use lab::Lab;
use outcome::{Comparison, Runs};
use shapes::{Contender, SHAPES, Shape};

const RUNS_DEFAULT: u32 = 3;

#[derive(Debug)]
struct Request {
    json: Option<PathBuf>,
    shapes: Vec<&'static Shape>,
    runs: u32,
    quick: bool,
}

/// Runs the comparisons the arguments ask for.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    if args.iter().any(|arg| arg == "--list") {
        for shape in SHAPES {
            println!("{:<14} {}", shape.name, shape.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let request = parse(args)?;
    let mut lab = Lab::open(workspace, request.quick)?;
    let mut comparisons = Vec::new();
    for shape in &request.shapes {
        comparisons.extend(compare(&mut lab, shape, request.runs)?);
    }
    let machine = outcome::Machine::read();
    println!("\n{}", outcome::table(&comparisons, &machine));
    if let Some(file) = &request.json {
        let text = outcome::json(&comparisons, &machine, &lab.versions()?);
        std::fs::write(file, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One shape against each of its peers, run after run. Computation without a server takes a fraction of the hub's time
/// and sees only the processor's clock of that moment, so it is measured before and after the hub, and their mean taken.
fn compare(lab: &mut Lab<'_>, shape: &'static Shape, runs: u32) -> Result<Vec<Comparison>, Failure> {
    let mut hub = Runs::default();
    let mut peers: Vec<Runs> = shape.peers.iter().map(|_| Runs::default()).collect();
    for run in 1..=runs {
        let mut before = Vec::new();
        for peer in shape.peers {
            let is_bare = matches!(peer.contender, Contender::Ecdsa(_));
            before.push(is_bare.then(|| lab.measure(&peer.contender)).transpose()?);
        }
        let rate = lab.measure(&shape.hub)?;
        eprintln!("{} {run}/{runs}: hub {}", shape.name, outcome::rate(rate));
        hub.add(rate);
        for ((peer, measured), before) in shape.peers.iter().zip(&mut peers).zip(before) {
            let after = lab.measure(&peer.contender)?;
            let rate = before.map_or(after, |before| f64::midpoint(before, after));
            eprintln!("{} {run}/{runs}: {} {}", shape.name, peer.name, outcome::rate(rate));
            measured.add(rate);
        }
    }
    if shape.peers.is_empty() {
        return Ok(vec![Comparison { shape, peer: None, hub, peer_runs: Runs::default() }]);
    }
    let pairs = shape.peers.iter().zip(peers);
    Ok(pairs.map(|(peer, peer_runs)| Comparison { shape, peer: Some(peer), hub: hub.clone(), peer_runs }).collect())
}

fn parse(args: &[String]) -> Result<Request, Failure> {
    let mut request = Request { json: None, shapes: Vec::new(), runs: 0, quick: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| Failure::new(format!("{arg} needs a value")));
        match arg.as_str() {
            "--json" => request.json = Some(value()?.into()),
            "--runs" => {
                let runs = value()?.parse().ok().filter(|runs| *runs > 0);
                request.runs = runs.ok_or_else(|| Failure::new("--runs needs a whole number above 0"))?;
            }
            "--only" => {
                let name = value()?;
                let shape = SHAPES.iter().find(|shape| shape.name == name);
                request.shapes.push(shape.ok_or_else(|| Failure::new(format!("no shape {name:?}; see --list")))?);
            }
            "--quick" => request.quick = true,
            other => {
                let known = "--json FILE, --only NAME, --runs N, --quick, --list";
                return Err(Failure::new(format!("unknown argument {other:?}; known: {known}")));
            }
        }
    }
    if request.runs == 0 {
        request.runs = if request.quick { 1 } else { RUNS_DEFAULT };
    }
    if request.shapes.is_empty() {
        request.shapes = SHAPES.iter().collect();
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_string()).collect()
    }

    #[test]
    fn everything_is_compared_three_times_unless_told_otherwise() {
        let request = parse(&[]).unwrap();
        assert_eq!((request.runs, request.shapes.len()), (RUNS_DEFAULT, SHAPES.len()));
        assert_eq!(parse(&strings(&["--quick"])).unwrap().runs, 1);
        let request = parse(&strings(&["--only", SHAPES[0].name, "--runs", "5", "--json", "x"])).unwrap();
        assert_eq!((request.runs, request.shapes.len()), (5, 1));
        assert_eq!(request.json, Some(PathBuf::from("x")));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for args in [&["--only", "nothing"][..], &["--runs", "0"], &["--runs"], &["--all"]] {
            assert!(parse(&strings(args)).is_err(), "{args:?}");
        }
    }
}
