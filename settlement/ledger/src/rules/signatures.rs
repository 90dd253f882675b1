//! Who signed.

use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecp, Recover as _, Signature, verify_typed};

use crate::base::LedgerIdentity;
use crate::operation::{Approved, Signed};
use crate::refusal::LedgerRefusal;

/// Checks that `signed` is by `expected`.
pub(crate) fn check_signer<T: TypedData>(
    domain: &Domain,
    signed: &Signed<T>,
    expected: &Address,
) -> Result<(), LedgerRefusal> {
    Ok(verify_typed(&LibSecp, domain, &signed.operation, &signed.signature, expected)?)
}

/// The two who approved something. Whether they may stands in the books.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Approvers([Address; 2]);

impl Approvers {
    /// Who signed `approved`.
    pub(crate) fn of<T: TypedData>(ledger: &LedgerIdentity, approved: &Approved<T>) -> Result<Self, LedgerRefusal> {
        Self::recover(ledger, &approved.operation, &approved.approvals)
    }

    /// Who made the signatures over `operation`.
    pub(crate) fn recover<T: TypedData>(
        ledger: &LedgerIdentity,
        operation: &T,
        [first, second]: &[Signature; 2],
    ) -> Result<Self, LedgerRefusal> {
        let digest = ledger.net_domain().digest(operation);
        Ok(Self([LibSecp.recover(&digest, first)?, LibSecp.recover(&digest, second)?]))
    }

    /// Checks that they are two different ones of `those`, which ascend.
    pub(crate) fn are_two_of(&self, those: &[Address]) -> Result<(), LedgerRefusal> {
        let [first, second] = &self.0;
        if [first, second].iter().any(|approver| those.binary_search(approver).is_err()) {
            return Err(LedgerRefusal::NotAnApprover);
        }
        if first == second { Err(LedgerRefusal::SameApprover) } else { Ok(()) }
    }
}
