//! Records into rows: read, change, write, each row once a transaction.
//!
//! Rows are found through the live table's index. A record is durable before it is folded, and mostly applied to the
//! table too; one that the control plane has made durable and not applied yet is applied here first, which changes
//! nothing for its second time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage};
use farthing_channel::lane::{Change, LaneState};
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::block::ChainCursor;
use farthing_channel::record::{LaneImage, Record};
use redb::{ReadableTable as _, WriteTransaction};

use super::row::{LaneRow, UnitRow};
use super::store::{
    ESCROWS, PROVIDERS, StoreError, TARIFFS, UNITS, decode_unit, next_tariff, write_cursor, write_meta,
};
use crate::table::Table;
use crate::table::fold::FoldError;

/// A row being changed, with the evidence of those of its lanes that were paid on.
struct Working {
    row: UnitRow,
    states: HashMap<LaneId, LaneState>,
}

impl Working {
    fn new(row: UnitRow) -> Self {
        Self { row, states: HashMap::new() }
    }

    fn lane(&mut self, lane: &LaneId) -> Result<&mut LaneRow, FoldError> {
        self.row.lane_mut(lane).ok_or(FoldError::UnknownLane)
    }

    fn open_lane(&mut self, image: &LaneImage) {
        match self.row.lane_mut(&image.lane) {
            Some(held) => held.set_tariff(image),
            None => self.row.lanes.push(LaneRow::new(image)),
        }
    }

    fn change(&mut self, lane: &LaneId, change: &Change) -> Result<(), FoldError> {
        let state = match self.states.remove(lane) {
            Some(state) => state,
            None => self.lane(lane)?.state(),
        };
        self.states.insert(*lane, state.restore(change));
        Ok(())
    }

    fn into_row(mut self) -> UnitRow {
        for lane in &mut self.row.lanes {
            if let Some(state) = self.states.get(&lane.lane) {
                lane.set_state(state);
            }
        }
        self.row
    }
}

/// A fold in progress within one transaction.
pub(super) struct Fold<'t> {
    transaction: &'t WriteTransaction,
    table: &'t Table,
    units: HashMap<u32, Working>,
    /// The newest tick of each lane that has not been folded into its row. Most records are ticks, and most of these are
    /// overtaken by another one before the transaction ends.
    ticks: HashMap<LaneId, LateTick>,
    next_tariff: u64,
}

/// A tick that waits for a newer one of the same anchor.
#[derive(Debug, Clone, Copy)]
struct LateTick {
    anchor: u64,
    index: u16,
    link: Preimage,
}

impl LateTick {
    fn change(self) -> Change {
        let Self { anchor, index, link } = self;
        Change::Tick { anchor, index, link }
    }
}

impl std::fmt::Debug for Fold<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fold").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

impl<'t> Fold<'t> {
    pub(super) fn new(transaction: &'t mut WriteTransaction, table: &'t Table) -> Result<Self, StoreError> {
        let next_tariff = next_tariff(transaction)?;
        Ok(Self { transaction, table, units: HashMap::new(), ticks: HashMap::new(), next_tariff })
    }

    /// About how many rows the transaction will write.
    pub(super) fn rows(&self) -> usize {
        self.units.len().saturating_add(self.ticks.len())
    }

