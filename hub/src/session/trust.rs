//! What the data plane tells the risk model, and what the model hinders.
//!
//! The model speaks of a lane while this thread holds its channel; what happens while another thread does is not taken into
//! account, as a payment would not be.

use std::sync::Arc;
use std::time::Instant;

use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::LaneRef;
use farthing_risk::signals::Event;

use super::outbox::{HeldLane, Outbox, Recipient};
use super::plane::DataPlane;
use crate::observe::metrics::Metrics;
use crate::risk::plane::Hindrance;
use crate::table::{HeldChannel, Lane};
use crate::transport::ConnectionId;

impl DataPlane {
    /// Reads the clock once a turn, before anything of the turn is looked at.
    pub(super) fn begin_turn(&mut self, now: Instant) {
        if !self.has_begun {
            self.has_begun = true;
            self.beat(now);
        }
    }

    /// Assesses a lane, if its channel is free for this thread. A changed level is written down.
    pub(super) fn assess(&mut self, lane: &Arc<Lane>) {
        if self.risk.is_on()
            && let Some(held) = HeldLane::take(Arc::clone(lane), self.holder)
        {
            self.assess_held(&held);
        }
    }

    fn assess_held(&mut self, held: &HeldLane) {
        let Self { risk, outbox, shared, unix, holder, .. } = self;
        let lane = held.lane();
        if let Some(change) = risk.assess(lane, *unix) {
            record(outbox, &shared.metrics, HeldChannel::take(lane.channel(), *holder), lane, Record::Risk(change));
        }
    }

    /// Something happened on a lane.
    fn observe(&mut self, lane: &Arc<Lane>, event: Event) {
        if self.risk.is_on()
            && let Some(held) = HeldLane::take(Arc::clone(lane), self.holder)
        {
            self.risk.observe(lane, event);
            self.assess_held(&held);
        }
    }

    /// A device has opened a lane on a connection from `source`.
    pub(super) fn lane_attached(&mut self, lane: &Arc<Lane>, source: u64) {
        if self.risk.is_on()
            && let Some(held) = HeldLane::take(Arc::clone(lane), self.holder)
        {
            self.risk.attached(lane, source);
            self.assess_held(&held);
        }
    }

    /// The address of a connection's peer changed.
    pub(super) fn address_changed(&mut self, connection: ConnectionId) {
        let lanes: Vec<_> = match self.connections.get(&connection) {
            Some(state) if self.risk.is_on() => state.open_lanes().map(Arc::clone).collect(),
            _ => return,
        };
        for lane in lanes {
            self.observe(&lane, Event::AddressChanged);
        }
    }

    /// A payment was refused. A failed proof counts against the source, and against the lane where the source has proven the
    /// device's key: never against a lane that someone only names.
    pub(super) fn payment_refused(&mut self, from: Recipient, named: Option<&LaneRef>, refusal: Refusal) {
        let failed = matches!(
            refusal,
            Refusal::Malformed
                | Refusal::NotCanonical
                | Refusal::BadSignature
                | Refusal::WrongSigner
                | Refusal::WrongTick
        );
        if !failed || !self.risk.is_on() {
            return;
        }
        let Some(state) = self.connections.get(&from.connection) else { return };
        self.risk.source_failed(state.source);
        if let Some(lane) = named.and_then(|named| state.proven(named)).map(Arc::clone) {
            self.observe(&lane, Event::ProofFailed);
        }
    }

    /// A device showed a state older than what it had proved.
    pub(super) fn stale_state(&mut self, lane: &Arc<Lane>) {
        self.observe(lane, Event::StaleState);
    }

    /// Whether a payment may be made on a lane about which something is done. The lane is assessed first: so it is let go
    /// again when its time has come.
    pub(super) fn check_trust(&mut self, lane: &Arc<Lane>, is_tick: bool) -> Result<(), Refusal> {
        if !lane.risk().is_limited() || !self.risk.is_on() {
            return Ok(());
        }
        self.assess(lane);
        match self.risk.hindrance(lane, is_tick) {
            None => Ok(()),
            Some(Hindrance::Blocked) => Err(Refusal::LaneBlocked),
            Some(Hindrance::VoucherRequired) => Err(Refusal::VoucherRequired),
            Some(Hindrance::TooSoon) => Err(Refusal::RateLimited),
        }
    }
}

/// Writes a decision down; the channel is held until that is durable.
fn record(outbox: &mut Outbox, metrics: &Metrics, hold: Option<HeldChannel>, lane: &Lane, record: Record) {
    lane.channel().touch();
    if let Record::Risk(change) = &record {
        metrics.risk_level_changed(change.level);
        tracing::info!(lane = %change.lane, level = change.level, standing = change.standing, odds = change.odds, "risk level changed");
    }
    outbox.record(&record);
    outbox.pending().holds.extend(hold);
}
