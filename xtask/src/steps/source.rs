//! What can be said of the source text without running it.

use crate::process::{self, Failure};
use crate::tools;
use crate::workspace::Workspace;

/// Crates that stand outside the workspace because they are built with settings of their own.
const OUTSIDE: [&str; 2] = ["channel/freestanding/Cargo.toml", "fuzz/Cargo.toml"];

/// rustfmt agrees with every file.
pub(super) fn fmt(workspace: &Workspace) -> Result<String, Failure> {
    process::run(&mut workspace.cargo(["fmt", "--all", "--check"]))?;
    for manifest in OUTSIDE {
        process::run(&mut workspace.cargo(["fmt", "--manifest-path", manifest, "--check"]))?;
    }
    Ok(String::new())
}

/// No misspelt word in any tracked file; `typos.toml` holds the words that only look wrong.
pub(super) fn typos(workspace: &Workspace) -> Result<String, Failure> {
    let mut command = tools::python::program(workspace, "typos")?;
    process::run(command.current_dir(workspace.root()).args(["--config", "typos.toml"]))?;
    Ok(String::new())
}

/// Clippy and the compiler have nothing to say, tests, examples and benches included.
pub(super) fn clippy(workspace: &Workspace) -> Result<String, Failure> {
    process::run(&mut workspace.cargo(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(String::new())
}

/// Links in the documentation lead somewhere. It is built with private items, since the programs' rooms are private and
/// their maps link to them; so a link to a private item is no fault.
pub(super) fn docs(workspace: &Workspace) -> Result<String, Failure> {
    let mut command =
        workspace.cargo(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))?;
    Ok(String::new())
}
