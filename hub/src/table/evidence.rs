//! A lane's evidence while it is paid on.
//!
//! Nearly every payment is a tick that moves the newest chain on. It changes an index, a link and a total, so these lie
//! in a [`Snapshot`] of one cache line beside the state they belong to, and such a tick writes eight words and allocates
//! nothing. Everything else (vouchers, anchors, ticks on older chains) makes a new state, into which the tip is folded, in
//! the memory of one that was replaced before.
//!
//! One thread at a time changes a lane: the one that holds its channel ([`Hold`](farthing_cells::Hold)). Anybody reads.
//! State and tip carry a version, and a reader that catches them at different ones looks again.

use std::sync::Arc;

use arc_swap::ArcSwap;
use farthing_cells::Snapshot;
use farthing_channel::id::Preimage;
use farthing_channel::lane::{Change, LaneState, Tip, TipChain, Total};

/// A state, and the chain whose tip goes on from it.
#[derive(Debug)]
struct Base {
    version: u64,
    state: LaneState,
    chain: Option<(TipChain, u16)>,
}

impl Clone for Base {
    fn clone(&self) -> Self {
        Self { version: self.version, state: self.state.clone(), chain: self.chain }
    }

    fn clone_from(&mut self, source: &Self) {
        self.version = source.version;
        self.state.clone_from(&source.state);
        self.chain = source.chain;
    }
}

impl Base {
    /// Finds the newest chain. Returns the tip where the state itself ends.
    fn find_tip(&mut self) -> Tip {
        let newest = TipChain::newest(&self.state);
        self.chain = newest.as_ref().map(|(chain, tip)| (*chain, tip.index));
        newest.map_or(Tip { index: 0, link: Preimage([0; 32]), total: self.state.total() }, |(_, tip)| tip)
    }

    /// What the state lacks of `tip`.
    fn lacks(&self, tip: &Tip) -> Option<Change> {
        self.chain.as_ref().filter(|(_, known)| tip.index > *known).map(|(chain, _)| tip.change(chain))
    }
}

/// Memory of a state that nobody reads any more, for the next one. Each thread that takes payments keeps one.
#[derive(Debug, Default)]
pub struct SpareState(Option<Arc<Base>>);

/// A copy of a lane's state, to be changed and put in place of it.
#[derive(Debug)]
pub struct Draft(Arc<Base>);

impl Draft {
    /// The state.
    pub fn state(&self) -> &LaneState {
        &self.0.state
    }

    /// Changes the state.
    pub fn change(&mut self, change: impl FnOnce(LaneState) -> LaneState) {
        // Nobody else has it, so nothing is copied here; and a state without anchors has nothing to free.
        let state = &mut Arc::make_mut(&mut self.0).state;
        let empty = LaneState::new(*state.lane());
        *state = change(std::mem::replace(state, empty));
    }

    /// Leaves the lane as it is.
    pub fn discard(self, spare: &mut SpareState) {
        spare.0 = Some(self.0);
    }
}

/// The evidence of one lane.
#[derive(Debug)]
pub struct EvidenceCell {
    tip: TipWords,
    base: ArcSwap<Base>,
}

/// Version and index, link, whole and fractional total: with the sequence number one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct TipWords(Snapshot<7>);

const INDEX_BITS: u32 = 16;

impl TipWords {
    fn pack(version: u64, tip: &Tip) -> [u64; 7] {
        let (quarters, _) = tip.link.0.as_chunks::<8>();
        let (remainder, per) = tip.total.fraction();
        [
            (version << INDEX_BITS) | u64::from(tip.index),
            u64::from_le_bytes(quarters[0]),
            u64::from_le_bytes(quarters[1]),
            u64::from_le_bytes(quarters[2]),
            u64::from_le_bytes(quarters[3]),
            tip.total.amount(),
            (u64::from(remainder) << 32) | u64::from(per),
        ]
    }

    fn unpack(words: &[u64; 7]) -> (u64, Tip) {
        let mut link = Preimage([0; 32]);
        for (quarter, word) in link.0.as_chunks_mut::<8>().0.iter_mut().zip(&words[1..5]) {
            *quarter = word.to_le_bytes();
        }
        let [.., low, high] = words[0].to_be_bytes();
        let [a, b, c, d, e, f, g, h] = words[6].to_be_bytes();
        let (remainder, per) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let total = Total::new(words[5], remainder, per).unwrap_or(Total::whole(words[5]));
        (words[0] >> INDEX_BITS, Tip { index: u16::from_be_bytes([low, high]), link, total })
    }
}

