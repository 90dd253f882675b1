//! Units between memory and checkpoint: entered at start, loaded when asked for, looked through as a whole.
//!
//! A unit is a channel with its lanes. It has a slot from its beginning, under which the checkpoint keeps it; the
//! indexes lead from ids to slots. It is hot (in memory) or cold (only in the checkpoint), as a whole.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{ChannelId, LaneId};

use super::cold::{Unreadable, misfit};
use super::escrow::EscrowUse;
use super::lane::LaneTariff;
use super::{Channel, Escrow, Lane, Table};
use crate::checkpoint::row::{LaneRow, UnitHead, UnitRow};
use crate::table::fold::FoldError;

/// Slots looked through under one reading of the checkpoint.
const SLOTS_AT_ONCE: u32 = 256;

/// How a walk over the table goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// To the next channel.
    On,
    /// No further than this channel.
    Enough,
}

/// Sums what a start reads, escrow by escrow: neighbours mostly draw on the same one.
#[derive(Debug, Default)]
pub struct StartSums {
    escrow: Option<Arc<Escrow>>,
    authorised: u64,
    channels: usize,
    lanes: usize,
}

impl StartSums {
    fn flush_escrow(&mut self) {
        if let Some(escrow) = self.escrow.take() {
            escrow.authorised_counter().add(self.authorised);
        }
        self.authorised = 0;
    }
}

impl Table {
    /// Makes room for as many units as the checkpoint holds.
    pub(crate) fn reserve_units(&self, units: usize) {
        self.channels.reserve(units);
        self.lanes.reserve(units);
    }

    /// Enters a cold unit at start. Several threads may, each with sums of its own.
    ///
    /// # Errors
    /// [`FoldError::UnknownEscrow`].
    pub(crate) fn enter_unit(&self, slot: u32, head: &UnitHead, sums: &mut StartSums) -> Result<(), FoldError> {
        let escrow = match &sums.escrow {
            Some(escrow) if escrow.id() == head.escrow => escrow,
            _ => {
                sums.flush_escrow();
                sums.escrow.insert(self.escrow(&head.escrow).ok_or(FoldError::UnknownEscrow)?)
            }
        };
        if head.mandated {
            escrow.claim_usage(EscrowUse::Mandates);
        }
        self.channels.insert(&head.channel.0, slot);
        for (lane, authorised) in &head.lanes {
            if *lane == LaneId::of_escrow(&head.escrow) {
                escrow.claim_usage(EscrowUse::Itself);
            }
            self.lanes.insert(&lane.0, slot);
            sums.authorised = sums.authorised.saturating_add(*authorised);
        }
        sums.channels = sums.channels.saturating_add(1);
        sums.lanes = sums.lanes.saturating_add(head.lanes.len());
        self.next_slot.fetch_max(slot.saturating_add(1), Ordering::AcqRel);
        Ok(())
    }

    /// Adds up what a thread has entered.
    pub(crate) fn finish_entering(&self, mut sums: StartSums) {
        sums.flush_escrow();
        self.channel_count.fetch_add(sums.channels, Ordering::AcqRel);
        self.lane_count.fetch_add(sums.lanes, Ordering::AcqRel);
    }

    /// The unit in a slot, loaded where it is cold; none where the slot has none.
    pub(super) fn unit(&self, slot: u32) -> Result<Option<Arc<Channel>>, Unreadable> {
        loop {
            let seen = match self.hot.get(slot) {
                Ok(channel) => return Ok(Some(channel)),
                Err(seen) => seen,
            };
            let Some(row) = self.cold.unit(slot)? else {
                return Ok(None);
            };
            let loaded = self.build_unit(slot, &row)?;
            match self.hot.insert_loaded(slot, seen, &loaded) {
                Some(held) if Arc::ptr_eq(&held, &loaded) => return Ok(Some(held)),
                // Another thread was faster, or the row may be older than an eviction.
                other => {
                    loaded.let_lanes_go();
                    if other.is_some() {
                        return Ok(other);
                    }
                }
            }
        }
    }

