//! Hash chains: a tick is the preimage of the link before it.
//!
//! Index 0 is the root that the anchor signs; index `length` is the seed. One step down is
//! `link[i - 1] = SHA256(link[i] || laneTag[16] || u16 i)`, 50 bytes and so a single compression. The index and the
//! lane inside the hash keep a preimage from serving at two places.

use alloc::vec::Vec;

use bitcoin_hashes::{Hash as _, HashEngine as _, HmacEngine, sha256};
use zeroize::Zeroize as _;

use crate::eip712::Domain;
use crate::id::{Hash32, LaneId, Preimage, TariffHash, abi};
use crate::limits::{CHAIN_LENGTH_MAX, CHECKPOINT_SPACING, CHECKPOINT_SPACING_FINE, DEVICE_CHAIN_BYTES_MAX};

/// The link at `index - 1`, from the one at `index`.
#[must_use]
pub fn step(link: &Preimage, lane_tag: &[u8; 16], index: u16) -> Preimage {
    let mut input = [0; 50];
    input[..32].copy_from_slice(&link.0);
    input[32..48].copy_from_slice(lane_tag);
    input[48..].copy_from_slice(&index.to_be_bytes());
    Preimage(sha256::hash(&input).to_byte_array())
}

/// The link at `to`, from the one at `from`; `to` is at most `from`.
#[must_use]
pub fn walk(link: &Preimage, lane_tag: &[u8; 16], from: u16, to: u16) -> Preimage {
    let mut link = *link;
    let mut index = from;
    while index > to {
        link = step(&link, lane_tag, index);
        index = index.saturating_sub(1);
    }
    link
}

/// One chain to walk down: from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// The link at `from`, and after [`walk_all`] the one at `to`.
    pub link: Preimage,
    /// The lane's tag.
    pub lane_tag: [u8; 16],
    /// Where it stands.
    pub from: u16,
    /// Where it ends; at most `from`.
    pub to: u16,
}

impl Walk {
    fn is_done(&self) -> bool {
        self.from <= self.to
    }

    fn step(&mut self) {
        self.link = step(&self.link, &self.lane_tag, self.from);
        self.from = self.from.saturating_sub(1);
    }
}

/// Walks every chain to its end, as [`walk`] would, two of them in turns. Each hash of a chain waits for the one before it,
/// so a processor has room for a second chain beside the first.
pub fn walk_all(walks: &mut [Walk]) {
    let mut rest = walks.iter_mut().filter(|walk| !walk.is_done());
    let (mut left, mut right) = (rest.next(), rest.next());
    while let (Some(a), Some(b)) = (&mut left, &mut right) {
        while !a.is_done() && !b.is_done() {
            a.step();
            b.step();
        }
        if a.is_done() {
            left = rest.next();
        }
        if b.is_done() {
            right = rest.next();
        }
    }
    for walk in [left, right].into_iter().flatten() {
        while !walk.is_done() {
            walk.step();
        }
    }
}

/// What a chain is made for. The seed is derived from all of it, so no preimage serves two lanes or anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainPurpose {
    /// The lane it pays on.
    pub lane: LaneId,
    /// See [`crate::eip712::Anchor::base_amount`].
    pub base_amount: u64,
    /// See [`crate::eip712::Anchor::base_ticks`].
    pub base_ticks: u64,
    /// See [`crate::eip712::Anchor::tick_amount`].
    pub tick_amount: u32,
    /// See [`crate::eip712::Anchor::ticks_per_amount`].
    pub ticks_per_amount: u32,
    /// Number of preimages, 1..=4096.
    pub length: u16,
    /// The tariff the ticks are priced by.
    pub tariff: TariffHash,
}

