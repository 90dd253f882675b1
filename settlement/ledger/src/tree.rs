//! The tree of a batch: two levels of sums, provable leaf by leaf.
//!
//! A batch's root commits to its channels, each channel leaf to its lanes. Every node hashes both children with both
//! their sums, so whoever checks one path also checks that the sums on it add up to the total that was paid.
//!
//! ```text
//! lane leaf    = keccak256(00 || laneId[32] || payee[20] || ratingGroup[4] || total[16])
//! channel leaf = keccak256(01 || device[20] || limit[16] || expiry[8] || serial[8]
//!                             || lanes[4] || total[16] || lanesRoot[32])
//! lane node    = keccak256(02 || left[32] || leftSum[16] || right[32] || rightSum[16])
//! channel node = keccak256(03 || left[32] || leftSum[16] || right[32] || rightSum[16])
//! padding      = keccak256(04), sum 0
//! ```
//!
//! Numbers are big-endian. The shape follows from the number of leaves alone: each level pairs its nodes from the left, and a
//! last one without a partner is paired with padding. One leaf is its own root; no leaves have the root `padding`.
//! Leaves stand in strictly ascending order: channels by device, the lanes of a channel by lane id.

use farthing_channel::id::{Address, Hash32, LaneId, RatingGroup, keccak256};
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

/// A hash with the sum below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SumNode {
    /// The hash.
    #[n(0)]
    pub hash: Hash32,
    /// Base units below it.
    #[n(1)]
    pub sum: u64,
}

impl SumNode {
    /// What stands where there is nothing.
    #[must_use]
    pub fn padding() -> Self {
        Self { hash: Hash32(keccak256(&[&[4]])), sum: 0 }
    }
}

/// Which of the two levels a node belongs to; a node of one never passes for a node of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Lanes of one channel.
    Lanes,
    /// Channels of the batch.
    Channels,
}

impl Level {
    fn tag(self) -> u8 {
        match self {
            Self::Lanes => 2,
            Self::Channels => 3,
        }
    }

    /// The node above two others; `None` where their sum does not fit 64 bits.
    fn node(self, left: &SumNode, right: &SumNode) -> Option<SumNode> {
        let sum = left.sum.checked_add(right.sum)?;
        let hash = keccak256(&[
            &[self.tag()],
            &left.hash.0,
            &u128::from(left.sum).to_be_bytes(),
            &right.hash.0,
            &u128::from(right.sum).to_be_bytes(),
        ]);
        Some(SumNode { hash: Hash32(hash), sum })
    }
}

/// A lane's leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LaneLeaf {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// Whom it pays.
    #[n(1)]
    pub payee: Address,
    /// For which service.
    #[n(2)]
    pub rating_group: RatingGroup,
    /// Base units since opening.
    #[n(3)]
    pub total: u64,
}

impl LaneLeaf {
    /// Its node.
    #[must_use]
    pub fn node(&self) -> SumNode {
        let hash = keccak256(&[
            &[0],
            &self.lane.0,
            &self.payee.0,
            &self.rating_group.0.to_be_bytes(),
            &u128::from(self.total).to_be_bytes(),
        ]);
        SumNode { hash: Hash32(hash), sum: self.total }
    }
}

/// A limit as 16 big-endian bytes: CBOR integers end at 64 bits.
mod limit_bytes {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        value: &u128,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&value.to_be_bytes())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u128, DecodeError> {
        let bytes = d.bytes()?;
        bytes.try_into().map(u128::from_be_bytes).map_err(|_| DecodeError::message("expected 16 bytes"))
    }
}

/// A channel's leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChannelLeaf {
    /// The device.
    #[n(0)]
    pub device: Address,
    /// Limit of the mandate it stands under.
    #[cbor(n(1), with = "limit_bytes")]
    pub limit: u128,
    /// Expiry of that mandate.
    #[n(2)]
    pub expiry: UnixSeconds,
    /// Serial of that mandate.
    #[n(3)]
    pub serial: u64,
    /// Number of its lanes.
    #[n(4)]
    pub lanes: u32,
    /// Root of its lanes, with their sum.
    #[n(5)]
    pub lanes_root: SumNode,
}

impl ChannelLeaf {
    /// The leaf of a channel with these lanes. `None` where their ids do not ascend, where there is none, or where the sum
    /// does not fit 64 bits.
    #[must_use]
    pub fn over(device: Address, limit: u128, expiry: UnixSeconds, serial: u64, lanes: &[LaneLeaf]) -> Option<Self> {
        if lanes.is_empty() || !lanes.is_sorted_by(|a, b| a.lane < b.lane) {
            return None;
        }
        let lanes_root = root(Level::Lanes, lanes.iter().map(LaneLeaf::node).collect())?;
        let count = u32::try_from(lanes.len()).ok()?;
        Some(Self { device, limit, expiry, serial, lanes: count, lanes_root })
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> SumNode {
        let hash = keccak256(&[
            &[1],
            &self.device.0,
            &self.limit.to_be_bytes(),
            &self.expiry.0.to_be_bytes(),
            &self.serial.to_be_bytes(),
            &self.lanes.to_be_bytes(),
            &u128::from(self.lanes_root.sum).to_be_bytes(),
            &self.lanes_root.hash.0,
        ]);
        SumNode { hash: Hash32(hash), sum: self.lanes_root.sum }
    }
}

/// The root over `leaves`; `None` where the sum does not fit 64 bits.
#[must_use]
pub fn root(level: Level, leaves: Vec<SumNode>) -> Option<SumNode> {
    let mut nodes = leaves;
    while nodes.len() > 1 {
        nodes = above(level, &nodes)?;
    }
    Some(nodes.first().copied().unwrap_or_else(SumNode::padding))
}

/// The level above `nodes`.
fn above(level: Level, nodes: &[SumNode]) -> Option<Vec<SumNode>> {
    let pair = |pair: &[SumNode]| match pair {
        [left, right] => level.node(left, right),
        [left] => level.node(left, &SumNode::padding()),
        _ => None,
    };
    nodes.chunks(2).map(pair).collect()
}

/// The way from one leaf to the root: the partners on it, lowest first, padding left out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SumProof {
    /// The leaf's place, from 0.
    #[n(0)]
    pub index: u32,
    /// Partners that are no padding.
    #[n(1)]
    pub siblings: Vec<SumNode>,
}

