//! A payment takes effect: reserve the limits, then swap the evidence.
//!
//! The limits are counters that only this step raises, each by compare-and-exchange against its bound, so two lanes
//! racing for the last base unit cannot both win. A reservation that leads to nothing is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use farthing_channel::admission::reserve;
use farthing_channel::lane::{Change, LaneState, Outcome};
use farthing_channel::refusal::Refusal;

use super::Lane;

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

/// A part of a limit, taken and given back unless kept.
#[derive(Debug)]
struct Reservation<'a> {
    counter: &'a AtomicU64,
    amount: u64,
}

impl<'a> Reservation<'a> {
    fn take(counter: &'a AtomicU64, amount: u64, limit: u64, refusal: Refusal) -> Result<Self, Refusal> {
        counter
            .try_update(Ordering::AcqRel, Ordering::Acquire, |current| reserve(current, amount, limit, refusal).ok())
            .map(|_| Self { counter, amount })
            .map_err(|_| refusal)
    }

    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.amount, Ordering::AcqRel);
    }
}

/// Makes the change that `propose` finds good against the lane's newest state, within the limits of lane, mandate and
/// escrow.
///
/// # Errors
/// What `propose` refuses; then, in this order, [`Refusal::LaneLimit`], [`Refusal::MandateLimit`],
/// [`Refusal::EscrowLimit`].
pub fn commit(
    lane: &Lane,
    lane_limit: u64,
    mut propose: impl FnMut(&LaneState) -> Result<Outcome, Refusal>,
) -> Result<Committed, Refusal> {
    loop {
        let current = lane.state_cell().load_full();
        let proposal = match propose(&current)? {
            Outcome::Known => return Ok(Committed::Known),
            Outcome::Advance(proposal) => proposal,
        };
        if proposal.total().amount() > lane_limit {
            return Err(Refusal::LaneLimit);
        }
        let increase = proposal.increase();
        let channel = lane.channel();
        let escrow = channel.escrow();
        let mandate =
            Reservation::take(channel.authorised_counter(), increase, channel.limit(), Refusal::MandateLimit)?;
        let deposit = Reservation::take(escrow.authorised_counter(), increase, escrow.deposit(), Refusal::EscrowLimit)?;
        let next = Arc::new(LaneState::clone(&current).commit(&proposal));
        let held = lane.state_cell().compare_and_swap(&current, next);
        if Arc::ptr_eq(&held, &current) {
            mandate.keep();
            deposit.keep();
            let authorised = proposal.total().amount();
            return Ok(Committed::Changed { change: *proposal.change(), authorised, increase });
        }
    }
}
