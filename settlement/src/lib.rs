//! The night of a Farthing hub: from the journal of the day to money moved and a statement that adds up.
//!
//! | module | does |
//! | --- | --- |
//! | [`netting`] | positions to legs |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod netting;
pub mod text;

pub mod allocate;
pub mod evidence;
pub mod journal_reader;
