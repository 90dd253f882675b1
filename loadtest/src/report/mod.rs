//! What a run shows and leaves behind.

mod histogram;
mod json;
mod progress;
mod table;

pub use histogram::{Latencies, Percentiles};
pub use json::write_json;
pub use progress::{bar, spinner};
pub use table::Table;
pub(crate) use table::grouped;
