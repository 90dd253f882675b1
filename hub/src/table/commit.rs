//! A payment takes effect: reserve the limits, then replace the evidence.
//!
//! The limits are counters that only this step raises, each against its bound, so two lanes racing for the last base
//! unit cannot both win. A reservation that leads to nothing is given back. The caller holds the lane's channel, so
//! the evidence does not change under a proposal.

use farthing_channel::id::Preimage;
use farthing_channel::lane::{Change, LaneState, Outcome, Proposal, Tip, TipChain};
use farthing_channel::refusal::Refusal;

use super::Lane;
use super::evidence::SpareState;

/// What a payment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It changed the lane; the change belongs into the journal.
    Changed {
        /// What it added.
        change: Change,
        /// The lane's whole-unit total now.
        authorised: u64,
        /// By how much it grew, base units.
        increase: u64,
    },
    /// Nothing new.
    Known,
}

/// Takes `increase` out of what mandate and escrow leave.
fn reserve(lane: &Lane, increase: u64) -> Result<(), Refusal> {
    if increase == 0 {
        return Ok(());
    }
    let channel = lane.channel();
    let escrow = channel.escrow();
    channel.authorised_counter().take(increase, channel.limit()).map_err(|_| Refusal::MandateLimit)?;
    escrow.authorised_counter().take(increase, escrow.deposit()).map_err(|_| {
        channel.authorised_counter().give_back(increase);
        Refusal::EscrowLimit
    })
}

/// Makes the change that `propose` finds good against the lane's newest state, within the limits of lane, mandate and
/// escrow. The new state takes `spare` memory, and leaves that of the old one.
///
/// # Errors
/// What `propose` refuses; then, in this order, [`Refusal::LaneLimit`], [`Refusal::MandateLimit`],
/// [`Refusal::EscrowLimit`].
pub fn commit(
    lane: &Lane,
    lane_limit: u64,
    spare: &mut SpareState,
    propose: impl FnOnce(&LaneState) -> Result<Outcome, Refusal>,
) -> Result<Committed, Refusal> {
    let mut draft = lane.evidence().draft(spare);
    let proposed = proposed(lane, lane_limit, draft.state(), propose);
    let Ok(Some(proposal)) = proposed else {
        draft.discard(spare);
        return proposed.map(|_nothing_new| Committed::Known);
    };
    draft.change(|state| state.commit(&proposal));
    lane.evidence().replace(draft, spare);
    let (authorised, increase) = (proposal.total().amount(), proposal.increase());
    Ok(Committed::Changed { change: *proposal.change(), authorised, increase })
}

/// What is to be changed, with the limits taken for it; none where it is known.
fn proposed(
    lane: &Lane,
    lane_limit: u64,
    state: &LaneState,
    propose: impl FnOnce(&LaneState) -> Result<Outcome, Refusal>,
) -> Result<Option<Proposal>, Refusal> {
    let Outcome::Advance(proposal) = propose(state)? else {
        return Ok(None);
    };
    if proposal.total().amount() > lane_limit {
        return Err(Refusal::LaneLimit);
    }
    reserve(lane, proposal.increase())?;
    Ok(Some(proposal))
}

/// Moves the newest chain on by a tick, if the tick is for it. `tip` is the lane's own, of this `version`. Returns the
/// new tip; none where the whole state has to be asked.
///
/// # Errors
/// As [`commit`].
pub fn commit_tip(
    lane: &Lane,
    lane_limit: u64,
    chain: &TipChain,
    (version, tip): (u64, &Tip),
    index: u16,
    link: &Preimage,
) -> Result<Option<Tip>, Refusal> {
    let Some(next) = chain.advance(tip, index, link) else {
        return Ok(None);
    };
    if next.total.amount() > lane_limit {
        return Err(Refusal::LaneLimit);
    }
    reserve(lane, next.total.amount().saturating_sub(tip.total.amount()))?;
    lane.evidence().advance(version, &next);
    Ok(Some(next))
}