/// `HMAC-SHA256(device secret, domain separator || laneId || anchor fields as ABI words)`: a device that lost
/// its memory, but not its key, can rebuild its chains.
#[must_use]
pub fn seed(device_secret: &[u8; 32], domain: &Domain, purpose: &ChainPurpose) -> Preimage {
    let mut engine = HmacEngine::<sha256::HashEngine>::new(device_secret);
    engine.input(domain.separator());
    engine.input(&purpose.lane.0);
    engine.input(&abi::uint(u128::from(purpose.base_amount)));
    engine.input(&abi::uint(u128::from(purpose.base_ticks)));
    engine.input(&abi::uint(u128::from(purpose.tick_amount)));
    engine.input(&abi::uint(u128::from(purpose.ticks_per_amount)));
    engine.input(&abi::uint(u128::from(purpose.length)));
    engine.input(&purpose.tariff.0);
    Preimage(engine.finalize().to_byte_array())
}

/// A device's view of a chain: coarse checkpoints over all of it and finer ones inside the span in use, at
/// most 2 KiB, and at most 128 hashes for any tick when paid in order.
///
/// The state is as secret as the money still to be paid. It is erased when dropped, and `Debug` hides it.
#[derive(Clone)]
pub struct DeviceChain {
    lane_tag: [u8; 16],
    length: u16,
    /// Links at `CHECKPOINT_SPACING`, twice that, …, and the seed at `length`.
    coarse: Vec<Preimage>,
    /// Links inside the span `(fine_top - CHECKPOINT_SPACING, fine_top]`, from its top downwards.
    fine: Vec<Preimage>,
    fine_top: u16,
    root: Hash32,
}

impl DeviceChain {
    /// Builds the chain of `length` links under `seed`: `length` hashes, once.
    ///
    /// Returns `None` unless `length` is 1..=4096.
    #[must_use]
    pub fn new(lane: &LaneId, seed: Preimage, length: u16) -> Option<Self> {
        if !(1..=CHAIN_LENGTH_MAX).contains(&length) {
            return None;
        }
        let lane_tag = lane.tag();
        let mut coarse = Vec::with_capacity(usize::from(length.div_ceil(CHECKPOINT_SPACING)));
        coarse.push(seed);
        let mut link = seed;
        for index in (1..=length).rev() {
            link = step(&link, &lane_tag, index);
            let below = index.saturating_sub(1);
            if below > 0 && below.is_multiple_of(CHECKPOINT_SPACING) {
                coarse.push(link);
            }
        }
        coarse.reverse();
        Some(Self { lane_tag, length, coarse, fine: Vec::new(), fine_top: 0, root: Hash32(link.0) })
    }

    /// The chain's index 0, for the anchor to sign.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        self.root
    }

    /// Number of preimages.
    #[must_use]
    pub fn length(&self) -> u16 {
        self.length
    }

    /// The preimage at `index`, and how many hashes it took; `None` outside 1..=length.
    pub fn preimage(&mut self, index: u16) -> Option<(Preimage, u16)> {
        if index == 0 || index > self.length {
            return None;
        }
        let span = index.div_ceil(CHECKPOINT_SPACING);
        let top = span.saturating_mul(CHECKPOINT_SPACING).min(self.length);
        let mut hashes = 0;
        if self.fine_top != top {
            hashes = self.open_span(usize::from(span.saturating_sub(1)), top)?;
        }
        // The nearest finer checkpoint at or above the index.
        let place = top.checked_sub(index)?.checked_div(CHECKPOINT_SPACING_FINE)?;
        let from = top.checked_sub(place.checked_mul(CHECKPOINT_SPACING_FINE)?)?;
        let link = self.fine.get(usize::from(place))?;
        hashes = from.checked_sub(index)?.checked_add(hashes)?;
        Some((walk(link, &self.lane_tag, from, index), hashes))
    }

    /// Fills the finer checkpoints of the span that ends at `top`. Returns the number of hashes.
    fn open_span(&mut self, span: usize, top: u16) -> Option<u16> {
        let mut link = *self.coarse.get(span)?;
        self.fine.zeroize_links();
        let bottom = (top.saturating_sub(1) / CHECKPOINT_SPACING).saturating_mul(CHECKPOINT_SPACING);
        let mut index = top;
        let mut hashes: u16 = 0;
        self.fine.push(link);
        while index.saturating_sub(CHECKPOINT_SPACING_FINE) > bottom {
            let next = index.saturating_sub(CHECKPOINT_SPACING_FINE);
            link = walk(&link, &self.lane_tag, index, next);
            self.fine.push(link);
            hashes = hashes.saturating_add(CHECKPOINT_SPACING_FINE);
            index = next;
        }
        self.fine_top = top;
        Some(hashes)
    }

    /// Bytes of state: checkpoints and the fields beside them.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let links = self.coarse.len().saturating_add(self.fine.len());
        links.saturating_mul(size_of::<Preimage>()).saturating_add(size_of::<Self>())
    }
}

