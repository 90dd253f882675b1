//! What an operation does to the books: the rules of every ledger, carried out by the embedded one and rehearsed before
//! anything is sent to a chain.

pub(crate) mod account;
pub(crate) mod batch;
pub(crate) mod escrow;
mod participant;
mod signatures;

use crate::base::LedgerIdentity;
use crate::books::Books;
use crate::error::LedgerError;
use crate::escrow::Escrow;
use crate::operation::{ParticipantApproval, SignedOperation};
use crate::refusal::LedgerRefusal;
use batch::ProvenBatch;
use signatures::{Approvers, check_signer};

/// An operation of which everything is checked that needs nothing of the books.
#[derive(Debug)]
pub(crate) struct Checked<'o> {
    operation: &'o SignedOperation,
    /// Who approved it, where two must.
    approvers: Option<Approvers>,
    /// Who approved a batch of transfers for participants.
    participants: Vec<(&'o ParticipantApproval, Approvers)>,
    batch: Option<ProvenBatch>,
}

/// Checks signatures and proofs. `escrow` finds the escrow of a batch, in any state.
pub(crate) fn check<'o>(
    ledger: &LedgerIdentity,
    operation: &'o SignedOperation,
    escrow: impl FnOnce(&farthing_channel::id::EscrowId) -> Result<Option<Escrow>, LedgerError>,
) -> Result<Checked<'o>, LedgerError> {
    let mut checked = Checked { operation, approvers: None, participants: Vec::new(), batch: None };
    match operation {
        SignedOperation::Issue(approved) => checked.approvers = Some(Approvers::of(ledger, approved)?),
        SignedOperation::Payout(approved) => checked.approvers = Some(Approvers::of(ledger, approved)?),
        SignedOperation::RegisterAccount(approved) => checked.approvers = Some(Approvers::of(ledger, approved)?),
        SignedOperation::SetParticipant(approved) => checked.approvers = Some(Approvers::of(ledger, approved)?),
        SignedOperation::CloseEpoch(approved) => checked.approvers = Some(Approvers::of(ledger, approved)?),
        SignedOperation::TransferBatch { batch, participants } => {
            checked.approvers = Some(Approvers::of(ledger, batch)?);
            for approval in participants {
                let approvers = Approvers::recover(ledger, &batch.operation, &approval.approvals)?;
                checked.participants.push((approval, approvers));
            }
        }
        SignedOperation::SetPayout(signed) => check_signer(&ledger.net_domain(), signed, &signed.operation.account)?,
        SignedOperation::SettleBatch(settlement) => {
            let found = escrow(&settlement.order.operation.escrow)?.ok_or(LedgerRefusal::UnknownEscrow)?;
            checked.batch = Some(batch::prove(&ledger.domain(), &found, settlement)?);
        }
        // The key that must have signed these stands in the books.
        SignedOperation::OpenEscrow(_)
        | SignedOperation::TopUp(_)
        | SignedOperation::RequestClose(_)
        | SignedOperation::Withdraw(_)
        | SignedOperation::CloseEscrow { .. }
        | SignedOperation::RevokeMandate(_) => {}
    }
    Ok(checked)
}

impl Checked<'_> {
    /// Carries it out.
    pub(crate) fn apply(&self, ledger: &LedgerIdentity, books: &mut Books<'_>) -> Result<(), LedgerError> {
        let domain = &ledger.domain();
        self.check_approvals(ledger, books)?;
        match self.operation {
            SignedOperation::Issue(approved) => account::issue(books, &approved.operation),
            SignedOperation::Payout(approved) => account::pay_out(books, &approved.operation),
            SignedOperation::RegisterAccount(approved) => account::register(books, ledger, &approved.operation),
            SignedOperation::SetParticipant(approved) => participant::set(books, &approved.operation),
            SignedOperation::TransferBatch { batch, .. } => account::transfer(books, &batch.operation),
            SignedOperation::CloseEpoch(approved) => account::close_epoch(books, &approved.operation),
            SignedOperation::SetPayout(signed) => participant::set_payout(books, &signed.operation),
            SignedOperation::OpenEscrow(signed) => escrow::open(books, ledger, signed),
            SignedOperation::TopUp(signed) => escrow::top_up(books, domain, signed),
            SignedOperation::RequestClose(signed) => escrow::request_close(books, domain, signed),
            SignedOperation::Withdraw(signed) => escrow::withdraw(books, domain, signed),
            SignedOperation::CloseEscrow { close, voucher } => escrow::close(books, domain, close, voucher.as_ref()),
            SignedOperation::RevokeMandate(signed) => escrow::revoke(books, domain, signed),
            SignedOperation::SettleBatch(_) => {
                let batch = self.batch.as_ref().ok_or_else(|| LedgerError::damaged("a batch was not proven"))?;
                batch::settle(books, batch)
            }
        }
    }

    /// Checks that those who approved may: the ledger's approvers, or those of the participant it is about.
    fn check_approvals(&self, ledger: &LedgerIdentity, books: &Books<'_>) -> Result<(), LedgerError> {
        let Some(approvers) = &self.approvers else { return Ok(()) };
        let account = match self.operation {
            SignedOperation::Payout(approved) => Some(&approved.operation.account),
            SignedOperation::SetParticipant(approved) => Some(&approved.operation.account),
            SignedOperation::CloseEpoch(approved) => Some(&approved.operation.hub),
            _ => None,
        };
        match account {
            Some(account) => participant::check_approvers(books, ledger, account, approvers)?,
            None => approvers.are_two_of(&ledger.approvers)?,
        }
        match self.operation {
            SignedOperation::TransferBatch { batch, .. } => {
                participant::check_payers(books, &batch.operation, &self.participants)
            }
            _ => Ok(()),
        }
    }
}