    /// Takes in one record.
    pub(super) fn take(&mut self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Term { .. } => write_meta(self.transaction, "term", record)?,
            Record::LedgerCursor { .. } => write_meta(self.transaction, "ledger_cursor", record)?,
            Record::EpochClosed { .. } => write_meta(self.transaction, "epoch_closed", record)?,
            Record::Escrow(image) => {
                let bytes = encode_to_vec(record);
                self.transaction.open_table(ESCROWS)?.insert(&image.id.0, bytes.as_slice())?;
            }
            Record::Provider { address, .. } => {
                let bytes = encode_to_vec(record);
                self.transaction.open_table(PROVIDERS)?.insert(&address.0, bytes.as_slice())?;
            }
            Record::Tariff { .. } => {
                let bytes = encode_to_vec(record);
                self.transaction.open_table(TARIFFS)?.insert(self.next_tariff, bytes.as_slice())?;
                self.next_tariff = self.next_tariff.saturating_add(1);
            }
            Record::Mandates(bundle) => {
                for terms in &bundle.mandates {
                    self.mandate(record, &bundle.escrow, terms)?;
                }
            }
            Record::Revoked { escrow, device, serial, .. } => {
                let row = &mut self.unit_of_device(record, escrow, device)?.row;
                row.revoked = row.revoked.max(Some(*serial));
            }
            Record::Status { channel, status } => self.unit_of_channel(channel)?.row.status = *status,
            Record::Lane(image) => self.unit_of_device(record, &image.escrow, &image.device)?.open_lane(image),
            Record::Report(report) => {
                let lane = self.unit_of_lane(&report.lane)?.lane(&report.lane)?;
                if lane.report.is_none_or(|held| report.revision > held.revision) {
                    lane.report = Some(*report);
                }
            }
            Record::Risk(change) => {
                self.unit_of_lane(&change.lane)?.lane(&change.lane)?.risk = Some(change.clone());
            }
            Record::RiskOverride(decision) => {
                self.unit_of_channel(&decision.channel)?.row.risk_override = Some(*decision);
            }
            Record::Tick { lane, anchor, index, link } => {
                self.tick(*lane, LateTick { anchor: *anchor, index: *index, link: *link })?;
            }
            Record::Anchor { .. } | Record::Voucher { .. } => {
                if let Some((lane, change)) = record.as_change() {
                    // Which anchors are held follows from the order of the changes.
                    if let Some(tick) = self.ticks.remove(&lane) {
                        self.unit_of_lane(&lane)?.change(&lane, &tick.change())?;
                    }
                    self.unit_of_lane(&lane)?.change(&lane, &change)?;
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self, lane: LaneId, tick: LateTick) -> Result<(), StoreError> {
        let older = self.ticks.insert(lane, tick);
        match older {
            Some(older) if older.anchor != tick.anchor => {
                self.unit_of_lane(&lane)?.change(&lane, &older.change())?;
                Ok(())
            }
            // Indices of one anchor only grow.
            _ => Ok(()),
        }
    }

    fn mandate(&mut self, record: &Record, escrow: &EscrowId, terms: &MandateTerms) -> Result<(), StoreError> {
        let row = &mut self.unit_of_device(record, escrow, &terms.device)?.row;
        if !row.mandated || terms.serial > row.terms.serial {
            row.terms = terms.clone();
            row.mandated = true;
            if row.status == ChannelStatus::Closed as u8 {
                row.status = ChannelStatus::Open as u8;
            }
        }
        Ok(())
    }

    fn unit_of_channel(&mut self, channel: &ChannelId) -> Result<&mut Working, StoreError> {
        let slot = self.table.slot_of_channel(channel).map_err(FoldError::from)?;
        let slot = slot.ok_or(FoldError::UnknownChannel)?;
        self.unit(slot)?.ok_or_else(|| FoldError::UnknownChannel.into())
    }

    /// The unit of a device, which `record` may be the first to name.
    fn unit_of_device(
        &mut self,
        record: &Record,
        escrow: &EscrowId,
        device: &Address,
    ) -> Result<&mut Working, StoreError> {
        let channel = ChannelId::derive(escrow, device);
        let slot = match self.table.slot_of_channel(&channel).map_err(FoldError::from)? {
            Some(slot) => slot,
            None => {
                self.table.apply(record)?;
                let made = self.table.slot_of_channel(&channel).map_err(FoldError::from)?;
                made.ok_or(FoldError::UnknownChannel)?
            }
        };
        if self.unit(slot)?.is_none() {
            self.units.insert(slot, Working::new(UnitRow::new(channel, *escrow, *device)));
        }
        self.units.get_mut(&slot).ok_or_else(|| FoldError::UnknownChannel.into())
    }

    fn unit_of_lane(&mut self, lane: &LaneId) -> Result<&mut Working, StoreError> {
        let slot = self.table.slot_of_lane(lane).map_err(FoldError::from)?.ok_or(FoldError::UnknownLane)?;
        self.unit(slot)?.ok_or_else(|| FoldError::UnknownLane.into())
    }

    /// The unit as this transaction has it so far; none where the checkpoint has not heard of it.
    fn unit(&mut self, slot: u32) -> Result<Option<&mut Working>, StoreError> {
        match self.units.entry(slot) {
            Entry::Occupied(held) => Ok(Some(held.into_mut())),
            Entry::Vacant(place) => {
                let units = self.transaction.open_table(UNITS)?;
                let Some(bytes) = units.get(slot)? else {
                    return Ok(None);
                };
                let row = decode_unit(bytes.value())?;
                Ok(Some(place.insert(Working::new(row))))
            }
        }
    }

    /// Writes the changed rows, in the order of their slots, and the cursor. The caller commits.
    pub(super) fn finish(mut self, cursor: &ChainCursor) -> Result<(), StoreError> {
        for (lane, tick) in std::mem::take(&mut self.ticks) {
            self.unit_of_lane(&lane)?.change(&lane, &tick.change())?;
        }
        let mut rows: Vec<_> = self.units.into_iter().collect();
        rows.sort_unstable_by_key(|(slot, _)| *slot);
        let mut units = self.transaction.open_table(UNITS)?;
        for (slot, working) in rows {
            units.insert(slot, working.into_row().encode().as_slice())?;
        }
        write_cursor(self.transaction, cursor)
    }
}
