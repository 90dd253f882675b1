//! Records into rows: read, change, write, each row once a transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{ChannelId, EscrowId, LaneId};
use farthing_channel::lane::Change;
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::Record;
use farthing_channel::record::block::ChainCursor;
use farthing_channel::time::UnixSeconds;
use redb::{ReadableTable as _, WriteTransaction};

use super::row::{ChannelRow, LaneRow};
use super::store::{CHANNELS, ESCROWS, LANES, PROVIDERS, StoreError, TARIFFS, next_tariff, write_cursor, write_meta};
use crate::table::fold::FoldError;

/// About how many rows a record touches.
pub(super) fn rows_of(record: &Record) -> usize {
    match record {
        Record::Mandates(bundle) => bundle.mandates.len(),
        _ => 1,
    }
}

/// A fold in progress within one transaction.
pub(super) struct Fold<'t> {
    transaction: &'t WriteTransaction,
    channels: HashMap<ChannelId, ChannelRow>,
    lanes: HashMap<LaneId, LaneRow>,
    next_tariff: u64,
}

impl std::fmt::Debug for Fold<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fold")
            .field("channels", &self.channels.len())
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

impl<'t> Fold<'t> {
    pub(super) fn new(transaction: &'t mut WriteTransaction) -> Result<Self, StoreError> {
        let next_tariff = next_tariff(transaction)?;
        Ok(Self { transaction, channels: HashMap::new(), lanes: HashMap::new(), next_tariff })
    }

    /// Takes in one record.
    pub(super) fn take(&mut self, record: Record) -> Result<(), StoreError> {
        match &record {
            Record::Term { .. } => write_meta(self.transaction, "term", &record)?,
            Record::LedgerCursor { .. } => write_meta(self.transaction, "ledger_cursor", &record)?,
            Record::EpochClosed { .. } => write_meta(self.transaction, "epoch_closed", &record)?,
            Record::Escrow(image) => {
                let bytes = encode_to_vec(&record);
                self.transaction.open_table(ESCROWS)?.insert(&image.id.0, bytes.as_slice())?;
            }
            Record::Provider { address, .. } => {
                let bytes = encode_to_vec(&record);
                self.transaction.open_table(PROVIDERS)?.insert(&address.0, bytes.as_slice())?;
            }
            Record::Tariff { .. } => {
                let bytes = encode_to_vec(&record);
                self.transaction.open_table(TARIFFS)?.insert(self.next_tariff, bytes.as_slice())?;
                self.next_tariff = self.next_tariff.saturating_add(1);
            }
            Record::Mandates(bundle) => {
                for terms in &bundle.mandates {
                    self.mandate(&bundle.escrow, terms)?;
                }
            }
            Record::Revoked { escrow, device, serial, .. } => {
                let id = ChannelId::derive(escrow, device);
                let row = self.channel_or_insert(id, *escrow, *device)?;
                row.revoked = row.revoked.max(Some(*serial));
            }
            Record::Status { channel, status } => {
                let row = self.channel(*channel)?.ok_or(FoldError::UnknownChannel)?;
                row.status = *status;
            }
            Record::Lane(image) => match self.lane(image.lane)? {
                Some(row) => row.image = *image,
                None => {
                    self.lanes.insert(image.lane, LaneRow::new(*image));
                    if image.lane == LaneId::of_escrow(&image.escrow) {
                        // A lone payer's channel has no mandate whose record would have made its row.
                        let id = ChannelId::derive(&image.escrow, &image.device);
                        self.channel_or_insert(id, image.escrow, image.device)?;
                    }
                }
            },
            Record::Report(report) => {
                let row = self.lane(report.lane)?.ok_or(FoldError::UnknownLane)?;
                if row.report.is_none_or(|held| report.revision > held.revision) {
                    row.report = Some(*report);
                }
            }
            Record::Anchor { .. } | Record::Voucher { .. } | Record::Tick { .. } => {
                if let Some((lane, change)) = record.as_change() {
                    self.change(lane, &change)?;
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, lane: LaneId, change: &Change) -> Result<(), StoreError> {
        let row = self.lane(lane)?.ok_or(FoldError::UnknownLane)?;
        row.state = row.state.clone().restore(change);
        Ok(())
    }

    fn mandate(&mut self, escrow: &EscrowId, terms: &MandateTerms) -> Result<(), StoreError> {
        let id = ChannelId::derive(escrow, &terms.device);
        let row = self.channel_or_insert(id, *escrow, terms.device)?;
        if !row.mandated || terms.serial > row.terms.serial {
            row.terms = terms.clone();
            row.mandated = true;
            if row.status == ChannelStatus::Closed as u8 {
                row.status = ChannelStatus::Open as u8;
            }
        }
        Ok(())
    }

    fn channel(&mut self, id: ChannelId) -> Result<Option<&mut ChannelRow>, StoreError> {
        match self.channels.entry(id) {
            Entry::Occupied(held) => Ok(Some(held.into_mut())),
            Entry::Vacant(place) => {
                let table = self.transaction.open_table(CHANNELS)?;
                let Some(bytes) = table.get(&id.0)? else {
                    return Ok(None);
                };
                let row =
                    ChannelRow::decode(bytes.value()).map_err(|error| StoreError::Row { table: "channels", error })?;
                Ok(Some(place.insert(row)))
            }
        }
    }

    fn channel_or_insert(
        &mut self,
        id: ChannelId,
        escrow: EscrowId,
        device: farthing_channel::id::Address,
    ) -> Result<&mut ChannelRow, StoreError> {
        if self.channel(id)?.is_none() {
            let terms = MandateTerms { device, limit: 0, expiry: UnixSeconds(0), serial: 0, payees: Vec::new() };
            let row = ChannelRow { escrow, terms, revoked: None, status: 0, mandated: false };
            self.channels.insert(id, row);
        }
        self.channels.get_mut(&id).ok_or_else(|| FoldError::UnknownChannel.into())
    }

    fn lane(&mut self, id: LaneId) -> Result<Option<&mut LaneRow>, StoreError> {
        match self.lanes.entry(id) {
            Entry::Occupied(held) => Ok(Some(held.into_mut())),
            Entry::Vacant(place) => {
                let table = self.transaction.open_table(LANES)?;
                let Some(bytes) = table.get(&id.0)? else {
                    return Ok(None);
                };
                let row = LaneRow::decode(bytes.value()).map_err(|error| StoreError::Row { table: "lanes", error })?;
                Ok(Some(place.insert(row)))
            }
        }
    }

    /// Writes the changed rows and the cursor. The caller commits.
    pub(super) fn finish(self, cursor: &ChainCursor) -> Result<(), StoreError> {
        let mut channels = self.transaction.open_table(CHANNELS)?;
        for (id, row) in &self.channels {
            channels.insert(&id.0, encode_to_vec(row).as_slice())?;
        }
        let mut lanes = self.transaction.open_table(LANES)?;
        for (id, row) in &self.lanes {
            lanes.insert(&id.0, row.encode().as_slice())?;
        }
        write_cursor(self.transaction, cursor)
    }
}
