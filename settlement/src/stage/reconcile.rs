//! Reconciliation: what the ledger did, compared with what was proposed, to the last base unit.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::EVENTS_PER_READ_MAX;
use farthing_ledger::{LedgerError, LedgerView, LoggedEvent};
use serde::{Deserialize, Serialize};

use super::comparison::{Compared, Comparison, Movement};
use super::cut_off::CutOff;
use super::positions::Positions;
use super::three_way::{ReconcileError, ThreeWay, three_way};
use crate::book::Book;
use crate::netting::Netting;
use crate::proposal::Proposal;

/// Readings before giving up on a quiet moment of the ledger between its events and its balances.
const QUIET_READINGS_MAX: u32 = 20;

/// Balances just before the first submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The ledger's newest event then.
    pub event: u64,
    /// Base units by account: the hub's, and everyone's whom a leg pays.
    pub accounts: BTreeMap<String, u64>,
    /// Base units held by escrow.
    pub escrows: BTreeMap<String, u64>,
    /// Where each leg's money goes, by the account it is for.
    pub payouts: BTreeMap<String, String>,
}

/// One account or escrow, from before to after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceLine {
    /// The account or escrow.
    pub holder: String,
    /// Whether it is an escrow.
    pub escrow: bool,
    /// Before, base units.
    pub before: u64,
    /// What the proposal puts in.
    pub proposal_in: u128,
    /// What the proposal takes out.
    pub proposal_out: u128,
    /// What others put in meanwhile.
    pub other_in: u128,
    /// What others took out meanwhile.
    pub other_out: u128,
    /// After, as the ledger tells it.
    pub after: u64,
}

impl BalanceLine {
    /// Whether before plus everything in less everything out is after, exactly.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let came = u128::from(self.before).saturating_add(self.proposal_in).saturating_add(self.other_in);
        came == u128::from(self.after).saturating_add(self.proposal_out).saturating_add(self.other_out)
    }
}

/// What the ledger did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// The ledger's newest event.
    pub event: u64,
    /// Batches, transfers and closings of the proposal found in the log.
    pub matched: u64,
    /// What differs, for people. Empty where everything adds up.
    pub differences: Vec<String>,
    /// Every account and escrow that the proposal touches.
    pub balances: Vec<BalanceLine>,
    /// Everything ever issued on the ledger, base units.
    pub issued: u64,
    /// Everything in accounts.
    pub in_accounts: u64,
    /// Everything held by escrows.
    pub in_escrows: u64,
    /// When the epoch was closed on the ledger, Unix seconds.
    pub closed_at: u64,
    /// Lanes, journal and ledger beside each other; missing in epochs that were closed before there was such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub three_way: Option<ThreeWay>,
}

/// What an epoch settles.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// Its cut-off.
    pub cut_off: &'a CutOff,
    /// Its positions.
    pub positions: &'a Positions,
    /// Its netting.
    pub netting: &'a Netting,
    /// What was approved.
    pub proposal: &'a Proposal,
}

impl Reconciliation {
    /// Whether the ledger did exactly what was proposed, and all of its money is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let conserved = self.in_accounts.checked_add(self.in_escrows) == Some(self.issued);
        conserved && self.differences.is_empty() && self.balances.iter().all(BalanceLine::adds_up)
    }

    /// Whether lanes, journal and ledger agree in every row too.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.adds_up() && self.three_way.as_ref().is_none_or(ThreeWay::holds)
    }
}

/// Takes down the balances that `proposal` is going to change.
///
/// # Errors
/// As the ledger's reads.
pub fn open(ledger: &dyn LedgerView, proposal: &Proposal, now: UnixSeconds) -> Result<Opening, LedgerError> {
    quietly(ledger, |event| {
        let mut opening =
            Opening { event, accounts: BTreeMap::new(), escrows: BTreeMap::new(), payouts: BTreeMap::new() };
        let mut participants = vec![proposal.hub];
        participants.extend(proposal.legs.iter().flat_map(|leg| [leg.from, leg.to]));
        for participant in participants {
            let account = ledger.account(&participant)?;
            let payout = account.payout_at(now);
            opening.accounts.insert(participant.to_string(), account.balance);
            opening.accounts.insert(payout.to_string(), ledger.account(&payout)?.balance);
            opening.payouts.insert(participant.to_string(), payout.to_string());
        }
        for batch in &proposal.batches {
            let held = ledger.escrow(&batch.escrow)?.map_or(0, |escrow| escrow.held());
            opening.escrows.insert(batch.escrow.to_string(), held);
        }
        Ok(opening)
    })
}

/// Reads with no event in between, so that balances and events tell of one moment.
fn quietly<T>(ledger: &dyn LedgerView, mut read: impl FnMut(u64) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    for _ in 0..QUIET_READINGS_MAX {
        let event = ledger.heads()?.finalized;
        let value = read(event)?;
        if ledger.heads()?.finalized == event {
            return Ok(value);
        }
    }
    Err(LedgerError::Busy)
}

/// All events after `from` up to `to`.
fn events_between(ledger: &dyn LedgerView, from: u64, to: u64) -> Result<Vec<LoggedEvent>, LedgerError> {
    let mut events = Vec::new();
    let mut after = from;
    while after < to {
        let read = ledger.events(after, EVENTS_PER_READ_MAX)?;
        let Some(last) = read.last() else { break };
        after = last.cursor;
        events.extend(read.into_iter().filter(|event| event.cursor <= to));
    }
    Ok(events)
}

