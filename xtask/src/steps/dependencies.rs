//! What the project is built from.

use crate::process::{self, Failure};
use crate::tools;
use crate::workspace::Workspace;

/// Licences, bans and sources, as `deny.toml` has them. Advisories are left out: they need a data base that is
/// fetched anew each time, so the result would depend on the day and not on the tree.
pub(super) fn deny(workspace: &Workspace) -> Result<String, Failure> {
    let mut command = tools::cargo::program(workspace, tools::cargo::DENY)?;
    command.current_dir(workspace.root());
    process::run(command.args(["deny", "--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    Ok(String::new())
}

/// Every declared dependency is used.
pub(super) fn machete(workspace: &Workspace) -> Result<String, Failure> {
    let mut command = tools::cargo::program(workspace, tools::cargo::MACHETE)?;
    process::run(command.current_dir(workspace.root()).args(["--with-metadata", "."]))?;
    Ok(String::new())
}
