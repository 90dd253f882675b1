//! Results as text or JSON.

use std::fmt::Display;

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

#[derive(Serialize)]
struct ErrorView {
    error: String,
}

/// An error as JSON on standard output, where a program looks for it.
pub(crate) fn error_json(error: &anyhow::Error) {
    let view = ErrorView { error: format!("{error:#}") };
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
