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

impl RecordRoot {
    /// Adds a record by its encoding.
    pub fn push(&mut self, record: &[u8]) {
        let mut carry = Hash32(keccak256(&[&[0], record]));
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
        let padding = Hash32(keccak256(&[&[2]]));
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
        }
    }
}