/// Compares the ledger with the proposal and the balances before it, and lanes, journal and ledger with each other. The
/// epoch is not closed in `book` yet, so what is proven there is what it was at the cut-off.
///
/// # Errors
/// As the reads of ledger and book, and [`LedgerError::NotConserved`].
pub fn reconcile(
    book: &Book,
    ledger: &dyn LedgerView,
    settled: Settled<'_>,
    opening: &Opening,
) -> Result<Reconciliation, ReconcileError> {
    let (mut reconciliation, transferred) = with_ledger(ledger, settled.proposal, opening)?;
    let mut sides = three_way(book, ledger, &settled, &transferred)?;
    conserve_money(&mut sides, &settled, &reconciliation);
    reconciliation.three_way = Some(sides);
    Ok(reconciliation)
}

/// What went out of escrows and into accounts, and what is on the ledger in all, each summed a second way.
fn conserve_money(sides: &mut ThreeWay, settled: &Settled<'_>, reconciliation: &Reconciliation) {
    let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
    let hub = settled.cut_off.hub;
    let sum = |amounts: &mut dyn Iterator<Item = u128>| signed(amounts.fold(0, u128::saturating_add));
    let lanes = &settled.positions.lanes;
    let by_lanes = sum(&mut lanes.iter().map(|line| line.collect.into()));
    sides.conserve("collected by lanes, and from escrows", by_lanes, signed(settled.proposal.collected()));
    let own = sum(&mut lanes.iter().filter(|line| line.payee == hub).map(|line| line.collect.into()));
    let legs = &settled.proposal.legs;
    let paid = sum(&mut legs.iter().filter(|leg| leg.from == hub).map(|leg| leg.amount.into()));
    let received = sum(&mut legs.iter().filter(|leg| leg.to == hub).map(|leg| leg.amount.into()));
    let owed: i128 = settled.positions.obligations.iter().fold(0, |sum, obligation| {
        let amount = i128::from(obligation.amount);
        let (to_hub, by_hub) = (obligation.creditor == hub, obligation.debtor == hub);
        sum.saturating_add(if to_hub { amount } else { 0 }).saturating_sub(if by_hub { amount } else { 0 })
    });
    let spent = paid.saturating_sub(received).saturating_add(own).saturating_add(owed);
    sides.conserve("collected from escrows, and what the hub pays on and keeps of it", by_lanes, spent);
    let balances = &reconciliation.balances;
    let came =
        |line: &BalanceLine| u128::from(line.before).saturating_add(line.proposal_in).saturating_add(line.other_in);
    let went =
        |line: &BalanceLine| u128::from(line.after).saturating_add(line.proposal_out).saturating_add(line.other_out);
    let (came, went) = (sum(&mut balances.iter().map(came)), sum(&mut balances.iter().map(went)));
    sides.conserve("balances before and what came, and balances after and what went", came, went);
    let held = i128::from(reconciliation.in_accounts).saturating_add(reconciliation.in_escrows.into());
    sides.conserve("in the ledger's accounts and escrows, and what was issued", held, reconciliation.issued.into());
}

/// The part of [`reconcile`] that needs a quiet moment of the ledger, and what the transfers brought each participant.
fn with_ledger(
    ledger: &dyn LedgerView,
    proposal: &Proposal,
    opening: &Opening,
) -> Result<(Reconciliation, BTreeMap<Address, i128>), LedgerError> {
    quietly(ledger, |event| {
        let events = events_between(ledger, opening.event, event)?;
        let mut payers = BTreeMap::new();
        for logged in &events {
            if let Some(id) = logged.event.escrow()
                && let Some(escrow) = ledger.escrow(id)?
            {
                payers.insert(*id, escrow.payer);
            }
        }
        let mut compared = Comparison::new(proposal, opening, payers);
        events.iter().for_each(|logged| compared.take(logged));
        let Compared { matched, differences, movements, transferred, closed_at } = compared.finish();
        let audit = ledger.audit()?;
        let reconciliation = Reconciliation {
            event,
            matched,
            differences,
            balances: balances(ledger, opening, &movements)?,
            issued: audit.issued,
            in_accounts: audit.accounts,
            in_escrows: audit.escrows,
            closed_at,
            three_way: None,
        };
        Ok((reconciliation, transferred))
    })
}

fn balances(
    ledger: &dyn LedgerView,
    opening: &Opening,
    movements: &BTreeMap<String, Movement>,
) -> Result<Vec<BalanceLine>, LedgerError> {
    let mut balances = Vec::new();
    for (holder, before) in &opening.accounts {
        let after = holder.parse().map_or(Ok(0), |account: Address| ledger.account(&account).map(|a| a.balance))?;
        balances.push(line(holder, false, *before, after, movements));
    }
    for (holder, before) in &opening.escrows {
        let held = |id: EscrowId| ledger.escrow(&id).map(|escrow| escrow.map_or(0, |escrow| escrow.held()));
        let after = holder.parse().map_or(Ok(0), held)?;
        balances.push(line(holder, true, *before, after, movements));
    }
    Ok(balances)
}

fn line(holder: &str, escrow: bool, before: u64, after: u64, movements: &BTreeMap<String, Movement>) -> BalanceLine {
    let moved = movements.get(holder).copied().unwrap_or_default();
    BalanceLine {
        holder: holder.to_owned(),
        escrow,
        before,
        proposal_in: moved.proposal_in,
        proposal_out: moved.proposal_out,
        other_in: moved.other_in,
        other_out: moved.other_out,
        after,
    }
}
