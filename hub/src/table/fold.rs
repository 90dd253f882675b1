//! The state as a fold over journal records: the same function serves recovery and every change that does not come from
//! a payment.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{Address, ChannelId, LaneId};
use farthing_channel::lane::Change;
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::{EscrowImage, LaneImage, Record};

use super::cold::Unreadable;
use super::directory::{Provider, TariffEntry};
use super::escrow::EscrowUse;
use super::lane::LaneTariff;
use super::{Channel, Escrow, Lane, Table};

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
    /// The table cannot tell.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// More channels than slots.
    #[error("the table has no slot for a further channel")]
    Full,
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
                let (channel, _) = self.channel_or_new(&escrow, device, |escrow| Channel::mandated(escrow, &terms))?;
                channel.revoke(*serial);
                channel.touch();
            }
            Record::Mandates(bundle) => {
                let escrow = self.escrow(&bundle.escrow).ok_or(FoldError::UnknownEscrow)?;
                for terms in &bundle.mandates {
                    self.apply_mandate(&escrow, terms)?;
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
                let lane = self.lane(&report.lane)?.ok_or(FoldError::UnknownLane)?;
                lane.restore_report(report);
                lane.channel().touch();
            }
            Record::Status { channel, status } => {
                let status = ChannelStatus::from_code(*status).ok_or(FoldError::BadStatus)?;
                let channel = self.channel(channel)?.ok_or(FoldError::UnknownChannel)?;
                channel.set_status(status);
                channel.touch();
            }
            Record::Risk(change) => {
                let lane = self.lane(&change.lane)?.ok_or(FoldError::UnknownLane)?;
                lane.restore_risk(change, self.risk_clock);
                lane.channel().touch();
            }
            Record::RiskOverride(decision) => {
                let channel = self.channel(&decision.channel)?.ok_or(FoldError::UnknownChannel)?;
                channel.set_risk_override(decision.level, decision.until);
                channel.touch();
            }
            Record::EpochClosed { epoch, sequence } => {
                self.epoch_closed.fetch_max(*epoch, Ordering::AcqRel);
                self.epoch_sequence.fetch_max(*sequence, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    fn apply_escrow(&self, image: &EscrowImage) {
        let make = || Arc::new(Escrow::new(image, Arc::clone(&self.rounds), Arc::clone(&self.levels)));
        let escrow = self.escrows.entry(image.id).or_insert_with(make);
        escrow.update(image);
    }

    /// The channel of a device; where there is none, the one that `make` makes, and true.
    fn channel_or_new(
        &self,
        escrow: &Arc<Escrow>,
        device: &Address,
        make: impl FnOnce(Arc<Escrow>) -> Channel,
    ) -> Result<(Arc<Channel>, bool), FoldError> {
        let id = ChannelId::derive(&escrow.id(), device);
        if let Some(held) = self.channel(&id)? {
            return Ok((held, false));
        }
        let _births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.channel(&id)? {
            return Ok((held, false));
        }
        let next = |slot: u32| slot.checked_add(1);
        let slot = self.next_slot.try_update(Ordering::AcqRel, Ordering::Acquire, next).map_err(|_| FoldError::Full)?;
        let channel = Arc::new(make(Arc::clone(escrow)));
        // In memory first: who finds the slot in the index finds the unit.
        self.hot.insert(slot, Arc::clone(&channel));
        self.channels.insert(&id.0, slot);
        self.channel_count.fetch_add(1, Ordering::AcqRel);
        Ok((channel, true))
    }

    fn apply_mandate(&self, escrow: &Arc<Escrow>, terms: &MandateTerms) -> Result<(), FoldError> {
        let (channel, is_new) =
            self.channel_or_new(escrow, &terms.device, |escrow| Channel::mandated(escrow, terms))?;
        if !is_new && (channel.serial().is_none_or(|serial| terms.serial > serial) || channel.limit() == 0) {
            channel.renew(terms);
        }
        channel.touch();
        escrow.claim_usage(EscrowUse::Mandates);
        Ok(())
    }

    /// Opens a lane, or changes an open one's tariff. Makes the channel of a lone payer on the way.
    ///
    /// # Errors
    /// [`FoldError::UnknownEscrow`], [`FoldError::UnknownChannel`], [`FoldError::UnknownTariff`], [`FoldError::Unreadable`],
    /// [`FoldError::Full`].
    pub fn open_lane(&self, image: &LaneImage) -> Result<Arc<Lane>, FoldError> {
        let entry = if image.tariff.is_zero() {
            None
        } else {
            Some(self.directory.tariff(&image.tariff).ok_or(FoldError::UnknownTariff)?)
        };
        let tariff = LaneTariff { entry, base_amount: image.tariff_base_amount, base_units: image.tariff_base_units };
        if let Some(lane) = self.lane(&image.lane)? {
            lane.set_tariff(tariff);
            lane.channel().touch();
            return Ok(lane);
        }
        let escrow = self.escrow(&image.escrow).ok_or(FoldError::UnknownEscrow)?;
        let channel = if image.lane == LaneId::of_escrow(&image.escrow) {
            escrow.claim_usage(EscrowUse::Itself);
            self.channel_or_new(&escrow, &image.device, Channel::lone)?.0
        } else {
            self.channel_of(&image.escrow, &image.device)?.ok_or(FoldError::UnknownChannel)?
        };
        let slot = self.slot_of_channel(&channel.id())?.ok_or(FoldError::UnknownChannel)?;
        let _births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = channel.lane(&image.lane) {
            return Ok(lane);
        }
        let lane = Arc::new(Lane::new(image, Arc::clone(&channel), tariff));
        channel.add_lane(Arc::clone(&lane));
        self.lanes.insert(&image.lane.0, slot);
        self.lane_count.fetch_add(1, Ordering::AcqRel);
        channel.touch();
        Ok(lane)
    }

    /// Applies a lane's change from the journal: what it adds was within the limits when it was made, so the counters
    /// follow without asking.
    fn apply_change(&self, lane: &LaneId, change: &Change) -> Result<(), FoldError> {
        let lane = self.lane(lane)?.ok_or(FoldError::UnknownLane)?;
        let (before, after) = lane.evidence().restore(change);
        let increase = after.saturating_sub(before);
        lane.channel().authorised_counter().add(increase);
        lane.channel().escrow().authorised_counter().add(increase);
        lane.raise_durable(after);
        lane.channel().touch();
        Ok(())
    }

    /// The end of recovery: what the ledger has settled counts against every deposit, whatever the lanes sum to.
    pub fn settle_floor(&self) {
        for escrow in self.escrows() {
            escrow.raise_to_settled();
        }
    }
}
