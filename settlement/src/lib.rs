//! The night of a Farthing hub: from the journal of the day to money moved and a statement that adds up.
//!
//! | module | does |
//! | --- | --- |
//! | [`night`] | runs the stages, and goes on where a run was cut short |
//! | [`stage`] | cut-off, positions, reconciliation |
//! | [`netting`] | positions to legs |
//! | [`proposal`], [`approval`], [`submit`] | what is proposed, who signs it, how it reaches the ledger |
//! | [`journal_reader`], [`ingest`], [`evidence`], [`dispute`] | reads the journal and proves every lane again |
//! | [`facts`] | what the ledger said at the cut-off |
//! | [`book`] | settlement's own book |
//! | [`statement`], [`accounting`], [`export`], [`proofs`] | the folder of an epoch |
//! | [`bank`] | what transfers come to at a bank, and the file that orders them |
//! | [`meter`] | how far a long stage has come |
//! | [`schedule`] | when a night is run by itself |
//! | [`explain`], [`verify`] | from a transfer down to its signatures, and all of it offline |
//! | [`inclusion`], [`record_root`] | that one payment was in a day's journal |
//!
//! Rules are pure functions; journal, ledger, book and folders are touched at the edges only.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod accounting;
pub mod allocate;
pub mod approval;
pub mod bank;
pub mod book;
pub mod dispute;
pub mod evidence;
pub mod explain;
pub mod export;
pub mod facts;
pub mod inclusion;
pub mod ingest;
pub mod journal_reader;
pub mod meter;
pub mod netting;
pub mod night;
pub mod proofs;
pub mod proposal;
pub mod record_root;
pub mod schedule;
pub mod stage;
pub mod statement;
pub mod submit;
pub mod text;
pub mod verify;

mod wide;
