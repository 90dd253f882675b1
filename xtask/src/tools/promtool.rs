//! `promtool`, which says whether a metrics page follows Prometheus' conventions.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// The path of a `promtool`: the one named in `FARTHING_PROMTOOL`, one on the search path, or Debian's.
///
/// Debian's package is unpacked, not installed: the daemon it carries never starts, and no root is needed.
pub(crate) fn path(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("FARTHING_PROMTOOL") {
        return Ok(named.into());
    }
    if let Some(found) = super::on_path("promtool") {
        return Ok(found);
    }
    let _lock = super::lock(workspace)?;
    let promtool = workspace.tools().join("promtool");
    if promtool.is_file() {
        return Ok(promtool);
    }
    eprintln!("fetching promtool from Debian's package prometheus");
    let folder = workspace.tools().join("debian");
    let fetched = fetch(&folder, &promtool)
        .map_err(|failure| failure.during("cannot fetch promtool; install it or name one in FARTHING_PROMTOOL"));
    // A hundred megabytes that nothing else needs.
    std::fs::remove_dir_all(&folder)?;
    fetched.map(|()| promtool)
}

fn fetch(folder: &Path, promtool: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder.join("lists").join("partial"))?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(folder).args(["--quiet", "-o", "APT::Sandbox::User="]).args(arguments);
        command
    };
    if process::quietly(&mut apt(&["download", "prometheus"])).is_err() {
        // A fresh container knows no package yet. Lists of our own leave the system's alone and need no root.
        let state = format!("Dir::State::Lists={}", folder.join("lists").display());
        let cache = format!("Dir::Cache={}", folder.display());
        process::quietly(&mut apt(&["-o", &state, "-o", &cache, "update"]))?;
        process::quietly(&mut apt(&["-o", &state, "-o", &cache, "download", "prometheus"]))?;
    }
    let package = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Failure::new("apt-get downloaded no package"))?;
    process::quietly(Command::new("dpkg-deb").arg("-x").arg(&package).arg(folder))?;
    std::fs::rename(folder.join("usr/bin/promtool"), promtool)?;
    Ok(())
}
