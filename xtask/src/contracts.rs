//! The Solidity contracts: built by the pinned compiler, tested by forge, held against what is committed.

mod artefacts;
mod gas;
mod slither;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::process::{self, Failure};
use crate::tools;
use crate::workspace::Workspace;

/// The Foundry project.
const FOLDER: &str = "settlement/contracts";

/// Tests that measure gas; they run each call as a transaction of its own.
const GAS_TESTS: &str = "^Gas";

/// The project with its tools.
#[derive(Debug)]
struct Project {
    root: PathBuf,
    forge: PathBuf,
    /// Where forge writes; nothing of it lies in the source tree.
    output: PathBuf,
}

impl Project {
    /// Installs what is missing, and links the packages into the project: the compiler knows sources by their path below
    /// the project, wherever they really lie.
    fn set_up(workspace: &Workspace) -> Result<Self, Failure> {
        let root = workspace.root().join(FOLDER);
        let modules = tools::npm::packages(workspace, "contracts", &root)?;
        link(&modules, &root.join("node_modules"))?;
        let forge = program(&modules, "forge")?;
        Ok(Self { root, forge, output: workspace.target().join("contracts") })
    }

    fn forge(&self, workspace: &Workspace, arguments: &[&str]) -> Result<Command, Failure> {
        let mut command = tools::npm::command(workspace, &self.forge)?;
        command
            .current_dir(&self.root)
            .env("FOUNDRY_OUT", self.output.join("out"))
            .env("FOUNDRY_CACHE_PATH", self.output.join("cache"))
            .args(arguments);
        Ok(command)
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace) -> Result<String, Failure> {
    let project = Project::set_up(workspace)?;
    process::run(&mut project.forge(workspace, &["fmt", "--check"])?)?;
    process::run(&mut project.forge(workspace, &["build", "--quiet"])?)?;
    artefacts::check(&project)?;
    slither::check(workspace, &project)?;
    let mut tests = project.forge(workspace, &["test", "--no-match-contract", GAS_TESTS])?;
    let (success, lines) = process::shown_and_kept(&mut tests)?;
    let passed = passed(&lines);
    if !success || passed == 0 {
        return Err(Failure::new(format!("forge test: {passed} passed, and not all")));
    }
    let measured = gas_tests(workspace, &project, "true")?;
    gas::check(&project)?;
    Ok(format!("{passed} tests and {measured} measurements passed, slither found nothing"))
}

/// `cargo xtask contracts`: the same check, or, with `--bless`, writes what is committed anew.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    match args {
        [] => println!("{}", check(workspace)?),
        [bless] if bless == "--bless" => {
            let project = Project::set_up(workspace)?;
            process::run(&mut project.forge(workspace, &["fmt"])?)?;
            process::run(&mut project.forge(workspace, &["build", "--quiet"])?)?;
            artefacts::write(&project)?;
            gas_tests(workspace, &project, "false")?;
            gas::write(&project)?;
        }
        _ => return Err(Failure::new("known argument: --bless")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the tests that measure, against the committed figures or to write them. Returns how many passed.
fn gas_tests(workspace: &Workspace, project: &Project, against_committed: &str) -> Result<u64, Failure> {
    let emit = if against_committed == "true" { "false" } else { "true" };
    let mut command = project.forge(workspace, &["test", "--isolate", "--match-contract", GAS_TESTS])?;
    command.args(["--gas-snapshot-check", against_committed, "--gas-snapshot-emit", emit]);
    let (success, lines) = process::shown_and_kept(&mut command)?;
    let passed = passed(&lines);
    if success && passed > 0 { Ok(passed) } else { Err(Failure::new("gas differs from what is committed")) }
}

/// Foundry's development chain, installed if need be.
pub(crate) fn anvil(workspace: &Workspace) -> Result<PathBuf, Failure> {
    program(&tools::npm::packages(workspace, "contracts", &workspace.root().join(FOLDER))?, "anvil")
}

/// One of foundry's programs for this machine, out of its package.
fn program(modules: &Path, name: &str) -> Result<PathBuf, Failure> {
    let packages = modules.join("@foundry-rs");
    let entries = std::fs::read_dir(&packages)?.filter_map(Result::ok);
    let programs = entries.map(|entry| entry.path().join("bin").join(name));
    let found = programs.into_iter().find(|program| program.is_file());
    found.ok_or_else(|| Failure::new(format!("no {name} for this machine in {}", packages.display())))
}

/// Makes `link` a symbolic link to `target`, whatever it pointed to before.
fn link(target: &Path, link: &Path) -> Result<(), Failure> {
    if std::fs::read_link(link).is_ok_and(|points_to| points_to == target) {
        return Ok(());
    }
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::new(format!("{} is in the way: {error}", link.display())));
        }
        _ => {}
    }
    Ok(std::os::unix::fs::symlink(target, link)?)
}

/// The number of passed tests, from forge's last line: `Ran 3 test suites in …: 12 tests passed, 0 failed, …`.
fn passed(lines: &[String]) -> u64 {
    let summary = lines.iter().rev().find(|line| line.contains(" tests passed, "));
    let words: Vec<&str> = summary.map(|line| line.split_whitespace().collect()).unwrap_or_default();
    let place = words.iter().position(|word| *word == "tests").and_then(|place| place.checked_sub(1));
    place.and_then(|place| words.get(place)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_forge_is_read() {
        let line = "Ran 2 test suites in 1.2s (3.4s CPU time): 12 tests passed, 0 failed, 0 skipped (12 total tests)";
        assert_eq!(passed(&[line.to_string(), String::new()]), 12);
        assert_eq!(passed(&[]), 0);
    }
}
