//! What a night is run with, opened for one command.

use farthing_channel::id::Address;
use farthing_channel::sign::LibSecpKey;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::BaseLedger;
use farthing_settlement::book::{Book, BookCopy};
use farthing_settlement::netting::NettingTerms;
use farthing_settlement::night::{Night, book_path};

use super::Common;
use super::stage_meter::StageMeter;

/// The book and the ledger of a site, and whose night it is.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) book: Book,
    ledger: Box<dyn BaseLedger>,
    hub: Address,
    hub_key: Option<LibSecpKey>,
    journal: std::path::PathBuf,
    terms: NettingTerms,
    meter: StageMeter,
}

impl Desk {
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let ledger = common.open_ledger(Vec::new())?;
        let book = common.open_book()?;
        let hub_key = common.load_hub_key()?;
        let hub = common.hub_account(ledger.reader())?;
        let (journal, terms) = (common.journal_path(), common.netting_terms()?);
        Ok(Self { book, ledger, hub, hub_key, journal, terms, meter: StageMeter::new(common) })
    }

    /// A copy of the book, for a night of which nothing shall stay.
    pub(super) fn copy_book(&self, common: &Common) -> anyhow::Result<BookCopy> {
        let path = book_path(&common.settlement_path());
        Ok(BookCopy::of(&self.book, &path, &path.with_file_name("book.dry-run.redb"))?)
    }

    /// The night at `now`.
    pub(super) fn night(&self, now: UnixSeconds) -> Night<'_> {
        self.night_in(&self.book, now)
    }

    /// The night at `now`, in another book than the site's.
    pub(super) fn night_in<'a>(&'a self, book: &'a Book, now: UnixSeconds) -> Night<'a> {
        Night {
            book,
            ledger: &*self.ledger,
            hub: self.hub,
            journal: self.journal.clone(),
            hub_key: self.hub_key.as_ref(),
            now,
            terms: self.terms.clone(),
            meter: &self.meter,
        }
    }
}
