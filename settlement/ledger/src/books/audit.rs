//! Adds everything up from scratch, by another way than the counters go.

use std::collections::HashMap;

use farthing_channel::id::{Address, EscrowId, LaneId};
use redb::{ReadTransaction, ReadableTable as _};

use super::rows::{
    ACCOUNTS, CHANNELS, ChannelRow, Counters, ESCROWS, EVENTS, LANES, LaneRow, META, META_COUNTERS, decode,
};
use crate::account::Account;
use crate::base::Audit;
use crate::error::LedgerError;
use crate::escrow::Escrow;
use crate::event::{Event, StoredEvent};

/// A sum that says what did not fit.
fn plus(sum: u64, part: u64) -> Result<u64, LedgerError> {
    sum.checked_add(part).ok_or_else(|| LedgerError::damaged("a sum does not fit 64 bits"))
}

/// Totals as the log tells them: replaying the events must lead to the very same books.
#[derive(Debug, Default)]
struct Replayed {
    issued: u64,
    events: u64,
    /// Deposit, settled and refunded of each escrow.
    escrows: HashMap<EscrowId, (u64, u64, u64)>,
    balances: HashMap<Address, (u64, u64)>,
}

impl Replayed {
    fn credit(&mut self, account: &Address, amount: u64) -> Result<(), LedgerError> {
        let into = &mut self.balances.entry(*account).or_default().0;
        *into = plus(*into, amount)?;
        Ok(())
    }

    fn debit(&mut self, account: &Address, amount: u64) -> Result<(), LedgerError> {
        let out = &mut self.balances.entry(*account).or_default().1;
        *out = plus(*out, amount)?;
        Ok(())
    }

