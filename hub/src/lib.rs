//! Placeholder line replaced by the crate.

pub mod journal;
