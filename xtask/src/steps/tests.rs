//! The tests of the workspace.

use std::io::IsTerminal;

use crate::process::{self, Failure};
use crate::tools;
use crate::tools::debian::Suite;
use crate::workspace::Workspace;

/// The bookkeeping program that reads what finance books.
const HLEDGER: Suite = Suite { name: "hledger", packages: &["hledger"], programs: &["hledger"], versioned: None };

/// Runs every test but the doctests, with the tools some of them call named in the environment.
///
/// `FARTHING_ANVIL` is foundry's `anvil`, `FARTHING_PROMTOOL` is a `promtool`, `FARTHING_PYTHON` a Python with the packages of `xtask/python/`,
/// `FARTHING_HLEDGER` an hledger and `FARTHING_HLEDGER_LIBRARIES` where its libraries are, `FARTHING_BIN_DIR` the folder of the project's own programs.
pub(super) fn all(workspace: &Workspace) -> Result<String, Failure> {
    let promtool = tools::promtool::path(workspace)?;
    let python = tools::python::interpreter(workspace)?;
    let anvil = crate::contracts::anvil(workspace)?;
    let hledger = tools::debian::programs(workspace, &HLEDGER)?;
    // The end-to-end tests run these; built here, no test's time is spent on it.
    process::run(&mut workspace.cargo(["build", "--locked", "--workspace", "--bins"]))?;
    let nextest = tools::cargo::program(workspace, tools::cargo::NEXTEST);
    let mut command = match nextest {
        Ok(mut command) => {
            let color = if std::io::stderr().is_terminal() { "always" } else { "never" };
            command.args(["nextest", "run", "--locked", "--workspace", "--show-progress", "none", "--color", color]);
            command
        }
        Err(failure) => {
            eprintln!("nextest is not to be had, cargo test runs instead: {failure}");
            workspace.cargo(["test", "--locked", "--workspace", "--all-targets"])
        }
    };
    command
        .current_dir(workspace.root())
        .env("FARTHING_ANVIL", anvil)
        .env("FARTHING_PROMTOOL", promtool)
        .env("FARTHING_PYTHON", python)
        .env("FARTHING_HLEDGER", hledger.path("hledger")?)
        .env("FARTHING_BIN_DIR", workspace.target().join("debug"));
    if let Some(libraries) = hledger.libraries() {
        command.env("FARTHING_HLEDGER_LIBRARIES", libraries);
    }
    counted(&mut command, "tests")
}

/// Runs the examples in the documentation, which nextest cannot.
pub(super) fn doctests(workspace: &Workspace) -> Result<String, Failure> {
    counted(&mut workspace.cargo(["test", "--locked", "--workspace", "--doc"]), "doctests")
}

fn counted(command: &mut std::process::Command, what: &str) -> Result<String, Failure> {
    let (success, lines) = process::shown_and_kept(command)?;
    let counts = Counts::read(&lines);
    let note = format!("{what}: {} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if success { Ok(note) } else { Err(Failure::new(format!("{} ({note})", process::line(command)))) }
}

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Reads nextest's `Summary` line, or adds up the `test result:` lines of cargo's own runner.
    fn read(lines: &[String]) -> Self {
        let mut counts = Self::default();
        for line in lines {
            let line = without_colours(line);
            let line = line.trim_start();
            if !line.starts_with("Summary [") && !line.starts_with("test result:") {
                continue;
            }
            let mut before = "";
            for word in line.split([' ', ',', ';', ':']).filter(|word| !word.is_empty()) {
                let number = before.parse().unwrap_or(0);
                match word {
                    "passed" => counts.passed += number,
                    "failed" | "timed" => counts.failed += number,
                    "skipped" | "ignored" => counts.skipped += number,
                    _ => {}
                }
                before = word;
            }
        }
        counts
    }
}

/// The text without its ANSI colour sequences (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            chars.by_ref().find(|&char| char == 'm');
        } else {
            plain.push(char);
        }
    }
    plain
}

#[cfg(test)]
mod counting {
    use super::*;

    fn read(text: &str) -> Counts {
        Counts::read(&text.lines().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let text =
            "PASS [   0.004s] x failed\n     Summary [   0.5s] 14 tests run: 12 passed (1 slow), 2 failed, 3 skipped";
        assert_eq!(read(text), Counts { passed: 12, failed: 2, skipped: 3 });
    }

    #[test]
    fn colours_do_not_hide_the_summary() {
        let text = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.5s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m";
        assert_eq!(read(text), Counts { passed: 2, failed: 0, skipped: 0 });
    }

    #[test]
    fn the_results_of_all_binaries_add_up() {
        let text = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(read(text), Counts { passed: 12, failed: 2, skipped: 1 });
    }
}
