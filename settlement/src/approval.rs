//! Approvals: two different people sign the same proposal.

use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{LibSecp, Signature, SignatureError, Signer, sign_typed, verify_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::APPROVALS_REQUIRED;
use farthing_ledger::{Approved, CloseEpoch, TransferBatch};

use crate::book::ApprovalRow;
use crate::proposal::Proposal;

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// The key is not an approver of the ledger.
    #[error("{0} is not an approver of this ledger")]
    NotAnApprover(Address),
    /// Someone approved another proposal than the one there is.
    #[error("proposal {asked} was asked for, but the epoch's proposal is {proposal}")]
    OtherProposal {
        /// What was asked for.
        asked: Hash32,
        /// What there is.
        proposal: Hash32,
    },
    /// The signature does not hold.
    #[error("the approval of {approver} does not hold: {error}")]
    Signature {
        /// Whose.
        approver: Address,
        /// Why.
        error: SignatureError,
    },
    /// The key's keeper failed.
    #[error("cannot sign: {0}")]
    Signer(String),
}

/// Signs the proposal's transfers and the closing of its epoch.
///
/// # Errors
/// [`ApprovalError::NotAnApprover`], [`ApprovalError::Signer`].
pub fn approve<S: Signer>(
    proposal: &Proposal,
    approvers: &[Address],
    signer: &S,
    at: UnixSeconds,
) -> Result<ApprovalRow, ApprovalError> {
    let approver = signer.address();
    if !approvers.contains(&approver) {
        return Err(ApprovalError::NotAnApprover(approver));
    }
    let domain = proposal.net_domain();
    let failed = |error: S::Error| ApprovalError::Signer(error.to_string());
    let transfers = proposal.transfers();
    let transfers = transfers.map(|batch| sign_typed(signer, &domain, &batch)).transpose().map_err(failed)?;
    let close = sign_typed(signer, &domain, &proposal.close()).map_err(failed)?;
    Ok(ApprovalRow { approver, proposal: proposal.id(), at, transfers, close })
}

/// Checks that an approval is by an approver and over exactly this proposal.
///
/// # Errors
/// [`ApprovalError::NotAnApprover`], [`ApprovalError::OtherProposal`], [`ApprovalError::Signature`].
pub fn check(proposal: &Proposal, approvers: &[Address], approval: &ApprovalRow) -> Result<(), ApprovalError> {
    let approver = approval.approver;
    if !approvers.contains(&approver) {
        return Err(ApprovalError::NotAnApprover(approver));
    }
    if approval.proposal != proposal.id() {
        return Err(ApprovalError::OtherProposal { asked: approval.proposal, proposal: proposal.id() });
    }
    let domain = proposal.net_domain();
    let failed = |error| ApprovalError::Signature { approver, error };
    verify_typed(&LibSecp, &domain, &proposal.close(), &approval.close, &approver).map_err(failed)?;
    match (proposal.transfers(), approval.transfers) {
        (None, None) => Ok(()),
        (Some(batch), Some(signature)) => {
            verify_typed(&LibSecp, &domain, &batch, &signature, &approver).map_err(failed)
        }
        _ => Err(failed(SignatureError::BadLength)),
    }
}

/// A proposal with the approvals the ledger asks for.
#[derive(Debug, Clone)]
pub struct ApprovedProposal {
    /// The transfers; `None` for a night without legs.
    pub transfers: Option<Approved<TransferBatch>>,
    /// The closing of the epoch.
    pub close: Approved<CloseEpoch>,
}

/// Puts approvals to a proposal; `None` while two different ones are not there. Approvals must have been checked.
#[must_use]
pub fn assemble(proposal: &Proposal, approvals: &[ApprovalRow]) -> Option<ApprovedProposal> {
    let mut of_proposal: Vec<&ApprovalRow> =
        approvals.iter().filter(|approval| approval.proposal == proposal.id()).collect();
    of_proposal.sort_by_key(|approval| approval.approver);
    of_proposal.dedup_by_key(|approval| approval.approver);
    let [first, second] = of_proposal.get(..APPROVALS_REQUIRED)? else { return None };
    let pair = |a: Option<Signature>, b: Option<Signature>| Some([a?, b?]);
    let transfers = match proposal.transfers() {
        None => None,
        Some(operation) => Some(Approved { operation, approvals: pair(first.transfers, second.transfers)? }),
    };
    let close = Approved { operation: proposal.close(), approvals: [first.close, second.close] };
    Some(ApprovedProposal { transfers, close })
}
