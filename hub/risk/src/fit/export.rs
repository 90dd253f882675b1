//! Feature exports: a table with a row for each device-hour, its features at its worst moment in 1/256.

use std::io::{Read, Write};

use super::study::Judged;
use crate::features::{FEATURES, Feature, Features};

/// A row of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    /// What is held out together.
    pub scenario: String,
    /// The device.
    pub device: String,
    /// Hours since 1970.
    pub hour: u64,
    /// Whether it attacked.
    pub attacking: bool,
    /// The features.
    pub features: Features,
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Not a table.
    #[error("{0}")]
    Table(#[from] csv::Error),
    /// Another head than this crate writes.
    #[error("the head is not that of a feature export: {0}")]
    Head(String),
    /// A value that is not what its column holds.
    #[error("row {row}: {value:?} in column {column}")]
    Value {
        /// Which row, from 1, without the head.
        row: usize,
        /// Which column.
        column: String,
        /// What it holds.
        value: String,
    },
    /// The table cannot be written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

const OWN_COLUMNS: [&str; 4] = ["scenario", "device", "hour", "label"];

fn head() -> Vec<&'static str> {
    OWN_COLUMNS.into_iter().chain(Feature::ALL.map(Feature::name)).collect()
}

impl From<&Judged> for ExportRow {
    fn from(judged: &Judged) -> Self {
        Self {
            scenario: judged.source.clone(),
            device: judged.device.clone(),
            hour: judged.hour,
            attacking: judged.scored.attacking,
            features: judged.features,
        }
    }
}

/// Writes an export.
///
/// # Errors
/// [`ExportError::Table`], [`ExportError::Io`].
pub fn write(rows: impl IntoIterator<Item = ExportRow>, to: impl Write) -> Result<(), ExportError> {
    let mut table = csv::Writer::from_writer(to);
    table.write_record(head())?;
    for row in rows {
        let label = if row.attacking { "attacking" } else { "honest" };
        let own = [row.scenario, row.device, row.hour.to_string(), label.to_owned()];
        table.write_record(own.into_iter().chain(row.features.0.map(|value| value.to_string())))?;
    }
    table.flush()?;
    Ok(())
}

/// Reads an export.
///
/// # Errors
/// [`ExportError`].
pub fn read(from: impl Read) -> Result<Vec<ExportRow>, ExportError> {
    let mut table = csv::Reader::from_reader(from);
    let found = table.headers()?;
    // What a hub adds behind the features is for people.
    if found.iter().take(head().len()).ne(head()) {
        return Err(ExportError::Head(found.iter().collect::<Vec<_>>().join(",")));
    }
    let mut rows = Vec::new();
    for (index, record) in table.records().enumerate() {
        let record = record?;
        let text = |column: usize| record.get(column).unwrap_or_default();
        let wrong = |column: usize| ExportError::Value {
            row: index + 1,
            column: head()[column].to_owned(),
            value: text(column).to_owned(),
        };
        let attacking = match text(3) {
            "attacking" => true,
            "honest" => false,
            _ => return Err(wrong(3)),
        };
        let mut features = [0; FEATURES];
        for (place, value) in features.iter_mut().enumerate() {
            *value = text(4 + place).parse().map_err(|_| wrong(4 + place))?;
        }
        let hour = text(2).parse().map_err(|_| wrong(2))?;
        let (scenario, device) = (text(0).to_owned(), text(1).to_owned());
        rows.push(ExportRow { scenario, device, hour, attacking, features: Features(features) });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_reads_back_as_it_was() {
        let mut features = Features::default();
        features.0[3] = 77;
        let row = |device: &str, attacking| ExportRow {
            scenario: "S".into(),
            device: device.into(),
            hour: 480_000,
            attacking,
            features,
        };
        let rows = [row("a,b", true), row("c", false)];
        let mut bytes = Vec::new();
        write(rows.clone(), &mut bytes).expect("to memory");
        assert_eq!(read(&bytes[..]).expect("its own"), rows);
        let text = String::from_utf8(bytes).expect("text");
        assert!(matches!(
            read(text.replace("attacking", "perhaps").as_bytes()),
            Err(ExportError::Value { row: 1, .. })
        ));
        assert!(matches!(read(text.replace("burst", "bust").as_bytes()), Err(ExportError::Head(_))));
        assert!(matches!(read(text.replace(",77,", ",70000,").as_bytes()), Err(ExportError::Value { .. })));
    }
}
