//! Payments, from bytes to a changed lane: decode, gate, verify, merge.
//!
//! Ticks and anchors are taken as they come. Vouchers, whose signatures cost hundreds of times as much, wait until all
//! that arrived with them is taken: see [`vouchers`](super::vouchers).

use std::sync::Arc;
use std::time::Instant;

use farthing_channel::admission::check_standing;
use farthing_channel::id::Preimage;
use farthing_channel::lane::{LaneState, Outcome, SignedAnchor, verify_anchor};
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::{Answer, LaneRef, Payment, Payments, Tick};

use super::outbox::{Acknowledgement, HeldLane, Recipient, TakenTick};
use super::plane::DataPlane;
use crate::table::Lane;
use crate::table::cold::Unreadable;
use crate::table::commit::{Committed, commit, commit_tip};

/// Why a payment has no acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(super) enum NotTaken {
    Refused(Refusal),
    /// No room, or the channel is being changed on another thread: it is not answered, and will be sent again.
    Later,
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unreadable> for NotTaken {
    fn from(unreadable: Unreadable) -> Self {
        Self::Refused(unreadable.into())
    }
}

impl DataPlane {
    /// Takes the payments of one datagram or frame.
    pub(super) fn payments(&mut self, now: Instant, from: Recipient, early: bool, bytes: &[u8]) {
        let mut payments = Payments::new(bytes);
        loop {
            if let Some(Tick { lane, index, link }) = payments.next_tick() {
                self.tally.received += 1;
                let taken = self.take_tick(now, from, early, &lane, index, &link);
                self.answer_untaken(from, &lane, taken);
                continue;
            }
            let Some(payment) = payments.next() else {
                return;
            };
            self.tally.received += 1;
            let payment = match payment {
                Ok(payment) => payment,
                Err(error) => {
                    self.refuse_payment(from, None, error.into());
                    continue;
                }
            };
            let taken = match &payment {
                Payment::Tick { lane, index, link } => self.take_tick(now, from, early, lane, *index, link),
                Payment::Voucher { lane, voucher } => self.queue_voucher(now, from, early, lane, voucher),
                Payment::Anchor { lane, anchor } => self.take_anchor(now, from, early, lane, anchor),
            };
            self.answer_untaken(from, payment.lane(), taken);
        }
    }

    pub(super) fn answer_untaken(&mut self, from: Recipient, named: &LaneRef, taken: Result<(), NotTaken>) {
        match taken {
            Ok(()) => {}
            Err(NotTaken::Refused(refusal)) => self.refuse_payment(from, Some(*named), refusal),
            Err(NotTaken::Later) => self.tally.dropped += 1,
        }
    }

    /// What is refused before anything is looked up.
    pub(super) fn check_open(&mut self, early: bool, named: &LaneRef) -> Result<(), NotTaken> {
        if early && matches!(named, LaneRef::Handle(_)) {
            return Err(Refusal::EarlyData.into());
        }
        if !self.shared.serving.is_on() {
            return Err(Refusal::NotServing.into());
        }
        if self.outbox.has_room() { Ok(()) } else { Err(NotTaken::Later) }
    }

    /// A tick on a lane that is open here: the everyday payment. It allocates nothing and looks nothing up by identity.
    fn take_tick(
        &mut self,
        now: Instant,
        from: Recipient,
        early: bool,
        named: &LaneRef,
        index: u16,
        link: &Preimage,
    ) -> Result<(), NotTaken> {
        self.check_open(early, named)?;
        if let Some(lane) = self.limited_lane(from, named) {
            self.check_trust(&lane, true)?;
        }
        let Self { connections, outbox, shared, holder, unix, tally, risk, .. } = self;
        let connection = connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?;
        let (gate, Some(open)) = connection.gate_and_lane(named) else {
            return self.take_tick_of_state(now, from, named, index, link);
        };
        let lane = &open.lane;
        check_standing(&lane.channel().standing(Some(&lane.payee())), *unix)?;
        let held = if outbox.is_gathering(open.gathering, from, named) {
            None
        } else {
            Some(HeldLane::take(Arc::clone(lane), *holder).ok_or(NotTaken::Later)?)
        };
        let (version, tip) = lane.evidence().tip();
        if let Some(chain) = open.chain(version)
            && let Some(steps) = chain.steps(&tip, index)
        {
            gate.admit_hashes(u32::from(steps), now)?;
            let (lane, anchor) = (&open.lane, chain.tag());
            let limit = shared.risk.lane_limit();
            if let Some(next) = commit_tip(lane, limit, &chain, (version, &tip), index, link)? {
                let authorised = next.total.amount();
                let tick = TakenTick { to: from, named, anchor, index, link, authorised };
                risk.paid(lane, tip.total.amount(), authorised, steps, open.place);
                outbox.tick(&mut open.gathering, held, &tick, lane);
                tally.accepted += 1;
                tally.authorised += authorised.saturating_sub(tip.total.amount());
                return Ok(());
            }
        }
        // Given back before the state is asked, which takes it again.
        drop(held);
        self.take_tick_of_state(now, from, named, index, link)
    }

