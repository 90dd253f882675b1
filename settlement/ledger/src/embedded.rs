//! The base ledger in one redb file.
//!
//! Hub and settlement share the file without a server: each call opens it for a moment under redb's own lock and waits
//! its turn for at most half a minute. Commits are two-phase and durable before a call returns. The ledger checks every
//! leaf of a batch itself, so whatever it has carried out is final at once.

mod account_rules;
mod audit;
mod batch_rules;
mod books;
mod escrow_rules;
mod file;
mod rows;
mod signatures;

use std::path::Path;

use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use farthing_channel::time::UnixSeconds;
use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use crate::account::{Account, AccountKind};
use crate::base::{Audit, BaseLedger, ChangeMark, LedgerHeads, LedgerIdentity};
use crate::batch::SettlementBatch;
use crate::error::LedgerError;
use crate::escrow::{Escrow, Revocation, SettledChannel};
use crate::event::{ClosedEpoch, Event, LoggedEvent, StoredEvent};
use crate::limits::{APPROVALS_REQUIRED, APPROVERS_MAX, EMBEDDED_CHAIN_ID, EVENTS_PER_READ_MAX, REHEARSAL_CHAIN_ID};
use crate::operation::SignedOperation;
use crate::refusal::LedgerRefusal;
use books::Books;
use file::LedgerFile;
use rows::{ChannelRow, channel_key, decode};
use signatures::{check_approvals, check_signer};

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
    file: LedgerFile,
    identity: LedgerIdentity,
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
        let identity = LedgerIdentity { chain_id, contract, approvers };
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
        Ok(Self { file, identity })
    }

    /// Opens the ledger at `path`.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] where there is no file, [`LedgerError::Damaged`] where it is no ledger of this kind,
    /// [`LedgerError::Busy`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let file = LedgerFile::new(path.as_ref());
        let identity = file.read(|transaction| {
            let meta = transaction.open_table(rows::META)?;
            let row = meta.get(rows::META_IDENTITY)?.ok_or_else(|| LedgerError::damaged("identity is missing"))?;
            decode::<LedgerIdentity>(row.value(), "identity")
        })?;
        if ![EMBEDDED_CHAIN_ID, REHEARSAL_CHAIN_ID].contains(&identity.chain_id) {
            return Err(LedgerError::damaged("not an embedded ledger"));
        }
        Ok(Self { file, identity })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Which ledger it is, from memory.
    #[must_use]
    pub fn known_identity(&self) -> &LedgerIdentity {
        &self.identity
    }

    /// Changes the books by all of `rules` or by nothing of it.
    fn change(
        &self,
        now: UnixSeconds,
        rules: impl FnOnce(&mut Books<'_>) -> Result<(), LedgerError>,
    ) -> Result<Vec<LoggedEvent>, LedgerError> {
        self.file.write(|transaction| {
            let mut books = Books::open(transaction, now)?;
            rules(&mut books)?;
            books.finish()
        })
    }

    fn settle(&self, batch: &SettlementBatch, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        let escrow = self.escrow(&batch.order.operation.escrow)?.ok_or(LedgerRefusal::UnknownEscrow)?;
        let proven = batch_rules::prove(&self.identity.domain(), &escrow, batch)?;
        self.change(now, |books| batch_rules::settle(books, &proven))
    }

    fn read<T>(&self, query: impl FnOnce(&ReadTransaction) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.file.read(query)
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
        if !account_rules::label_is_good(&account.label) {
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

impl BaseLedger for EmbeddedLedger {
    fn identity(&self) -> Result<LedgerIdentity, LedgerError> {
        Ok(self.identity.clone())
    }

    fn submit(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        let identity = &self.identity;
        let domain = &identity.domain();
        match operation {
            SignedOperation::Issue(approved) => {
                check_approvals(identity, approved)?;
                self.change(now, |books| account_rules::issue(books, &approved.operation))
            }
            SignedOperation::RegisterAccount(approved) => {
                check_approvals(identity, approved)?;
                let wanted = &approved.operation;
                if wanted.kind.is_participant() && identity.approvers.binary_search(&wanted.account).is_ok() {
                    return Err(LedgerRefusal::ApproverAsParticipant.into());
                }
                self.change(now, |books| account_rules::register(books, &approved.operation))
            }
            SignedOperation::TransferBatch(approved) => {
                check_approvals(identity, approved)?;
                self.change(now, |books| account_rules::transfer(books, &approved.operation))
            }
            SignedOperation::CloseEpoch(approved) => {
                check_approvals(identity, approved)?;
                self.change(now, |books| account_rules::close_epoch(books, &approved.operation))
            }
            SignedOperation::SetPayout(signed) => {
                check_signer(domain, signed, &signed.operation.account)?;
                self.change(now, |books| account_rules::set_payout(books, &signed.operation))
            }
            SignedOperation::OpenEscrow(signed) => self.change(now, |books| escrow_rules::open(books, domain, signed)),
            SignedOperation::TopUp(signed) => self.change(now, |books| escrow_rules::top_up(books, domain, signed)),
            SignedOperation::RequestClose(signed) => {
                self.change(now, |books| escrow_rules::request_close(books, domain, signed))
            }
            SignedOperation::Withdraw(signed) => {
                self.change(now, |books| escrow_rules::withdraw(books, domain, signed))
            }
            SignedOperation::CloseEscrow { close, voucher } => {
                self.change(now, |books| escrow_rules::close(books, domain, close, voucher.as_ref()))
            }
            SignedOperation::RevokeMandate(signed) => {
                self.change(now, |books| escrow_rules::revoke(books, domain, signed))
            }
            SignedOperation::SettleBatch(batch) => self.settle(batch, now),
        }
    }

    fn heads(&self) -> Result<LedgerHeads, LedgerError> {
        self.read(|transaction| {
            let head = transaction.open_table(rows::EVENTS)?.len()?;
            Ok(LedgerHeads { head, finalized: head })
        })
    }

    fn events(&self, after: u64, max: usize) -> Result<Vec<LoggedEvent>, LedgerError> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        self.read(|transaction| {
            let table = transaction.open_table(rows::EVENTS)?;
            let mut events = Vec::new();
            for row in table.range(first..)?.take(max.min(EVENTS_PER_READ_MAX)) {
                let (cursor, bytes) = row?;
                let StoredEvent { at, event } = decode(bytes.value(), "event")?;
                events.push(LoggedEvent { cursor: cursor.value(), at, event });
            }
            Ok(events)
        })
    }

    fn mark(&self) -> Result<ChangeMark, LedgerError> {
        self.file.mark()
    }

    fn escrow(&self, id: &EscrowId) -> Result<Option<Escrow>, LedgerError> {
        self.read(|transaction| rows::find_escrow(&transaction.open_table(rows::ESCROWS)?, id))
    }

    fn escrows(&self) -> Result<Vec<Escrow>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(rows::ESCROWS)?;
            table.iter()?.map(|row| decode(row?.1.value(), "escrow")).collect()
        })
    }

    fn account(&self, address: &Address) -> Result<Account, LedgerError> {
        self.read(|transaction| rows::find_account(&transaction.open_table(rows::ACCOUNTS)?, address))
    }

    fn accounts(&self) -> Result<Vec<Account>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(rows::ACCOUNTS)?;
            table.iter()?.map(|row| decode(row?.1.value(), "account")).collect()
        })
    }

    fn lanes_settled(&self, lanes: &[LaneId]) -> Result<Vec<u64>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(rows::LANES)?;
            lanes.iter().map(|lane| rows::lane_total(&table, lane)).collect()
        })
    }

    fn channels_settled(&self, escrow: &EscrowId) -> Result<Vec<SettledChannel>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(rows::CHANNELS)?;
            let (first, last) = (channel_key(escrow, &Address::ZERO), channel_key(escrow, &Address([0xff; 20])));
            let mut channels = Vec::new();
            for row in table.range::<&rows::ChannelKey>(&first..=&last)? {
                let ChannelRow { mandate, total } = decode(row?.1.value(), "channel")?;
                channels.push(SettledChannel { device: mandate.device, serial: mandate.serial, total });
            }
            Ok(channels)
        })
    }

    fn revocations(&self, escrow: &EscrowId) -> Result<Vec<Revocation>, LedgerError> {
        self.read(|transaction| rows::revocations(&transaction.open_table(rows::REVOCATIONS)?, escrow))
    }

    fn epoch_last(&self, hub: &Address) -> Result<Option<ClosedEpoch>, LedgerError> {
        self.read(|transaction| rows::epoch_last(&transaction.open_table(rows::EPOCHS)?, hub))
    }

    fn proposal_executed(&self, proposal: &Hash32) -> Result<bool, LedgerError> {
        self.read(|transaction| Ok(transaction.open_table(rows::PROPOSALS)?.get(&proposal.0)?.is_some()))
    }

    fn audit(&self) -> Result<Audit, LedgerError> {
        self.read(audit::audit)
    }
}
