//! Reads a trace from a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use farthing_channel::tariff::Unit;
use flate2::read::MultiGzDecoder;

use super::{Row, Trace, timestamp};

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a trace cannot be read.
#[derive(Debug)]
pub enum TraceError {
    /// The file cannot be opened or read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no CSV.
    Csv(csv::Error),
    /// The header lacks a column.
    Column(&'static str),
    /// A field does not hold what its column says.
    Field {
        /// Line in the (uncompressed) file, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
    /// Rows of different kinds: one price cannot bill them.
    MixedKinds {
        /// Line of the first row of another kind.
        line: u64,
    },
    /// There is no row.
    Empty,
}

impl std::fmt::Display for TraceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Csv(error) => write!(f, "not a table: {error}"),
            Self::Column(name) => write!(f, "the header has no column `{name}`"),
            Self::Field { line, column, text, expected } => {
                write!(f, "line {line}: {column} is `{text}`, expected {expected}")
            }
            Self::MixedKinds { line } => {
                write!(f, "line {line}: another kind than the rows before it")
            }
            Self::Empty => f.write_str("the trace has no rows"),
        }
    }
}

impl std::error::Error for TraceError {}

/// Reads a trace, compressed or not: its first bytes tell.
///
/// # Errors
/// [`TraceError`].
pub fn read(path: &Path) -> Result<Trace, TraceError> {
    let fault = |source| TraceError::File { path: path.to_path_buf(), source };
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fault)?);
    let compressed = file.fill_buf().map_err(fault)?.starts_with(&GZIP_MAGIC);
    if compressed { read_from(MultiGzDecoder::new(file)) } else { read_from(file) }
}

/// Reads an uncompressed trace.
///
/// # Errors
/// [`TraceError`].
pub fn read_from(source: impl Read) -> Result<Trace, TraceError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
    let columns = Columns::find(reader.headers().map_err(TraceError::Csv)?)?;
    let mut index = HashMap::new();
    let (mut devices, mut rows, mut unit) = (Vec::new(), Vec::new(), None);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(TraceError::Csv)? {
        let line = record.position().map_or(0, csv::Position::line);
        let row_unit = columns.unit(&record, line)?;
        if *unit.get_or_insert(row_unit) != row_unit {
            return Err(TraceError::MixedKinds { line });
        }
        let id = columns.device(&record, line)?;
        let device = match index.get(id) {
            Some(device) => *device,
            None => {
                let device = devices.len();
                devices.push(id.to_owned());
                index.insert(id.to_owned(), device);
                device
            }
        };
        rows.push(Row { at_us: columns.time(&record, line)?, device, units: columns.units(&record, line)? });
    }
    rows.sort_by_key(|row| row.at_us);
    Ok(Trace { unit: unit.ok_or(TraceError::Empty)?, devices, rows })
}

/// Where the needed columns stand.
struct Columns {
    timestamp: usize,
    device_id: usize,
    kind: usize,
    quantity: usize,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, TraceError> {
        let find = |name: &'static str| {
            let found = header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
            found.ok_or(TraceError::Column(name))
        };
        Ok(Self {
            timestamp: find("timestamp")?,
            device_id: find("device_id")?,
            kind: find("kind")?,
            quantity: find("quantity")?,
        })
    }

    fn device<'r>(&self, record: &'r StringRecord, line: u64) -> Result<&'r str, TraceError> {
        let id = record.get(self.device_id).unwrap_or_default().trim();
        if id.is_empty() { Err(field(line, "device_id", id, "a name")) } else { Ok(id) }
    }

    fn unit(&self, record: &StringRecord, line: u64) -> Result<Unit, TraceError> {
        let text = record.get(self.kind).unwrap_or_default().trim();
        match text {
            "bytes" | "octets" => Ok(Unit::Octets),
            "second" | "seconds" => Ok(Unit::Seconds),
            "event" | "events" => Ok(Unit::Events),
            _ => Err(field(line, "kind", text, "bytes, seconds or events")),
        }
    }

    fn time(&self, record: &StringRecord, line: u64) -> Result<u64, TraceError> {
        let text = record.get(self.timestamp).unwrap_or_default().trim();
        timestamp::parse(text).ok_or_else(|| field(line, "timestamp", text, "seconds since 1970, with a point"))
    }

    fn units(&self, record: &StringRecord, line: u64) -> Result<u64, TraceError> {
        let text = record.get(self.quantity).unwrap_or_default().trim();
        text.parse().map_err(|_| field(line, "quantity", text, "a whole number of units"))
    }
}

fn field(line: u64, column: &'static str, text: &str, expected: &'static str) -> TraceError {
    TraceError::Field { line, column, text: text.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TABLE: &str = "\
quantity,timestamp,kind,label,device_id
15,1630589951.755,bytes,benign,b
0,1630589706.724,octets,benign,a
1780000000,1630589951.755,bytes,\"odd, but fine\",a
";

    fn problem(text: &str) -> String {
        read_from(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn names_decide_the_columns_and_time_the_order() {
        let trace = read_from(TABLE.as_bytes()).unwrap();
        assert_eq!(trace.unit, Unit::Octets);
        assert_eq!(trace.devices, ["b", "a"]);
        let rows: Vec<_> = trace.rows.iter().map(|row| (row.device, row.units)).collect();
        assert_eq!(rows, [(1, 0), (0, 15), (1, 1_780_000_000)]);
        assert_eq!(trace.units(), 1_780_000_015);
        assert_eq!(trace.span_us(), 245_031_000);
    }

    #[test]
    fn compressed_or_not_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join("t.csv"), dir.path().join("t.csv.gz"));
        std::fs::write(&plain, TABLE).unwrap();
        let file = File::create(&packed).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(TABLE.as_bytes()).unwrap();
        encoder.finish().unwrap();
        assert_eq!(read(&plain).unwrap(), read(&packed).unwrap());
    }

    #[test]
    fn what_cannot_be_billed_is_refused_with_its_line() {
        let head = "timestamp,device_id,kind,quantity\n";
        assert_eq!(problem("timestamp,device_id,kind\n"), "the header has no column `quantity`");
        assert!(problem(head).contains("no rows"));
        assert!(problem(&format!("{head}1,a,bytes,1\n1,a,bytes,1.5\n")).starts_with("line 3: quantity"));
        assert!(problem(&format!("{head}1,a,bytes,-1\n")).starts_with("line 2: quantity"));
        assert!(problem(&format!("{head}1,a,litres,1\n")).starts_with("line 2: kind"));
        assert!(problem(&format!("{head}x,a,bytes,1\n")).starts_with("line 2: timestamp"));
        assert!(problem(&format!("{head}1,,bytes,1\n")).starts_with("line 2: device_id"));
        assert!(problem(&format!("{head}1,a,bytes,1\n2,a,events,1\n")).starts_with("line 3: another kind"));
        assert!(problem(&format!("{head}1,a,bytes,99999999999999999999\n")).starts_with("line 2: quantity"));
    }
}
