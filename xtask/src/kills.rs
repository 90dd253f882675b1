//! `cargo xtask kills`: the settlement process dies a hundred times at random, on a chain that reorganises all the while.

use std::process::ExitCode;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// The test that the suite leaves out for its length.
const TEST: &str = "killed_at_a_hundred_random_moments";

/// Runs the long test, with the seed that was given or its own.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    let seed = match args {
        [] => None,
        [flag, seed] if flag == "--seed" && seed.parse::<u64>().is_ok() => Some(seed),
        _ => return Err(Failure::new("known argument: --seed NUMBER")),
    };
    let test = ["test", "-p", "farthing-settlement", "--test", "killed", TEST, "--", "--ignored", "--nocapture"];
    let mut command = workspace.cargo(test);
    command.env("FARTHING_ANVIL", crate::contracts::anvil(workspace)?);
    command.envs(seed.map(|seed| ("FARTHING_SEED", seed)));
    process::run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
