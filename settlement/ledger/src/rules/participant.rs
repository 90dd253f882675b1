//! What is set for participants: approvers of their own, caps, and where their money goes.

use farthing_channel::id::Address;
use farthing_channel::time::UnixSeconds;

use crate::account::{AccountKind, PendingPayout};
use crate::base::LedgerIdentity;
use crate::books::Books;
use crate::error::LedgerError;
use crate::event::Event;
use crate::limits::{APPROVALS_REQUIRED, APPROVERS_MAX, PAYOUT_DELAY_SECONDS};
use crate::operation::{ParticipantApproval, SetParticipant, SetPayout, TransferBatch};
use crate::refusal::LedgerRefusal;

use super::signatures::Approvers;

/// Checks that `approvers` may approve for `account`: they are two of its own, or of the ledger's where it has none.
pub(crate) fn check_approvers(
    books: &Books<'_>,
    ledger: &LedgerIdentity,
    account: &Address,
    approvers: &Approvers,
) -> Result<(), LedgerError> {
    let account = books.account(account)?;
    let own = account.approvers();
    Ok(approvers.are_two_of(if own.is_empty() { &ledger.approvers } else { own })?)
}

/// Checks that every payer of the batch that has approvers of its own approved too, and that no approval is by others.
pub(crate) fn check_payers(
    books: &Books<'_>,
    batch: &TransferBatch,
    participants: &[(&ParticipantApproval, Approvers)],
) -> Result<(), LedgerError> {
    for (approval, approvers) in participants {
        approvers.are_two_of(books.account(&approval.account)?.approvers())?;
    }
    for leg in &batch.legs {
        let approved = participants.iter().any(|(approval, _)| approval.account == leg.from);
        if !approved && !books.account(&leg.from)?.approvers().is_empty() {
            return Err(LedgerRefusal::ApprovalMissing.into());
        }
    }
    Ok(())
}

pub(crate) fn set(books: &mut Books<'_>, wanted: &SetParticipant) -> Result<(), LedgerError> {
    let account = books.account(&wanted.account)?;
    if !account.kind.is_participant() {
        return Err(LedgerRefusal::NotAParticipant.into());
    }
    let revision = account.settings.as_ref().map_or(0, |settings| settings.revision);
    if revision.checked_add(1) != Some(wanted.revision) {
        return Err(LedgerRefusal::WrongCounter.into());
    }
    let several = (APPROVALS_REQUIRED..=APPROVERS_MAX).contains(&wanted.approvers.len());
    let named = wanted.approvers.is_sorted_by(|a, b| a < b) && wanted.approvers.first().is_some_and(|a| !a.is_zero());
    let good = wanted.approvers.is_empty() || (several && named);
    if !good {
        return Err(LedgerRefusal::BadApprovers.into());
    }
    for approver in &wanted.approvers {
        if books.account(approver)?.kind.is_participant() {
            return Err(LedgerRefusal::ApproverAsParticipant.into());
        }
    }
    books.put_settings(&wanted.account, wanted.net_debit_cap, &wanted.approvers)?;
    let SetParticipant { account, net_debit_cap, approvers, .. } = wanted.clone();
    books.log(Event::ParticipantSet { account, net_debit_cap, approvers })
}

pub(crate) fn set_payout(books: &mut Books<'_>, wanted: &SetPayout) -> Result<(), LedgerError> {
    if wanted.payout.is_zero() {
        return Err(LedgerRefusal::ZeroAddress.into());
    }
    let mut account = books.account(&wanted.account)?;
    if account.kind != AccountKind::Provider {
        // A hub's account is what its escrows pay and what legs draw on; nobody may point it elsewhere alone.
        return Err(LedgerRefusal::NotAProvider.into());
    }
    if account.payout_changes.checked_add(1) != Some(wanted.revision) {
        return Err(LedgerRefusal::WrongCounter.into());
    }
    let effective = UnixSeconds(books.now().0.saturating_add(PAYOUT_DELAY_SECONDS));
    account.payout = account.payout_at(books.now());
    account.payout_pending = Some(PendingPayout { payout: wanted.payout, effective });
    account.payout_changes = wanted.revision;
    books.put_account(&account)?;
    books.log(Event::PayoutChanged { account: wanted.account, payout: wanted.payout, effective })
}
