//! Approvals: two different people sign the same proposal; where a participant that pays, or the hub, has approvers of its own,
//! two of those too.

use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{LibSecp, Signature, SignatureError, Signer, sign_typed, verify_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::APPROVALS_REQUIRED;
use farthing_ledger::{Approved, CloseEpoch, LedgerError, LedgerView, ParticipantApproval, TransferBatch};
use minicbor::{Decode, Encode};

use crate::book::ApprovalRow;
use crate::proposal::Proposal;

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// The key approves neither for the ledger nor for anyone who pays.
    #[error("{0} approves neither for this ledger nor for a participant that pays")]
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

/// The approvers of a participant that has some of its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OwnApprovers {
    /// The participant.
    #[n(0)]
    pub account: Address,
    /// Its approvers, ascending.
    #[n(1)]
    pub approvers: Vec<Address>,
}

/// Whose approvals a proposal needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvers {
    /// The ledger's approvers, ascending.
    pub ledger: Vec<Address>,
    /// Those of the hub and of each participant that pays by the proposal's legs, where it has some of its own; by account.
    pub own: Vec<OwnApprovers>,
}

impl Approvers {
    /// Who approves `proposal`, as the ledger has it now.
    ///
    /// # Errors
    /// As for reads of the ledger.
    pub fn of(ledger: &dyn LedgerView, proposal: &Proposal) -> Result<Self, LedgerError> {
        let mut accounts: Vec<Address> = proposal.legs.iter().map(|leg| leg.from).collect();
        accounts.push(proposal.hub);
        accounts.sort_unstable();
        accounts.dedup();
        let mut own = Vec::new();
        for account in accounts {
            let approvers = ledger.account(&account)?.approvers().to_vec();
            if !approvers.is_empty() {
                own.push(OwnApprovers { account, approvers });
            }
        }
        Ok(Self { ledger: ledger.identity().approvers.clone(), own })
    }

    fn include(&self, approver: &Address) -> bool {
        self.ledger.contains(approver) || self.own.iter().any(|own| own.approvers.contains(approver))
    }

    fn own_of(&self, account: &Address) -> Option<&[Address]> {
        self.own.iter().find(|own| own.account == *account).map(|own| own.approvers.as_slice())
    }

    /// Who closes the hub's epoch.
    fn closing(&self, hub: &Address) -> &[Address] {
        self.own_of(hub).unwrap_or(&self.ledger)
    }

    /// Participants that pay by the proposal's legs and have approvers of their own.
    fn payers(&self, proposal: &Proposal) -> impl Iterator<Item = &OwnApprovers> {
        self.own.iter().filter(|own| proposal.legs.iter().any(|leg| leg.from == own.account))
    }

    /// How many more approvals the proposal needs, at most: one that counts for two sides saves another.
    #[must_use]
    pub fn missing(&self, proposal: &Proposal, approvals: &[ApprovalRow]) -> usize {
        let mut sides = vec![self.closing(&proposal.hub)];
        if !proposal.legs.is_empty() {
            sides.push(&self.ledger);
        }
        sides.extend(self.payers(proposal).map(|own| own.approvers.as_slice()));
        sides.sort_unstable();
        sides.dedup();
        let approved = approved_by(proposal, approvals);
        let missing = |side: &&[Address]| {
            let there = approved.iter().filter(|row| side.contains(&row.approver)).count();
            APPROVALS_REQUIRED.saturating_sub(there)
        };
        sides.iter().map(missing).sum()
    }
}

/// The approvals of this proposal, one of each approver, by approver.
fn approved_by<'a>(proposal: &Proposal, approvals: &'a [ApprovalRow]) -> Vec<&'a ApprovalRow> {
    let mut rows: Vec<_> = approvals.iter().filter(|row| row.proposal == proposal.id()).collect();
    rows.sort_by_key(|row| row.approver);
    rows.dedup_by_key(|row| row.approver);
    rows
}

/// Signs the proposal's transfers and the closing of its epoch.
///
/// # Errors
/// [`ApprovalError::NotAnApprover`], [`ApprovalError::Signer`].
pub fn approve<S: Signer>(
    proposal: &Proposal,
    approvers: &Approvers,
    signer: &S,
    at: UnixSeconds,
) -> Result<ApprovalRow, ApprovalError> {
    let approver = signer.address();
    if !approvers.include(&approver) {
        return Err(ApprovalError::NotAnApprover(approver));
    }
    let domain = proposal.net_domain();
    let failed = |error: S::Error| ApprovalError::Signer(error.to_string());
    let transfers = proposal.transfers();
    let transfers = transfers.map(|batch| sign_typed(signer, &domain, &batch)).transpose().map_err(failed)?;
    let close = sign_typed(signer, &domain, &proposal.close()).map_err(failed)?;
    Ok(ApprovalRow { approver, proposal: proposal.id(), at, transfers, close })
}

/// Checks that an approval is by one of `approvers` and over exactly this proposal.
///
/// # Errors
/// [`ApprovalError::NotAnApprover`], [`ApprovalError::OtherProposal`], [`ApprovalError::Signature`].
pub fn check(proposal: &Proposal, approvers: &Approvers, approval: &ApprovalRow) -> Result<(), ApprovalError> {
    let approver = approval.approver;
    if !approvers.include(&approver) {
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
    /// What approvers of participants of their own signed of the transfers.
    pub participants: Vec<ParticipantApproval>,
    /// The closing of the epoch.
    pub close: Approved<CloseEpoch>,
}

/// Puts approvals to a proposal; `None` while some are missing. Approvals must have been checked.
#[must_use]
pub fn assemble(proposal: &Proposal, approvers: &Approvers, approvals: &[ApprovalRow]) -> Option<ApprovedProposal> {
    let approved = approved_by(proposal, approvals);
    let two_of = |side: &[Address], signature: fn(&ApprovalRow) -> Option<Signature>| {
        let mut signatures =
            approved.iter().filter(|row| side.contains(&row.approver)).filter_map(|row| signature(row));
        Some([signatures.next()?, signatures.next()?])
    };
    let mut participants = Vec::new();
    let transfers = match proposal.transfers() {
        None => None,
        Some(operation) => {
            for own in approvers.payers(proposal) {
                let approvals = two_of(&own.approvers, |row| row.transfers)?;
                participants.push(ParticipantApproval { account: own.account, approvals });
            }
            Some(Approved { operation, approvals: two_of(&approvers.ledger, |row| row.transfers)? })
        }
    };
    let approvals = two_of(approvers.closing(&proposal.hub), |row| Some(row.close))?;
    Some(ApprovedProposal { transfers, participants, close: Approved { operation: proposal.close(), approvals } })
}
