//! Who may depend on whom.
//!
//! The picture in ARCHITECTURE.md is the table below; whoever adds a crate or an arrow changes both.

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Every crate of the workspace, with the crates of ours it may name, tests and benches included.
const ARROWS: &[(&str, &[&str])] = &[
    ("farthing-channel", &[]),
    ("farthing-ledger", &["farthing-channel"]),
    ("farthing-chain", &["farthing-channel", "farthing-ledger"]),
    ("farthing-settlement", &["farthing-chain", "farthing-channel", "farthing-ledger"]),
    ("farthing-client", &["farthing-channel"]),
    ("farthing-udp", &[]),
    ("farthing-cells", &[]),
    ("farthing-risk", &["farthing-channel"]),
    ("farthing-hub", &["farthing-cells", "farthing-channel", "farthing-ledger", "farthing-risk", "farthing-udp"]),
    ("farthing-loadtest", &["farthing-channel", "farthing-client", "farthing-risk", "farthing-udp"]),
    ("farthing-benches", &["farthing-cells", "farthing-channel", "farthing-hub", "farthing-risk"]),
    ("farthing-instructions", &["farthing-benches", "farthing-channel", "farthing-hub"]),
    ("xtask", &[]),
];

/// Crates that may not stand anywhere in a crate's tree (tests excluded), and why. A name that ends in `*` means
/// every crate that begins so.
struct Absent {
    package: &'static str,
    crates: &'static [&'static str],
    reason: &'static str,
}

const ABSENT: &[Absent] = &[
    Absent {
        package: "farthing-channel",
        crates: &[
            "tokio*",
            "async-*",
            "futures*",
            "mio",
            "socket2",
            "quinn*",
            "rustls*",
            "rand",
            "getrandom",
            "chrono",
            "time",
            "tracing*",
            "log",
            "redb",
            "tempfile",
        ],
        reason: "the rules take time, randomness and bytes as arguments",
    },
    Absent {
        package: "farthing-hub",
        crates: &["alloy*", "ureq", "aws-lc*", "openssl*", "native-tls", "parquet", "arrow*", "async-nats"],
        reason: "the chain, reports and replication never sit in the data path",
    },
    Absent {
        package: "farthing-settlement",
        crates: &["quinn*", "openssl*", "aws-lc*"],
        reason: "settlement has no socket of the data plane",
    },
    Absent {
        package: "farthing-client",
        crates: &["redb", "alloy*", "aws-lc*", "openssl*", "native-tls"],
        reason: "a device carries no data base and no chain",
    },
];

/// Checks both tables.
pub(super) fn run(workspace: &Workspace) -> Result<String, Failure> {
    let mut broken = Vec::new();
    for member in members(workspace)? {
        let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| *package == member) else {
            broken.push(format!("{member} is not in the table of arrows in {}", file!()));
            continue;
        };
        for named in tree(workspace, &member, &["--edges", "all", "--depth", "1", "--all-features"])? {
            let ours = named.starts_with("farthing-") || named == "xtask";
            if ours && named != member && !allowed.contains(&named.as_str()) {
                broken.push(format!("{member} may not depend on {named}"));
            }
        }
    }
    for rule in ABSENT {
        let edges = ["--edges", "normal,build", "--target", "all"];
        for named in tree(workspace, rule.package, &edges)? {
            if rule.crates.iter().any(|pattern| matches(pattern, &named)) {
                broken.push(format!("{} may not reach {named}: {}", rule.package, rule.reason));
            }
        }
    }
    if broken.is_empty() {
        return Ok(format!("{} crates", ARROWS.len()));
    }
    Err(Failure::new(broken.join("\n  ")))
}

fn members(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    names(workspace, &["--workspace", "--depth", "0"])
}

fn tree(workspace: &Workspace, package: &str, arguments: &[&str]) -> Result<Vec<String>, Failure> {
    names(workspace, &[&["--package", package], arguments].concat())
}

/// The names of the crates `cargo tree` prints for these arguments, each once.
fn names(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<String>, Failure> {
    let mut command = workspace.cargo(["tree", "--locked", "--quiet", "--prefix", "none", "--format", "{p}"]);
    let printed = process::stdout(command.args(arguments))?;
    let text = String::from_utf8_lossy(&printed);
    // A line is "name v1.2.3 (path)"; sections of other kinds of edges are headed "[dev-dependencies]".
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    let mut names: Vec<String> = words.filter(|word| !word.starts_with('[')).map(str::to_string).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_means_every_crate_that_begins_so() {
        assert!(matches("quinn*", "quinn-proto"));
        assert!(matches("mio", "mio"));
        assert!(!matches("mio", "mio-extras"));
        assert!(!matches("time", "time-core"));
    }
}
