//! Traces of real devices, as tables: `timestamp,device_id,kind,quantity,label` and whatever else, which is not read.

use std::collections::BTreeMap;
use std::io::Read;

use super::replay::TraceEvent;
use super::study::Fleet;
use crate::file::Unit;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Not a table.
    #[error("{0}")]
    Table(#[from] csv::Error),
    /// A column is missing.
    #[error("no column {0}")]
    NoColumn(&'static str),
    /// A value that is not what its column holds.
    #[error("row {row}: {column} is {value:?}")]
    Value {
        /// Which row, from 1, without the head.
        row: usize,
        /// Which column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// No rows.
    #[error("no rows")]
    Empty,
}

const COLUMNS: [&str; 5] = ["timestamp", "device_id", "kind", "quantity", "label"];

/// Reads a trace. Its devices' scenarios are what stands before the `/` of their names, or the fleet's name. An event is part of
/// an attack where its label is `malicious`.
///
/// # Errors
/// [`TraceError`].
pub fn read(fleet: &str, table: impl Read) -> Result<Fleet, TraceError> {
    let mut reader = csv::Reader::from_reader(table);
    let head = reader.headers()?.clone();
    let mut at = [0; COLUMNS.len()];
    for (place, name) in at.iter_mut().zip(COLUMNS) {
        *place = head.iter().position(|column| column == name).ok_or(TraceError::NoColumn(name))?;
    }
    let mut devices = BTreeMap::<String, u32>::new();
    let mut read = Fleet { name: fleet.to_owned(), unit: Unit::Octets, devices: Vec::new(), events: Vec::new() };
    for (row, record) in reader.records().enumerate() {
        let record = record?;
        let value = |column: usize| record.get(at[column]).unwrap_or_default();
        let wrong = |column: usize| TraceError::Value {
            row: row + 1,
            column: COLUMNS[column],
            value: value(column).to_owned(),
        };
        let device = match devices.get(value(1)) {
            Some(device) => *device,
            None => {
                let device = u32::try_from(devices.len()).map_err(|_| wrong(1))?;
                devices.insert(value(1).to_owned(), device);
                read.devices.push(value(1).to_owned());
                device
            }
        };
        read.unit = unit(value(2)).ok_or_else(|| wrong(2))?;
        let at = sixteenths(value(0)).ok_or_else(|| wrong(0))?;
        let quantity = value(3).parse().map_err(|_| wrong(3))?;
        read.events.push(TraceEvent { at, device, quantity, attacking: value(4) == "malicious" });
    }
    if read.events.is_empty() {
        return Err(TraceError::Empty);
    }
    read.events.sort_by_key(|event| event.at);
    Ok(read)
}

fn unit(kind: &str) -> Option<Unit> {
    match kind {
        "bytes" => Some(Unit::Octets),
        "seconds" => Some(Unit::Seconds),
        "event" | "events" => Some(Unit::Events),
        _ => None,
    }
}

/// Sixteenths of a second of a decimal number of seconds, rounded down.
fn sixteenths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = whole.parse().ok()?;
    // Four digits tell sixteenths apart.
    let digits = fraction.get(..fraction.len().min(4))?;
    let scale = 10_u64.pow(u32::try_from(digits.len()).ok()?);
    let part: u64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    seconds.checked_mul(16)?.checked_add(part * 16 / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_by_its_columns_names() {
        let table =
            "device_id,timestamp,kind,quantity,label,peer\nS/a,10.5,bytes,60,malicious,x\nS/b,9,bytes,0,benign,y\n";
        let fleet = read("home", table.as_bytes()).expect("a trace");
        assert_eq!(fleet.devices, ["S/a", "S/b"]);
        let event = |at, device, quantity, attacking| TraceEvent { at, device, quantity, attacking };
        assert_eq!(fleet.events, [event(144, 1, 0, false), event(168, 0, 60, true)]);
        assert_eq!((fleet.scenario(0), fleet.unit), ("S", Unit::Octets));
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_row() {
        let with = |row: &str| read("x", format!("timestamp,device_id,kind,quantity,label\n{row}\n").as_bytes());
        assert!(matches!(with("1,a,bytes,-3,benign"), Err(TraceError::Value { row: 1, column: "quantity", .. })));
        assert!(matches!(with("1,a,litres,3,benign"), Err(TraceError::Value { column: "kind", .. })));
        assert!(matches!(with("then,a,bytes,3,benign"), Err(TraceError::Value { column: "timestamp", .. })));
        assert!(matches!(read("x", "a,b\n1,2\n".as_bytes()), Err(TraceError::NoColumn("timestamp"))));
        assert!(matches!(read("x", "timestamp,device_id,kind,quantity,label\n".as_bytes()), Err(TraceError::Empty)));
    }

    #[test]
    fn sixteenths_are_exact() {
        assert_eq!(sixteenths("1538478769.600293"), Some(1_538_478_769 * 16 + 9));
        assert_eq!(
            (sixteenths("2"), sixteenths("2.9999"), sixteenths("2."), sixteenths("x")),
            (Some(32), Some(47), Some(32), None)
        );
    }
}