impl EvidenceCell {
    /// A cell with this state.
    pub fn new(state: LaneState) -> Self {
        let mut base = Base { version: 0, state, chain: None };
        let tip = base.find_tip();
        Self { tip: TipWords(Snapshot::new(TipWords::pack(0, &tip))), base: ArcSwap::from_pointee(base) }
    }

    /// What `look` finds in the state as of one moment.
    pub fn look<T>(&self, look: impl FnOnce(&LaneState) -> T) -> T {
        loop {
            let (version, tip) = TipWords::unpack(&self.tip.0.read());
            let base = self.base.load();
            if base.version == version {
                return match base.lacks(&tip) {
                    None => look(&base.state),
                    Some(change) => look(&base.state.clone().restore(&change)),
                };
            }
            std::hint::spin_loop();
        }
    }

    /// Whole base units proven, and the newest anchor's tag with the index known of it; durable or not.
    pub fn progress(&self) -> (u64, Option<(u64, u16)>) {
        loop {
            let (version, tip) = TipWords::unpack(&self.tip.0.read());
            let base = self.base.load();
            if base.version == version {
                return (tip.total.amount(), base.chain.as_ref().map(|(chain, _)| (chain.tag(), tip.index)));
            }
            std::hint::spin_loop();
        }
    }

    /// Whole base units proven, durable or not.
    pub fn amount(&self) -> u64 {
        self.tip.0.word(5)
    }

    /// The tip and the version of the state it goes on from. For the holder.
    pub fn tip(&self) -> (u64, Tip) {
        TipWords::unpack(&self.tip.0.read_own())
    }

    /// The newest chain, and the version of the state that holds it. For the holder.
    pub fn chain(&self) -> (u64, Option<TipChain>) {
        let base = self.base.load();
        (base.version, base.chain.map(|(chain, _)| chain))
    }

    /// Moves the tip on from where [`tip`](Self::tip) found it. For the holder.
    pub fn advance(&self, version: u64, tip: &Tip) {
        self.tip.0.write(&TipWords::pack(version, tip));
    }

    /// The state, to be changed. For the holder.
    pub fn draft(&self, spare: &mut SpareState) -> Draft {
        let (_, tip) = self.tip();
        let base = self.base.load();
        let mut draft = match spare.0.take() {
            Some(mut own) => {
                Arc::make_mut(&mut own).clone_from(&base);
                Draft(own)
            }
            None => Draft(Arc::new(Base::clone(&base))),
        };
        if let Some(change) = base.lacks(&tip) {
            draft.change(|state| state.restore(&change));
        }
        draft
    }

    /// Puts a draft in place of the state it was made from. For the holder.
    pub fn replace(&self, draft: Draft, spare: &mut SpareState) {
        let Draft(mut base) = draft;
        let own = Arc::make_mut(&mut base);
        own.version = own.version.wrapping_add(1) & (u64::MAX >> INDEX_BITS);
        let tip = own.find_tip();
        let words = TipWords::pack(own.version, &tip);
        let mut old = self.base.swap(base);
        self.tip.0.write(&words);
        // Where somebody reads the old state still, it is theirs to free.
        spare.0 = Arc::get_mut(&mut old).is_some().then_some(old);
    }

    /// Takes in a change that the journal kept. Returns the whole total before and after. For the holder.
    pub fn restore(&self, change: &Change) -> (u64, u64) {
        let (version, tip) = self.tip();
        if let Change::Tick { anchor, index, link } = change
            && let (_, Some(chain)) = self.chain()
            && chain.tag() == *anchor
        {
            let next = chain.restore(&tip, *index, link).unwrap_or(tip);
            self.advance(version, &next);
            return (tip.total.amount(), next.total.amount());
        }
        let mut spare = SpareState::default();
        let mut draft = self.draft(&mut spare);
        draft.change(|state| state.restore(change));
        let after = draft.state().total().amount();
        self.replace(draft, &mut spare);
        (tip.total.amount(), after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_hold_a_tip(
            version in 0..(1_u64 << 48),
            index: u16,
            link: [u8; 32],
            amount: u64,
            remainder: u32,
            per in 1..u32::MAX,
        ) {
            let total = Total::new(amount, remainder % per, per).unwrap();
            let tip = Tip { index, link: Preimage(link), total };
            let (held, again) = TipWords::unpack(&TipWords::pack(version, &tip));
            prop_assert_eq!((held, again), (version, tip));
            prop_assert_eq!(again.total.fraction(), total.fraction());
        }
    }
}
