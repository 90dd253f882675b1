//! Where `run` writes its log: standard error, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use crate::config::{LogConfig, LogFormat};

/// Starts logging, once a process.
///
/// # Errors
/// [`Failure::Usage`] where the filter does not parse, [`Failure::Failed`] where a log was started before.
pub fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| Failure::Usage(format!("log.filter: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| Failure::Failed { code: "unexpected".to_owned(), message: error.to_string() })
}
