//! Vouchers: a signature each, and so what a flood would spend the hub's time with.
//!
//! They wait until all that arrived with them is taken, and then go by falling amount, so that of several for one lane only
//! the greatest is verified. A turn takes a bounded number of them, or whoever pays with ticks would wait for the
//! signatures of everybody else.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use farthing_channel::lane::{SignedVoucher, verify_voucher, verify_voucher_by};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::LaneRef;

use super::outbox::Recipient;
use super::payment::NotTaken;
use super::plane::DataPlane;
use crate::table::commit::Committed;

/// Vouchers that a turn verifies: some five milliseconds.
const VOUCHERS_PER_TURN_MAX: usize = 128;

/// Vouchers that wait. What comes beyond them is not answered and will be sent again: by then it would have waited for
/// half a second.
const VOUCHERS_WAITING_MAX: usize = 16_384;

/// A voucher that waits for what arrived with it.
#[derive(Debug)]
struct WaitingVoucher {
    from: Recipient,
    named: LaneRef,
    voucher: SignedVoucher,
}

/// The vouchers that wait, turn after turn.
#[derive(Debug, Default)]
pub(super) struct WaitingVouchers {
    line: VecDeque<WaitingVoucher>,
    /// How many of them stand in their order, from the front: those of earlier turns.
    ordered: usize,
}

impl WaitingVouchers {
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Orders what came since the last turn behind what came before it.
    fn order(&mut self) {
        self.line.make_contiguous()[self.ordered..].sort_unstable_by_key(|waiting| Reverse(waiting.voucher.amount));
        self.ordered = self.line.len();
    }

    fn next(&mut self) -> Option<WaitingVoucher> {
        let next = self.line.pop_front();
        self.ordered = self.line.len();
        next
    }
}

impl DataPlane {
    pub(super) fn queue_voucher(
        &mut self,
        now: Instant,
        from: Recipient,
        early: bool,
        named: &LaneRef,
        voucher: &SignedVoucher,
    ) -> Result<(), NotTaken> {
        self.check_open(early, named)?;
        let state = self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?;
        if !state.gate.may_sign(now) {
            return Err(Refusal::RateLimited.into());
        }
        if self.vouchers.line.len() >= VOUCHERS_WAITING_MAX {
            return Err(NotTaken::Later);
        }
        self.vouchers.line.push_back(WaitingVoucher { from, named: *named, voucher: *voucher });
        Ok(())
    }

    /// Takes vouchers that have gathered: the turn's part of them.
    pub(super) fn take_vouchers(&mut self, now: Instant) {
        self.vouchers.order();
        for _ in 0..VOUCHERS_PER_TURN_MAX {
            let Some(WaitingVoucher { from, named, voucher }) = self.vouchers.next() else { return };
            let taken = self.check_open(false, &named).and_then(|()| self.take_voucher(now, from, &named, &voucher));
            self.answer_untaken(from, &named, taken);
        }
    }

    fn take_voucher(
        &mut self,
        now: Instant,
        from: Recipient,
        named: &LaneRef,
        voucher: &SignedVoucher,
    ) -> Result<(), NotTaken> {
        let held = self.held_lane(from, named)?;
        let lane = held.lane();
        self.check_trust(lane, false)?;
        if !lane.evidence().look(|state| state.voucher_is_news(voucher.amount))? {
            self.look_for_stale_state(from, named, voucher.amount);
            self.acknowledge_later(from, named, held, Committed::Known);
            return Ok(());
        }
        voucher.signature.check().map_err(Refusal::from)?;
        let (id, device) = (lane.id(), lane.channel().device());
        let open = self.connections.get_mut(&from.connection).and_then(|state| state.opened_mut(named));
        let key = open.and_then(|open| open.device_key().copied());
        let verified = self.pay_signature(now, from, |shared| {
            let known = key.and_then(|key| verify_voucher_by(&key, &shared.domain, &id, voucher).ok());
            // One that does not hold is looked at again, so that its refusal says what is wrong with it.
            known.map_or_else(|| verify_voucher(&LibSecp, &shared.domain, &id, &device, voucher), Ok)
        })?;
        let before = lane.evidence().amount();
        let committed = self.commit(&held, |state| Ok(state.propose_voucher(&verified)))?;
        self.paid(from, named, &held, before, committed);
        self.acknowledge_later(from, named, held, committed);
        Ok(())
    }

    /// A device that shows less than it was told when it attached has forgotten, or was copied. What is less than what it paid
    /// since may only have been overtaken on its way.
    fn look_for_stale_state(&mut self, from: Recipient, named: &LaneRef, amount: u64) {
        let open = self.connections.get_mut(&from.connection).and_then(|state| state.opened_mut(named));
        if let Some(open) = open
            && amount < open.opened_at
        {
            let lane = Arc::clone(&open.lane);
            self.stale_state(&lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use farthing_channel::sign::UncheckedSignature;

    use super::*;
    use crate::transport::ConnectionId;

    fn waiting(amount: u64) -> WaitingVoucher {
        let from = Recipient { connection: ConnectionId::of_slot(1), stream: None };
        let signature = UncheckedSignature([0; 64]);
        WaitingVoucher { from, named: LaneRef::Handle(0), voucher: SignedVoucher { amount, signature } }
    }

    #[test]
    fn what_waited_longer_goes_first_and_of_one_turn_the_greatest() {
        let mut vouchers = WaitingVouchers::default();
        let mut amounts = Vec::new();
        for arrived in [[3, 9, 5], [40, 10, 20]] {
            vouchers.line.extend(arrived.map(waiting));
            vouchers.order();
            amounts.extend(vouchers.next().map(|next| next.voucher.amount));
        }
        while let Some(next) = vouchers.next() {
            amounts.push(next.voucher.amount);
        }
        assert_eq!(amounts, [9, 5, 3, 40, 20, 10]);
        assert!(vouchers.is_empty());
    }
}
