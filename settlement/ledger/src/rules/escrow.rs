//! Operations on an escrow by its payer and payee, other than batches.

use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use farthing_channel::sign::{LibSecp, Signature, verify_typed};
use farthing_channel::time::UnixSeconds;

use super::signatures::check_signer;
use crate::account::AccountKind;
use crate::base::LedgerIdentity;
use crate::books::Books;
use crate::error::LedgerError;
use crate::escrow::{Escrow, EscrowState};
use crate::event::Event;
use crate::limits::{BATCHES_AFTER_CLOSE_REQUEST, WITHDRAW_GRACE_SECONDS};
use crate::operation::{CloseEscrow, OpenEscrow, RequestClose, RevokeMandate, SettleBatch, Signed, TopUp, Withdraw};
use crate::refusal::LedgerRefusal;

fn fits(amount: u128) -> Result<u64, LedgerRefusal> {
    match u64::try_from(amount) {
        Ok(0) => Err(LedgerRefusal::ZeroAmount),
        Ok(amount) => Ok(amount),
        Err(_) => Err(LedgerRefusal::AmountTooLarge),
    }
}

pub(crate) fn open(
    books: &mut Books<'_>,
    ledger: &LedgerIdentity,
    signed: &Signed<OpenEscrow>,
) -> Result<(), LedgerError> {
    let OpenEscrow { terms, deposit } = signed.operation;
    let domain = &ledger.domain();
    check_signer(domain, signed, &terms.payer)?;
    let deposit = fits(deposit)?;
    if terms.token != ledger.token() {
        return Err(LedgerRefusal::UnknownToken.into());
    }
    let id = terms.id(&domain.contract(), domain.chain_id());
    if books.find_escrow(&id)?.is_some() {
        return Err(LedgerRefusal::EscrowExists.into());
    }
    if books.account(&terms.payee)?.kind != AccountKind::Hub {
        return Err(LedgerRefusal::PayeeNotAHub.into());
    }
    pay_in(books, &terms.payer, deposit)?;
    books.put_escrow(&Escrow {
        id,
        payer: terms.payer,
        payee: terms.payee,
        token: terms.token,
        salt: terms.salt,
        authorized_signer: terms.authorized_signer,
        deposit,
        settled: 0,
        state: EscrowState::Open,
        payer_operations: 0,
        lanes: 0,
        lanes_total: 0,
        pending: None,
    })?;
    books.log(Event::EscrowOpened {
        escrow: id,
        payer: terms.payer,
        payee: terms.payee,
        token: terms.token,
        salt: terms.salt,
        authorized_signer: terms.authorized_signer,
        deposit,
    })
}

/// Takes a deposit from the payer's account, which must be one whose money its own key moves: otherwise an escrow
/// would be a way around the two approvals.
fn pay_in(books: &mut Books<'_>, payer: &Address, amount: u64) -> Result<(), LedgerError> {
    if books.account(payer)?.kind.is_participant() {
        return Err(LedgerRefusal::ParticipantMoney.into());
    }
    books.debit(payer, amount)
}

/// The escrow, with its payer's operation counted.
fn next_of_payer(mut escrow: Escrow, counter: u64) -> Result<Escrow, LedgerRefusal> {
    if escrow.state == EscrowState::Finalized {
        return Err(LedgerRefusal::EscrowFinalized);
    }
    if escrow.payer_operations.checked_add(1) != Some(counter) {
        return Err(LedgerRefusal::WrongCounter);
    }
    escrow.payer_operations = counter;
    Ok(escrow)
}

pub(crate) fn top_up(books: &mut Books<'_>, domain: &Domain, signed: &Signed<TopUp>) -> Result<(), LedgerError> {
    let TopUp { escrow, counter, amount } = signed.operation;
    let escrow = books.escrow(&escrow)?;
    check_signer(domain, signed, &escrow.payer)?;
    let amount = fits(amount)?;
    let mut escrow = next_of_payer(escrow, counter)?;
    pay_in(books, &escrow.payer, amount)?;
    escrow.deposit = escrow.deposit.checked_add(amount).ok_or(LedgerRefusal::AmountTooLarge)?;
    escrow.state = EscrowState::Open;
    books.put_escrow(&escrow)?;
    books.log(Event::EscrowToppedUp { escrow: escrow.id, amount, deposit: escrow.deposit })
}

pub(crate) fn request_close(
    books: &mut Books<'_>,
    domain: &Domain,
    signed: &Signed<RequestClose>,
) -> Result<(), LedgerError> {
    let RequestClose { escrow, counter } = signed.operation;
    let escrow = books.escrow(&escrow)?;
    check_signer(domain, signed, &escrow.payer)?;
    let mut escrow = next_of_payer(escrow, counter)?;
    if escrow.state != EscrowState::Open {
        return Err(LedgerRefusal::CloseAlreadyRequested.into());
    }
    let at = books.now();
    escrow.state = EscrowState::CloseRequested { at, batches_left: BATCHES_AFTER_CLOSE_REQUEST };
    books.put_escrow(&escrow)?;
    let withdrawable_at = UnixSeconds(at.0.saturating_add(WITHDRAW_GRACE_SECONDS));
    books.log(Event::EscrowCloseRequested { escrow: escrow.id, withdrawable_at })
}

