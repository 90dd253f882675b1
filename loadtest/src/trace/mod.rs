//! Traces of what devices used: who, when, how much.
//!
//! A trace is a table `timestamp,device_id,kind,quantity,…` (CSV, or the same compressed with gzip). The header's
//! names decide the columns, so their order and further columns do not matter.

mod bill;
mod generator;
mod price;
mod reader;
mod spread;
mod timestamp;

pub use bill::{Bill, BillError, DeviceBill};
pub use generator::generate;
pub use price::{ParsePriceError, PriceOption};
pub use reader::{TraceError, read, read_from};

use farthing_channel::tariff::Unit;

/// One use of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// Place of the device in [`Trace::devices`].
    pub device: usize,
    /// Units used; may be zero.
    pub units: u64,
}

/// What devices used, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What all rows count.
    pub unit: Unit,
    /// The devices' ids, in the order in which they first appear.
    pub devices: Vec<String>,
    /// The rows, ascending by time; rows of the same time stay in the file's order.
    pub rows: Vec<Row>,
}

impl Trace {
    /// Units of all rows; 128 bits, so that the sum always fits.
    #[must_use]
    pub fn units(&self) -> u128 {
        self.rows.iter().fold(0, |sum: u128, row| sum.saturating_add(u128::from(row.units)))
    }

    /// Microseconds from the first row to the last.
    #[must_use]
    pub fn span_us(&self) -> u64 {
        match (self.rows.first(), self.rows.last()) {
            (Some(first), Some(last)) => last.at_us.saturating_sub(first.at_us),
            _ => 0,
        }
    }
}
