//! The bare rate of libsecp256k1 on one core: what no hub can pass that looks at every signature.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, Failure};
use crate::service::{self, Core};
use crate::workspace::Workspace;

/// What is done with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Checked against a key that is parsed already.
    Verify,
    /// Its key is recovered.
    Recover,
}

/// The program that measures it.
#[derive(Debug)]
pub(super) struct Ecdsa {
    program: PathBuf,
}

impl Ecdsa {
    pub(super) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        let build = ["build", "--release", "--locked", "-p", "farthing-benches", "--bin", "ecdsa-rate"];
        process::run(&mut workspace.cargo(build))?;
        Ok(Self { program: workspace.target().join("release").join("ecdsa-rate") })
    }

    /// Signatures per second.
    pub(super) fn rate(&self, kind: Kind, seconds: u32) -> Result<f64, Failure> {
        let mut command = Command::new(&self.program);
        command.arg(match kind {
            Kind::Verify => "verify",
            Kind::Recover => "recover",
        });
        command.arg(seconds.to_string());
        // Where the hub's data plane runs, so that both have the same core.
        let said = process::stdout(&mut service::on_core(Core::Server, &command))?;
        let said = String::from_utf8_lossy(&said);
        said.trim().parse().map_err(|_| Failure::new(format!("ecdsa-rate tells no rate: {said}")))
    }
}