pub(crate) fn withdraw(books: &mut Books<'_>, domain: &Domain, signed: &Signed<Withdraw>) -> Result<(), LedgerError> {
    let Withdraw { escrow, counter } = signed.operation;
    let escrow = books.escrow(&escrow)?;
    check_signer(domain, signed, &escrow.payer)?;
    let escrow = next_of_payer(escrow, counter)?;
    let ready = escrow.withdrawable_at().ok_or(LedgerRefusal::CloseNotRequested)?;
    if books.now() < ready {
        return Err(LedgerRefusal::GraceNotOver.into());
    }
    books.log(Event::EscrowWithdrawn { escrow: escrow.id, payer: escrow.payer, amount: escrow.held() })?;
    finalize(books, escrow)
}

/// Returns what is left to the payer.
fn finalize(books: &mut Books<'_>, mut escrow: Escrow) -> Result<(), LedgerError> {
    let refunded = escrow.held();
    escrow.state = EscrowState::Finalized;
    books.put_escrow(&escrow)?;
    if refunded > 0 {
        books.credit(&escrow.payer, refunded)?;
    }
    books.log(Event::EscrowFinalized { escrow: escrow.id, settled: escrow.settled, refunded })
}

pub(crate) fn close(
    books: &mut Books<'_>,
    domain: &Domain,
    signed: &Signed<CloseEscrow>,
    voucher: Option<&Signature>,
) -> Result<(), LedgerError> {
    let CloseEscrow { escrow, total } = signed.operation;
    let mut escrow = books.escrow(&escrow)?;
    check_signer(domain, signed, &escrow.payee)?;
    if escrow.state == EscrowState::Finalized {
        return Err(LedgerRefusal::EscrowFinalized.into());
    }
    if total < escrow.settled {
        return Err(LedgerRefusal::TotalNotAbove.into());
    }
    if total > escrow.settled {
        let voucher = voucher.ok_or(LedgerRefusal::EvidenceMissing)?;
        check_voucher(domain, &escrow, total, voucher)?;
        let closing = SettleBatch {
            escrow: escrow.id,
            prev_settled: escrow.settled,
            total,
            root: Hash32::ZERO,
            channels: 0,
            lanes: 0,
            journal_root: Hash32::ZERO,
            epoch: 0,
        };
        pay_out(books, &mut escrow, &closing)?;
    }
    finalize(books, escrow)
}

/// Checks the signer's voucher on the escrow id over exactly `total`.
fn check_voucher(domain: &Domain, escrow: &Escrow, total: u64, signature: &Signature) -> Result<(), LedgerRefusal> {
    let voucher = Voucher { lane: LaneId::of_escrow(&escrow.id), cumulative_amount: u128::from(total) };
    verify_typed(&LibSecp, domain, &voucher, signature, &escrow.signer()).map_err(|_| LedgerRefusal::BadEvidence)
}

/// Raises what is settled to the batch's total and pays the difference, once.
pub(crate) fn pay_out(books: &mut Books<'_>, escrow: &mut Escrow, batch: &SettleBatch) -> Result<(), LedgerError> {
    if batch.prev_settled != escrow.settled {
        return Err(LedgerRefusal::WrongPrevSettled.into());
    }
    let increase = batch.total.checked_sub(escrow.settled).filter(|increase| *increase > 0);
    let increase = increase.ok_or(LedgerRefusal::TotalNotAbove)?;
    if batch.total > escrow.deposit {
        return Err(LedgerRefusal::TotalAboveDeposit.into());
    }
    escrow.settled = batch.total;
    books.put_escrow(escrow)?;
    books.credit(&escrow.payee, increase)?;
    books.log(Event::EscrowSettled {
        escrow: escrow.id,
        payee: escrow.payee,
        prev_settled: batch.prev_settled,
        total: batch.total,
        root: batch.root,
        channels: batch.channels,
        lanes: batch.lanes,
        journal_root: batch.journal_root,
        epoch: batch.epoch,
    })
}

pub(crate) fn revoke(
    books: &mut Books<'_>,
    domain: &Domain,
    signed: &Signed<RevokeMandate>,
) -> Result<(), LedgerError> {
    let RevokeMandate { escrow, device, serial } = signed.operation;
    let escrow: Escrow = books.escrow(&escrow)?;
    check_signer(domain, signed, &escrow.signer())?;
    if escrow.state == EscrowState::Finalized {
        return Err(LedgerRefusal::EscrowFinalized.into());
    }
    let id: EscrowId = escrow.id;
    if books.revoked_at(&id, &device, serial)?.is_some() {
        return Err(LedgerRefusal::RevocationNotNewer.into());
    }
    books.put_revocation(&id, &device, serial)?;
    books.log(Event::MandateRevoked { escrow: id, device, serial })
}
