//! Running programs: inherit, capture, or both at once.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

/// Why a command stopped, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same failure, with what was being done in front of it.
    pub(crate) fn during(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut line = String::new();
    for part in std::iter::once(command.get_program()).chain(command.get_args()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&part.to_string_lossy());
    }
    line
}

/// Runs with the terminal's own output; a non-zero exit is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{} ({status})", line(command)))) }
}

/// Runs without showing anything; the output of a failed run becomes part of the failure.
pub(crate) fn quietly(command: &mut Command) -> Result<(), Failure> {
    stdout(command).map(drop)
}

/// Runs and returns what was written to standard output.
pub(crate) fn stdout(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::new(format!(
        "{} ({})\n{}{}",
        line(command),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// Whether the command starts and exits with zero; nothing is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs, shows both streams as they come, and returns all lines of both, whether or not the run succeeded.
pub(crate) fn shown_and_kept(command: &mut Command) -> Result<(bool, Vec<String>), Failure> {
    eprintln!("$ {}", line(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    let out = child.stdout.take();
    let err = child.stderr.take();
    let (mut lines, more) = std::thread::scope(|scope| {
        let err = scope.spawn(move || err.map(|stream| copy_lines(stream, std::io::stderr())));
        let out = out.map(|stream| copy_lines(stream, std::io::stdout()));
        (out.unwrap_or_default(), err.join().ok().flatten().unwrap_or_default())
    });
    let status = child.wait()?;
    lines.extend(more);
    Ok((status.success(), lines))
}

fn copy_lines(from: impl Read, mut to: impl Write) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return lines,
            Ok(_) => {
                // A closed terminal must not stop the run that writes to it.
                let _ = to.write_all(&bytes);
                lines.push(String::from_utf8_lossy(&bytes).trim_end().to_string());
            }
        }
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start {}: {error}", line(command)))
}
