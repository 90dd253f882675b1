//! Why a command was not done.

use std::process::ExitCode;

use crate::admin::client::ClientError;
use crate::config::ConfigError;
use crate::config::material::MaterialError;

/// Why a command was not done, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Options or settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// The hub, or the system, did not do it.
    #[error("{message}")]
    Failed {
        /// Stable, for programs: the hub's code, or `io`, `unreachable`, `unexpected`.
        code: String,
        /// For people.
        message: String,
    },
}

impl Failure {
    /// A failure of the system.
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::Failed { code: "io".to_owned(), message: format!("{what}: {error}") }
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed { .. } => ExitCode::from(1),
        }
    }

    /// Says it on standard error.
    pub fn report(&self, json: bool) {
        let code = match self {
            Self::Usage(_) => "usage",
            Self::Failed { code, .. } => code,
        };
        if json {
            eprintln!("{}", serde_json::json!({ "error": { "code": code, "message": self.to_string() } }));
        } else {
            eprintln!("error: {self}");
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<MaterialError> for Failure {
    fn from(error: MaterialError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        let code = match error {
            ClientError::Hub(error) => {
                return Self::Failed { code: error.code, message: error.message };
            }
            ClientError::Unreachable { .. } => "unreachable",
            ClientError::Broken(_) => "io",
            ClientError::Unexpected(_) => "unexpected",
        };
        Self::Failed { code: code.to_owned(), message }
    }
}
