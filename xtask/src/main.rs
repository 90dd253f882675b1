//! The project's own commands: `cargo xtask demo`, `cargo xtask test`, `cargo xtask fuzz`, `cargo xtask compare`,
//! `cargo xtask instructions`, `cargo xtask growth`, `cargo xtask contracts`, `cargo xtask kills`.
//!
//! Everything a command needs beyond the Rust toolchain, a C compiler, Python and apt it fetches itself,
//! into `target/tools`, at pinned versions.

#![forbid(unsafe_code)]

mod clock;
mod compare;
mod contracts;
mod demo;
mod generator;
mod growth;
mod instructions;
mod kills;
mod process;
mod risk_eval;
mod service;
mod steps;
mod tools;
mod workspace;

use std::process::ExitCode;

use process::Failure;
use workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  demo [--json FILE] [...]          build in release mode and run the whole way of a payment, end to end
  test [--list] [--only STEP]...    run every check, or only the named steps
  fuzz [--seconds N] [TARGET]...    fuzz the targets (default: all of them, 300 seconds each)
  compare [--json FILE] [--only SHAPE]... [--runs N] [--quick] [--list]
                                    run the hub and its peers side by side, and print the ratios
  instructions [--bless] [--json FILE]
                                    count instructions and allocations per payment, against the baseline
  contracts [--bless]               build and test the Solidity contracts, or write their committed artefacts anew
  risk-eval --trace FILE [--fit-on FILE]... [--json FILE] [--report FILE.html] [...]
                                    have a labelled trace paid for at a hub, and say how well it tells attacks from honest use
  growth FOLDER [--quick]           measure how cost grows with connections and channels; table and plot
  kills [--seed N]                  kill the settlement a hundred times at random, on a chain that reorganises
  help                              show this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    match run(command, rest) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask {command}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, args: &[String]) -> Result<ExitCode, Failure> {
    let workspace = Workspace::locate()?;
    match command {
        "demo" => demo::run(&workspace, args),
        "test" => steps::run(&workspace, args),
        "compare" => compare::run(&workspace, args),
        "instructions" => instructions::run(&workspace, args),
        "contracts" => contracts::run(&workspace, args),
        "growth" => growth::run(&workspace, args),
        "kills" => kills::run(&workspace, args),
        "risk-eval" => risk_eval::run(&workspace, args),
        "fuzz" => steps::fuzz::run_long(&workspace, args),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(Failure::new(format!("unknown command {other:?}\n\n{USAGE}"))),
    }
}
