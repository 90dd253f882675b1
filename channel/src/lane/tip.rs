//! The tip of the chain a device pays from: all that a further tick needs, small enough to be copied about.
//!
//! [`LaneState::propose_tick`] answers the same question for every anchor a lane holds. Most ticks continue the newest
//! chain, one step ahead; for those a hub that keeps the tip beside the state need not touch the state at all. What
//! the tip does not take is asked of the state, after the tip was folded into it
//! ([`LaneState::restore`] of [`Tip::change`]).

use super::{Change, LaneState, TickScale, Total};
use crate::chain;
use crate::id::Preimage;
use crate::limits::TICK_GAP_MAX;

/// The fixed part of a chain: what does not change while it is paid from.
#[derive(Debug, Clone, Copy)]
pub struct TipChain {
    lane_tag: [u8; 16],
    tag: u64,
    scale: TickScale,
    length: u16,
}

/// How far a chain is known, and the lane's total with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The highest index known.
    pub index: u16,
    /// The link at `index`.
    pub link: Preimage,
    /// The lane's total; it may stem from other evidence than this chain.
    pub total: Total,
}

impl Tip {
    /// What brings a state that holds the chain to this tip.
    #[must_use]
    pub fn change(&self, chain: &TipChain) -> Change {
        Change::Tick { anchor: chain.tag, index: self.index, link: self.link }
    }
}

impl TipChain {
    /// The newest chain of a lane and how far it is known; none where no anchor is held.
    #[must_use]
    pub fn newest(state: &LaneState) -> Option<(Self, Tip)> {
        let held = state.anchors().last()?;
        let terms = held.signed.terms;
        let (tag, scale, length) = (terms.tag(), terms.scale(), terms.length);
        let chain = Self { lane_tag: state.lane().tag(), tag, scale, length };
        Some((chain, Tip { index: held.index, link: held.link, total: state.total() }))
    }

    /// The anchor's tag, as records and acknowledgements name it.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// Hashes that a tick at `index` costs from `tip`; none where the tip cannot take it.
    #[must_use]
    pub fn steps(&self, tip: &Tip, index: u16) -> Option<u16> {
        let steps = index.checked_sub(tip.index).filter(|steps| (1..=TICK_GAP_MAX).contains(steps))?;
        (index <= self.length).then_some(steps)
    }

    /// The tip at `index` of the chain, whose link is known to be right: it stands in the journal.
    #[must_use]
    pub fn restore(&self, tip: &Tip, index: u16, link: &Preimage) -> Option<Tip> {
        let is_further = index > tip.index && index <= self.length;
        let total = is_further.then(|| self.scale.total_at(index).ok())??.max(tip.total);
        Some(Tip { index, link: *link, total })
    }

    /// The tip moved on to `index`, if `link` hashes down to the tip's link. `None` says only that it is not for this
    /// chain or not near enough; the state knows what it is.
    #[must_use]
    pub fn advance(&self, tip: &Tip, index: u16, link: &Preimage) -> Option<Tip> {
        self.steps(tip, index)?;
        if chain::walk(link, &self.lane_tag, index, tip.index) != tip.link {
            return None;
        }
        self.restore(tip, index, link)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chain::DeviceChain;
    use crate::id::{Hash32, LaneId, TariffHash};
    use crate::lane::{AnchorTerms, Outcome, SignedAnchor, SignedVoucher, Verified};
    use crate::sign::UncheckedSignature;

    const LANE: LaneId = LaneId([3; 32]);

    fn anchor(chain: &DeviceChain, base_amount: u64) -> Verified<SignedAnchor> {
        let terms = AnchorTerms {
            base_amount,
            base_ticks: 1,
            tick_amount: 2,
            ticks_per_amount: 3,
            length: chain.length(),
            tariff: TariffHash::ZERO,
            root: Hash32(chain.root().0),
        };
        Verified::from_own_journal(SignedAnchor { terms, signature: UncheckedSignature([0; 64]) })
    }

    fn take(state: LaneState, outcome: Outcome) -> LaneState {
        match outcome {
            Outcome::Advance(proposal) => state.commit(&proposal),
            Outcome::Known => state,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the tip takes, the state takes too, with the same total; folded in, it makes the same state.
        #[test]
        fn a_tip_says_what_the_state_says(
            voucher in 0..200_u64,
            ticks in prop::collection::vec((0..2_usize, 0..320_u16, any::<bool>()), 1..40),
        ) {
            let mut chains = [1, 2].map(|seed| DeviceChain::new(&LANE, Preimage([seed; 32]), 300).unwrap());
            let mut state = LaneState::new(LANE);
            if voucher > 0 {
                let signed = SignedVoucher { amount: voucher, signature: UncheckedSignature([1; 64]) };
                state = take(state.clone(), state.propose_voucher(&Verified::from_own_journal(signed)));
            }
            for (chain, base) in chains.iter().zip([0, 40]) {
                let Ok(outcome) = state.propose_anchor(&anchor(chain, base)) else { continue };
                state = take(state.clone(), outcome);
            }
            prop_assume!(state.anchors().len() == 2);
            let (chain, mut tip) = TipChain::newest(&state).unwrap();
            let base = state.clone();
            for (which, index, is_forged) in ticks {
                let mut link = chains[which].preimage(index).map_or(Preimage([9; 32]), |(link, _)| link);
                if is_forged {
                    link.0[0] ^= 1;
                }
                let by_state = state.propose_tick(index, &link);
                if let Some(next) = chain.advance(&tip, index, &link) {
                    prop_assert!(!is_forged);
                    let Ok(Outcome::Advance(proposal)) = by_state else { panic!("{by_state:?}") };
                    prop_assert_eq!(proposal.total(), next.total);
                    state = state.commit(&proposal);
                    tip = next;
                    prop_assert_eq!(&base.clone().restore(&tip.change(&chain)), &state);
                } else if which == 1 && !is_forged {
                    prop_assert!(!matches!(by_state, Ok(Outcome::Advance(_))));
                }
            }
        }
    }
}