    fn take(&mut self, event: &Event, payers: &HashMap<EscrowId, Address>) -> Result<(), LedgerError> {
        let payer = event.escrow().and_then(|escrow| payers.get(escrow)).copied().unwrap_or(Address::ZERO);
        match event {
            Event::Issued { account, amount, .. } => {
                self.issued = plus(self.issued, *amount)?;
                self.credit(account, *amount)?;
            }
            Event::EscrowOpened { escrow, deposit, .. } => {
                self.escrows.insert(*escrow, (*deposit, 0, 0));
                self.debit(&payer, *deposit)?;
            }
            Event::EscrowToppedUp { escrow, amount, deposit } => {
                self.escrows.entry(*escrow).or_default().0 = *deposit;
                self.debit(&payer, *amount)?;
            }
            Event::EscrowSettled { escrow, payee, prev_settled, total, .. } => {
                let settled = &mut self.escrows.entry(*escrow).or_default().1;
                if *settled != *prev_settled || total <= prev_settled {
                    return Err(LedgerError::damaged(format_args!("settlements of escrow {escrow} do not follow")));
                }
                *settled = *total;
                self.credit(payee, total.saturating_sub(*prev_settled))?;
            }
            Event::EscrowFinalized { escrow, refunded, .. } => {
                self.escrows.entry(*escrow).or_default().2 = *refunded;
                self.credit(&payer, *refunded)?;
            }
            Event::Transferred { from, credited, amount, .. } => {
                self.debit(from, *amount)?;
                self.credit(credited, *amount)?;
            }
            Event::PaidOut { account, amount, .. } => {
                let rest = self.issued.checked_sub(*amount);
                self.issued = rest.ok_or_else(|| LedgerError::damaged("more went out than came in"))?;
                self.debit(account, *amount)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn replay(transaction: &ReadTransaction, payers: &HashMap<EscrowId, Address>) -> Result<Replayed, LedgerError> {
    let mut replayed = Replayed::default();
    for row in transaction.open_table(EVENTS)?.iter()? {
        let (cursor, bytes) = row?;
        replayed.events = plus(replayed.events, 1)?;
        if cursor.value() != replayed.events {
            return Err(LedgerError::damaged(format_args!("event {} is missing", replayed.events)));
        }
        let stored: StoredEvent = decode(bytes.value(), "event")?;
        replayed.take(&stored.event, payers)?;
    }
    Ok(replayed)
}

/// Compares accounts, escrows, channels, lanes, counters and log with each other.
pub(crate) fn audit(transaction: &ReadTransaction) -> Result<Audit, LedgerError> {
    let mut escrows = HashMap::new();
    for row in transaction.open_table(ESCROWS)?.iter()? {
        let escrow: Escrow = decode(row?.1.value(), "escrow")?;
        escrows.insert(escrow.id, escrow);
    }
    let payers = escrows.values().map(|escrow| (escrow.id, escrow.payer)).collect();
    let replayed = replay(transaction, &payers)?;
    let mut found = Audit { issued: replayed.issued, accounts: 0, escrows: 0, settled: 0 };
    for row in transaction.open_table(ACCOUNTS)?.iter()? {
        let account: Account = decode(row?.1.value(), "account")?;
        found.accounts = plus(found.accounts, account.balance)?;
        let (into, out) = replayed.balances.get(&account.address).copied().unwrap_or_default();
        if into.checked_sub(out) != Some(account.balance) {
            return Err(LedgerError::damaged(format_args!("account {} differs from the log", account.address)));
        }
    }
    for escrow in escrows.values() {
        found.escrows = plus(found.escrows, escrow.held())?;
        found.settled = plus(found.settled, escrow.settled)?;
        let refunded = escrow.deposit.saturating_sub(escrow.settled).saturating_sub(escrow.held());
        if replayed.escrows.get(&escrow.id) != Some(&(escrow.deposit, escrow.settled, refunded)) {
            return Err(LedgerError::damaged(format_args!("escrow {} differs from the log", escrow.id)));
        }
    }
    audit_lanes(transaction, &escrows)?;
    let meta = transaction.open_table(META)?;
    let counters: Counters = match meta.get(META_COUNTERS)? {
        Some(row) => decode(row.value(), "counters")?,
        None => return Err(LedgerError::damaged("counters are missing")),
    };
    let Audit { issued, accounts, escrows, .. } = found;
    if accounts.checked_add(escrows) != Some(issued) {
        return Err(LedgerError::NotConserved { issued, accounts, escrows });
    }
    if counters != (Counters { issued, accounts, escrows, events: replayed.events }) {
        return Err(LedgerError::damaged("counters differ from the books"));
    }
    Ok(found)
}

/// Lanes must sum to their channels, and channels to what batches of leaves settled.
fn audit_lanes(transaction: &ReadTransaction, escrows: &HashMap<EscrowId, Escrow>) -> Result<(), LedgerError> {
    let mut channels: HashMap<(EscrowId, Address), u64> = HashMap::new();
    let mut sums: HashMap<EscrowId, (u32, u64)> = HashMap::new();
    for row in transaction.open_table(LANES)?.iter()? {
        let (lane, bytes) = row?;
        let row: LaneRow = decode(bytes.value(), "lane")?;
        if LaneId(*lane.value()) == LaneId::of_escrow(&row.escrow) {
            continue;
        }
        let channel = channels.entry((row.escrow, row.device)).or_default();
        *channel = plus(*channel, row.total)?;
        let (count, sum) = sums.entry(row.escrow).or_default();
        *count = count.saturating_add(1);
        *sum = plus(*sum, row.total)?;
    }
    for row in transaction.open_table(CHANNELS)?.iter()? {
        let (key, bytes) = row?;
        let (mut escrow, mut device) = (EscrowId::ZERO, Address::ZERO);
        escrow.0.copy_from_slice(&key.value()[..32]);
        device.0.copy_from_slice(&key.value()[32..]);
        let row: ChannelRow = decode(bytes.value(), "channel")?;
        if channels.remove(&(escrow, device)) != Some(row.total) {
            return Err(LedgerError::damaged(format_args!("channel of {device} differs from its lanes")));
        }
    }
    let all_right = escrows.values().all(|escrow| {
        sums.get(&escrow.id).copied().unwrap_or_default() == (escrow.lanes, escrow.lanes_total)
            && escrow.lanes_total <= escrow.settled
            && escrow.settled <= escrow.deposit
    });
    if channels.is_empty() && all_right { Ok(()) } else { Err(LedgerError::damaged("lanes differ from their escrow")) }
}
