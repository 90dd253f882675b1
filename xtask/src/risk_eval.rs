//! `cargo xtask risk-eval --trace FILE`: builds what an operator runs, and has a labelled trace paid for at it.

use std::process::ExitCode;

use crate::generator::Generator;
use crate::process::Failure;
use crate::workspace::Workspace;

/// Hands over to `farthing-loadtest risk-eval`, arguments and exit code included.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    Generator::build(workspace)?.hand_over("risk-eval", args)
}
