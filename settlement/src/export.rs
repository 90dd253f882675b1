//! The folder of an epoch: statement, tables, proposal and proofs, written so that a reader never sees half a file.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use farthing_channel::codec::{decode_exact, encode_to_vec};
use serde::Serialize;

use crate::accounting::{AccountingError, DoubleEntry, beancount, hledger};
use crate::approval::Approvers;
use crate::bank::CreditTransfer;
use crate::book::{Book, BookError};
use crate::inclusion::Inclusion;
use crate::night::EpochOutputs;
use crate::proofs::{PROOFS_VERSION, ProofBundle};
use crate::proposal::Proposal;
use crate::statement::{
    CsvError, ParquetError, Statement, WorkbookError, lanes_csv, lanes_parquet, legs_csv, positions_csv,
    positions_parquet, reconciliation_csv, render, workbook,
};
use crate::text::TokenFormat;
use crate::verify::VerifyError;

/// The files of an epoch's folder.
#[derive(Debug)]
pub struct FileNames;

impl FileNames {
    /// Who owes whom.
    pub const POSITIONS: &'static str = "positions.csv";
    /// The transfers.
    pub const LEGS: &'static str = "legs.csv";
    /// Every lane.
    pub const LANES: &'static str = "lanes.csv";
    /// The statement.
    pub const STATEMENT: &'static str = "statement.html";
    /// The statement and its tables as a workbook.
    pub const WORKBOOK: &'static str = "statement.xlsx";
    /// Every lane, for programs that take millions.
    pub const LANES_PARQUET: &'static str = "lanes.parquet";
    /// Who owes whom, likewise.
    pub const POSITIONS_PARQUET: &'static str = "positions.parquet";
    /// The statement's data.
    pub const STATEMENT_JSON: &'static str = "statement.json";
    /// The books in double entry, for hledger.
    pub const HLEDGER: &'static str = "books.journal";
    /// The same for beancount.
    pub const BEANCOUNT: &'static str = "books.beancount";
    /// Transfers for a bank.
    pub const CREDIT_TRANSFER: &'static str = "pain.001.xml";
    /// The proposal.
    pub const PROPOSAL: &'static str = "proposal.json";
    /// Lanes, journal and ledger beside each other, every row.
    pub const RECONCILIATION: &'static str = "reconciliation.csv";
    /// The same in sums, with every row that does not match.
    pub const RECONCILIATION_JSON: &'static str = "reconciliation.json";
    /// The proofs.
    pub const PROOFS: &'static str = "proofs.cbor";
}

