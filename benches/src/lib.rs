//! A lane with everything signed, for the benchmarks to work on. All of it is fixed, so that runs compare.

pub mod clock;

use farthing_channel::chain::{ChainPurpose, DeviceChain, seed};
use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, LaneState, Outcome, SignedAnchor, SignedVoucher, Verified};
use farthing_channel::sign::{LibSecpKey, Signature, Signer as _, sign_typed};

/// Chain length of the fixture: the longest that is allowed.
pub const CHAIN_LENGTH: u16 = 4_096;

/// A device, one of its lanes, and a chain on it.
#[derive(Debug)]
pub struct Fixture {
    /// The signing domain.
    pub domain: Domain,
    /// The device's key.
    pub key: LibSecpKey,
    /// The lane paid on.
    pub lane: LaneId,
    /// The device's chain.
    pub chain: DeviceChain,
    /// The anchor over the chain.
    pub anchor: SignedAnchor,
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

impl Fixture {
    /// The fixture, the same each time.
    ///
    /// # Panics
    /// When the constants below are no key or no chain, which they are.
    #[must_use]
    pub fn new() -> Self {
        let domain = Domain::new(31_337, Address([0xc0; 20]));
        let key = LibSecpKey::from_bytes([7; 32]).expect("a secret key");
        let channel = ChannelId::derive(&EscrowId([1; 32]), &key.address());
        let lane = LaneId::derive(&channel, &Address([2; 20]), RatingGroup(1));
        let purpose = ChainPurpose {
            lane,
            base_amount: 1_000_000,
            base_ticks: 0,
            tick_amount: 17,
            ticks_per_amount: 3,
            length: CHAIN_LENGTH,
            tariff: TariffHash::ZERO,
        };
        let chain = DeviceChain::new(&lane, seed(&[9; 32], &domain, &purpose), CHAIN_LENGTH).expect("a chain length");
        let terms = AnchorTerms::of_chain(&purpose, chain.root());
        let Ok(signature) = sign_typed(&key, &domain, &terms.typed(&lane));
        let anchor = SignedAnchor { terms, signature: signature.into() };
        Self { domain, key, lane, chain, anchor }
    }

    /// The device's signature over a total.
    #[must_use]
    pub fn sign_total(&self, amount: u64) -> Signature {
        let typed = Voucher { lane: self.lane, cumulative_amount: u128::from(amount) };
        let Ok(signature) = sign_typed(&self.key, &self.domain, &typed);
        signature
    }

    /// A voucher for a total.
    #[must_use]
    pub fn voucher(&self, amount: u64) -> SignedVoucher {
        SignedVoucher { amount, signature: self.sign_total(amount).into() }
    }

    /// The chain's link at an index.
    ///
    /// # Panics
    /// Outside 1..=[`CHAIN_LENGTH`].
    #[must_use]
    pub fn link(&self, index: u16) -> Preimage {
        let (link, _) = self.chain.clone().preimage(index).expect("an index of the chain");
        link
    }

    /// The lane as the hub holds it once the anchor is known.
    ///
    /// # Panics
    /// When the anchor does not fit a fresh lane, which it does.
    #[must_use]
    pub fn anchored(&self) -> LaneState {
        let state = LaneState::new(self.lane);
        match state.propose_anchor(&Verified::from_own_journal(self.anchor)) {
            Ok(Outcome::Advance(proposal)) => state.commit(&proposal),
            other => panic!("the anchor must advance a fresh lane: {other:?}"),
        }
    }
}
