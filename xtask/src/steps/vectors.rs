//! Golden vectors made by foreign implementations.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};
use crate::tools;
use crate::workspace::Workspace;

/// Where the scripts and what they print lie side by side.
const FOLDERS: [&str; 2] = ["channel/tests/vectors", "settlement/ledger/tests/vectors"];

/// Runs every `NAME.py`; it must print the committed `NAME.json`, byte for byte, so the vectors our tests read
/// are what the foreign implementation says and nothing that was edited later. A script whose name starts with
/// an underscore is a module of the others.
pub(super) fn run(workspace: &Workspace) -> Result<String, Failure> {
    let python = tools::python::interpreter(workspace)?;
    let mut checked = 0;
    for folder in FOLDERS {
        let path = workspace.root().join(folder);
        let scripts = scripts(&path)?;
        if scripts.is_empty() {
            return Err(Failure::new(format!("no script in {folder}")));
        }
        for script in &scripts {
            check(&python, &path, script)?;
        }
        checked += scripts.len();
    }
    Ok(format!("{checked} scripts"))
}

/// Runs one script and compares what it prints with the file beside it.
fn check(python: &Path, folder: &Path, script: &Path) -> Result<(), Failure> {
    let committed = script.with_extension("json");
    eprintln!("{} == {}", script.display(), committed.display());
    let printed = process::stdout(Command::new(python).arg("-B").arg(script).current_dir(folder))?;
    let expected = std::fs::read(&committed)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", committed.display())))?;
    if printed == expected {
        return Ok(());
    }
    let line = first_difference(&printed, &expected);
    Err(Failure::new(format!(
        "{} does not print {}: they differ at line {line}",
        script.display(),
        committed.display()
    )))
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Failure::new(format!("cannot list {}: {error}", folder.display())))?;
    let mut scripts = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_module = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_'));
        if path.extension().is_some_and(|extension| extension == "py") && !is_module {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// The number, from one, of the first line that is not the same on both sides.
fn first_difference(left: &[u8], right: &[u8]) -> usize {
    let same = left.iter().zip(right).take_while(|(left, right)| left == right);
    same.filter(|(byte, _)| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told_by_line() {
        assert_eq!(first_difference(b"a\nb\nc", b"a\nb\nd"), 3);
        assert_eq!(first_difference(b"a", b"b"), 1);
        assert_eq!(first_difference(b"a\n", b"a\nb\n"), 2);
    }
}
