//! Proofs that have been checked, as a type.

use super::{SignedAnchor, SignedVoucher};
use crate::eip712::{Domain, Voucher};
use crate::id::{Address, LaneId};
use crate::refusal::Refusal;
use crate::sign::{KnownKey, Recover, verify_typed};

/// A value whose proof has been checked by this crate. A function that needs a checked proof takes this, not
/// the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes a value as checked because the caller reads it back from its own journal, whose blocks are chained by
    /// hash and which only ever held checked values.
    #[must_use]
    pub fn from_own_journal(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Checks a voucher's signature.
///
/// # Errors
/// [`Refusal::BadSignature`], [`Refusal::WrongSigner`].
pub fn verify_voucher(
    recover: &impl Recover,
    domain: &Domain,
    lane: &LaneId,
    device: &Address,
    voucher: &SignedVoucher,
) -> Result<Verified<SignedVoucher>, Refusal> {
    verify_typed(recover, domain, &typed(lane, voucher), &voucher.signature.check()?, device)?;
    Ok(Verified::new(*voucher))
}

/// Checks a voucher's signature under its device's key, which is known. Of the signature's parity nothing is known then; see
/// [`restore_voucher`].
///
/// # Errors
/// [`Refusal::BadSignature`], [`Refusal::WrongSigner`].
pub fn verify_voucher_by(
    device: &impl KnownKey,
    domain: &Domain,
    lane: &LaneId,
    voucher: &SignedVoucher,
) -> Result<Verified<SignedVoucher>, Refusal> {
    device.verify(&domain.digest(&typed(lane, voucher)), &voucher.signature.check()?)?;
    Ok(Verified::new(*voucher))
}

/// Checks a voucher's signature and sets its parity right where it is not: a voucher that was taken under a known key
/// becomes one from which a ledger recovers that key.
///
/// # Errors
/// As [`verify_voucher`].
pub fn restore_voucher(
    recover: &impl Recover,
    domain: &Domain,
    lane: &LaneId,
    device: &Address,
    voucher: &SignedVoucher,
) -> Result<Verified<SignedVoucher>, Refusal> {
    let refusal = match verify_voucher(recover, domain, lane, device, voucher) {
        Ok(verified) => return Ok(verified),
        Err(refusal) => refusal,
    };
    let signature = voucher.signature.check()?.with_other_parity().into();
    let other = SignedVoucher { signature, ..*voucher };
    // Where neither holds, the refusal is that of the voucher as it came.
    verify_voucher(recover, domain, lane, device, &other).map_err(|_| refusal)
}

fn typed(lane: &LaneId, voucher: &SignedVoucher) -> Voucher {
    Voucher { lane: *lane, cumulative_amount: u128::from(voucher.amount) }
}

/// Checks an anchor's terms and signature.
///
/// # Errors
/// [`Refusal::BadAnchorTerms`], [`Refusal::Overflow`], [`Refusal::BadSignature`], [`Refusal::WrongSigner`].
pub fn verify_anchor(
    recover: &impl Recover,
    domain: &Domain,
    lane: &LaneId,
    device: &Address,
    anchor: &SignedAnchor,
) -> Result<Verified<SignedAnchor>, Refusal> {
    anchor.terms.check()?;
    verify_typed(recover, domain, &anchor.terms.typed(lane), &anchor.signature.check()?, device)?;
    Ok(Verified::new(*anchor))
}
