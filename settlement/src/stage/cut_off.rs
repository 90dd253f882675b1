//! The cut-off: how far the journal and the ledger were read for an epoch.

use std::collections::BTreeMap;
use std::path::Path;

use farthing_channel::id::{Address, Hash32};
use farthing_channel::record::block::ChainCursor;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{JournalCursor, LedgerView};
use serde::{Deserialize, Serialize};

use crate::book::{Book, BookWriter, CursorRow};
use crate::dispute::Dispute;
use crate::facts::LedgerFacts;
use crate::ingest::{Growth, IngestError, take_in};
use crate::journal_reader::{ChainEnd, JournalError, bytes_after, oldest_cursors, read_journal};
use crate::meter::{Meter, Metered, Work};
use crate::netting::NettingTerms;

/// How far one journal thread was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadCut {
    /// The thread.
    pub thread: u16,
    /// The last block of the epoch.
    pub sequence: u64,
    /// Its hash.
    #[serde(with = "crate::text")]
    pub block_hash: Hash32,
    /// Its term.
    pub term: u64,
    /// When the hub committed it, Unix milliseconds; 0 where the epoch has no block of the thread.
    pub unix_ms: u64,
    /// Blocks of the epoch.
    pub blocks: u64,
}

impl ThreadCut {
    fn journal_cursor(&self) -> JournalCursor {
        let Self { thread, sequence, block_hash, term, .. } = *self;
        JournalCursor { thread, term, sequence, block_hash }
    }
}

/// How far one journal thread had been read before an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStart {
    /// The thread.
    pub thread: u16,
    /// The last block read.
    pub sequence: u64,
    /// Its hash.
    #[serde(with = "crate::text")]
    pub block_hash: Hash32,
    /// Its term.
    pub term: u64,
}

/// The output of the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The hub.
    #[serde(with = "crate::text")]
    pub hub: Address,
    /// When the cut was made, Unix seconds.
    pub at: u64,
    /// By thread, ascending.
    pub threads: Vec<ThreadCut>,
    /// Where the epoch begins: how far each thread had been read before.
    pub begins: Vec<ThreadStart>,
    /// Root over the epoch's lane records.
    #[serde(with = "crate::text")]
    pub journal_root: Hash32,
    /// Lane records of the epoch.
    pub records: u64,
    /// The ledger at that time.
    pub ledger: LedgerFacts,
    /// Names of providers as the journal tells them, by address.
    pub providers: BTreeMap<String, String>,
    /// What did not hold.
    pub disputes: Vec<Dispute>,
    /// What the epoch is netted under.
    #[serde(default)]
    pub terms: NettingTerms,
    /// When lanes grew. What a proposal that was taken back had read before is not counted again.
    #[serde(default, skip_serializing_if = "Growth::is_empty")]
    pub growth: Growth,
}

impl CutOff {
    /// The cursors as the ledger keeps them.
    #[must_use]
    pub fn journal_cursors(&self) -> Vec<JournalCursor> {
        self.threads.iter().map(ThreadCut::journal_cursor).collect()
    }
}

/// From where a cut-off reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// From where the last one ended.
    Cursor,
    /// From the oldest block there is, after the operator confirmed a restored journal.
    Oldest,
}

/// What a cut-off is made from.
#[derive(Debug, Clone, Copy)]
pub struct CutOffInput<'a> {
    /// The epoch to cut.
    pub epoch: u64,
    /// The hub.
    pub hub: Address,
    /// Its journal directory.
    pub journal: &'a Path,
    /// Where to begin.
    pub from: ReadFrom,
    /// The time.
    pub now: UnixSeconds,
    /// What the epoch is netted under.
    pub terms: &'a NettingTerms,
    /// Told how far it is.
    pub meter: &'a dyn Meter,
}

/// Reads the journal into the book and takes down the ledger. Everything, the output included, is in `writer`: it shows
/// as a whole, or the cut-off is made anew.
///
/// # Errors
/// Any [`IngestError`].
pub fn cut(
    input: &CutOffInput<'_>,
    book: &Book,
    writer: &BookWriter,
    ledger: &dyn LedgerView,
) -> Result<CutOff, IngestError> {
    let settled: BTreeMap<u16, ChainCursor> =
        book.cursors()?.into_iter().map(|row| (row.thread, row.cursor())).collect();
    let cursors = match input.from {
        ReadFrom::Cursor => settled.clone(),
        ReadFrom::Oldest => oldest_cursors(input.journal)?,
    };
    let catch_up = input.from == ReadFrom::Oldest;
    let (ends, ingested) = take_in(book, ledger, writer, catch_up, input.meter, |ingest| {
        let bytes = bytes_after(input.journal, &cursors)?;
        let reading = Metered::begin(input.meter, Work::Journal, bytes);
        read_journal::<IngestError>(input.journal, &input.hub, &cursors, &mut |block| {
            reading.advance(u64::try_from(block.body.len()).unwrap_or(u64::MAX));
            ingest.block(block)
        })
    })?;
    let threads = cuts(&ends);
    for (thread, end) in &ends {
        writer.put_cursor(&CursorRow::new(*thread, &end.cursor))?;
    }
    // After the journal, so that every escrow the hub knew by then is there.
    let facts = LedgerFacts::read(ledger, &input.hub, input.now)?;
    Ok(CutOff {
        epoch: input.epoch,
        hub: input.hub,
        at: input.now.0,
        threads,
        begins: settled.iter().map(start).collect(),
        journal_root: ingested.journal_root,
        records: ingested.records,
        ledger: facts,
        providers: BTreeMap::new(),
        disputes: ingested.disputes,
        terms: input.terms.clone(),
        growth: ingested.growth,
    })
}

fn start((thread, cursor): (&u16, &ChainCursor)) -> ThreadStart {
    ThreadStart { thread: *thread, sequence: cursor.sequence, block_hash: Hash32(cursor.hash.0), term: cursor.term }
}

fn cuts(ends: &BTreeMap<u16, ChainEnd>) -> Vec<ThreadCut> {
    let cut = |(thread, end): (&u16, &ChainEnd)| ThreadCut {
        thread: *thread,
        sequence: end.cursor.sequence,
        block_hash: Hash32(end.cursor.hash.0),
        term: end.cursor.term,
        unix_ms: end.unix_ms,
        blocks: end.blocks,
    };
    ends.iter().map(cut).collect()
}

/// Refuses a journal that ends before the last epoch that the ledger closed for the hub. The ledger's cursors go on in
/// the order of term and sequence, so a restored journal can be settled as soon as the hub has taken it over.
///
/// # Errors
/// [`JournalError::Behind`].
pub fn require_reaches(cut_off: &CutOff, closed: &[JournalCursor]) -> Result<(), JournalError> {
    let ends = cut_off.journal_cursors();
    match closed.iter().find(|cursor| !ends.iter().any(|end| end.reaches(cursor))) {
        Some(&JournalCursor { thread, term, sequence, .. }) => Err(JournalError::Behind { thread, term, sequence }),
        None => Ok(()),
    }
}

/// Whether books that were read up to `cursors` know of the epoch that the ledger closed at `closed`.
#[must_use]
pub fn books_reach(cursors: &[CursorRow], closed: &[JournalCursor]) -> bool {
    closed.iter().all(|cursor| cursors.iter().any(|row| row.journal_cursor().reaches(cursor)))
}
