//! `cargo xtask test`: the list of checks, and the one loop that runs them.
//!
//! To add a check, write a function `fn(&Workspace) -> Result<String, Failure>` in the file of its family under
//! `steps/` (the string is the note shown beside its name at the end) and add a line to [`STEPS`].

mod arrows;
mod dependencies;
mod freestanding;
pub(crate) mod fuzz;
mod interleavings;
mod source;
mod tests;
mod unsafe_code;
mod vectors;

use std::process::ExitCode;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::process::Failure;
use crate::workspace::Workspace;

/// One named check.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<String, Failure>,
}

/// Every check, the quick ones first, so that a slip is told within seconds.
const STEPS: &[Step] = &[
    Step { name: "fmt", about: "every crate is formatted by rustfmt", run: source::fmt },
    Step { name: "typos", about: "no misspelt words", run: source::typos },
    Step { name: "arrows", about: "who may depend on whom", run: arrows::run },
    Step { name: "unsafe", about: "unsafe code is forbidden, or audited", run: unsafe_code::run },
    Step { name: "deny", about: "licences, banned crates and sources of all dependencies", run: dependencies::deny },
    Step { name: "machete", about: "no dependency is declared and unused", run: dependencies::machete },
    Step { name: "vectors", about: "foreign implementations print the committed vectors", run: vectors::run },
    Step { name: "clippy", about: "no warning in any target of the workspace", run: source::clippy },
    Step { name: "tests", about: "every unit, property and end-to-end test", run: tests::all },
    Step {
        name: "interleavings",
        about: "what threads share without locks holds in every interleaving",
        run: interleavings::run,
    },
    Step { name: "doctests", about: "every example in the documentation", run: tests::doctests },
    Step { name: "docs", about: "the documentation builds without a warning", run: source::docs },
    Step { name: "no_std", about: "channel/ is built, linked and run without std or libc", run: freestanding::run },
    Step {
        name: "instructions",
        about: "a payment takes no more instructions and allocations than the baseline",
        run: crate::instructions::check,
    },
    Step {
        name: "contracts",
        about: "the Solidity contracts: tests, gas, and artefacts bit for bit",
        run: crate::contracts::check,
    },
    Step { name: "fuzz", about: "a short run of every fuzz target from its seeds", run: fuzz::smoke },
];

/// A step that has passed.
struct Passed {
    name: &'static str,
    took: Duration,
    note: String,
}

/// Runs the steps the arguments ask for; the first failure ends the run.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    let chosen = match parse(args)? {
        Request::List => {
            for step in STEPS {
                println!("{:<12} {}", step.name, step.about);
            }
            return Ok(ExitCode::SUCCESS);
        }
        Request::Run(chosen) => chosen,
    };
    let whole = Stopwatch::start();
    let mut passed = Vec::with_capacity(chosen.len());
    for step in &chosen {
        eprintln!("\n== {}: {}", step.name, step.about);
        let watch = Stopwatch::start();
        match (step.run)(workspace) {
            Ok(note) => passed.push(Passed { name: step.name, took: watch.elapsed(), note }),
            Err(failure) => {
                print_table(&passed);
                println!("{:<12} {:>8.1} s  FAILED", step.name, watch.elapsed().as_secs_f64());
                let rest = chosen.len() - passed.len() - 1;
                if rest > 0 {
                    println!("{rest} further steps were not run");
                }
                println!("\nfailed at `{}`: {failure}", step.name);
                println!("run it alone with: cargo xtask test --only {}", step.name);
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    print_table(&passed);
    let counted = passed.iter().filter(|step| matches!(step.name, "tests" | "doctests"));
    let tests: Vec<&str> = counted.map(|step| step.note.as_str()).collect();
    println!(
        "\nall {} steps passed in {:.0} s{}{}",
        passed.len(),
        whole.elapsed().as_secs_f64(),
        if tests.is_empty() { "" } else { "; " },
        tests.join("; "),
    );
    Ok(ExitCode::SUCCESS)
}

fn print_table(passed: &[Passed]) {
    println!();
    for step in passed {
        println!("{:<12} {:>8.1} s  {}", step.name, step.took.as_secs_f64(), step.note);
    }
}

enum Request {
    List,
    Run(Vec<Step>),
}

fn parse(args: &[String]) -> Result<Request, Failure> {
    let mut wanted = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--list" => return Ok(Request::List),
            "--only" => {
                let name = args.next().ok_or_else(|| Failure::new("--only needs the name of a step"))?;
                let step = STEPS.iter().find(|step| step.name == name);
                wanted.push(*step.ok_or_else(|| Failure::new(format!("no step {name:?}; see --list")))?);
            }
            other => {
                return Err(Failure::new(format!("unknown argument {other:?}; known: --list, --only STEP")));
            }
        }
    }
    Ok(Request::Run(if wanted.is_empty() { STEPS.to_vec() } else { wanted }))
}
