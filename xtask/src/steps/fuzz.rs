//! Coverage-guided fuzzing with libFuzzer, on stable.
//!
//! `fuzz/` has cargo-fuzz's layout, so `cargo fuzz run -s none TARGET` works too; here plain cargo is given the
//! compiler flags cargo-fuzz would give, which spares its installation.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Each a file under `fuzz/fuzz_targets/`, with seeds in `fuzz/seeds/`.
const TARGETS: [&str; 3] = ["wire", "record", "operations"];

/// Runs per target in the test command: some seconds each.
const SMOKE_RUNS: u32 = 20_000;

/// A smoke run that takes longer than this is stuck.
const SMOKE_SECONDS_MAX: u32 = 120;

const LONG_SECONDS_DEFAULT: u32 = 300;

/// Inputs longer than this only repeat what shorter ones do; the wire's largest message is shorter.
const INPUT_BYTES_MAX: u32 = 4_096;

/// A message of a few bytes that announces millions of elements must not get room for them: past this, an allocation
/// fails and ends the run. libFuzzer itself needs a small part of it.
const ADDRESS_SPACE_KIB_MAX: u32 = 1_048_576;

/// What cargo-fuzz passes for `--sanitizer none`: coverage counters and compared values for libFuzzer, and checks on.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing";

/// A fixed number of runs of every target, from its committed seeds and with a fixed random seed.
pub(super) fn smoke(workspace: &Workspace) -> Result<String, Failure> {
    let programs = build(workspace)?;
    for target in TARGETS {
        let seeds = seeds(workspace, target)?;
        let mut fuzzer = fuzzer(workspace, &programs, target)?;
        // The seed folder stands alone, so libFuzzer adds nothing: its first folder is the one it writes to,
        // and that is an empty one.
        fuzzer.args(["-seed=1", &format!("-runs={SMOKE_RUNS}"), &format!("-max_total_time={SMOKE_SECONDS_MAX}")]);
        let scratch = workspace.target().join("fuzz").join("smoke").join(target);
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch)?;
        }
        std::fs::create_dir_all(&scratch)?;
        eprintln!("{target}");
        // libFuzzer has much to tell; it matters when something is found, and is shown then.
        process::quietly(fuzzer.arg("-verbosity=0").arg(&scratch).arg(&seeds))
            .map_err(|failure| found(target, failure))?;
    }
    Ok(format!("{} targets, {SMOKE_RUNS} runs each", TARGETS.len()))
}

/// `cargo xtask fuzz [--seconds N] [TARGET]...`: goes on from what earlier runs found, in `fuzz/corpus/`.
pub(crate) fn run_long(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    let (seconds, targets) = parse(args)?;
    let programs = build(workspace)?;
    for target in targets {
        let corpus = workspace.root().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        let seeds = seeds(workspace, target)?;
        let mut fuzzer = fuzzer(workspace, &programs, target)?;
        fuzzer.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1").arg(&corpus).arg(&seeds);
        process::run(&mut fuzzer).map_err(|failure| found(target, failure))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(args: &[String]) -> Result<(u32, Vec<&'static str>), Failure> {
    let mut seconds = LONG_SECONDS_DEFAULT;
    let mut targets = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let value = args.next().and_then(|value| value.parse().ok());
            seconds = value.ok_or_else(|| Failure::new("--seconds needs a whole number"))?;
        } else {
            let target = TARGETS.iter().find(|target| *target == arg);
            targets
                .push(*target.ok_or_else(|| {
                    Failure::new(format!("no fuzz target {arg:?}; there are {}", TARGETS.join(", ")))
                })?);
        }
    }
    Ok((seconds, if targets.is_empty() { TARGETS.to_vec() } else { targets }))
}

/// Builds every target; returns the folder of the programs.
fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let triple = host(workspace)?;
    let folder = workspace.target().join("fuzz");
    let mut command = workspace.cargo(["build", "--locked", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    // Naming the target keeps the flags away from build scripts, which could not be linked with them.
    command.args(["--target", &triple, "--target-dir"]).arg(&folder).env("RUSTFLAGS", FLAGS);
    process::run(&mut command)?;
    Ok(folder.join(triple).join("release"))
}

/// The triple of the machine the compiler runs on.
fn host(workspace: &Workspace) -> Result<String, Failure> {
    let printed = process::stdout(&mut workspace.cargo(["--version", "--verbose"]))?;
    let text = String::from_utf8_lossy(&printed);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_string).ok_or_else(|| Failure::new("cargo does not say its host"))
}

fn fuzzer(workspace: &Workspace, programs: &std::path::Path, target: &str) -> Result<Command, Failure> {
    let artifacts = workspace.root().join("fuzz/artifacts").join(target);
    std::fs::create_dir_all(&artifacts)?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {ADDRESS_SPACE_KIB_MAX} && exec \"$0\" \"$@\"")]);
    command.arg(programs.join(target));
    command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    Ok(command)
}

fn seeds(workspace: &Workspace, target: &str) -> Result<PathBuf, Failure> {
    let seeds = workspace.root().join("fuzz/seeds").join(target);
    let filled = std::fs::read_dir(&seeds).is_ok_and(|mut entries| entries.next().is_some());
    if filled { Ok(seeds) } else { Err(Failure::new(format!("no seeds in {}", seeds.display()))) }
}

fn found(target: &str, failure: Failure) -> Failure {
    failure.during(&format!("fuzz target {target} stopped; the input lies in fuzz/artifacts/{target}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_string()).collect()
    }

    #[test]
    fn all_targets_run_when_none_is_named() {
        let (seconds, targets) = parse(&[]).unwrap();
        assert_eq!((seconds, targets.as_slice()), (LONG_SECONDS_DEFAULT, &TARGETS[..]));
    }

    #[test]
    fn one_target_can_be_named_with_its_time() {
        let args = strings(&["--seconds", "9", "wire"]);
        assert_eq!(parse(&args).unwrap(), (9, vec!["wire"]));
    }

    #[test]
    fn unknown_targets_and_times_are_refused() {
        assert!(parse(&strings(&["nothing"])).is_err());
        assert!(parse(&strings(&["--seconds", "soon"])).is_err());
        assert!(parse(&strings(&["--seconds"])).is_err());
    }
}
