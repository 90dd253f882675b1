//! Results as text or JSON.

use std::fmt::Display;

use farthing_settlement::night::{NightError, Progress};
use serde::Serialize;

use super::Common;

/// Prints `value` as JSON where asked, and `text` otherwise.
pub(super) fn print(common: &Common, value: &impl Serialize, text: impl Display) -> anyhow::Result<()> {
    if common.json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        println!("{text}");
    }
    Ok(())
}

/// The same for one of many results: JSON is on a line of its own.
pub(super) fn print_line(common: &Common, value: &impl Serialize, text: impl Display) -> anyhow::Result<()> {
    if common.json {
        println!("{}", serde_json::to_string(value)?);
    } else {
        println!("{text}");
    }
    Ok(())
}

/// Why a command failed, for a program that runs it. The numbers are exit codes and stay as they are; 1 is for what was
/// looked at and does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    /// It failed.
    Failed,
    /// The epoch does not stand where this can be done. Nothing was changed.
    NotYet,
    /// The run would move more than one run may. Nothing was changed.
    OverLimit,
}

impl Failure {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<NightError>() {
            Some(NightError::NotYet { .. } | NightError::AlreadySubmitted(_)) => Self::NotYet,
            Some(NightError::OverLimit(_)) => Self::OverLimit,
            _ => Self::Failed,
        }
    }

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 2,
            Self::NotYet => 3,
            Self::OverLimit => 4,
        }
    }
}

#[derive(Serialize)]
struct ErrorView<'a> {
    error: String,
    code: Failure,
    /// Where the epoch stands, where that is what is wrong.
    standing: Option<&'a Progress>,
}

/// An error as JSON on standard output, where a program looks for it.
pub(crate) fn error_json(error: &anyhow::Error) {
    let standing = match error.downcast_ref::<NightError>() {
        Some(NightError::NotYet { standing, .. }) => Some(&**standing),
        _ => None,
    };
    let view = ErrorView { error: format!("{error:#}"), code: Failure::of(error), standing };
    if let Ok(text) = serde_json::to_string(&view) {
        println!("{text}");
    }
}

/// Columns of text, each as wide as its widest cell; numbers are the caller's to align.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}
