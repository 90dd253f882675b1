//! What an operation does to the books: the rules of every ledger, carried out by the embedded one and rehearsed before
//! anything is sent to a chain.

pub(crate) mod account;
pub(crate) mod batch;
pub(crate) mod escrow;
mod signatures;

use crate::base::LedgerIdentity;
use crate::books::Books;
use crate::error::LedgerError;
use crate::escrow::Escrow;
use crate::operation::SignedOperation;
use crate::refusal::LedgerRefusal;
use batch::ProvenBatch;
use signatures::{check_approvals, check_signer};

/// An operation of which everything is checked that needs nothing of the books.
#[derive(Debug)]
pub(crate) struct Checked<'o> {
    operation: &'o SignedOperation,
    batch: Option<ProvenBatch>,
}

/// Checks signatures and proofs. `escrow` finds the escrow of a batch, in any state.
pub(crate) fn check<'o>(
    ledger: &LedgerIdentity,
    operation: &'o SignedOperation,
    escrow: impl FnOnce(&farthing_channel::id::EscrowId) -> Result<Option<Escrow>, LedgerError>,
) -> Result<Checked<'o>, LedgerError> {
    let mut batch = None;
    match operation {
        SignedOperation::Issue(approved) => check_approvals(ledger, approved)?,
        SignedOperation::Payout(approved) => check_approvals(ledger, approved)?,
        SignedOperation::RegisterAccount(approved) => {
            check_approvals(ledger, approved)?;
            let wanted = &approved.operation;
            if wanted.kind.is_participant() && ledger.approvers.binary_search(&wanted.account).is_ok() {
                return Err(LedgerRefusal::ApproverAsParticipant.into());
            }
        }
        SignedOperation::TransferBatch(approved) => check_approvals(ledger, approved)?,
        SignedOperation::CloseEpoch(approved) => check_approvals(ledger, approved)?,
        SignedOperation::SetPayout(signed) => check_signer(&ledger.net_domain(), signed, &signed.operation.account)?,
        SignedOperation::SettleBatch(settlement) => {
            let found = escrow(&settlement.order.operation.escrow)?.ok_or(LedgerRefusal::UnknownEscrow)?;
            batch = Some(batch::prove(&ledger.domain(), &found, settlement)?);
        }
        // The key that must have signed these stands in the books.
        SignedOperation::OpenEscrow(_)
        | SignedOperation::TopUp(_)
        | SignedOperation::RequestClose(_)
        | SignedOperation::Withdraw(_)
        | SignedOperation::CloseEscrow { .. }
        | SignedOperation::RevokeMandate(_) => {}
    }
    Ok(Checked { operation, batch })
}

impl Checked<'_> {
    /// Carries it out.
    pub(crate) fn apply(&self, ledger: &LedgerIdentity, books: &mut Books<'_>) -> Result<(), LedgerError> {
        let domain = &ledger.domain();
        match self.operation {
            SignedOperation::Issue(approved) => account::issue(books, &approved.operation),
            SignedOperation::Payout(approved) => account::pay_out(books, &approved.operation),
            SignedOperation::RegisterAccount(approved) => account::register(books, &approved.operation),
            SignedOperation::TransferBatch(approved) => account::transfer(books, &approved.operation),
            SignedOperation::CloseEpoch(approved) => account::close_epoch(books, &approved.operation),
            SignedOperation::SetPayout(signed) => account::set_payout(books, &signed.operation),
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
}
