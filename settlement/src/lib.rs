//! The night of a Farthing hub: from the journal of the day to money moved and a statement that adds up.
//!
//! | module | does |
//! | --- | --- |
//! | [`netting`] | positions to legs |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod allocate;
pub mod approval;
pub mod book;
pub mod dispute;
pub mod evidence;
pub mod explain;
pub mod export;
pub mod facts;
pub mod ingest;
pub mod journal_reader;
pub mod netting;
pub mod night;
pub mod proofs;
pub mod proposal;
pub mod record_root;
pub mod stage;
pub mod statement;
pub mod submit;
pub mod text;
pub mod verify;