trait ZeroizeLinks {
    fn zeroize_links(&mut self);
}

impl ZeroizeLinks for Vec<Preimage> {
    fn zeroize_links(&mut self) {
        self.iter_mut().for_each(|link| link.0.zeroize());
        self.clear();
    }
}

impl Drop for DeviceChain {
    fn drop(&mut self) {
        self.coarse.zeroize_links();
        self.fine.zeroize_links();
    }
}

impl core::fmt::Debug for DeviceChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeviceChain").field("length", &self.length).field("root", &self.root).finish_non_exhaustive()
    }
}

const _: () = {
    let coarse = CHAIN_LENGTH_MAX.div_ceil(CHECKPOINT_SPACING) as usize;
    let fine = CHECKPOINT_SPACING.div_ceil(CHECKPOINT_SPACING_FINE) as usize;
    assert!((coarse + fine) * 32 + size_of::<DeviceChain>() <= DEVICE_CHAIN_BYTES_MAX);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_walks_end_where_each_alone_would() {
        for count in 0..9_u8 {
            let walk_of = |n: u8| {
                let (from, to) = (u16::from(n) * 37 % 120, u16::from(n) * 11 % 40);
                Walk { link: Preimage([n; 32]), lane_tag: [n; 16], from: from.max(to), to }
            };
            let mut walks: Vec<Walk> = (0..count).map(walk_of).collect();
            let alone: Vec<_> = walks.iter().map(|w| walk(&w.link, &w.lane_tag, w.from, w.to)).collect();
            walk_all(&mut walks);
            assert_eq!(walks.iter().map(|walk| walk.link).collect::<Vec<_>>(), alone);
        }
    }

    #[test]
    fn pays_a_full_chain_within_its_budget() {
        let lane = LaneId([5; 32]);
        for length in [1, 2, 127, 128, 129, 300, 4096] {
            let mut chain = DeviceChain::new(&lane, Preimage([1; 32]), length).unwrap();
            let mut last = Preimage(chain.root().0);
            for index in 1..=length {
                let (link, hashes) = chain.preimage(index).unwrap();
                assert_eq!(step(&link, &lane.tag(), index), last, "length {length} index {index}");
                assert!(hashes <= 128, "length {length} index {index}: {hashes} hashes");
                assert!(chain.state_bytes() <= DEVICE_CHAIN_BYTES_MAX);
                last = link;
            }
            assert_eq!(last, Preimage([1; 32]));
            assert!(chain.preimage(0).is_none());
            assert!(chain.preimage(length + 1).is_none());
        }
        assert!(DeviceChain::new(&lane, Preimage([1; 32]), 0).is_none());
        assert!(DeviceChain::new(&lane, Preimage([1; 32]), 4097).is_none());
    }

    #[test]
    fn a_link_serves_one_index_of_one_lane() {
        let link = Preimage([1; 32]);
        let tag = LaneId([5; 32]).tag();
        assert_ne!(step(&link, &tag, 1), step(&link, &tag, 2));
        assert_ne!(step(&link, &tag, 1), step(&link, &LaneId([6; 32]).tag(), 1));
    }
}
