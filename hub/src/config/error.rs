//! What is wrong with the settings, and where.

use std::fmt;
use std::path::PathBuf;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file can be read and says something that does not work. At least one problem.
    #[error("{}", Joined(.0))]
    Invalid(Vec<Problem>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it comes from.
    pub place: Place,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place in the file; line and column count from 1.
    Line {
        /// The file as it was named.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
        /// How many characters are meant.
        width: usize,
        /// The whole line.
        text: String,
    },
    /// An environment variable.
    Variable(String),
    /// Nowhere: it is the default of this key.
    Default {
        /// The file as it was named.
        file: PathBuf,
        /// `section.key`.
        key: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line { file, line, column, width, text } => {
                writeln!(f, "{}:{line}:{column}: {}", file.display(), self.message)?;
                let gutter = line.to_string().len().max(4);
                writeln!(f, "{line:gutter$} | {text}")?;
                let indent = column.saturating_sub(1);
                write!(f, "{:gutter$} | {:indent$}{}", "", "", "^".repeat((*width).max(1)))
            }
            Place::Variable(name) => write!(f, "environment variable {name}: {}", self.message),
            Place::Default { file, key } => {
                write!(f, "{}: {key} (not set, default): {}", file.display(), self.message)
            }
        }
    }
}

struct Joined<'a>(&'a [Problem]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
