//! The load generator with a hub, or a bare echo of the same message sizes, behind it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// A generator that is busier than this may be the bottleneck itself.
const GENERATOR_BUSY_MAX: f64 = 0.97;

/// What answers the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Hub,
    /// quinn-proto with sendmmsg and nothing behind it.
    Echo,
}

/// How the generator pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Tick,
    Batch,
    Stream,
    Voucher,
}

impl Profile {
    /// What the generator is told. As many connections as the peers of the shape have, and one message under way on each
    /// where the peers have one.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tick => &["tick", "--connections", "1000", "--in-flight", "1"],
            Self::Batch => &["batch", "--ticks-per-packet", "16"],
            Self::Stream => &["stream", "--connections", "100"],
            Self::Voucher => &["voucher", "--vouchers-per-packet", "8"],
        }
    }
}

/// The load generator, built.
#[derive(Debug)]
pub(super) struct Generator {
    program: PathBuf,
}

impl Generator {
    pub(super) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        let packages = ["-p", "farthing-hub", "-p", "farthing-settlement", "-p", "farthing-loadtest"];
        let build = ["build", "--release", "--locked"];
        process::run(&mut workspace.cargo(build.into_iter().chain(packages)))?;
        Ok(Self { program: workspace.target().join("release").join("farthing-loadtest") })
    }

    /// Payments acknowledged, or messages echoed, per second. The generator makes the site, starts the server on the
    /// first core, runs on the second, and checks that every total adds up.
    pub(super) fn rate(&self, server: Server, profile: Profile, seconds: u32) -> Result<f64, Failure> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("result.json");
        let mut command = Command::new(&self.program);
        command.args(["bench", "--pin", "--duration", &seconds.to_string(), "--profile"]).args(profile.arguments());
        if server == Server::Echo {
            command.arg("--echo");
        }
        command.arg("--json").arg(&file);
        process::quietly(&mut command)?;
        let result: Value = serde_json::from_slice(&std::fs::read(&file)?)
            .map_err(|error| Failure::new(format!("{}: {error}", process::line(&command))))?;
        if result["lost"].as_u64().is_some_and(|lost| lost > 0) {
            return Err(Failure::new(format!("{}: acknowledged payments were lost", process::line(&command))));
        }
        let period = &result["periods"][0];
        if let Some(busy) = period["generator_busy"].as_f64().filter(|busy| *busy > GENERATOR_BUSY_MAX) {
            eprintln!("the generator was busy for {:.0}% of the time: it may be what was measured", busy * 100.0);
        }
        let rate = period["payments_per_second"].as_f64();
        rate.ok_or_else(|| Failure::new(format!("{} tells no rate: {result}", process::line(&command))))
    }
}
