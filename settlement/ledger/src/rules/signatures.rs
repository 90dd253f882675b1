//! Who signed.

use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecp, Recover as _, verify_typed};

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

/// Checks that `approved` carries the signatures of two different approvers.
pub(crate) fn check_approvals<T: TypedData>(
    identity: &LedgerIdentity,
    approved: &Approved<T>,
) -> Result<(), LedgerRefusal> {
    let digest = identity.net_domain().digest(&approved.operation);
    let [first, second] = &approved.approvals;
    let (first, second) = (LibSecp.recover(&digest, first)?, LibSecp.recover(&digest, second)?);
    for approver in [&first, &second] {
        if identity.approvers.binary_search(approver).is_err() {
            return Err(LedgerRefusal::NotAnApprover);
        }
    }
    if first == second { Err(LedgerRefusal::SameApprover) } else { Ok(()) }
}
