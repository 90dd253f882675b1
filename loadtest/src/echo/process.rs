//! The echo as a process of its own, so that its cost can be told.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::LISTENING;
use crate::clock;
use crate::site::{Process, SiteFolder};

const START_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A running `farthing-loadtest echo-server`. Dropping it ends it.
#[derive(Debug)]
pub struct EchoProcess {
    process: Process,
    address: SocketAddr,
    /// Has its log; after the process, for that ends first.
    _folder: SiteFolder,
}

impl EchoProcess {
    /// Starts this program once more as an echo server, on a port of the system's choice.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(answer_bytes: usize) -> anyhow::Result<Self> {
        let folder = SiteFolder::new(None)?;
        let program = std::env::current_exe().context("cannot tell where this program lies")?;
        let mut command = Command::new(program);
        command.args(["echo-server", "--listen", "127.0.0.1:0", "--answer-bytes", &answer_bytes.to_string()]);
        let log = folder.path().join("echo.log");
        let mut process = Process::start(command, &log)?;
        let begun = clock::now();
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let address = said.lines().find_map(|line| line.strip_prefix(LISTENING));
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                return Ok(Self { process, address, _folder: folder });
            }
            if let Some(status) = process.ended()? {
                bail!("the echo server ended ({status}): {said}");
            }
            if clock::now().duration_since(begun) > START_MAX {
                bail!("the echo server did not start: {said}");
            }
            std::thread::sleep(POLL);
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}
