//! The gas table of the contracts' README, made of forge's snapshot.

use std::path::PathBuf;

use serde_json::Value;

use super::Project;
use crate::process::Failure;

const BEGIN: &str = "<!-- gas table: written by `cargo xtask contracts --bless` -->\n";
const END: &str = "<!-- end of the gas table -->\n";

/// The README shows the figures that were measured.
pub(super) fn check(project: &Project) -> Result<(), Failure> {
    let text = std::fs::read_to_string(readme(project))?;
    if text == with_table(&text, &table(project)?)? {
        return Ok(());
    }
    Err(Failure::new("the README's gas table is not the snapshot's; `cargo xtask contracts --bless` writes it"))
}

/// Writes the table into the README.
pub(super) fn write(project: &Project) -> Result<(), Failure> {
    let text = std::fs::read_to_string(readme(project))?;
    Ok(std::fs::write(readme(project), with_table(&text, &table(project)?)?)?)
}

fn readme(project: &Project) -> PathBuf {
    project.root.join("README.md")
}

/// A row for each figure, by name: forge sorts them.
fn table(project: &Project) -> Result<String, Failure> {
    let folder = project.root.join("snapshots");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let mut rows = String::from("| what | gas |\n| --- | ---: |\n");
    for file in files {
        let text = std::fs::read(&file)?;
        let figures: Value = serde_json::from_slice(&text).map_err(|error| Failure::new(error.to_string()))?;
        for (name, gas) in figures.as_object().into_iter().flatten() {
            rows.push_str(&format!("| {name} | {} |\n", grouped(gas.as_str().unwrap_or_default())));
        }
    }
    Ok(rows)
}

/// The digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn with_table(text: &str, table: &str) -> Result<String, Failure> {
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| Failure::new("the README has no place for the gas table"))?;
    Ok(format!("{head}{BEGIN}{table}{END}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(grouped("1234567"), "1,234,567");
        assert_eq!(grouped("123"), "123");
        assert_eq!(grouped(""), "");
    }

    #[test]
    fn the_table_takes_the_place_of_the_old_one() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(with_table(&text, "new\n").ok(), Some(format!("a\n{BEGIN}new\n{END}b\n")));
        assert!(with_table("a", "b").is_err());
    }
}
