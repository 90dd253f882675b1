//! A child process that ends with its owner.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

const POLL: Duration = Duration::from_millis(5);

/// A running program whose output goes to a file. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it says is added to the file `log`.
    ///
    /// # Errors
    /// Where the file or the program cannot be opened.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file: File = file.with_context(|| format!("cannot open {}", log.display()))?;
        let errors = file.try_clone().context("cannot share a log file")?;
        let program = command.get_program().to_os_string();
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let child = child.with_context(|| format!("cannot start {}", Path::new(&program).display()))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// As the system says.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot ask after a process")
    }

    /// SIGKILL, and waits until it is gone: a power cut for the program, though not for the disk.
    ///
    /// # Errors
    /// As the system says.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill a process")?;
        self.child.wait().context("cannot wait for a process")?;
        Ok(())
    }

    /// SIGTERM, and waits up to `deadline` for it to end by itself.
    ///
    /// # Errors
    /// Where it does not end in time (it is killed then).
    pub fn terminate(mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).context("cannot signal a process")?;
        }
        let begun = clock::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if clock::now().duration_since(begun) > deadline {
                anyhow::bail!("a process does not end on SIGTERM within {deadline:?}; see {}", self.log.display());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Resident memory, bytes; from `/proc`.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{path} has no VmRSS"))?;
        Ok(kib.saturating_mul(1024))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
