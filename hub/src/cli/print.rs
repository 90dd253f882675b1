//! Answers for people and for programs.

use std::io::Write as _;

use serde::Serialize;

use super::failure::Failure;

/// How answers are shown.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// As JSON, not for people.
    pub json: bool,
}

impl Printer {
    /// Prints `value` as JSON, or what `people` makes of it.
    ///
    /// # Errors
    /// [`Failure::Failed`] where standard output is closed.
    pub fn print<T: Serialize>(self, value: &T, people: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let mut text = if self.json {
            serde_json::to_string_pretty(value)
                .map_err(|error| Failure::Failed { code: "unexpected".to_owned(), message: error.to_string() })?
        } else {
            people(value)
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        // Written by hand, for println! panics when a pager has closed the pipe.
        std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Failure::io("standard output", &error))
    }
}

/// Names and values, one pair a line.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Rows under their heads, in columns. Columns of whole numbers are set to the right.
pub fn columns<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let length = |cell: &str| cell.chars().count();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell));
        cells.chain(heads.get(column).map(|head| length(head))).max().unwrap_or_default()
    };
    let is_numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        !rows.is_empty() && cells.all(|cell| cell == "-" || cell.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let layout: Vec<(usize, bool)> = (0..N).map(|column| (width(column), is_numeric(column))).collect();
    let line = |cells: &[String; N]| {
        let mut text = String::new();
        for (cell, (width, numeric)) in cells.iter().zip(&layout) {
            if !text.is_empty() {
                text.push_str("  ");
            }
            text.push_str(&if *numeric { format!("{cell:>width$}") } else { format!("{cell:width$}") });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    };
    std::iter::once(line(&heads.map(str::to_owned))).chain(rows.iter().map(line)).collect()
}

/// Whole numbers with a space between groups of three digits.
pub fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_set_right() {
        let rows = [["a".to_owned(), "5".to_owned()], ["longer".to_owned(), "12345".to_owned()]];
        assert_eq!(columns(["name", "units"], &rows), "name    units\na           5\nlonger  12345\n");
        assert_eq!(columns(["name", "units"], &[]), "name  units\n");
        assert_eq!(fields(&[("a", "1".into()), ("long", "2".into())]), "a     1\nlong  2\n");
        assert_eq!([grouped(0), grouped(999), grouped(1_234_567)], ["0", "999", "1 234 567"]);
    }
}