/// The proof of the leaf at `index`; `None` where there is no such leaf or the sum does not fit.
#[must_use]
pub fn prove(level: Level, leaves: &[SumNode], index: u32) -> Option<SumProof> {
    let mut place = usize::try_from(index).ok()?;
    if place >= leaves.len() {
        return None;
    }
    let mut siblings = Vec::new();
    let mut nodes = leaves.to_vec();
    while nodes.len() > 1 {
        if let Some(sibling) = nodes.get(place ^ 1) {
            siblings.push(*sibling);
        }
        nodes = above(level, &nodes)?;
        place >>= 1;
    }
    Some(SumProof { index, siblings })
}

/// The root that `leaf` leads to as one of `count` leaves; `None` where the proof has not the shape that `count` fixes.
/// The caller compares hash and sum with the root it trusts.
#[must_use]
pub fn climb(level: Level, count: u32, leaf: SumNode, proof: &SumProof) -> Option<SumNode> {
    if proof.index >= count {
        return None;
    }
    let (mut width, mut place, mut node) = (count, proof.index, leaf);
    let mut siblings = proof.siblings.iter();
    while width > 1 {
        node = if place & 1 == 1 {
            level.node(siblings.next()?, &node)?
        } else if place.saturating_add(1) < width {
            level.node(&node, siblings.next()?)?
        } else {
            level.node(&node, &SumNode::padding())?
        };
        place >>= 1;
        width = width.div_ceil(2);
    }
    siblings.next().is_none().then_some(node)
}

/// A lane's whole way to a batch's root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LaneProof {
    /// The lane.
    #[n(0)]
    pub lane: LaneLeaf,
    /// Within its channel.
    #[n(1)]
    pub lane_proof: SumProof,
    /// The channel.
    #[n(2)]
    pub channel: ChannelLeaf,
    /// Within the batch.
    #[n(3)]
    pub channel_proof: SumProof,
}

impl LaneProof {
    /// Whether it leads to `root`, the root of a batch of `channels` channels, with `root.sum` the batch's total.
    #[must_use]
    pub fn leads_to(&self, channels: u32, root: &SumNode) -> bool {
        climb(Level::Lanes, self.channel.lanes, self.lane.node(), &self.lane_proof) == Some(self.channel.lanes_root)
            && climb(Level::Channels, channels, self.channel.node(), &self.channel_proof) == Some(*root)
    }
}

/// A batch's tree with all its leaves, to prove lanes of it.
#[derive(Debug, Clone, Default)]
pub struct BatchTree {
    channels: Vec<(ChannelLeaf, Vec<LaneLeaf>)>,
}

impl BatchTree {
    /// Adds a channel with its lanes. Channels must come in ascending order of device, lanes of lane id; `None` where
    /// they do not, where there is none, or where the sum does not fit 64 bits.
    #[must_use = "a channel that was not added is missing from the root"]
    pub fn push(
        &mut self,
        device: Address,
        limit: u128,
        expiry: UnixSeconds,
        serial: u64,
        lanes: Vec<LaneLeaf>,
    ) -> Option<&ChannelLeaf> {
        if self.channels.last().is_some_and(|(last, _)| last.device >= device) {
            return None;
        }
        let leaf = ChannelLeaf::over(device, limit, expiry, serial, &lanes)?;
        self.channels.push((leaf, lanes));
        self.channels.last().map(|(leaf, _)| leaf)
    }

    /// Its channels with their lanes.
    #[must_use]
    pub fn channels(&self) -> &[(ChannelLeaf, Vec<LaneLeaf>)] {
        &self.channels
    }

    /// Its root, whose sum is the batch's total; `None` where that does not fit 64 bits.
    #[must_use]
    pub fn root(&self) -> Option<SumNode> {
        root(Level::Channels, self.nodes())
    }

    fn nodes(&self) -> Vec<SumNode> {
        self.channels.iter().map(|(leaf, _)| leaf.node()).collect()
    }

    /// The proof of one lane of one device.
    #[must_use]
    pub fn prove(&self, device: &Address, lane: &LaneId) -> Option<LaneProof> {
        let place = self.channels.binary_search_by_key(device, |(leaf, _)| leaf.device).ok()?;
        let (channel, lanes) = self.channels.get(place)?;
        let lane_place = lanes.binary_search_by_key(lane, |leaf| leaf.lane).ok()?;
        let lane_nodes: Vec<_> = lanes.iter().map(LaneLeaf::node).collect();
        Some(LaneProof {
            lane: *lanes.get(lane_place)?,
            lane_proof: prove(Level::Lanes, &lane_nodes, u32::try_from(lane_place).ok()?)?,
            channel: *channel,
            channel_proof: prove(Level::Channels, &self.nodes(), u32::try_from(place).ok()?)?,
        })
    }
}

#[cfg(test)]
mod tests;
