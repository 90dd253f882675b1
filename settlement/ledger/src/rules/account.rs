//! Operations of approvers: money in, transfers, payouts, epochs.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, Hash32, keccak256};

use crate::account::AccountKind;
use crate::base::LedgerIdentity;
use crate::books::Books;
use crate::error::LedgerError;
use crate::event::{ClosedEpoch, Event};
use crate::limits::{EPOCH_CURSORS_MAX, LABEL_BYTES_MAX, LEGS_MAX};
use crate::operation::{CloseEpoch, Issue, JournalCursor, Leg, Payout, RegisterAccount, TransferBatch};
use crate::refusal::LedgerRefusal;

pub(crate) fn issue(books: &mut Books<'_>, issue: &Issue) -> Result<(), LedgerError> {
    if issue.amount == 0 {
        return Err(LedgerRefusal::ZeroAmount.into());
    }
    if issue.account.is_zero() {
        return Err(LedgerRefusal::ZeroAddress.into());
    }
    if !books.use_reference(&issue.reference)? {
        return Err(LedgerRefusal::ReferenceUsed.into());
    }
    books.count_issue(issue.amount)?;
    books.credit(&issue.account, issue.amount)?;
    books.log(Event::Issued { reference: issue.reference, account: issue.account, amount: issue.amount })
}

pub(crate) fn pay_out(books: &mut Books<'_>, payout: &Payout) -> Result<(), LedgerError> {
    if payout.amount == 0 {
        return Err(LedgerRefusal::ZeroAmount.into());
    }
    let account = books.account(&payout.account)?;
    if !account.kind.is_participant() {
        return Err(LedgerRefusal::NotAParticipant.into());
    }
    // References of money out are apart from those of money in.
    let used = Hash32(keccak256(&[b"payout", &payout.reference.0]));
    if !books.use_reference(&used)? {
        return Err(LedgerRefusal::ReferenceUsed.into());
    }
    books.debit(&payout.account, payout.amount)?;
    books.count_paid_out(payout.amount)?;
    let to = account.payout_at(books.now());
    let Payout { reference, account, amount } = *payout;
    books.log(Event::PaidOut { reference, account, to, amount })
}

pub(crate) fn label_is_good(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.chars().any(char::is_control)
}

pub(crate) fn register(
    books: &mut Books<'_>,
    ledger: &LedgerIdentity,
    wanted: &RegisterAccount,
) -> Result<(), LedgerError> {
    if !label_is_good(&wanted.label) {
        return Err(LedgerRefusal::BadLabel.into());
    }
    if wanted.account.is_zero() {
        return Err(LedgerRefusal::ZeroAddress.into());
    }
    let mut account = books.account(&wanted.account)?;
    if account.registrations.checked_add(1) != Some(wanted.revision) {
        return Err(LedgerRefusal::WrongCounter.into());
    }
    if account.kind.is_participant() && !wanted.kind.is_participant() {
        return Err(LedgerRefusal::ParticipantForGood.into());
    }
    let approves =
        ledger.approvers.binary_search(&wanted.account).is_ok() || books.approves_for_any(&wanted.account)?;
    if wanted.kind.is_participant() && approves {
        return Err(LedgerRefusal::ApproverAsParticipant.into());
    }
    account.kind = wanted.kind;
    account.label.clone_from(&wanted.label);
    account.registrations = wanted.revision;
    books.put_account(&account)?;
    books.log(Event::AccountRegistered { account: wanted.account, kind: wanted.kind, label: wanted.label.clone() })
}

/// What an account pays and receives over all legs of a batch.
#[derive(Debug, Clone, Copy, Default)]
struct Movement {
    out: u64,
    into: u64,
}

