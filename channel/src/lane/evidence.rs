//! What proves a lane's total: a voucher, or a preimage under a signed anchor.

use minicbor::{Decode, Encode};

use super::{Total, verify_anchor, verify_voucher};
use crate::chain::{self, ChainPurpose};
use crate::eip712::{Anchor, Domain};
use crate::id::{Address, Hash32, LaneId, Preimage, TariffHash};
use crate::limits::CHAIN_LENGTH_MAX;
use crate::refusal::Refusal;
use crate::sign::{Recover, UncheckedSignature};

/// A total and the device's signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedVoucher {
    /// Total since opening, base units.
    #[n(0)]
    pub amount: u64,
    /// Over [`crate::eip712::Voucher`].
    #[n(1)]
    pub signature: UncheckedSignature,
}

/// An anchor without the lane it is for, which stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AnchorTerms {
    /// See [`Anchor::base_amount`]; 64 bits, as every total on this wire.
    #[n(0)]
    pub base_amount: u64,
    /// See [`Anchor::base_ticks`].
    #[n(1)]
    pub base_ticks: u64,
    /// See [`Anchor::tick_amount`].
    #[n(2)]
    pub tick_amount: u32,
    /// See [`Anchor::ticks_per_amount`].
    #[n(3)]
    pub ticks_per_amount: u32,
    /// Number of preimages, 1..=4096.
    #[n(4)]
    pub length: u16,
    /// The tariff the ticks are priced by; zero for none.
    #[n(5)]
    pub tariff: TariffHash,
    /// The chain's index 0.
    #[n(6)]
    pub root: Hash32,
}

impl AnchorTerms {
    /// The terms of a chain that was made for `purpose` and has this root.
    #[must_use]
    pub fn of_chain(purpose: &ChainPurpose, root: Hash32) -> Self {
        Self {
            base_amount: purpose.base_amount,
            base_ticks: purpose.base_ticks,
            tick_amount: purpose.tick_amount,
            ticks_per_amount: purpose.ticks_per_amount,
            length: purpose.length,
            tariff: purpose.tariff,
            root,
        }
    }

    /// What the chain was made for, to derive its seed from again.
    #[must_use]
    pub fn purpose(&self, lane: LaneId) -> ChainPurpose {
        ChainPurpose {
            lane,
            base_amount: self.base_amount,
            base_ticks: self.base_ticks,
            tick_amount: self.tick_amount,
            ticks_per_amount: self.ticks_per_amount,
            length: self.length,
            tariff: self.tariff,
        }
    }

    /// What is signed.
    #[must_use]
    pub fn typed(&self, lane: &LaneId) -> Anchor {
        Anchor {
            lane: *lane,
            base_amount: u128::from(self.base_amount),
            base_ticks: self.base_ticks,
            tick_amount: self.tick_amount,
            ticks_per_amount: self.ticks_per_amount,
            length: self.length,
            tariff: self.tariff,
            root: self.root,
        }
    }

    /// A short name for the anchor within its lane: the first eight bytes of its root.
    #[must_use]
    pub fn tag(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.root.0[..8]);
        u64::from_be_bytes(first)
    }

    /// Whether the terms are within what hub and contract accept: nothing zero, a length of 1..=4096, and a top value
    /// that fits 64 bits.
    ///
    /// # Errors
    /// [`Refusal::BadAnchorTerms`], [`Refusal::Overflow`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.tick_amount == 0 || self.ticks_per_amount == 0 || !(1..=CHAIN_LENGTH_MAX).contains(&self.length) {
            return Err(Refusal::BadAnchorTerms);
        }
        self.total_at(self.length).map(|_| ())
    }

    /// The lane's total at `index`: `base_amount + (base_ticks + index) * tick_amount / ticks_per_amount`, exactly.
    ///
    /// # Errors
    /// [`Refusal::BadAnchorTerms`] for a zero denominator, [`Refusal::Overflow`] past 64 bits.
    pub fn total_at(&self, index: u16) -> Result<Total, Refusal> {
        self.scale().total_at(index)
    }

    /// What an index is worth.
    #[must_use]
    pub fn scale(&self) -> TickScale {
        let Self { base_amount, base_ticks, tick_amount, ticks_per_amount, .. } = *self;
        TickScale { base_amount, base_ticks, tick_amount, ticks_per_amount }
    }
}

/// What the indices of a chain are worth: the numbers of its anchor alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickScale {
    base_amount: u64,
    base_ticks: u64,
    tick_amount: u32,
    ticks_per_amount: u32,
}

impl TickScale {
    /// As [`AnchorTerms::total_at`].
    ///
    /// # Errors
    /// As [`AnchorTerms::total_at`].
    pub fn total_at(&self, index: u16) -> Result<Total, Refusal> {
        match self.small_total_at(index) {
            Some(total) => Ok(total),
            None => self.wide_total_at(index),
        }
    }

