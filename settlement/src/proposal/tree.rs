//! The tree of an escrow's batch: its channels, each with the lanes that were ever settled.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use farthing_channel::id::{Address, EscrowId, RatingGroup};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::tree::{BatchTree, ChannelLeaf, LaneLeaf, Level, SumNode, root};

use crate::stage::positions::{Cover, Draw, LaneLine, MandateFacts, Positions};

/// Channels that are worth a thread of their own.
const CHANNELS_PER_WORKER_MIN: usize = 4_096;

/// One channel of an escrow's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPlan<'a> {
    /// The device.
    pub device: Address,
    /// The mandate its total stands under: the newest where the channel grows, otherwise the one the ledger remembers.
    pub mandate: MandateFacts,
    /// Its lanes, by id, each with a total above zero.
    pub lanes: Vec<&'a LaneLine>,
}

impl ChannelPlan<'_> {
    /// Whether anything is collected from it in this epoch.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.lanes.iter().any(|line| line.collect > 0)
    }
}

/// The lines of one escrow; positions are sorted by escrow, device and lane.
fn lines_of<'a>(lines: &'a [LaneLine], escrow: &EscrowId) -> &'a [LaneLine] {
    let first = lines.partition_point(|line| line.escrow < *escrow);
    let end = lines.partition_point(|line| line.escrow <= *escrow);
    lines.get(first..end).unwrap_or_default()
}

/// The channels of an escrow's tree: every lane that was ever settled, and every new one. `None` where a lane that must
/// be in the tree has no mandate.
#[must_use]
pub fn channel_plans<'a>(lines: &'a [LaneLine], draw: &Draw) -> Option<Vec<ChannelPlan<'a>>> {
    of_tree(lines, draw).chunk_by(|a, b| a.device == b.device).map(channel_plan).collect()
}

/// The lines that stand in an escrow's tree.
pub(super) fn of_tree<'a>(lines: &'a [LaneLine], draw: &Draw) -> Vec<&'a LaneLine> {
    lines_of(lines, &draw.escrow).iter().filter(|line| line.cover != Cover::Lone && line.total() > 0).collect()
}

fn channel_plan<'a>(lanes: &[&'a LaneLine]) -> Option<ChannelPlan<'a>> {
    let device = lanes.first()?.device;
    let grows = lanes.iter().any(|line| line.collect > 0);
    let newest = lanes.iter().find(|line| line.collect > 0).and_then(|line| match line.cover {
        Cover::Mandate(mandate) => Some(mandate),
        _ => None,
    });
    let remembered = lanes.iter().find_map(|line| line.settled_under);
    let mandate = if grows { newest } else { remembered }?;
    Some(ChannelPlan { device, mandate, lanes: lanes.to_vec() })
}

fn lane_leaf(line: &&LaneLine) -> LaneLeaf {
    let LaneLine { lane, payee, rating_group, .. } = **line;
    LaneLeaf { lane, payee, rating_group: RatingGroup(rating_group), total: line.total() }
}

/// The root of an escrow's tree, without keeping the tree: a share of the channels is hashed on each processor.
pub(super) fn tree_root(channels: &[&[&LaneLine]]) -> Option<SumNode> {
    if !channels.is_sorted_by_key(|lanes| lanes.first().map(|line| line.device)) {
        return None;
    }
    let nodes = |channels: &[&[&LaneLine]]| -> Option<Vec<SumNode>> {
        let node = |lanes: &&[&LaneLine]| {
            let ChannelPlan { device, mandate, lanes } = channel_plan(lanes)?;
            let lanes: Vec<_> = lanes.iter().map(lane_leaf).collect();
            let leaf = ChannelLeaf::over(device, mandate.limit, UnixSeconds(mandate.expiry), mandate.serial, &lanes)?;
            Some(leaf.node())
        };
        channels.iter().map(node).collect()
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = channels.len().div_ceil(workers).max(CHANNELS_PER_WORKER_MIN);
    let leaves: Option<Vec<Vec<SumNode>>> = thread::scope(|scope| {
        let parts: Vec<_> = channels.chunks(share).map(|part| scope.spawn(move || nodes(part))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    root(Level::Channels, leaves?.concat())
}

/// The tree of an escrow's channels.
#[must_use]
pub fn tree(plans: &[ChannelPlan<'_>]) -> Option<BatchTree> {
    let mut tree = BatchTree::default();
    for plan in plans {
        let lanes = plan.lanes.iter().map(lane_leaf).collect();
        let mandate = plan.mandate;
        tree.push(plan.device, mandate.limit, UnixSeconds(mandate.expiry), mandate.serial, lanes)?;
    }
    Some(tree)
}

/// Whether the escrow's money is a lone payer's own.
#[must_use]
pub fn is_lone(positions: &Positions, draw: &Draw) -> bool {
    lines_of(&positions.lanes, &draw.escrow).iter().any(|line| line.cover == Cover::Lone && line.collect > 0)
}
