//! Where a site's files are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_ledger::{AccountKind, BaseLedger, EmbeddedLedger, LedgerReader, LedgerView};
use farthing_settlement::book::{Book, BookError};
use farthing_settlement::netting::NettingTerms;
use farthing_settlement::night::book_path;
use farthing_settlement::text::TokenFormat;

use super::Common;

/// Pause between two attempts to open a book that another command has.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Attempts before giving up: with the pause, ten seconds, which every command but a large plan keeps below.
const BUSY_ATTEMPTS: u32 = 200;

impl Common {
    pub(super) fn ledger_path(&self) -> PathBuf {
        self.ledger.clone().unwrap_or_else(|| self.site.join("ledger.redb"))
    }

    pub(super) fn settlement_path(&self) -> PathBuf {
        self.settlement.clone().unwrap_or_else(|| self.site.join("settlement"))
    }

    /// The journal: what was named, or the site's, or that of a hub whose data directory has its default name.
    pub(super) fn journal_path(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        let usual = self.site.join("hub").join("journal");
        let in_data = self.site.join("hub").join("data").join("journal");
        if !usual.is_dir() && in_data.is_dir() { in_data } else { usual }
    }

    /// The ledger's books, to look at.
    pub(super) fn open_reader(&self) -> anyhow::Result<LedgerReader> {
        let path = self.ledger_path();
        LedgerReader::open(&path).with_context(|| format!("cannot open the ledger {}", path.display()))
    }

    /// The ledger, to change it. `keys` are those of this call; on a chain whoever must send stands among them, or is the
    /// sender or the hub.
    pub(super) fn open_ledger(&self, keys: Vec<LibSecpKey>) -> anyhow::Result<Box<dyn BaseLedger>> {
        let reader = self.open_reader()?;
        if reader.identity().chain.is_some() {
            return Ok(Box::new(self.open_chain(keys)?));
        }
        Ok(Box::new(EmbeddedLedger::open(self.ledger_path())?))
    }

    /// What the night is netted under: `netting.toml` in the settlement directory, where there is one.
    pub(super) fn netting_terms(&self) -> anyhow::Result<NettingTerms> {
        let path = self.settlement_path().join("netting.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("cannot read {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(NettingTerms::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The book; another command that has it is waited for a while.
    pub(super) fn open_book(&self) -> anyhow::Result<Book> {
        let path = book_path(&self.settlement_path());
        for _ in 0..BUSY_ATTEMPTS {
            match Book::open(&path) {
                Err(BookError::Busy(_)) => std::thread::sleep(BUSY_PAUSE),
                opened => return Ok(opened?),
            }
        }
        Ok(Book::open(&path)?)
    }

    /// The hub's key, where there is one.
    pub(super) fn load_hub_key(&self) -> anyhow::Result<Option<LibSecpKey>> {
        match &self.hub_key {
            Some(path) => self.load_key(path).map(Some),
            None => {
                let usual = self.site.join("hub").join("hub.key");
                if usual.is_file() { self.load_key(&usual).map(Some) } else { Ok(None) }
            }
        }
    }

    /// The hub: named, or its key's address, or the ledger's only one.
    pub(super) fn hub_account(&self, ledger: &LedgerReader) -> anyhow::Result<Address> {
        if let Some(hub) = self.hub {
            return Ok(hub);
        }
        if let Some(key) = self.load_hub_key()? {
            return Ok(key.address());
        }
        let hubs: Vec<_> = ledger.accounts()?.into_iter().filter(|account| account.kind == AccountKind::Hub).collect();
        match hubs.as_slice() {
            [only] => Ok(only.address),
            [] => bail!("the ledger knows no hub"),
            _ => Err(anyhow!("the ledger knows {} hubs; name one with --hub", hubs.len())),
        }
    }

    pub(super) fn token(&self) -> TokenFormat {
        TokenFormat { decimals: self.decimals, symbol: self.symbol.clone() }
    }

    /// Reads an amount: base units, or tokens where it has a point.
    pub(super) fn amount(&self, text: &str) -> anyhow::Result<u128> {
        self.token().parse(text).ok_or_else(|| {
            anyhow!(
                "{text} is no amount: base units as a whole number, or tokens with up to {} decimals",
                self.decimals
            )
        })
    }

    /// As [`Self::amount`], for what the ledger keeps in 64 bits.
    pub(super) fn amount64(&self, text: &str) -> anyhow::Result<u64> {
        u64::try_from(self.amount(text)?).with_context(|| format!("{text} is more than the ledger holds"))
    }
}