    /// The total in 64 bits, where everything fits: a division of 128 bits takes ten times as long.
    fn small_total_at(&self, index: u16) -> Option<Total> {
        let per = u64::from(self.ticks_per_amount);
        let product = self.base_ticks.checked_add(u64::from(index))?.checked_mul(u64::from(self.tick_amount))?;
        let amount = product.checked_div(per)?.checked_add(self.base_amount)?;
        let remainder = u32::try_from(product.checked_rem(per)?).ok()?;
        Total::new(amount, remainder, self.ticks_per_amount)
    }

    fn wide_total_at(&self, index: u16) -> Result<Total, Refusal> {
        let per = u128::from(self.ticks_per_amount);
        let ticks = u128::from(self.base_ticks).checked_add(u128::from(index)).ok_or(Refusal::Overflow)?;
        let product = ticks.checked_mul(u128::from(self.tick_amount)).ok_or(Refusal::Overflow)?;
        let whole = product.checked_div(per).ok_or(Refusal::BadAnchorTerms)?;
        let remainder = product.checked_rem(per).ok_or(Refusal::BadAnchorTerms)?;
        let amount = whole.checked_add(u128::from(self.base_amount)).ok_or(Refusal::Overflow)?;
        let amount = u64::try_from(amount).map_err(|_| Refusal::Overflow)?;
        let remainder = u32::try_from(remainder).map_err(|_| Refusal::Overflow)?;
        Total::new(amount, remainder, self.ticks_per_amount).ok_or(Refusal::BadAnchorTerms)
    }
}

/// An anchor and the device's signature over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedAnchor {
    /// The anchor.
    #[n(0)]
    pub terms: AnchorTerms,
    /// Over [`Anchor`].
    #[n(1)]
    pub signature: UncheckedSignature,
}

/// A preimage with the anchor that makes it money. Index 0, with the root as its link, is the anchor itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TickProof {
    /// The anchor.
    #[n(0)]
    pub anchor: SignedAnchor,
    /// The preimage's index, 0..=length.
    #[n(1)]
    pub index: u16,
    /// The link at `index`.
    #[n(2)]
    pub link: Preimage,
}

/// A whole proof of a lane's total, checkable by anyone who knows the lane and the device's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub enum Evidence {
    /// A signed total.
    #[n(0)]
    Voucher(#[n(0)] SignedVoucher),
    /// A hash-chain payment.
    #[n(1)]
    Tick(#[n(0)] TickProof),
}

impl Evidence {
    /// The total it claims, unchecked.
    ///
    /// # Errors
    /// As [`AnchorTerms::total_at`].
    pub fn claimed(&self) -> Result<Total, Refusal> {
        match self {
            Self::Voucher(voucher) => Ok(Total::whole(voucher.amount)),
            Self::Tick(tick) => tick.anchor.terms.total_at(tick.index),
        }
    }
}

/// Checks a proof from nothing: the signature, and for a tick every hash down to the anchor's root (4,096 at most).
///
/// # Errors
/// The refusal the hub would have given.
pub fn verify_evidence(
    recover: &impl Recover,
    domain: &Domain,
    lane: &LaneId,
    device: &Address,
    evidence: &Evidence,
) -> Result<Total, Refusal> {
    match evidence {
        Evidence::Voucher(voucher) => {
            if voucher.amount == 0 {
                return Err(Refusal::ZeroAmount);
            }
            verify_voucher(recover, domain, lane, device, voucher)?;
        }
        Evidence::Tick(tick) => {
            if tick.index > tick.anchor.terms.length {
                return Err(Refusal::IndexOutOfRange);
            }
            verify_anchor(recover, domain, lane, device, &tick.anchor)?;
            if chain::walk(&tick.link, &lane.tag(), tick.index, 0).0 != tick.anchor.terms.root.0 {
                return Err(Refusal::WrongTick);
            }
        }
    }
    evidence.claimed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The narrow way and the wide one give the same total wherever the narrow one gives any.
        #[test]
        fn a_total_is_the_same_in_either_width(
            base_amount: u64,
            base_ticks: u64,
            shift in 0..64_u32,
            tick_amount: u32,
            ticks_per_amount: u32,
            index: u16,
        ) {
            let base_amount = base_amount >> (shift / 2);
            let scale = TickScale { base_amount, base_ticks: base_ticks >> shift, tick_amount, ticks_per_amount };
            if let Some(total) = scale.small_total_at(index) {
                let wide = scale.wide_total_at(index);
                prop_assert_eq!(wide.map(|total| (total.amount(), total.fraction())), Ok((total.amount(), total.fraction())));
            }
            prop_assert_eq!(scale.total_at(index), scale.wide_total_at(index));
        }
    }
}
