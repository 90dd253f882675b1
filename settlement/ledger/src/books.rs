//! The ledger's books: its tables, and the only way to change them.
//!
//! Accounts and escrows are written through [`Books`], which carries the sums over them along as counters. Before a
//! transaction commits, [`Books::finish`] compares the counters with what was ever issued: money that appears or
//! vanishes stops the operation.

pub(crate) mod audit;
pub(crate) mod file;
pub(crate) mod rows;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use farthing_channel::time::UnixSeconds;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::account::{Account, ParticipantSettings};
use crate::error::LedgerError;
use crate::escrow::Escrow;
use crate::event::{ClosedEpoch, Event, LoggedEvent, StoredEvent};
use crate::refusal::LedgerRefusal;
use rows::{
    ACCOUNTS, APPROVERS, ApproverKey, Bytes, CHANNELS, ChannelKey, ChannelRow, Counters, EPOCHS, ESCROWS, EVENTS,
    EpochKey, LANES, LaneRow, META, META_COUNTERS, META_IDENTITY, PROPOSALS, REFERENCES, REVOCATIONS, RevocationKey,
    approver_key, channel_key, decode, epoch_key, revocation_key,
};

/// The books while an operation changes them.
pub(crate) struct Books<'txn> {
    meta: Table<'txn, &'static str, Bytes>,
    accounts: Table<'txn, &'static [u8; 20], Bytes>,
    escrows: Table<'txn, &'static [u8; 32], Bytes>,
    channels: Table<'txn, &'static ChannelKey, Bytes>,
    lanes: Table<'txn, &'static [u8; 32], Bytes>,
    revocations: Table<'txn, &'static RevocationKey, u64>,
    references: Table<'txn, &'static [u8; 32], u64>,
    proposals: Table<'txn, &'static [u8; 32], u64>,
    epochs: Table<'txn, &'static EpochKey, Bytes>,
    /// Who approves for whom, but for the ledger's own approvers, and since when.
    approvers: Table<'txn, &'static ApproverKey, u64>,
    events: Table<'txn, u64, Bytes>,
    counters: Counters,
    now: UnixSeconds,
    logged: Vec<LoggedEvent>,
}

impl<'txn> Books<'txn> {
    /// Opens (at genesis: makes) all tables.
    pub(crate) fn open(transaction: &'txn WriteTransaction, now: UnixSeconds) -> Result<Self, LedgerError> {
        let meta = transaction.open_table(META)?;
        let counters = match meta.get(META_COUNTERS)? {
            Some(row) => decode(row.value(), "counters")?,
            None => Counters::default(),
        };
        Ok(Self {
            meta,
            accounts: transaction.open_table(ACCOUNTS)?,
            escrows: transaction.open_table(ESCROWS)?,
            channels: transaction.open_table(CHANNELS)?,
            lanes: transaction.open_table(LANES)?,
            revocations: transaction.open_table(REVOCATIONS)?,
            references: transaction.open_table(REFERENCES)?,
            proposals: transaction.open_table(PROPOSALS)?,
            epochs: transaction.open_table(EPOCHS)?,
            approvers: transaction.open_table(APPROVERS)?,
            events: transaction.open_table(EVENTS)?,
            counters,
            now,
            logged: Vec::new(),
        })
    }

    /// Goes on at another time: what follows happened then.
    pub(crate) fn set_now(&mut self, now: UnixSeconds) {
        self.now = now;
    }

