//! `cargo xtask demo`: builds what an operator runs, and lets it run a whole day and night.

use std::process::{Command, ExitCode};

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Builds the release binaries and hands over to `farthing-loadtest demo`, arguments and exit code included.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    process::run(&mut workspace.cargo([
        "build",
        "--release",
        "-p",
        "farthing-hub",
        "-p",
        "farthing-settlement",
        "-p",
        "farthing-loadtest",
    ]))?;
    let program = workspace.target().join("release").join("farthing-loadtest");
    let mut command = Command::new(&program);
    if args.iter().any(|arg| arg == "evm" || arg == "--ledger=evm") {
        command.env("FARTHING_ANVIL", crate::contracts::anvil(workspace)?);
    }
    // The caller's own folder stays the working folder, so that `--json FILE` lands where it was asked for.
    let status = command
        .arg("demo")
        .args(args)
        .status()
        .map_err(|error| Failure::new(format!("cannot start {}: {error}", program.display())))?;
    // A run that was ended by a signal has no code of its own.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
