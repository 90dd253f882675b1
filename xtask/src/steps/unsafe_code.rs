//! Where unsafe code may stand.

use std::path::{Path, PathBuf};

use crate::process::Failure;
use crate::workspace::Workspace;

/// Crate roots where even an exception from the workspace's lint is out of the question.
const FORBIDDEN: &[&str] = &[
    "channel/src/lib.rs",
    "client-lib/src/lib.rs",
    "hub/risk/src/lib.rs",
    "loadtest/src/lib.rs",
    "settlement/ledger/src/lib.rs",
    "settlement/src/lib.rs",
    "xtask/src/main.rs",
];

/// The files that are excepted from the lint, each audited as a whole.
const EXCEPTED: &[&str] = &["hub/udp/src/send_batch.rs", "hub/udp/src/steering.rs"];

/// Folders of the repository that hold no source of the workspace, or only speak of it, as this crate does.
const LEFT_OUT: &[&str] = &["target", "fuzz", "channel/freestanding", "xtask"];

/// The workspace's lint denies unsafe code; this finds who forbids it and who lifts the lint.
pub(super) fn run(workspace: &Workspace) -> Result<String, Failure> {
    let mut broken = Vec::new();
    for file in FORBIDDEN {
        if !read(&workspace.root().join(file))?.lines().any(is_forbidden_by) {
            broken.push(format!("{file} does not say #![forbid(unsafe_code)]"));
        }
    }
    let mut files = Vec::new();
    collect(workspace.root(), workspace.root(), &mut files)?;
    for file in files {
        let name = file.strip_prefix(workspace.root()).unwrap_or(&file).display().to_string();
        if !EXCEPTED.contains(&name.as_str()) && read(&file)?.lines().any(lifts_lint) {
            broken.push(format!("{name} lifts the lint on unsafe code"));
        }
    }
    if broken.is_empty() {
        return Ok(format!("forbidden in {} crates, {} audited files", FORBIDDEN.len(), EXCEPTED.len()));
    }
    Err(Failure::new(broken.join("\n  ")))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}

/// Every Rust file under `folder`, hidden folders and those of [`LEFT_OUT`] excepted.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let left_out = LEFT_OUT.iter().any(|name| path == root.join(name));
        if path.is_dir() && !hidden && !left_out {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn is_forbidden_by(line: &str) -> bool {
    line.trim().starts_with("#![forbid(") && line.contains("unsafe_code")
}

/// Any mention in code that is not a stricter level; an attribute may run over several lines.
fn lifts_lint(line: &str) -> bool {
    let line = line.trim();
    let stricter = line.contains("forbid(") || line.contains("deny(") || line.starts_with("//");
    line.contains("unsafe_code") && !stricter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_attribute_of_the_crate_forbids() {
        assert!(is_forbidden_by("#![forbid(unsafe_code)]"));
        assert!(!is_forbidden_by("// #![forbid(unsafe_code)]"));
        assert!(!is_forbidden_by("#![deny(unsafe_code)]"));
    }

    #[test]
    fn every_way_to_lift_the_lint_is_seen() {
        assert!(lifts_lint("    #[allow(unsafe_code)]"));
        assert!(lifts_lint("#![expect(unsafe_code, reason = \"\")]"));
        assert!(lifts_lint("    unsafe_code,"));
        assert!(!lifts_lint("#![forbid(unsafe_code)]"));
    }
}
