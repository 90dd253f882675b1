//! The Merkle root over an epoch's lane records, committed with every batch, so that a single record can be shown to
//! have been part of what was settled.
//!
//! Leaf `keccak256(00 || record)`, node `keccak256(01 || left || right)`; each level pairs its nodes from the left,
//! and a last one without a partner is paired with `keccak256(02)`. One leaf is its own root; no leaves have the root zero.

use farthing_channel::id::{Hash32, keccak256};

/// Takes in leaves one by one and keeps one node per level.
#[derive(Debug, Clone, Default)]
pub struct RecordRoot {
    /// The pending left node of each level, lowest first.
    pending: Vec<Option<Hash32>>,
    leaves: u64,
}

fn node(left: &Hash32, right: &Hash32) -> Hash32 {
    Hash32(keccak256(&[&[1], &left.0, &right.0]))
}

/// The leaf of a record's encoding.
#[must_use]
pub fn leaf(record: &[u8]) -> Hash32 {
    Hash32(keccak256(&[&[0], record]))
}

fn padding() -> Hash32 {
    Hash32(keccak256(&[&[2]]))
}

/// The way from leaf `index` to the root: the partner at each level, lowest first. `None` where there is no such leaf.
#[must_use]
pub fn path(leaves: &[Hash32], index: usize) -> Option<Vec<Hash32>> {
    leaves.get(index)?;
    let (mut nodes, mut place, mut path) = (leaves.to_vec(), index, Vec::new());
    while nodes.len() > 1 {
        path.push(nodes.get(place ^ 1).copied().unwrap_or_else(padding));
        nodes = nodes
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                [left, ..] => node(left, &padding()),
                [] => padding(),
            })
            .collect();
        place /= 2;
    }
    Some(path)
}

/// The root to which a record at place `index` leads along `path`.
#[must_use]
pub fn root_along(record: &[u8], index: u64, path: &[Hash32]) -> Hash32 {
    let mut place = index;
    path.iter().fold(leaf(record), |at, partner| {
        let is_right = place % 2 == 1;
        place /= 2;
        if is_right { node(partner, &at) } else { node(&at, partner) }
    })
}

impl RecordRoot {
    /// Adds a record by its encoding.
    pub fn push(&mut self, record: &[u8]) {
        let mut carry = leaf(record);
        self.leaves = self.leaves.saturating_add(1);
        for slot in &mut self.pending {
            match slot.take() {
                Some(left) => carry = node(&left, &carry),
                None => {
                    *slot = Some(carry);
                    return;
                }
            }
        }
        self.pending.push(Some(carry));
    }

    /// Records taken in.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root over all records so far.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let padding = padding();
        let mut right: Option<Hash32> = None;
        for (level, slot) in self.pending.iter().enumerate() {
            let top = level.saturating_add(1) == self.pending.len();
            right = match (slot, right) {
                (None, None) => None,
                (Some(left), None) if top => Some(*left),
                (Some(left), None) => Some(node(left, &padding)),
                (None, Some(carried)) => Some(node(&carried, &padding)),
                (Some(left), Some(carried)) => Some(node(left, &carried)),
            };
        }
        right.unwrap_or(Hash32::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same root level by level.
    fn slow_root(records: &[Vec<u8>]) -> Hash32 {
        let mut nodes: Vec<_> = records.iter().map(|record| Hash32(keccak256(&[&[0], record]))).collect();
        while nodes.len() > 1 {
            let padding = Hash32(keccak256(&[&[2]]));
            nodes = nodes.chunks(2).map(|pair| node(&pair[0], pair.get(1).unwrap_or(&padding))).collect();
        }
        nodes.first().copied().unwrap_or(Hash32::ZERO)
    }

    #[test]
    fn the_running_root_is_the_root_of_the_tree() {
        for count in 0..40_u8 {
            let records: Vec<_> = (0..count).map(|n| vec![n; 3]).collect();
            let mut root = RecordRoot::default();
            records.iter().for_each(|record| root.push(record));
            assert_eq!(root.root(), slow_root(&records), "{count} leaves");
            let leaves: Vec<_> = records.iter().map(|record| leaf(record)).collect();
            for (place, record) in records.iter().enumerate() {
                let path = path(&leaves, place).unwrap();
                let index = u64::try_from(place).unwrap();
                assert_eq!(root_along(record, index, &path), root.root(), "{place} of {count}");
                assert_ne!(root_along(&[200], index, &path), root.root(), "{place} of {count}");
            }
            assert!(path(&leaves, records.len()).is_none());
        }
    }
}
