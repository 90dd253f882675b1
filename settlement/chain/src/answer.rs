//! Answers to demands for the leaves of a pending batch.

use alloy_sol_types::SolCall as _;
use farthing_channel::id::{ChannelId, LaneId};
use farthing_ledger::tree::BatchTree;
use farthing_ledger::{ChannelClaim, Escrow as EscrowRow, LaneClaim, LeafSet, PendingBatch};

use crate::abi::Escrow;
use crate::call;
use crate::error::ChainError;
use crate::ledger::ChainLedger;
use crate::outbox::Call;
use crate::proof;

/// Where a demand points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The leaf that covers this base unit of the total.
    Offset(u64),
    /// A channel's place and a lane's, modulo the channel's lanes.
    Index(u32, u32),
}

impl Place {
    fn of(by_sum: bool, position: u128) -> Option<Self> {
        if by_sum {
            return position.try_into().ok().map(Self::Offset);
        }
        let lane = u32::try_from(position & u128::from(u32::MAX)).ok()?;
        Some(Self::Index(u32::try_from(position >> 32).ok()?, lane))
    }

    /// The claim it points to.
    fn find<'l>(&self, leaves: &'l LeafSet) -> Option<(&'l ChannelClaim, &'l LaneClaim)> {
        match *self {
            Self::Index(channel, lane) => {
                let claim = leaves.channels.get(usize::try_from(channel).ok()?)?;
                let place = usize::try_from(lane).ok()?.checked_rem(claim.lanes.len())?;
                Some((claim, claim.lanes.get(place)?))
            }
            Self::Offset(offset) => {
                let mut passed = 0_u64;
                let mut lanes =
                    leaves.channels.iter().flat_map(|claim| claim.lanes.iter().map(move |lane| (claim, lane)));
                lanes.find(|(_, lane)| {
                    passed = passed.saturating_add(lane.total);
                    offset < passed
                })
            }
        }
    }
}

impl ChainLedger {
    /// Answers every demand for a leaf of the pending batch that nobody has answered.
    pub(crate) fn answer_demands(&self, escrow: &EscrowRow, pending: &PendingBatch) -> Result<(), ChainError> {
        let state = self.view(&self.config.escrow, &Escrow::batchStateCall { escrowId: escrow.id.0.into() })?;
        if state.openDemands.is_zero() || state.batchId.0 != pending.id.0 {
            return Ok(());
        }
        let missing = || ChainError::unexpected("the leaves of a pending batch are not kept here");
        let leaves = self.mirror.leaves(&pending.batch.root)?.ok_or_else(missing)?;
        let tree = proof::tree(&pending.batch, &leaves).ok_or_else(missing)?;
        let demands: u64 = state.demands.try_into().map_err(ChainError::unexpected)?;
        for number in 0..demands {
            let number = alloy_primitives::U256::from(number);
            let demand =
                self.view(&self.config.escrow, &Escrow::demandsCall { batchId: pending.id.0.into(), number })?;
            if demand.by.is_zero() {
                continue;
            }
            let place = Place::of(demand.bySum, demand.position).ok_or_else(missing)?;
            let data = self.answer(pending, number, &place, &leaves, &tree)?;
            let key = call::key("answer", &[&pending.id.0, &number.to_be_bytes::<32>()]);
            self.send(&key, &Call { from: self.sender()?, to: Some(self.config.escrow), value: 0, data })?;
        }
        Ok(())
    }

    fn answer(
        &self,
        pending: &PendingBatch,
        number: alloy_primitives::U256,
        place: &Place,
        leaves: &LeafSet,
        tree: &BatchTree,
    ) -> Result<Vec<u8>, ChainError> {
        let missing = || ChainError::unexpected("a demanded leaf is not kept here");
        let (channel, lane) = place.find(leaves).ok_or_else(missing)?;
        let id = lane_id(pending, channel, lane);
        let leaf = proof::lane_proof(&tree.prove(&channel.device, &id).ok_or_else(missing)?);
        let mandate = mandate(leaves, channel).ok_or_else(missing)??;
        let batch = proof::batch(&pending.batch);
        if let Some(evidence) = &lane.evidence {
            let evidence = proof::evidence(evidence)?;
            return Ok(Escrow::answerCall { batch, number, leaf, mandate, evidence }.abi_encode());
        }
        // A lane that did not grow stands with the same total in the last batch that was paid.
        let (last, last_leaves) = self.last_leaves(&pending.batch.escrow)?.ok_or_else(missing)?;
        let last_tree = proof::tree(&last.batch, &last_leaves).ok_or_else(missing)?;
        let last_leaf = proof::lane_proof(&last_tree.prove(&channel.device, &id).ok_or_else(missing)?);
        Ok(Escrow::answerCarriedCall {
            batch,
            number,
            leaf,
            mandate,
            last: proof::batch(&last.batch),
            lastPostedAt: last.posted_at.0,
            lastLeaf: last_leaf,
        }
        .abi_encode())
    }
}

fn lane_id(pending: &PendingBatch, channel: &ChannelClaim, lane: &LaneClaim) -> LaneId {
    let id = ChannelId::derive(&pending.batch.escrow, &channel.device);
    LaneId::derive(&id, &lane.payee, lane.rating_group)
}

/// The proof of the mandate that a channel stands under.
fn mandate(leaves: &LeafSet, channel: &ChannelClaim) -> Option<Result<crate::abi::MandateProof, ChainError>> {
    leaves.mandates.iter().find_map(|bundle| {
        let stands = |terms: &farthing_channel::mandate::MandateTerms| {
            terms.device == channel.device && terms.serial == channel.serial
        };
        let position = bundle.mandates.iter().position(stands)?;
        bundle.single(position).map(|single| proof::mandate(&single))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_the_contract_packs_them() {
        assert_eq!(Place::of(false, (7 << 32) | 9), Some(Place::Index(7, 9)));
        assert_eq!(Place::of(true, 12), Some(Place::Offset(12)));
        assert_eq!(Place::of(false, 1 << 64), None);
    }
}
