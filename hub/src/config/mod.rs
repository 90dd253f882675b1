//! The operator's file: one loader for everything that needs it.
//!
//! `farthing-hub.toml`, then environment variables `FARTHING_HUB__SECTION__KEY=value` over it. Whatever is wrong is
//! reported with the line it stands in, or with the name of the variable. What comes out has types: nobody further in
//! parses or checks a setting again.
//!
//! | file | holds |
//! | --- | --- |
//! | [`settings`] | what comes out |
//! | `form` | the file's shape: sections, keys, defaults |
//! | `source` | the text, the variables over it, and where each setting came from |
//! | `check` | what types cannot say: ranges and relations |
//! | [`error`] | problems, with their place |
//! | [`template`] | the commented file that `init` writes |
//! | [`material`] | the hub's key and certificate, from the files that the settings name |

pub mod error;
pub mod material;
pub mod settings;
pub mod template;

mod check;
mod form;
mod source;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{ConfigError, Problem};
pub use settings::{
    Config, DrainConfig, HubConfig, JournalSettings, LedgerConfig, ListenConfig, LogConfig, LogFormat, RehearsalConfig,
    TableSettings, TlsConfig,
};

/// The file's name unless the operator gives another.
pub const FILE_NAME: &str = "farthing-hub.toml";

/// What every environment variable that overrides a setting begins with; section and key follow in capitals, with two
/// underscores between them.
pub const VARIABLE_PREFIX: &str = "FARTHING_HUB__";

impl Config {
    /// Loads `path` with the process's environment over it.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_with(
            path,
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Loads `path` with the given variables over it; those without [`VARIABLE_PREFIX`] are not looked at.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load_with(path: &Path, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        // Relative paths hang on the file's place, so the hub can be started from anywhere.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (source, form) = source::Source::read(path, &text, variables)?;
        check::config(&source, form, &absolute)
    }
}