/// Why a folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk said no.
    #[error("cannot write {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The books in double entry.
    #[error(transparent)]
    Accounting(#[from] AccountingError),
    /// A table.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// The workbook.
    #[error(transparent)]
    Workbook(#[from] WorkbookError),
    /// A Parquet file.
    #[error("{path}: {error}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ParquetError,
    },
    /// JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The folder of an epoch within the settlement directory.
#[must_use]
pub fn epoch_folder(settlement: &Path, epoch: u64) -> PathBuf {
    settlement.join(format!("epoch-{epoch}"))
}

/// Writes every file of the epoch to `folder`.
///
/// # Errors
/// Any [`ExportError`].
pub fn write_folder(
    folder: &Path,
    book: &Book,
    outputs: &EpochOutputs,
    approvers: &Approvers,
    token: &TokenFormat,
) -> Result<(), ExportError> {
    let failed = |error| ExportError::Io { path: folder.to_owned(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let statement = Statement::of(outputs);
    let bundle = ProofBundle::gather(book, outputs, approvers)?;
    let mut files = vec![
        (FileNames::POSITIONS, positions_csv(outputs)?),
        (FileNames::LEGS, legs_csv(outputs)?),
        (FileNames::LANES, lanes_csv(outputs)?),
        (FileNames::STATEMENT, render(&statement, token).into_bytes()),
        (FileNames::STATEMENT_JSON, serde_json::to_vec_pretty(&statement)?),
        (FileNames::WORKBOOK, workbook(outputs, &statement, token)?),
        (FileNames::PROPOSAL, serde_json::to_vec_pretty(&ProposalView::of(&outputs.proposal))?),
        (FileNames::PROOFS, encode_to_vec(&bundle)),
    ];
    if let Some(books) = DoubleEntry::of(outputs)? {
        files.push((FileNames::HLEDGER, hledger(&books, token).into_bytes()));
        files.push((FileNames::BEANCOUNT, beancount(&books, token).into_bytes()));
    }
    if let Some(sides) = outputs.three_way() {
        files.push((FileNames::RECONCILIATION, reconciliation_csv(outputs, sides)?));
        files.push((FileNames::RECONCILIATION_JSON, serde_json::to_vec_pretty(sides)?));
    }
    for (name, bytes) in files {
        write_whole(&folder.join(name), &bytes)?;
    }
    write_parquet(&folder.join(FileNames::LANES_PARQUET), |file| lanes_parquet(outputs, file))?;
    write_parquet(&folder.join(FileNames::POSITIONS_PARQUET), |file| positions_parquet(outputs, file))
}

/// Writes a file for a bank to `folder`, and says where.
///
/// # Errors
/// [`ExportError::Io`].
pub fn write_credit_transfer(folder: &Path, transfer: &CreditTransfer) -> Result<PathBuf, ExportError> {
    std::fs::create_dir_all(folder).map_err(|error| ExportError::Io { path: folder.to_owned(), error })?;
    let path = folder.join(FileNames::CREDIT_TRANSFER);
    write_whole(&path, transfer.xml.as_bytes())?;
    Ok(path)
}

/// Writes the proof of one payment to `path`.
///
/// # Errors
/// [`ExportError::Io`].
pub fn write_inclusion(path: &Path, inclusion: &Inclusion) -> Result<(), ExportError> {
    write_whole(path, &encode_to_vec(inclusion))
}

/// Writes a file group by group, so that it is never in memory as a whole.
fn write_parquet(path: &Path, write: impl FnOnce(&mut File) -> Result<(), ParquetError>) -> Result<(), ExportError> {
    write_beside(path, |file| write(file).map_err(|error| ExportError::Parquet { path: path.to_owned(), error }))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    write_beside(path, |file| file.write_all(bytes).map_err(|error| ExportError::Io { path: path.to_owned(), error }))
}

/// Writes a file beside its place and moves it there once it is whole and on disk.
fn write_beside(path: &Path, write: impl FnOnce(&mut File) -> Result<(), ExportError>) -> Result<(), ExportError> {
    let failed = |error| ExportError::Io { path: path.to_owned(), error };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut file = File::create(&beside).map_err(failed)?;
    write(&mut file)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// Reads the proofs of a folder.
///
/// # Errors
/// [`VerifyError`].
pub fn read_bundle(folder: &Path) -> Result<ProofBundle, VerifyError> {
    let path = folder.join(FileNames::PROOFS);
    let bytes = std::fs::read(&path).map_err(|error| VerifyError::Io { path: path.clone(), error })?;
    match decode_exact::<ProofBundle>(&bytes) {
        Ok(bundle) if bundle.version == PROOFS_VERSION => Ok(bundle),
        _ => Err(VerifyError::NotProofs(path)),
    }
}

/// A batch for people and programs.
#[derive(Debug, Serialize)]
struct BatchView {
    escrow: String,
    prev_settled: u64,
    total: u64,
    amount: u64,
    root: String,
    channels: u32,
    lanes: u32,
}

#[derive(Debug, Serialize)]
struct LegView {
    leg: usize,
    from: String,
    to: String,
    amount: u64,
}

#[derive(Debug, Serialize)]
struct CursorView {
    thread: u16,
    term: u64,
    sequence: u64,
    block_hash: String,
}

/// A proposal for people and programs. What is hashed and signed is its CBOR and typed data, not this.
#[derive(Debug, Serialize)]
pub struct ProposalView {
    id: String,
    hub: String,
    chain_id: u64,
    contract: String,
    epoch: u64,
    cut_off: String,
    positions: String,
    netting: String,
    journal_root: String,
    collected: u128,
    paid: u128,
    batches: Vec<BatchView>,
    legs: Vec<LegView>,
    cursors: Vec<CursorView>,
}

impl ProposalView {
    /// The view of a proposal.
    #[must_use]
    pub fn of(proposal: &Proposal) -> Self {
        let batch = |batch: &farthing_ledger::SettleBatch| BatchView {
            escrow: batch.escrow.to_string(),
            prev_settled: batch.prev_settled,
            total: batch.total,
            amount: batch.total.saturating_sub(batch.prev_settled),
            root: batch.root.to_string(),
            channels: batch.channels,
            lanes: batch.lanes,
        };
        let leg = |(leg, transfer): (usize, &farthing_ledger::Leg)| LegView {
            leg,
            from: transfer.from.to_string(),
            to: transfer.to.to_string(),
            amount: transfer.amount,
        };
        let cursor = |cursor: &farthing_ledger::JournalCursor| CursorView {
            thread: cursor.thread,
            term: cursor.term,
            sequence: cursor.sequence,
            block_hash: cursor.block_hash.to_string(),
        };
        Self {
            id: proposal.id().to_string(),
            hub: proposal.hub.to_string(),
            chain_id: proposal.chain_id,
            contract: proposal.contract.to_string(),
            epoch: proposal.epoch,
            cut_off: proposal.cut_off.to_string(),
            positions: proposal.positions.to_string(),
            netting: proposal.netting.to_string(),
            journal_root: proposal.journal_root.to_string(),
            collected: proposal.collected(),
            paid: proposal.paid(),
            batches: proposal.batches.iter().map(batch).collect(),
            legs: proposal.legs.iter().enumerate().map(leg).collect(),
            cursors: proposal.cursors.iter().map(cursor).collect(),
        }
    }
}
