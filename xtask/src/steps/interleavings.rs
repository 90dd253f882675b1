//! What threads share without locks, under the model checker: every interleaving, in every order of memory.

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Runs the models of `hub/cells`.
pub(super) fn run(workspace: &Workspace) -> Result<String, Failure> {
    // A folder of its own: the flag would have everything else built anew.
    let target = workspace.target().join("loom");
    let mut test = workspace.cargo(["test", "--locked", "--package", "farthing-cells", "--test", "interleavings"]);
    test.arg("--target-dir").arg(&target).env("RUSTFLAGS", "--cfg loom");
    process::run(&mut test)?;
    Ok("all models hold".to_owned())
}
