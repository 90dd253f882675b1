//! Tools the checks need, fetched on first use into `target/tools`, at pinned versions.

pub(crate) mod cargo;
pub(crate) mod debian;
pub(crate) mod npm;
pub(crate) mod promtool;
pub(crate) mod python;

use std::fs::File;
use std::path::PathBuf;

use crate::process::Failure;
use crate::workspace::Workspace;

/// Held while tools are being installed, so that two runs do not write the same files.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
struct InstallLock(#[expect(dead_code, reason = "held only to be closed, which unlocks it")] File);

fn lock(workspace: &Workspace) -> Result<InstallLock, Failure> {
    let folder = workspace.tools();
    std::fs::create_dir_all(&folder)?;
    let file = File::create(folder.join(".lock"))?;
    file.lock()?;
    Ok(InstallLock(file))
}

/// The first program of this name on the search path.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
