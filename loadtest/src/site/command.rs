//! Runs a command of the operator or of finance, as they would, and reads its answer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// A program and the options that every call of it gets.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    program: PathBuf,
    options: Vec<OsString>,
}

impl Tool {
    pub(super) fn new(program: PathBuf, options: impl IntoIterator<Item = OsString>) -> Self {
        Self { program, options: options.into_iter().collect() }
    }

    /// The program with its options.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options);
        command
    }

    /// The program with its options, started by `launcher` where one is given.
    pub(super) fn launched_by(&self, launcher: &[String]) -> Command {
        match launcher.split_first() {
            None => self.command(),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.program).args(&self.options);
                command
            }
        }
    }

    /// The call as one would type it.
    pub(super) fn shown(&self, arguments: &str) -> String {
        let options = self.options.iter().map(|option| option.to_string_lossy());
        let words = std::iter::once(self.program.to_string_lossy()).chain(options);
        format!("{} {arguments}", words.collect::<Vec<_>>().join(" "))
    }

    /// Runs it with these arguments and `--json`, and returns what it answered.
    ///
    /// # Errors
    /// Where it does not start, ends with a failure (the error carries what it said) or answers no JSON.
    pub(super) fn json(&self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> anyhow::Result<Value> {
        let mut command = self.command();
        command.args(arguments.into_iter().map(Into::into)).arg("--json");
        let shown = format!("{command:?}");
        let output = command.output().with_context(|| format!("cannot start {shown}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{shown} failed ({}): {}{}", output.status, errors.trim(), said.trim());
        }
        serde_json::from_str(said.trim()).with_context(|| format!("{shown} answered no JSON: {}", said.trim()))
    }
}

/// A field of an answer as text.
///
/// # Errors
/// Where it is not there.
pub(super) fn text<'a>(answer: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    answer.get(field).and_then(Value::as_str).with_context(|| format!("no text `{field}` in {answer}"))
}

/// A field of an answer as a whole number of up to 64 bits.
///
/// # Errors
/// Where it is not there, or something else.
pub(super) fn number(answer: &Value, field: &str) -> anyhow::Result<u64> {
    answer.get(field).and_then(Value::as_u64).with_context(|| format!("no number `{field}` in {answer}"))
}
