//! Programs out of Debian's packages: unpacked, not installed. No daemon starts, and no root is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Programs that come out of packages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    /// The name of the folder they are unpacked into, and of the suite in messages.
    pub(crate) name: &'static str,
    /// The packages; what they need and this machine lacks comes along.
    pub(crate) packages: &'static [&'static str],
    /// The programs that are called.
    pub(crate) programs: &'static [&'static str],
    /// Folders beside the search path in which a package keeps programs, a version between the two parts.
    pub(crate) versioned: Option<(&'static str, &'static str)>,
}

/// A suite's programs, ready to be called.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folders: Vec<PathBuf>,
    /// Where it was unpacked; none where the machine has it.
    root: Option<PathBuf>,
}

impl Programs {
    /// The path of a program.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let found = self.folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
        found.ok_or_else(|| Failure::new(format!("there is no program {name}")))
    }

    /// Where the suite was unpacked; none where the machine has it.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The program, which finds its libraries.
    pub(crate) fn command(&self, name: &str) -> Result<Command, Failure> {
        Ok(self.prepared(&self.path(name)?))
    }

    /// A command that finds the libraries that came with the suite.
    pub(crate) fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(libraries) = self.libraries() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Where the libraries that came with the suite are; none where the machine has it.
    pub(crate) fn libraries(&self) -> Option<PathBuf> {
        Some(self.root.as_ref()?.join("usr/lib").join(library_folder()))
    }

    /// The same programs in another place, as after a copy.
    pub(crate) fn moved(&self, from: &Path, to: &Path) -> Self {
        let moved = |path: &PathBuf| path.strip_prefix(from).map_or_else(|_| path.clone(), |rest| to.join(rest));
        Self { folders: self.folders.iter().map(moved).collect(), root: self.root.as_ref().map(moved) }
    }
}

/// Debian's name of the folder of this machine's libraries.
fn library_folder() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// The suite as the machine has it, or unpacked below `target/tools` on first use.
pub(crate) fn programs(workspace: &Workspace, suite: &Suite) -> Result<Programs, Failure> {
    let on_machine = Programs { folders: folders(None, suite), root: None };
    if suite.programs.iter().all(|name| on_machine.path(name).is_ok()) {
        return Ok(on_machine);
    }
    let _lock = super::lock(workspace)?;
    let root = workspace.tools().join("debian").join(suite.name);
    let complete = root.join("complete");
    if !complete.is_file() {
        eprintln!("fetching {} from Debian's packages {}", suite.name, suite.packages.join(", "));
        fetch(&root, suite).map_err(|failure| failure.during(&format!("cannot fetch {}", suite.name)))?;
        std::fs::write(&complete, "")?;
    }
    let unpacked = Programs { folders: folders(Some(&root), suite), root: Some(root) };
    suite.programs.iter().try_for_each(|name| unpacked.path(name).map(drop))?;
    Ok(unpacked)
}

/// Where the suite's programs may lie, below `root` or on the machine.
fn folders(root: Option<&Path>, suite: &Suite) -> Vec<PathBuf> {
    let below = |path: &str| root.map_or_else(|| PathBuf::from("/").join(path), |root| root.join(path));
    let mut folders = vec![below("usr/bin"), below("usr/sbin"), below("usr/local/bin")];
    if root.is_none()
        && let Some(path) = std::env::var_os("PATH")
    {
        folders.extend(std::env::split_paths(&path));
    }
    if let Some((before, after)) = suite.versioned
        && let Ok(versions) = std::fs::read_dir(below(before))
    {
        let mut found: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join(after))).collect();
        found.sort();
        folders.extend(found.into_iter().rev());
    }
    folders
}

fn fetch(root: &Path, suite: &Suite) -> Result<(), Failure> {
    if root.exists() {
        std::fs::remove_dir_all(root)?;
    }
    let downloads = root.join("downloads");
    std::fs::create_dir_all(downloads.join("lists").join("partial"))?;
    let apt = |arguments: &[String]| {
        let mut command = Command::new("apt-get");
        command.current_dir(&downloads).args(["--quiet", "-o", "APT::Sandbox::User="]).args(arguments);
        command
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let mut options = Vec::new();
    let simulate = words(&["install", "--simulate", "--no-install-recommends"]);
    let with = |options: &[String], command: &[String], names: &[String]| [options, command, names].concat();
    let names = words(suite.packages);
    let planned = match process::stdout(&mut apt(&with(&options, &simulate, &names))) {
        Ok(planned) => planned,
        Err(_) => {
            // A fresh container knows no package yet. Lists of our own leave the system's alone and need no root.
            options = words(&["-o"]);
            options.push(format!("Dir::State::Lists={}", downloads.join("lists").display()));
            options.extend([words(&["-o"]), vec![format!("Dir::Cache={}", downloads.display())]].concat());
            process::quietly(&mut apt(&with(&options, &words(&["update"]), &[])))?;
            process::stdout(&mut apt(&with(&options, &simulate, &names)))?
        }
    };
    let mut missing = to_install(&String::from_utf8_lossy(&planned));
    // A package that is installed and lacks its programs is unpacked again with the rest.
    missing.extend(names);
    missing.sort();
    missing.dedup();
    process::quietly(&mut apt(&with(&options, &words(&["download"]), &missing)))?;
    for entry in std::fs::read_dir(&downloads)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::quietly(Command::new("dpkg-deb").arg("-x").arg(&path).arg(root))?;
        }
    }
    std::fs::remove_dir_all(&downloads)?;
    Ok(())
}

/// The packages that `apt-get install --simulate` would install.
fn to_install(planned: &str) -> Vec<String> {
    let lines = planned.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_read_from_its_plan() {
        let plan = "NOTE: This is only a simulation!\nInst liblzf1 (3.6-3 Debian [amd64])\n\
                    Inst redis-server (5:7.0 Debian [amd64]) []\nConf liblzf1 (3.6-3 Debian [amd64])\n";
        assert_eq!(to_install(plan), ["liblzf1", "redis-server"]);
    }
}
