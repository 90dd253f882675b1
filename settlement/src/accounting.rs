//! A settled epoch in double entry, from the hub operator's side.
//!
//! Deposits in the hub's favour are held in escrow, and owed to the payers. What the night collects moves from escrow to
//! the hub's account and is from then on owed to the payees, or the hub's income where it is a payee itself; a transfer
//! pays what is owed. So the books balance in the operator's own terms, and their balances are asserted against what the
//! base ledger told afterwards, which is not computed from them.
//!
//! An epoch's books open with the balances before it and close with those after it, so each file stands on its own, and
//! what others moved between two epochs is nowhere missing. Accounts are named by address, which never changes.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId};

use crate::night::EpochOutputs;
use crate::stage::reconcile::{BalanceLine, Reconciliation};
use crate::statement::Statement;

mod programs;
#[cfg(test)]
mod tests;

pub use programs::{beancount, hledger};

const SECONDS_PER_DAY: u64 = 86_400;

/// Why an epoch cannot be put into double entry; with outputs of a settled epoch that is a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountingError {
    /// The reconciliation has no line for the hub or an escrow.
    #[error("the reconciliation says nothing of {0}")]
    NotReconciled(String),
    /// The cut-off does not know an escrow that is collected from.
    #[error("the cut-off says nothing of escrow {0}")]
    EscrowUnknown(EscrowId),
    /// A sum beyond 127 bits.
    #[error("an amount is too large to be booked")]
    TooLarge,
}

/// One side of an entry: debits are positive, credits negative, base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The account, as both programs name it.
    pub account: String,
    /// How much.
    pub amount: i128,
}

/// One entry; its postings sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// For people.
    pub what: String,
    /// Its sides.
    pub postings: Vec<Posting>,
}

/// The books of one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubleEntry {
    /// The epoch.
    pub epoch: u64,
    /// The hub.
    pub hub: String,
    /// The proposal that was carried out.
    pub proposal: String,
    /// When the ledger closed the epoch, Unix seconds.
    pub closed_at: u64,
    /// Every account, with what people call its holder.
    pub accounts: BTreeMap<String, String>,
    /// What was there before, what happened.
    pub entries: Vec<Entry>,
    /// Balances afterwards: as the ledger tells them, or as the statement's sums do.
    pub balances: Vec<Posting>,
}

fn account(address: &Address) -> String {
    format!("Assets:Farthing:Account:{address}")
}

fn escrow(escrow: &str) -> String {
    format!("Assets:Farthing:Escrow:{escrow}")
}

fn payer(address: &Address) -> String {
    format!("Liabilities:Farthing:Payer:{address}")
}

fn payee(address: &Address) -> String {
    format!("Liabilities:Farthing:Payee:{address}")
}

const SERVICES: &str = "Income:Farthing:Services";
const OTHERS: &str = "Equity:Farthing:Others";
const OPENING: &str = "Equity:Farthing:Opening";

fn signed(amount: u128) -> Result<i128, AccountingError> {
    i128::try_from(amount).map_err(|_| AccountingError::TooLarge)
}

/// Postings by account; two to the same account become one.
#[derive(Debug, Default)]
struct Sums(BTreeMap<String, i128>);

impl Sums {
    fn debit(&mut self, account: String, amount: i128) {
        // Amounts come from 64 bits and are fewer than 2^63, so their sums fit.
        let sum = self.0.entry(account).or_default();
        *sum = sum.saturating_add(amount);
    }

    fn credit(&mut self, account: String, amount: i128) {
        self.debit(account, amount.saturating_neg());
    }

    fn entry(self, what: String) -> Option<Entry> {
        let postings: Vec<_> = self.0.into_iter().map(|(account, amount)| Posting { account, amount }).collect();
        postings.iter().any(|posting| posting.amount != 0).then_some(Entry { what, postings })
    }
}

/// What the entries are made from.
struct Sources<'a> {
    outputs: &'a EpochOutputs,
    reconciliation: &'a Reconciliation,
    hub: Address,
}

impl DoubleEntry {
    /// The books of an epoch; `None` before the ledger has carried it out.
    ///
    /// # Errors
    /// [`AccountingError`].
    pub fn of(outputs: &EpochOutputs) -> Result<Option<Self>, AccountingError> {
        let Some(reconciliation) = &outputs.reconciliation else { return Ok(None) };
        let sources = Sources { outputs, reconciliation, hub: outputs.cut_off.hub };
        let mut entries: Vec<Entry> = Vec::new();
        entries.extend(sources.opening()?);
        entries.extend(sources.moved_by_others()?);
        entries.extend(sources.collected()?);
        entries.extend(sources.transferred());
        let balances = sources.balances()?;
        let statement = Statement::of(outputs);
        let mut accounts = BTreeMap::new();
        let posted = entries.iter().flat_map(|entry| &entry.postings).chain(&balances);
        for Posting { account, .. } in posted {
            let holder = account.rsplit(':').next().unwrap_or_default();
            accounts.insert(account.clone(), statement.holder_name(holder));
        }
        Ok(Some(Self {
            epoch: outputs.cut_off.epoch,
            hub: sources.hub.to_string(),
            proposal: outputs.proposal.id().to_string(),
            closed_at: reconciliation.closed_at,
            accounts,
            entries,
            balances,
        }))
    }