    /// Any tick: an old one, one of an older chain, one on a lane that is not open here, or one to refuse.
    fn take_tick_of_state(
        &mut self,
        now: Instant,
        from: Recipient,
        named: &LaneRef,
        index: u16,
        link: &Preimage,
    ) -> Result<(), NotTaken> {
        let held = self.held_lane(from, named)?;
        let before = held.lane().evidence().amount();
        let hashes = held.lane().evidence().look(|state| state.tick_hashes(index));
        let gate = &mut self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?.gate;
        gate.admit_hashes(hashes, now)?;
        let committed = self.commit(&held, |state| state.propose_tick(index, link));
        if committed == Err(Refusal::WrongTick)
            && let Some(state) = self.connections.get_mut(&from.connection)
        {
            state.gate.charge_failed_hashes(hashes);
        }
        let committed = committed?;
        self.paid(from, named, &held, before, committed);
        self.acknowledge_later(from, named, held, committed);
        Ok(())
    }

    /// Tells the risk model of a payment that was not a tick on the newest chain.
    pub(super) fn paid(
        &mut self,
        from: Recipient,
        named: &LaneRef,
        held: &HeldLane,
        before: u64,
        committed: Committed,
    ) {
        let Some(state) = self.connections.get_mut(&from.connection) else { return };
        // Nothing that is shown before the attach tells anything about a device.
        if let Some(open) = state.opened_mut(named)
            && let Committed::Changed { authorised, .. } = committed
        {
            self.risk.paid(held.lane(), before, authorised, 1, open.place);
        }
    }

    /// The lane, if it is open here and something is done about it.
    fn limited_lane(&self, from: Recipient, named: &LaneRef) -> Option<Arc<Lane>> {
        let lane = self.connections.get(&from.connection)?.opened(named)?;
        lane.risk().is_limited().then(|| Arc::clone(lane))
    }

    fn take_anchor(
        &mut self,
        now: Instant,
        from: Recipient,
        early: bool,
        named: &LaneRef,
        anchor: &SignedAnchor,
    ) -> Result<(), NotTaken> {
        if early {
            // A new chain starts a liability and costs a signature: it waits for the handshake.
            return Err(Refusal::EarlyData.into());
        }
        self.check_open(early, named)?;
        let held = self.held_lane(from, named)?;
        let lane = held.lane();
        self.check_trust(lane, false)?;
        if !lane.evidence().look(|state| state.anchor_is_news(&anchor.terms, &lane.tariff().hash()))? {
            self.acknowledge_later(from, named, held, Committed::Known);
            return Ok(());
        }
        anchor.signature.check().map_err(Refusal::from)?;
        let (id, device) = (lane.id(), lane.channel().device());
        let verified =
            self.pay_signature(now, from, |shared| verify_anchor(&LibSecp, &shared.domain, &id, &device, anchor))?;
        let committed = self.commit(&held, |state| state.propose_anchor(&verified))?;
        self.acknowledge_later(from, named, held, committed);
        Ok(())
    }

    /// The lane, which may be paid on, held.
    pub(super) fn held_lane(&self, from: Recipient, named: &LaneRef) -> Result<HeldLane, NotTaken> {
        let connection = self.connections.get(&from.connection).ok_or(Refusal::NotAttached)?;
        let lane = match (connection.opened(named), named) {
            (Some(lane), _) => Arc::clone(lane),
            (None, LaneRef::Handle(_)) => return Err(Refusal::UnknownLane.into()),
            (None, LaneRef::Id(id)) => self.shared.table.lane(id)?.ok_or(Refusal::UnknownLane)?,
        };
        check_standing(&lane.channel().standing(Some(&lane.payee())), self.unix)?;
        HeldLane::take(lane, self.holder).ok_or(NotTaken::Later)
    }

    pub(super) fn commit(
        &mut self,
        held: &HeldLane,
        propose: impl FnOnce(&LaneState) -> Result<Outcome, Refusal>,
    ) -> Result<Committed, Refusal> {
        let lane: &Lane = held.lane();
        commit(lane, self.shared.risk.lane_limit(), &mut self.spare, propose)
    }

    /// Verifies a signature at the source's expense.
    pub(super) fn pay_signature<T>(
        &mut self,
        now: Instant,
        from: Recipient,
        verify: impl FnOnce(&super::Shared) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let state = self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?;
        state.gate.admit_signature(now)?;
        let verified = verify(&self.shared);
        if verified.is_err() {
            state.gate.charge_failed_signature();
        }
        verified
    }

    /// Records what a payment changed; it is acknowledged when that is durable.
    pub(super) fn acknowledge_later(&mut self, to: Recipient, named: &LaneRef, held: HeldLane, committed: Committed) {
        let (held, is_news) = match committed {
            Committed::Changed { change, increase, .. } => {
                self.outbox.record(&Record::of_change(held.lane().id(), &change));
                self.tally.accepted += 1;
                self.tally.authorised += increase;
                (held, true)
            }
            Committed::Known => {
                self.tally.known += 1;
                (HeldLane::unchanged(Arc::clone(held.lane())), false)
            }
        };
        let place = self.connections.get_mut(&to.connection).and_then(|state| state.opened_mut(named));
        let acknowledgement = Acknowledgement::new(to, *named, held, is_news);
        self.outbox.acknowledge(place.map(|open| &mut open.gathering), acknowledgement);
    }

    /// Refuses a payment. What is known of the lane is told to a connection on which it is open, and to no other.
    fn refuse_payment(&mut self, to: Recipient, named: Option<LaneRef>, refusal: Refusal) {
        self.shared.metrics.refused(refusal);
        self.payment_refused(to, named.as_ref(), refusal);
        let Some(state) = self.connections.get(&to.connection) else {
            return;
        };
        let authorised = named.and_then(|named| state.opened(&named).map(|lane| lane.durable()));
        self.answers.add(to, &Answer::Refused { lane: named, refusal, authorised });
    }
}
