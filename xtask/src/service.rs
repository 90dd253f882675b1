//! Servers that run while something is measured, and end with it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::process::{self, Failure};

/// A server is given up when it does not answer by then.
const READY_DEADLINE: Duration = Duration::from_secs(30);

const READY_POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
}

impl Service {
    /// Starts a server whose output goes to `log`, and waits until it takes connections at `address`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|error| Failure::new(format!("cannot start {}: {error}", process::line(command))))?;
        let mut service = Self { child };
        let watch = Stopwatch::start();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = service.child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(Failure::new(format!("{} ended with {status}\n{said}", process::line(command))));
            }
            if watch.elapsed() > READY_DEADLINE {
                return Err(Failure::new(format!("{} does not answer at {address}", process::line(command))));
            }
            std::thread::sleep(READY_POLL);
        }
        Ok(service)
    }

    /// Waits until it has ended by itself, as after it was told to.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on this machine that nothing listens at.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The command, held to one core where the machine has more than one: servers run on the first, clients on the second.
pub(crate) fn on_core(core: Core, command: &Command) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 {
        return copied(command, command.get_program().to_os_string(), &[]);
    }
    let number = match core {
        Core::Server => "0",
        Core::Client => "1",
    };
    copied(command, "taskset".into(), &["-c", number])
}

/// Which side of a measurement a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Core {
    Server,
    Client,
}

fn copied(command: &Command, program: std::ffi::OsString, before: &[&str]) -> Command {
    let mut copy = Command::new(&program);
    copy.args(before);
    if program != command.get_program() {
        copy.arg(command.get_program());
    }
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_command_keeps_its_arguments_and_environment() {
        let mut command = Command::new("redis-server");
        command.args(["--port", "1"]).env("A", "b");
        let pinned = on_core(Core::Server, &command);
        let line = process::line(&pinned);
        assert!(line.ends_with("redis-server --port 1"), "{line}");
        assert!(pinned.get_envs().any(|(name, value)| name == "A" && value.is_some()));
    }

    #[test]
    fn a_server_that_ends_at_once_is_told_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no room; exit 3"]);
        let failed = Service::start(&mut command, free_address().unwrap(), &folder.path().join("log"));
        assert!(failed.unwrap_err().to_string().contains("no room"));
    }
}
