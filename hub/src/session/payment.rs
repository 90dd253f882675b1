//! Payments, from bytes to a changed lane: decode, gate, verify, merge.

use std::sync::Arc;
use std::time::Instant;

use farthing_channel::admission::check_standing;
use farthing_channel::id::Preimage;
use farthing_channel::lane::{LaneState, Outcome, SignedAnchor, SignedVoucher, verify_anchor, verify_voucher};
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::{Answer, LaneRef, Payment, Payments};

use super::outbox::{Acknowledgement, Recipient};
use super::plane::DataPlane;
use crate::table::Lane;
use crate::table::commit::{Committed, commit};

impl DataPlane {
    /// Takes the payments of one datagram or frame.
    pub(super) fn payments(&mut self, now: Instant, from: Recipient, early: bool, bytes: &[u8]) {
        for payment in Payments::new(bytes) {
            self.shared.metrics.payments_received.inc();
            match payment {
                Ok(payment) => self.payment(now, from, early, &payment),
                Err(error) => self.refuse_payment(from, None, error.into()),
            }
        }
    }

    fn payment(&mut self, now: Instant, from: Recipient, early: bool, payment: &Payment) {
        if !self.outbox.has_room() {
            // The journal is behind: what is not taken is not answered, and will be sent again.
            self.shared.metrics.payments_dropped.inc();
            return;
        }
        let named = *payment.lane();
        match self.take(now, from, early, payment) {
            Ok((lane, news)) => self.acknowledge_later(from, named, lane, news),
            Err(refusal) => self.refuse_payment(from, Some(named), refusal),
        }
    }

    /// Takes a payment. Returns its lane and whether that changed.
    fn take(
        &mut self,
        now: Instant,
        from: Recipient,
        early: bool,
        payment: &Payment,
    ) -> Result<(Arc<Lane>, bool), Refusal> {
        // A new chain starts a liability and costs a signature: it waits for the handshake.
        if early && (matches!(payment, Payment::Anchor { .. }) || matches!(payment.lane(), LaneRef::Handle(_))) {
            return Err(Refusal::EarlyData);
        }
        if !self.shared.serving.is_on() {
            return Err(Refusal::NotServing);
        }
        let lane = self.lane_of(from, payment.lane())?;
        check_standing(&lane.channel().standing(Some(&lane.payee())), self.unix)?;
        let committed = match payment {
            Payment::Tick { index, link, .. } => self.take_tick(now, from, &lane, *index, link),
            Payment::Voucher { voucher, .. } => self.take_voucher(now, from, &lane, voucher),
            Payment::Anchor { anchor, .. } => self.take_anchor(now, from, &lane, anchor),
        }?;
        match committed {
            Committed::Changed { change, increase, .. } => {
                self.outbox.record(Record::of_change(lane.id(), &change));
                self.shared.metrics.payments_accepted.inc();
                self.shared.metrics.authorised_base_units.inc_by(increase);
                Ok((lane, true))
            }
            Committed::Known => {
                self.shared.metrics.payments_known.inc();
                Ok((lane, false))
            }
        }
    }

    fn lane_of(&self, from: Recipient, named: &LaneRef) -> Result<Arc<Lane>, Refusal> {
        let connection = self.connections.get(&from.connection).ok_or(Refusal::NotAttached)?;
        match (connection.opened(named), named) {
            (Some(lane), _) => Ok(Arc::clone(lane)),
            (None, LaneRef::Handle(_)) => Err(Refusal::UnknownLane),
            (None, LaneRef::Id(id)) => self.shared.table.lane(id).ok_or(Refusal::UnknownLane),
        }
    }

    fn take_tick(
        &mut self,
        now: Instant,
        from: Recipient,
        lane: &Lane,
        index: u16,
        link: &Preimage,
    ) -> Result<Committed, Refusal> {
        let hashes = lane.state().tick_hashes(index);
        let gate = &mut self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?.gate;
        gate.admit_hashes(hashes, now)?;
        let committed = self.commit(lane, |state| state.propose_tick(index, link));
        if committed == Err(Refusal::WrongTick)
            && let Some(state) = self.connections.get_mut(&from.connection)
        {
            state.gate.charge_failed_hashes(hashes);
        }
        committed
    }

    fn take_voucher(
        &mut self,
        now: Instant,
        from: Recipient,
        lane: &Lane,
        voucher: &SignedVoucher,
    ) -> Result<Committed, Refusal> {
        if !lane.state().voucher_is_news(voucher.amount)? {
            return Ok(Committed::Known);
        }
        voucher.signature.check().map_err(Refusal::from)?;
        let device = lane.channel().device();
        let verified = self.pay_signature(now, from, |shared| {
            verify_voucher(&LibSecp, &shared.domain, &lane.id(), &device, voucher)
        })?;
        self.commit(lane, |state| Ok(state.propose_voucher(&verified)))
    }

    fn take_anchor(
        &mut self,
        now: Instant,
        from: Recipient,
        lane: &Lane,
        anchor: &SignedAnchor,
    ) -> Result<Committed, Refusal> {
        if !lane.state().anchor_is_news(&anchor.terms, &lane.tariff().hash())? {
            return Ok(Committed::Known);
        }
        anchor.signature.check().map_err(Refusal::from)?;
        let device = lane.channel().device();
        let verified = self
            .pay_signature(now, from, |shared| verify_anchor(&LibSecp, &shared.domain, &lane.id(), &device, anchor))?;
        self.commit(lane, |state| state.propose_anchor(&verified))
    }

    fn commit(
        &self,
        lane: &Lane,
        propose: impl FnMut(&LaneState) -> Result<Outcome, Refusal>,
    ) -> Result<Committed, Refusal> {
        commit(lane, self.shared.risk.lane_limit(lane), propose)
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

    fn acknowledge_later(&mut self, to: Recipient, named: LaneRef, lane: Arc<Lane>, news: bool) {
        let state = lane.state();
        let acknowledgement = Acknowledgement {
            to,
            named,
            authorised: state.total().amount(),
            anchor: state.newest_anchor(),
            lane,
            news,
        };
        self.outbox.pending().acknowledgements.push(acknowledgement);
    }

    /// Refuses a payment. What is known of the lane is told to a connection on which it is open, and to no other.
    fn refuse_payment(&mut self, to: Recipient, named: Option<LaneRef>, refusal: Refusal) {
        self.shared.metrics.refused(refusal);
        let Some(state) = self.connections.get(&to.connection) else {
            return;
        };
        let authorised = named.and_then(|named| state.opened(&named).map(|lane| lane.durable()));
        self.answer(to, &Answer::Refused { lane: named, refusal, authorised });
    }
}
