//! The load generator, built and run.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// `farthing-loadtest`, with the programs it drives beside it.
#[derive(Debug)]
pub(crate) struct Generator {
    program: PathBuf,
}

impl Generator {
    /// Builds it, or takes the programs of the folder that `FARTHING_BIN_DIR` names: those of another revision, say.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        if let Some(folder) = std::env::var_os("FARTHING_BIN_DIR") {
            return Ok(Self { program: PathBuf::from(folder).join("farthing-loadtest") });
        }
        let packages = ["-p", "farthing-hub", "-p", "farthing-settlement", "-p", "farthing-loadtest"];
        let build = ["build", "--release", "--locked"];
        process::run(&mut workspace.cargo(build.into_iter().chain(packages)))?;
        Ok(Self { program: workspace.target().join("release").join("farthing-loadtest") })
    }

    /// Runs one of its commands in the caller's own folder, so that files land where they were asked for.
    pub(crate) fn hand_over(&self, command: &str, args: &[String]) -> Result<ExitCode, Failure> {
        let mut run = Command::new(&self.program);
        run.arg(command).args(args);
        let status =
            run.status().map_err(|error| Failure::new(format!("cannot start {}: {error}", process::line(&run))))?;
        // A run that was ended by a signal has no code of its own.
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }

    /// Runs `bench` and returns its result. It makes the site, starts the server and checks that every total adds up.
    pub(crate) fn bench(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("result.json");
        let mut command = Command::new(&self.program);
        command.arg("bench").args(arguments).arg("--json").arg(&file);
        process::quietly(&mut command)?;
        let line = process::line(&command);
        let result: Value =
            serde_json::from_slice(&std::fs::read(&file)?).map_err(|error| Failure::new(format!("{line}: {error}")))?;
        if result["lost"].as_u64().is_some_and(|lost| lost > 0) {
            return Err(Failure::new(format!("{line}: acknowledged payments were lost")));
        }
        Ok(result)
    }
}

/// A number of a result, named by a JSON pointer.
pub(crate) fn number(result: &Value, pointer: &str) -> Result<f64, Failure> {
    let number = result.pointer(pointer).and_then(Value::as_f64);
    number.ok_or_else(|| Failure::new(format!("the load generator tells no {pointer}")))
}