    /// When the operation is carried out.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.now
    }

    /// Writes the counters, checks that they add up, and hands out the events.
    pub(crate) fn finish(mut self) -> Result<Vec<LoggedEvent>, LedgerError> {
        let Counters { issued, accounts, escrows, .. } = self.counters;
        if accounts.checked_add(escrows) != Some(issued) {
            return Err(LedgerError::NotConserved { issued, accounts, escrows });
        }
        self.meta.insert(META_COUNTERS, encode_to_vec(&self.counters).as_slice())?;
        Ok(self.logged)
    }

    pub(crate) fn write_identity(&mut self, identity: &crate::base::LedgerIdentity) -> Result<(), LedgerError> {
        self.meta.insert(META_IDENTITY, encode_to_vec(identity).as_slice())?;
        Ok(())
    }

    pub(crate) fn log(&mut self, event: Event) -> Result<(), LedgerError> {
        let cursor = self.counters.events.checked_add(1).ok_or_else(|| LedgerError::damaged("log is full"))?;
        let stored = StoredEvent { at: self.now, event };
        self.events.insert(cursor, encode_to_vec(&stored).as_slice())?;
        self.counters.events = cursor;
        self.logged.push(LoggedEvent { cursor, at: stored.at, event: stored.event });
        Ok(())
    }

    pub(crate) fn account(&self, address: &Address) -> Result<Account, LedgerError> {
        rows::find_account(&self.accounts, address)
    }

    pub(crate) fn put_account(&mut self, account: &Account) -> Result<(), LedgerError> {
        let before = self.account(&account.address)?.balance;
        self.counters.accounts = moved(self.counters.accounts, before, account.balance)?;
        self.accounts.insert(&account.address.0, encode_to_vec(account).as_slice())?;
        Ok(())
    }

    /// Replaces what is set for a participant.
    pub(crate) fn put_settings(
        &mut self,
        account: &Address,
        net_debit_cap: u64,
        approvers: &[Address],
    ) -> Result<(), LedgerError> {
        let mut row = self.account(account)?;
        for former in row.approvers() {
            self.approvers.remove(&approver_key(former, account))?;
        }
        for approver in approvers {
            self.approvers.insert(&approver_key(approver, account), self.now.0)?;
        }
        let revision = row.settings.as_ref().map_or(0, |settings| settings.revision);
        let revision = revision.checked_add(1).ok_or_else(|| LedgerError::damaged("revisions are used up"))?;
        row.settings = Some(ParticipantSettings { revision, net_debit_cap, approvers: approvers.to_vec() });
        self.put_account(&row)
    }

    /// Whether one approves for some participant.
    pub(crate) fn approves_for_any(&self, approver: &Address) -> Result<bool, LedgerError> {
        let (first, last) = (approver_key(approver, &Address::ZERO), approver_key(approver, &Address([0xff; 20])));
        Ok(self.approvers.range::<&ApproverKey>(&first..=&last)?.next().transpose()?.is_some())
    }

    /// Adds to an account.
    pub(crate) fn credit(&mut self, address: &Address, amount: u64) -> Result<(), LedgerError> {
        let mut account = self.account(address)?;
        account.balance = account.balance.checked_add(amount).ok_or(LedgerRefusal::AmountTooLarge)?;
        self.put_account(&account)
    }

    /// Takes from an account.
    pub(crate) fn debit(&mut self, address: &Address, amount: u64) -> Result<(), LedgerError> {
        let mut account = self.account(address)?;
        account.balance = account.balance.checked_sub(amount).ok_or(LedgerRefusal::InsufficientBalance)?;
        self.put_account(&account)
    }

    /// Counts money that came in. Everything issued fits 64 bits, so every sum in the books does.
    pub(crate) fn count_issue(&mut self, amount: u64) -> Result<(), LedgerError> {
        self.counters.issued = self.counters.issued.checked_add(amount).ok_or(LedgerRefusal::AmountTooLarge)?;
        Ok(())
    }

    /// Counts money that went out.
    pub(crate) fn count_paid_out(&mut self, amount: u64) -> Result<(), LedgerError> {
        let rest = self.counters.issued.checked_sub(amount);
        self.counters.issued = rest.ok_or_else(|| LedgerError::damaged("more went out than came in"))?;
        Ok(())
    }

    pub(crate) fn find_escrow(&self, id: &EscrowId) -> Result<Option<Escrow>, LedgerError> {
        rows::find_escrow(&self.escrows, id)
    }

    pub(crate) fn escrow(&self, id: &EscrowId) -> Result<Escrow, LedgerError> {
        Ok(self.find_escrow(id)?.ok_or(LedgerRefusal::UnknownEscrow)?)
    }

    pub(crate) fn put_escrow(&mut self, escrow: &Escrow) -> Result<(), LedgerError> {
        let before = self.find_escrow(&escrow.id)?.map_or(0, |before| before.held());
        self.counters.escrows = moved(self.counters.escrows, before, escrow.held())?;
        self.escrows.insert(&escrow.id.0, encode_to_vec(escrow).as_slice())?;
        Ok(())
    }

    pub(crate) fn channel(&self, escrow: &EscrowId, device: &Address) -> Result<Option<ChannelRow>, LedgerError> {
        self.channels.get(&channel_key(escrow, device))?.map(|row| decode(row.value(), "channel")).transpose()
    }

    pub(crate) fn put_channel(
        &mut self,
        escrow: &EscrowId,
        device: &Address,
        row: &ChannelRow,
    ) -> Result<(), LedgerError> {
        self.channels.insert(&channel_key(escrow, device), encode_to_vec(row).as_slice())?;
        Ok(())
    }

    /// What is settled of a lane; `None` where it never was.
    pub(crate) fn lane(&self, lane: &LaneId) -> Result<Option<LaneRow>, LedgerError> {
        self.lanes.get(&lane.0)?.map(|row| decode(row.value(), "lane")).transpose()
    }

    pub(crate) fn put_lane(&mut self, lane: &LaneId, row: &LaneRow) -> Result<(), LedgerError> {
        self.lanes.insert(&lane.0, encode_to_vec(row).as_slice())?;
        Ok(())
    }

    /// When the mandate with `serial` was revoked: by the first revocation that reached up to it.
    pub(crate) fn revoked_at(
        &self,
        escrow: &EscrowId,
        device: &Address,
        serial: u64,
    ) -> Result<Option<UnixSeconds>, LedgerError> {
        let first = revocation_key(escrow, device, serial);
        let last = revocation_key(escrow, device, u64::MAX);
        match self.revocations.range::<&RevocationKey>(&first..=&last)?.next() {
            Some(row) => Ok(Some(UnixSeconds(row?.1.value()))),
            None => Ok(None),
        }
    }

    pub(crate) fn put_revocation(
        &mut self,
        escrow: &EscrowId,
        device: &Address,
        serial: u64,
    ) -> Result<(), LedgerError> {
        self.revocations.insert(&revocation_key(escrow, device, serial), self.now.0)?;
        Ok(())
    }

    /// Marks a reference as used; `false` where it was used before.
    pub(crate) fn use_reference(&mut self, reference: &Hash32) -> Result<bool, LedgerError> {
        Ok(self.references.insert(&reference.0, self.now.0)?.is_none())
    }

    /// Marks a proposal as executed; `false` where it was executed before.
    pub(crate) fn use_proposal(&mut self, proposal: &Hash32) -> Result<bool, LedgerError> {
        Ok(self.proposals.insert(&proposal.0, self.now.0)?.is_none())
    }

    pub(crate) fn proposal_executed(&self, proposal: &Hash32) -> Result<bool, LedgerError> {
        Ok(self.proposals.get(&proposal.0)?.is_some())
    }

    pub(crate) fn epoch_last(&self, hub: &Address) -> Result<Option<ClosedEpoch>, LedgerError> {
        rows::epoch_last(&self.epochs, hub)
    }

    pub(crate) fn put_epoch(&mut self, epoch: &ClosedEpoch) -> Result<(), LedgerError> {
        self.epochs.insert(&epoch_key(&epoch.hub, epoch.epoch), encode_to_vec(epoch).as_slice())?;
        Ok(())
    }
}

/// A sum after one of its parts went from `before` to `after`.
fn moved(sum: u64, before: u64, after: u64) -> Result<u64, LedgerError> {
    sum.checked_sub(before)
        .and_then(|rest| rest.checked_add(after))
        .ok_or_else(|| LedgerError::damaged("a sum does not fit"))
}