    /// The entry that takes every balance back to zero, so that the next epoch's books can open with its own.
    #[must_use]
    pub fn closing(&self) -> Entry {
        let mut sums = Sums::default();
        for posting in self.entries.iter().flat_map(|entry| &entry.postings) {
            sums.credit(posting.account.clone(), posting.amount);
        }
        let postings = sums.0.into_iter().map(|(account, amount)| Posting { account, amount });
        Entry {
            what: "Closing balances".to_owned(),
            postings: postings.filter(|posting| posting.amount != 0).collect(),
        }
    }
}

impl Sources<'_> {
    fn line(&self, holder: &str) -> Result<&BalanceLine, AccountingError> {
        let line = self.reconciliation.balances.iter().find(|line| line.holder == holder);
        line.ok_or_else(|| AccountingError::NotReconciled(holder.to_owned()))
    }

    /// The escrows that are collected from, with their payers.
    fn escrows(&self) -> Result<Vec<(&BalanceLine, Address)>, AccountingError> {
        let of_batch = |batch: &farthing_ledger::SettleBatch| {
            let line = self.line(&batch.escrow.to_string())?;
            let facts = self.outputs.cut_off.ledger.escrow(&batch.escrow);
            let facts = facts.ok_or(AccountingError::EscrowUnknown(batch.escrow))?;
            Ok((line, facts.payer))
        };
        self.outputs.proposal.batches.iter().map(of_batch).collect()
    }

    fn opening(&self) -> Result<Option<Entry>, AccountingError> {
        let mut sums = Sums::default();
        let before = i128::from(self.line(&self.hub.to_string())?.before);
        sums.debit(account(&self.hub), before);
        sums.credit(OPENING.to_owned(), before);
        for (line, of) in self.escrows()? {
            sums.debit(escrow(&line.holder), line.before.into());
            sums.credit(payer(&of), line.before.into());
        }
        Ok(sums.entry("Opening balances".to_owned()))
    }

    /// What others moved on these accounts while the night ran.
    fn moved_by_others(&self) -> Result<Option<Entry>, AccountingError> {
        let mut sums = Sums::default();
        let hub = self.line(&self.hub.to_string())?;
        // A leg may be for somebody who has his money sent to the hub's account.
        let credited = hub.proposal_in.saturating_sub(self.outputs.proposal.collected());
        let net = signed(hub.other_in.saturating_add(credited))?.saturating_sub(signed(hub.other_out)?);
        sums.debit(account(&self.hub), net);
        sums.credit(OTHERS.to_owned(), net);
        for (line, of) in self.escrows()? {
            let net = signed(line.other_in)?.saturating_sub(signed(line.other_out)?);
            sums.debit(escrow(&line.holder), net);
            sums.credit(payer(&of), net);
        }
        Ok(sums.entry("Moved by others meanwhile".to_owned()))
    }

    /// One entry for each escrow.
    fn collected(&self) -> Result<Vec<Entry>, AccountingError> {
        let mut entries = Vec::new();
        for (batch, (line, of)) in self.outputs.proposal.batches.iter().zip(self.escrows()?) {
            let mut sums = Sums::default();
            let amount = i128::from(batch.total.saturating_sub(batch.prev_settled));
            sums.debit(account(&self.hub), amount);
            sums.credit(escrow(&line.holder), amount);
            sums.debit(payer(&of), amount);
            let lanes = self.outputs.positions.lanes.iter().filter(|lane| lane.escrow == batch.escrow);
            for lane in lanes.filter(|lane| lane.collect > 0) {
                let owed = if lane.payee == self.hub { SERVICES.to_owned() } else { payee(&lane.payee) };
                sums.credit(owed, lane.collect.into());
            }
            entries.extend(sums.entry(format!("Collected from escrow {}", line.holder)));
        }
        Ok(entries)
    }

    /// One entry for each leg.
    fn transferred(&self) -> Vec<Entry> {
        let legs = self.outputs.proposal.legs.iter().enumerate();
        let entries = legs.filter_map(|(number, leg)| {
            let mut sums = Sums::default();
            sums.debit(payee(&leg.to), leg.amount.into());
            let from = if leg.from == self.hub { account(&leg.from) } else { payee(&leg.from) };
            sums.credit(from, leg.amount.into());
            sums.entry(format!("Leg {number}"))
        });
        entries.collect()
    }

    /// Accounts and escrows as the ledger tells them; payers by what is left in escrow; payees by the sums over lanes
    /// less the sums over legs; the hub's income by its lanes.
    fn balances(&self) -> Result<Vec<Posting>, AccountingError> {
        let mut sums = Sums::default();
        sums.debit(account(&self.hub), self.line(&self.hub.to_string())?.after.into());
        for (line, of) in self.escrows()? {
            sums.debit(escrow(&line.holder), line.after.into());
            sums.credit(payer(&of), line.after.into());
        }
        for (of, line) in self.outputs.positions.by_payee() {
            let account = if of == self.hub { SERVICES.to_owned() } else { payee(&of) };
            sums.credit(account, signed(line.collect)?);
        }
        for leg in &self.outputs.netting.legs {
            sums.debit(payee(&leg.to), signed(leg.amount)?);
            if leg.from != self.hub {
                sums.credit(payee(&leg.from), signed(leg.amount)?);
            }
        }
        Ok(sums.0.into_iter().map(|(account, amount)| Posting { account, amount }).collect())
    }
}

/// The day after a time, Unix seconds.
fn day_after(seconds: u64) -> u64 {
    seconds.saturating_add(SECONDS_PER_DAY)
}
