//! Static analysis of the contracts: slither must find nothing. What it need not look for is argued in the contracts'
//! README and beside the code.

use super::Project;
use crate::process::{self, Failure};
use crate::tools;
use crate::workspace::Workspace;

/// Slither's configuration, in the contracts' folder.
const CONFIGURATION: &str = "slither.config.json";

/// Compiles apart from the tests, since slither asks for a build of its own kind, and analyses what is deployed.
pub(super) fn check(workspace: &Workspace, project: &Project) -> Result<(), Failure> {
    let python = tools::python::interpreter(workspace)?;
    let slither = python.with_file_name("slither");
    let folders: Vec<_> = [project.forge.parent(), python.parent()].into_iter().flatten().collect();
    let mut command = tools::npm::command_with(workspace, &slither, &folders)?;
    let out = project.output.join("slither").join("out");
    command
        .current_dir(&project.root)
        .env("FOUNDRY_OUT", &out)
        .env("FOUNDRY_CACHE_PATH", project.output.join("slither").join("cache"))
        .args([".", "--config-file", CONFIGURATION, "--foundry-out-directory"])
        .arg(&out);
    process::quietly(&mut command).map_err(|failure| failure.during("slither found something"))
}