    /// The unit as its row says, not in the table yet.
    fn build_unit(&self, slot: u32, row: &UnitRow) -> Result<Arc<Channel>, Unreadable> {
        let wrong = |why| misfit(slot, &row.escrow, why);
        let escrow = self.escrow(&row.escrow).ok_or_else(|| wrong("its escrow is unknown"))?;
        let status = ChannelStatus::from_code(row.status).ok_or_else(|| wrong("its status is unknown"))?;
        let is_lone = row.lanes.iter().any(|lane| lane.lane == LaneId::of_escrow(&row.escrow));
        let channel = if is_lone { Channel::lone(escrow) } else { Channel::mandated(escrow, &row.terms) };
        if channel.id() != row.channel {
            return Err(wrong("its escrow and device are not its channel's"));
        }
        if let Some(serial) = row.revoked {
            channel.revoke(serial);
        }
        channel.set_status(status);
        if let Some(decision) = &row.risk_override {
            channel.set_risk_override(decision.level, decision.until);
        }
        let channel = Arc::new(channel);
        for lane in &row.lanes {
            match self.build_lane(row, lane, &channel) {
                Some(lane) => channel.add_lane(lane),
                None => {
                    channel.let_lanes_go();
                    return Err(wrong("the tariff of a lane is unknown"));
                }
            }
        }
        Ok(channel)
    }

    fn build_lane(&self, unit: &UnitRow, row: &LaneRow, channel: &Arc<Channel>) -> Option<Arc<Lane>> {
        let entry = match &row.tariff {
            Some(hash) => Some(self.directory.tariff(hash)?),
            None => None,
        };
        let tariff = LaneTariff { entry, base_amount: row.tariff_base_amount, base_units: row.tariff_base_units };
        let image = row.image(unit.escrow, unit.terms.device);
        let lane = Lane::with_state(&image, Arc::clone(channel), tariff, row.state());
        lane.raise_durable(row.authorised);
        if let Some(report) = &row.report {
            lane.restore_report(report);
        }
        if let Some(change) = &row.risk {
            lane.restore_risk(change, self.risk_clock);
        }
        channel.authorised_counter().add(row.authorised);
        Some(Arc::new(lane))
    }

    /// The slot of a channel, without loading it.
    pub(crate) fn slot_of_channel(&self, id: &ChannelId) -> Result<Option<u32>, Unreadable> {
        for slot in self.channels.candidates(&id.0) {
            let found = match self.hot.get(slot) {
                Ok(channel) => channel.id() == *id,
                Err(_) => self.cold.unit(slot)?.is_some_and(|row| row.channel == *id),
            };
            if found {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// The slot of a lane's channel, without loading it.
    pub(crate) fn slot_of_lane(&self, id: &LaneId) -> Result<Option<u32>, Unreadable> {
        for slot in self.lanes.candidates(&id.0) {
            let found = match self.hot.get(slot) {
                Ok(channel) => channel.lane(id).is_some(),
                Err(_) => self.cold.unit(slot)?.is_some_and(|row| row.lanes.iter().any(|lane| lane.lane == *id)),
            };
            if found {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Calls `visit` for every channel in at most `slots_max` slots from `from` on, by slot. Cold ones are read for
    /// this and not kept in memory. Returns the slot to go on from, or none at the end of the table.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn walk(
        &self,
        from: u32,
        slots_max: u32,
        mut visit: impl FnMut(u32, &Arc<Channel>) -> Walk,
    ) -> Result<Option<u32>, Unreadable> {
        let last = self.next_slot.load(Ordering::Acquire);
        let end = last.min(from.saturating_add(slots_max));
        let mut next = from;
        while next < end {
            let slots = next..end.min(next.saturating_add(SLOTS_AT_ONCE));
            // Memory first, then the checkpoint: what leaves memory in between is in the checkpoint by then.
            let hot: Vec<_> = slots.clone().map(|slot| self.hot.get(slot).ok()).collect();
            let cold = if hot.iter().all(Option::is_some) { Vec::new() } else { self.cold.units(slots.clone())? };
            let mut cold = cold.into_iter().peekable();
            for (slot, hot) in slots.clone().zip(hot) {
                let row = cold.next_if(|(at, _)| *at == slot);
                let outcome = match (hot, row) {
                    (Some(channel), _) => visit(slot, &channel),
                    (None, Some((_, row))) => {
                        let channel = self.build_unit(slot, &row)?;
                        let outcome = visit(slot, &channel);
                        channel.let_lanes_go();
                        outcome
                    }
                    (None, None) => Walk::On,
                };
                if outcome == Walk::Enough {
                    let next = slot.saturating_add(1);
                    return Ok((next < last).then_some(next));
                }
            }
            next = slots.end;
        }
        Ok((end < last).then_some(end))
    }
}
