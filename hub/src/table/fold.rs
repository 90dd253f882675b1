//! The state as a fold over journal records: the same function serves recovery and every change that does not come from
//! a payment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{ChannelId, LaneId};
use farthing_channel::lane::Change;
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::{EscrowImage, LaneImage, Record};

use super::directory::{Provider, TariffEntry};
use super::escrow::EscrowUse;
use super::lane::LaneTariff;
use super::{Channel, Escrow, Lane, Table};
use crate::checkpoint::row::ChannelRow;

/// A record that does not fit the records before it: the journal is not one this hub wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// A mandate, lane or revocation for an escrow that no record brought.
    #[error("a record names an escrow that was never recorded")]
    UnknownEscrow,
    /// A lane or status for a channel that no record brought.
    #[error("a record names a channel that was never recorded")]
    UnknownChannel,
    /// A proof or report for a lane that no record brought.
    #[error("a record names a lane that was never recorded")]
    UnknownLane,
    /// A lane that names a tariff which no record brought.
    #[error("a record names a tariff that was never recorded")]
    UnknownTariff,
    /// A tariff that does not decode.
    #[error("a recorded tariff does not decode")]
    BadTariff,
    /// A status code of a later version.
    #[error("a recorded channel status is unknown to this version")]
    BadStatus,
}

