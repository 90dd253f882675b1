//! What a run shows and leaves behind.

mod histogram;
mod interval_log;
mod json;
mod page;
mod plot;
mod progress;
mod table;

pub use histogram::{Latencies, Percentiles};
pub use interval_log::write_interval_log;
pub use json::write_json;
pub(crate) use page::page;
pub use plot::{Plot, Scale, Series};
pub use progress::{bar, spinner};
pub use table::Table;
pub(crate) use table::grouped;
