//! How unlike all others a lane is, with nobody's labels: streaming half-space trees (Tan, Ting and Liu, IJCAI 2011).
//!
//! Each tree halves the space of features at random places, and counts how many samples of the last window fell into each
//! part. Where few fell, a lane is alone. It runs on a sampled side path; its result reaches the score as one feature.

use crate::features::{FEATURE_MAX, FEATURES, Feature, Features};
use crate::fixed::log2;
use crate::sketch::mix;

const TREES: usize = 24;
const DEPTH: usize = 8;
const NODES: usize = (1 << (DEPTH + 1)) - 1;
/// A part in which so few fell is not divided further when scored.
const SIZE_LIMIT: u16 = 25;

#[derive(Debug, Clone)]
struct Tree {
    /// Of inner nodes: which feature, and where it is halved.
    splits: Vec<(u8, u16)>,
    /// How many of the last whole window fell into each part.
    reference: Vec<u16>,
    /// How many of this one.
    latest: Vec<u16>,
}

/// The forest.
#[derive(Debug, Clone)]
pub struct HalfSpaceTrees {
    trees: Vec<Tree>,
    window: u16,
    seen: u16,
    windows: u32,
}

impl HalfSpaceTrees {
    /// A forest that compares with windows of `window` samples; its halvings follow from the seed. It holds about 70 KiB.
    pub fn new(window: u16, seed: u64) -> Self {
        let trees = (0..TREES).map(|index| Tree::new(mix(seed ^ index as u64))).collect();
        Self { trees, window: window.max(64), seen: 0, windows: 0 }
    }

    /// Takes in a sample and says how unlike the last window it is, from 0 to [`FEATURE_MAX`]: octaves by which its
    /// parts are emptier than if all samples were spread evenly. Nought until a window is full.
    pub fn observe(&mut self, features: &Features) -> u16 {
        let score = self.score(features);
        for tree in &mut self.trees {
            tree.count(features);
        }
        self.seen += 1;
        if self.seen >= self.window {
            self.seen = 0;
            self.windows = self.windows.saturating_add(1);
            for tree in &mut self.trees {
                std::mem::swap(&mut tree.reference, &mut tree.latest);
                tree.latest.fill(0);
            }
        }
        score
    }

    /// The score alone.
    pub fn score(&self, features: &Features) -> u16 {
        if self.windows == 0 {
            return 0;
        }
        let mass: u64 = self.trees.iter().map(|tree| tree.mass(features)).sum();
        let even = u64::from(self.window) * TREES as u64;
        log2(even).saturating_sub(log2(mass)).min(FEATURE_MAX)
    }
}

impl Tree {
    fn new(seed: u64) -> Self {
        let mut tree = Self { splits: vec![(0, 0); NODES / 2], reference: vec![0; NODES], latest: vec![0; NODES] };
        let mut state = seed;
        // Each feature's range is drawn around a random point, as in the paper, so that trees differ.
        let ranges = [(); FEATURES].map(|()| {
            state = mix(state);
            let centre = state % (u64::from(FEATURE_MAX) + 1);
            let reach = 2 * centre.max(u64::from(FEATURE_MAX) - centre);
            (centre.saturating_sub(reach), centre + reach)
        });
        tree.divide(0, ranges, &mut state);
        tree
    }

    fn divide(&mut self, node: usize, ranges: [(u64, u64); FEATURES], state: &mut u64) {
        if node >= self.splits.len() {
            return;
        }
        *state = mix(*state);
        // The forest's own result is no evidence for itself.
        let feature = usize::try_from(*state % (FEATURES as u64 - 1)).unwrap_or(0);
        let (low, high) = ranges[feature];
        let middle = low.midpoint(high);
        self.splits[node] = (Feature::ALL[feature] as u8, u16::try_from(middle).unwrap_or(u16::MAX));
        let (mut left, mut right) = (ranges, ranges);
        left[feature] = (low, middle);
        right[feature] = (middle, high);
        self.divide(2 * node + 1, left, state);
        self.divide(2 * node + 2, right, state);
    }

    fn child(&self, node: usize, features: &Features) -> Option<usize> {
        let (feature, middle) = self.splits.get(node)?;
        let right = features.0[usize::from(*feature)] >= *middle;
        Some(2 * node + 1 + usize::from(right))
    }

    fn count(&mut self, features: &Features) {
        let mut at = Some(0);
        while let Some(node) = at {
            self.latest[node] = self.latest[node].saturating_add(1);
            at = self.child(node, features);
        }
    }

    /// Samples in the part where the features lie, times two for each halving that led to it.
    fn mass(&self, features: &Features) -> u64 {
        let (mut node, mut depth) = (0, 0_u32);
        while self.reference[node] > SIZE_LIMIT {
            let Some(child) = self.child(node, features) else { break };
            node = child;
            depth += 1;
        }
        u64::from(self.reference[node]) << depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(index: u64) -> Features {
        let mut features = Features::default();
        for (place, value) in features.0.iter_mut().enumerate() {
            *value = u16::try_from(mix(index * 31 + place as u64) % 300).unwrap_or(0);
        }
        features
    }

    #[test]
    fn what_is_unlike_all_others_stands_out() {
        let mut forest = HalfSpaceTrees::new(256, 5);
        for index in 0..1024 {
            forest.observe(&usual(index));
        }
        let odd = Features([1900; FEATURES]);
        let of_usual: u16 = (2000..2100).map(|index| forest.score(&usual(index))).max().unwrap_or(0);
        assert!(forest.score(&odd) > of_usual + 512, "{} {of_usual}", forest.score(&odd));
    }

    #[test]
    fn it_says_nothing_before_it_knows() {
        let mut forest = HalfSpaceTrees::new(64, 1);
        assert!((0..64).all(|index| forest.observe(&usual(index)) == 0));
    }

    #[test]
    fn the_same_seed_gives_the_same_forest() {
        let (mut one, mut other) = (HalfSpaceTrees::new(64, 9), HalfSpaceTrees::new(64, 9));
        assert!((0..500).all(|index| one.observe(&usual(index)) == other.observe(&usual(index))));
    }
}