impl Table {
    /// Applies one record.
    ///
    /// # Errors
    /// [`FoldError`]; the state is then unchanged.
    pub fn apply(&self, record: &Record) -> Result<(), FoldError> {
        match record {
            Record::Term { term, .. } => {
                self.term.fetch_max(*term, Ordering::AcqRel);
            }
            Record::Escrow(image) => self.apply_escrow(image),
            Record::LedgerCursor { cursor } => {
                self.ledger_cursor.fetch_max(*cursor, Ordering::AcqRel);
            }
            Record::Revoked { escrow, device, serial, .. } => {
                // A device that never had a mandate here has nothing to lose; a later one is checked on the ledger's
                // word again when it is presented, so its channel is made now to remember the revocation.
                let escrow = self.escrow(escrow).ok_or(FoldError::UnknownEscrow)?;
                let terms = MandateTerms {
                    device: *device,
                    limit: 0,
                    expiry: farthing_channel::time::UnixSeconds(0),
                    serial: 0,
                    payees: Vec::new(),
                };
                let id = ChannelId::derive(&escrow.id(), device);
                let channel = self.channels.entry(id).or_insert_with(|| Arc::new(Channel::mandated(escrow, &terms)));
                channel.revoke(*serial);
            }
            Record::Mandates(bundle) => {
                let escrow = self.escrow(&bundle.escrow).ok_or(FoldError::UnknownEscrow)?;
                for terms in &bundle.mandates {
                    self.apply_mandate(&escrow, terms);
                }
            }
            Record::Provider { address, name, active } => {
                self.directory.set_provider(*address, Provider { name: name.clone(), active: *active });
            }
            Record::Tariff { payee, rating_group, tariff } => {
                let entry = TariffEntry::decode(tariff).map_err(|_| FoldError::BadTariff)?;
                self.directory.set_tariff(*payee, *rating_group, entry);
            }
            Record::Lane(image) => {
                self.open_lane(image)?;
            }
            Record::Anchor { .. } | Record::Voucher { .. } | Record::Tick { .. } => {
                if let Some((lane, change)) = record.as_change() {
                    self.apply_change(&lane, &change)?;
                }
            }
            Record::Report(report) => {
                self.lane(&report.lane).ok_or(FoldError::UnknownLane)?.restore_report(report);
            }
            Record::Status { channel, status } => {
                let status = ChannelStatus::from_code(*status).ok_or(FoldError::BadStatus)?;
                self.channel(channel).ok_or(FoldError::UnknownChannel)?.set_status(status);
            }
            Record::EpochClosed { epoch, sequence } => {
                self.epoch_closed.fetch_max(*epoch, Ordering::AcqRel);
                self.epoch_sequence.fetch_max(*sequence, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    fn apply_escrow(&self, image: &EscrowImage) {
        let escrow = self.escrows.entry(image.id).or_insert_with(|| Arc::new(Escrow::new(image)));
        escrow.update(image);
    }

    fn apply_mandate(&self, escrow: &Arc<Escrow>, terms: &MandateTerms) {
        let id = ChannelId::derive(&escrow.id(), &terms.device);
        match self.channels.entry(id) {
            dashmap::Entry::Occupied(held) => {
                if held.get().serial().is_none_or(|serial| terms.serial > serial) || held.get().limit() == 0 {
                    held.get().renew(terms);
                }
            }
            dashmap::Entry::Vacant(place) => {
                place.insert(Arc::new(Channel::mandated(Arc::clone(escrow), terms)));
            }
        }
        escrow.claim_usage(EscrowUse::Mandates);
    }

    /// Opens a lane, or changes an open one's tariff. Makes the channel of a lone payer on the way.
    ///
    /// # Errors
    /// [`FoldError::UnknownEscrow`], [`FoldError::UnknownChannel`], [`FoldError::UnknownTariff`].
    pub fn open_lane(&self, image: &LaneImage) -> Result<Arc<Lane>, FoldError> {
        let entry = if image.tariff.is_zero() {
            None
        } else {
            Some(self.directory.tariff(&image.tariff).ok_or(FoldError::UnknownTariff)?)
        };
        let tariff = LaneTariff { entry, base_amount: image.tariff_base_amount, base_units: image.tariff_base_units };
        if let Some(lane) = self.lane(&image.lane) {
            lane.set_tariff(tariff);
            return Ok(lane);
        }
        let escrow = self.escrow(&image.escrow).ok_or(FoldError::UnknownEscrow)?;
        let id = ChannelId::derive(&image.escrow, &image.device);
        if image.lane == LaneId::of_escrow(&image.escrow) {
            escrow.claim_usage(EscrowUse::Itself);
            self.channels.entry(id).or_insert_with(|| Arc::new(Channel::lone(Arc::clone(&escrow))));
        }
        let channel = self.channel(&id).ok_or(FoldError::UnknownChannel)?;
        let lane = Arc::new(Lane::new(image, Arc::clone(&channel), tariff));
        self.lanes.insert(image.lane, Arc::clone(&lane));
        channel.add_lane(Arc::clone(&lane));
        Ok(lane)
    }

    /// Applies a lane's change from the journal: what it adds was within the limits when it was made, so the counters
    /// follow without asking.
    fn apply_change(&self, lane: &LaneId, change: &Change) -> Result<(), FoldError> {
        let lane = self.lane(lane).ok_or(FoldError::UnknownLane)?;
        let (before, after) = lane.evidence().restore(change);
        let increase = after.saturating_sub(before);
        lane.channel().authorised_counter().add(increase);
        lane.channel().escrow().authorised_counter().add(increase);
        lane.raise_durable(after);
        Ok(())
    }

    /// Puts a channel back as a checkpoint kept it.
    ///
    /// # Errors
    /// [`FoldError::UnknownEscrow`], [`FoldError::BadStatus`].
    pub fn restore_channel(&self, id: ChannelId, row: &ChannelRow) -> Result<(), FoldError> {
        let escrow = self.escrow(&row.escrow).ok_or(FoldError::UnknownEscrow)?;
        let status = ChannelStatus::from_code(row.status).ok_or(FoldError::BadStatus)?;
        let is_lone = !row.mandated && row.revoked.is_none();
        if row.mandated {
            escrow.claim_usage(EscrowUse::Mandates);
        }
        let channel = if is_lone { Channel::lone(escrow) } else { Channel::mandated(escrow, &row.terms) };
        if let Some(serial) = row.revoked {
            channel.revoke(serial);
        }
        channel.set_status(status);
        self.channels.insert(id, Arc::new(channel));
        Ok(())
    }

    /// The end of recovery: what the ledger has settled counts against every deposit, whatever the lanes sum to.
    pub fn settle_floor(&self) {
        for escrow in self.escrows() {
            escrow.raise_to_settled();
        }
    }
}
