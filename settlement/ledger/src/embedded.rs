//! The base ledger in one redb file.
//!
//! Hub and settlement share the file without a server: each call opens it for a moment under redb's own lock and waits
//! its turn for at most half a minute. Commits are two-phase and durable before a call returns. The ledger checks every
//! leaf of a batch itself, so whatever it has carried out is final at once.

use std::path::Path;

use farthing_channel::id::Address;
use farthing_channel::time::UnixSeconds;

use crate::account::{Account, AccountKind};
use crate::base::{BaseLedger, LedgerIdentity};
use crate::books::Books;
use crate::books::file::LedgerFile;
use crate::error::LedgerError;
use crate::event::{Event, LoggedEvent};
use crate::limits::{APPROVALS_REQUIRED, APPROVERS_MAX, EMBEDDED_CHAIN_ID, REHEARSAL_CHAIN_ID};
use crate::operation::SignedOperation;
use crate::rules;
use crate::view::{LedgerReader, LedgerView};

/// An account that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// What it is.
    pub kind: AccountKind,
    /// What people call it; 1 to 64 bytes without control characters.
    pub label: String,
}

/// The base ledger in a file. Cheap to clone; several may stand for one file, also in different processes.
#[derive(Debug, Clone)]
pub struct EmbeddedLedger {
    reader: LedgerReader,
}

impl EmbeddedLedger {
    /// Makes a new ledger at `path`, which must not exist, with 20 fresh random bytes as its `contract`. `approvers` (at
    /// least two) move the money of participants; `accounts` are registered at once, the hub's among them.
    ///
    /// # Errors
    /// [`LedgerError::Genesis`] for parameters that make no ledger; [`LedgerError::Storage`], also where the file exists.
    pub fn genesis(
        path: impl AsRef<Path>,
        approvers: &[Address],
        accounts: &[GenesisAccount],
        now: UnixSeconds,
    ) -> Result<Self, LedgerError> {
        Self::make(path.as_ref(), EMBEDDED_CHAIN_ID, approvers, accounts, now)
    }

    /// As [`Self::genesis`], for a rehearsal ([`REHEARSAL_CHAIN_ID`]).
    ///
    /// # Errors
    /// As there.
    pub fn rehearsal(
        path: impl AsRef<Path>,
        approvers: &[Address],
        accounts: &[GenesisAccount],
        now: UnixSeconds,
    ) -> Result<Self, LedgerError> {
        Self::make(path.as_ref(), REHEARSAL_CHAIN_ID, approvers, accounts, now)
    }

    fn make(
        path: &Path,
        chain_id: u64,
        approvers: &[Address],
        accounts: &[GenesisAccount],
        now: UnixSeconds,
    ) -> Result<Self, LedgerError> {
        let approvers = check_genesis(approvers, accounts)?;
        let mut contract = Address::ZERO;
        getrandom::fill(&mut contract.0).map_err(|error| LedgerError::Storage(Box::new(error)))?;
        let identity = LedgerIdentity { chain_id, contract, approvers, chain: None };
        let file = LedgerFile::create(path, |transaction| {
            let mut books = Books::open(transaction, now)?;
            books.write_identity(&identity)?;
            for account in accounts {
                let row = Account {
                    kind: account.kind,
                    label: account.label.clone(),
                    registrations: 1,
                    ..Account::new(account.address)
                };
                books.put_account(&row)?;
                books.log(Event::AccountRegistered {
                    account: account.address,
                    kind: account.kind,
                    label: account.label.clone(),
                })?;
            }
            books.finish().map(drop)
        })?;
        Ok(Self { reader: LedgerReader { file, identity } })
    }

    /// Opens the ledger at `path`.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] where there is no file, [`LedgerError::Damaged`] where it is no ledger of this kind,
    /// [`LedgerError::Busy`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let reader = LedgerReader::open(path)?;
        if ![EMBEDDED_CHAIN_ID, REHEARSAL_CHAIN_ID].contains(&reader.identity.chain_id) {
            return Err(LedgerError::damaged("not an embedded ledger"));
        }
        Ok(Self { reader })
    }
}

/// The approvers in ascending order.
fn check_genesis(approvers: &[Address], accounts: &[GenesisAccount]) -> Result<Vec<Address>, LedgerError> {
    let mut sorted = approvers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != approvers.len() {
        return Err(LedgerError::Genesis("an approver is named twice"));
    }
    if !(APPROVALS_REQUIRED..=APPROVERS_MAX).contains(&sorted.len()) {
        return Err(LedgerError::Genesis("a ledger needs 2 to 32 approvers"));
    }
    let mut seen = std::collections::HashSet::new();
    for account in accounts {
        if account.address.is_zero() || !seen.insert(account.address) {
            return Err(LedgerError::Genesis("an account is zero or named twice"));
        }
        if !rules::account::label_is_good(&account.label) {
            return Err(LedgerError::Genesis("a label must have 1 to 64 bytes and no control characters"));
        }
        if account.kind.is_participant() && sorted.binary_search(&account.address).is_ok() {
            return Err(LedgerError::Genesis(
                "an approver may not approve its own money: hubs and providers are others",
            ));
        }
    }
    Ok(sorted)
}

impl LedgerView for EmbeddedLedger {
    fn reader(&self) -> &LedgerReader {
        &self.reader
    }
}

impl BaseLedger for EmbeddedLedger {
    fn submit(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        let identity = self.identity();
        let checked = rules::check(identity, operation, |id| self.escrow(id))?;
        self.reader.file.write(|transaction| {
            let mut books = Books::open(transaction, now)?;
            checked.apply(identity, &mut books)?;
            books.finish()
        })
    }
}