pub(crate) fn transfer(books: &mut Books<'_>, batch: &TransferBatch) -> Result<(), LedgerError> {
    if batch.legs.is_empty() || batch.legs.len() > LEGS_MAX {
        return Err(LedgerRefusal::LegCount.into());
    }
    if !books.use_proposal(&batch.proposal)? {
        return Err(LedgerRefusal::ProposalExecuted.into());
    }
    let mut movements: BTreeMap<Address, Movement> = BTreeMap::new();
    let mut credited = Vec::with_capacity(batch.legs.len());
    for leg in &batch.legs {
        let payout = check_leg(books, leg)?;
        let out = &mut movements.entry(leg.from).or_default().out;
        *out = out.checked_add(leg.amount).ok_or(LedgerRefusal::AmountTooLarge)?;
        let into = &mut movements.entry(payout).or_default().into;
        *into = into.checked_add(leg.amount).ok_or(LedgerRefusal::AmountTooLarge)?;
        credited.push(payout);
    }
    // The legs happen at once, so an account may pass on what it receives in the same batch.
    for (address, movement) in movements {
        let mut account = books.account(&address)?;
        let cap = account.settings.as_ref().map(|settings| settings.net_debit_cap);
        if cap.is_some_and(|cap| movement.out.saturating_sub(movement.into) > cap) {
            return Err(LedgerRefusal::OverCap.into());
        }
        let with = account.balance.checked_add(movement.into).ok_or(LedgerRefusal::AmountTooLarge)?;
        account.balance = with.checked_sub(movement.out).ok_or(LedgerRefusal::InsufficientBalance)?;
        books.put_account(&account)?;
    }
    for ((leg, credited), place) in batch.legs.iter().zip(credited).zip(0_u32..) {
        books.log(Event::Transferred {
            proposal: batch.proposal,
            epoch: batch.epoch,
            leg: place,
            from: leg.from,
            to: leg.to,
            credited,
            amount: leg.amount,
        })?;
    }
    Ok(())
}

/// Where the leg's money goes.
fn check_leg(books: &Books<'_>, leg: &Leg) -> Result<Address, LedgerError> {
    if leg.amount == 0 {
        return Err(LedgerRefusal::ZeroAmount.into());
    }
    if leg.from == leg.to {
        return Err(LedgerRefusal::SelfTransfer.into());
    }
    let to = books.account(&leg.to)?;
    if !books.account(&leg.from)?.kind.is_participant() || !to.kind.is_participant() {
        return Err(LedgerRefusal::NotAParticipant.into());
    }
    Ok(to.payout_at(books.now()))
}

pub(crate) fn close_epoch(books: &mut Books<'_>, close: &CloseEpoch) -> Result<(), LedgerError> {
    let last = books.epoch_last(&close.hub)?;
    let before = last.as_ref().map_or(0, |last| last.epoch);
    if before.checked_add(1) != Some(close.epoch) {
        return Err(LedgerRefusal::WrongEpoch.into());
    }
    if books.account(&close.hub)?.kind != AccountKind::Hub {
        return Err(LedgerRefusal::PayeeNotAHub.into());
    }
    if !close.proposal.is_zero() && !books.proposal_executed(&close.proposal)? {
        return Err(LedgerRefusal::ProposalUnknown.into());
    }
    let earlier = last.map(|last| last.cursors).unwrap_or_default();
    if !cursors_are_good(&close.cursors, &earlier) {
        return Err(LedgerRefusal::BadCursors.into());
    }
    let closed = ClosedEpoch {
        hub: close.hub,
        epoch: close.epoch,
        proposal: close.proposal,
        cursors: close.cursors.clone(),
        journal_root: close.journal_root,
        at: books.now(),
    };
    books.put_epoch(&closed)?;
    books.log(Event::EpochClosed(closed))
}

/// Threads strictly ascending, every thread of the last epoch there again, none behind its place then by term and
/// sequence.
fn cursors_are_good(cursors: &[JournalCursor], earlier: &[JournalCursor]) -> bool {
    let goes_on = |before: &JournalCursor| cursors.iter().any(|cursor| cursor.reaches(before));
    (1..=EPOCH_CURSORS_MAX).contains(&cursors.len())
        && cursors.is_sorted_by(|a, b| a.thread < b.thread)
        && earlier.iter().all(goes_on)
}
