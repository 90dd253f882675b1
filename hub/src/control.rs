//! Changes that do not come from payments: mandates in bulk, providers, tariffs, the operator's word, the ledger's.
//!
//! Each is journaled first, made durable, and only then applied: a control-plane caller can wait, and what it was told
//! has happened survives a crash. Payments go the other way round (applied at once, said when durable), because a
//! lane's maximum makes that safe.

use std::sync::Arc;
use std::time::Duration;

use farthing_cells::HolderId;
use farthing_channel::admission::ChannelStatus;
use farthing_channel::codec::encode_into;
use farthing_channel::id::{Address, ChannelId, RatingGroup};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::{Record, RiskOverride};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::tariff::Tariff;
use farthing_channel::time::UnixSeconds;
use farthing_risk::ladder::Level;

use crate::journal::commit::{Batch, SubmitError, WaitError};
use crate::journal::fault::JournalFault;
use crate::session::Shared;
use crate::table::cold::Unreadable;
use crate::table::escrow::EscrowUse;
use crate::table::fold::FoldError;
use crate::table::{Channel, HeldChannel};

/// How long a change may wait for the disk.
const DURABLE_DEADLINE: Duration = Duration::from_secs(10);

/// How long to wait before a full journal queue is tried again.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// Tries before a full journal queue is given up: together about the deadline.
const QUEUE_TRIES: u32 = 5_000;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It is not allowed; nothing changed.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// It names something that is not there; nothing changed.
    #[error("{0}")]
    Unknown(#[from] FoldError),
    /// The journal has failed; whether the change is kept shows after a restart.
    #[error("the journal has stopped{}", .0.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default())]
    Journal(Option<JournalFault>),
    /// The disk did not answer in time; the change may still be made.
    #[error("the journal did not become durable in time")]
    Timeout,
    /// What it is about cannot be read; nothing changed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The change does not fit into one journal block.
    #[error("the change is larger than one journal block")]
    TooLarge,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOutcome {
    /// Mandates taken up.
    pub accepted: usize,
    /// Mandates that were held already, in this or a higher serial.
    pub known: usize,
}

/// The control plane, as a holder of channels.
const CONTROL_PLANE: HolderId = HolderId(u16::MAX);

/// Makes changes, one at a time.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    /// Control over a hub's state.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Journals the records, waits until they are durable, applies them.
    ///
    /// # Errors
    /// [`ControlError`]. Nothing is applied unless all is durable.
    pub fn change(&self, records: &[Record]) -> Result<(), ControlError> {
        let _order = self.shared.table.rounds().changing();
        self.journal(records)?;
        for record in records {
            self.shared.table.apply(record)?;
        }
        Ok(())
    }

    fn journal(&self, records: &[Record]) -> Result<(), ControlError> {
        let journal = &self.shared.journal;
        let mut body = journal.buffer();
        for record in records {
            encode_into(record, &mut body);
        }
        let count = u32::try_from(records.len()).map_err(|_| ControlError::TooLarge)?;
        let mut batch = Batch { body, count };
        for _ in 0..QUEUE_TRIES {
            batch = match journal.submit(batch) {
                Ok(ticket) => {
                    return match journal.wait_durable(ticket, DURABLE_DEADLINE) {
                        Ok(_durable) => Ok(()),
                        Err(WaitError::TimedOut) => Err(ControlError::Timeout),
                        Err(WaitError::Stopped(fault)) => Err(ControlError::Journal(fault)),
                    };
                }
                Err(SubmitError::Full(batch)) => batch,
                Err(SubmitError::TooLarge(_)) => return Err(ControlError::TooLarge),
                Err(SubmitError::Stopped(fault)) => return Err(ControlError::Journal(fault)),
            };
            std::thread::sleep(QUEUE_PAUSE);
        }
        Err(ControlError::Timeout)
    }

    /// Takes up a bundle of mandates.
    ///
    /// # Errors
    /// [`Refusal::UnknownEscrow`], [`Refusal::EscrowMixed`], [`Refusal::BadMandate`], and as [`Self::change`].
    pub fn import_mandates(&self, bundle: MandateBundle) -> Result<ImportOutcome, ControlError> {
        let table = &self.shared.table;
        let escrow = table.escrow(&bundle.escrow).ok_or(Refusal::UnknownEscrow)?;
        if escrow.usage() == EscrowUse::Itself {
            return Err(Refusal::EscrowMixed.into());
        }
        let total = bundle.mandates.len();
        let mut accepted = 0_usize;
        // A mandate opens a closed channel again, so it must not overtake the closing on its way to the disk.
        let mut renewed = Vec::new();
        for terms in &bundle.mandates {
            let channel = table.channel_of(&bundle.escrow, &terms.device)?;
            let is_news = channel.as_ref().is_none_or(|channel| {
                channel.limit() == 0 || channel.serial().is_none_or(|serial| terms.serial > serial)
            });
            accepted = accepted.saturating_add(usize::from(is_news));
            if let (true, Some(channel)) = (is_news, channel) {
                renewed.push(self.hold(&channel)?);
            }
        }
        let outcome = ImportOutcome { accepted, known: total.saturating_sub(accepted) };
        let verified = bundle.verify(&LibSecp, &self.shared.domain, &escrow.signer())?;
        if accepted > 0 {
            self.change(&[Record::Mandates(verified.into_inner())])?;
        }
        drop(renewed);
        Ok(outcome)
    }

    /// Freezes, thaws or closes a channel.
    ///
    /// # Errors
    /// [`FoldError::UnknownChannel`], [`Refusal::ChannelClosed`] for thawing a closed one, and as [`Self::change`].
    pub fn set_status(&self, channel: ChannelId, status: ChannelStatus) -> Result<(), ControlError> {
        let held = self.shared.table.channel(&channel)?.ok_or(FoldError::UnknownChannel)?;
        if held.status() == ChannelStatus::Closed && status != ChannelStatus::Closed {
            return Err(Refusal::ChannelClosed.into());
        }
        let _hold = self.hold(&held)?;
        self.change(&[Record::Status { channel, status: status as u8 }])
    }

    /// Decides what is done about a channel's lanes for so many seconds from `at`, whatever the model says; without a level, that
    /// the model decides again.
    ///
    /// # Errors
    /// [`FoldError::UnknownChannel`], and as [`Self::change`].
    pub fn override_risk(
        &self,
        channel: ChannelId,
        level: Option<Level>,
        at: UnixSeconds,
        seconds: u64,
    ) -> Result<(), ControlError> {
        let held = self.shared.table.channel(&channel)?.ok_or(FoldError::UnknownChannel)?;
        let _hold = self.hold(&held)?;
        let until = if level.is_some() { UnixSeconds(at.0.saturating_add(seconds)) } else { at };
        let code = level.unwrap_or_default() as u8;
        self.change(&[Record::RiskOverride(RiskOverride { channel, at, level: code, until })])?;
        self.shared.metrics.risk_overrides.inc();
        if let Some(level) = level {
            // At once, and not only when the model next looks at the lane.
            for lane in held.lanes() {
                lane.override_risk(level);
            }
        }
        Ok(())
    }

    /// Waits until nothing of the channel is on its way to the disk, so that the journal's order is that of the changes.
    fn hold(&self, channel: &Arc<Channel>) -> Result<HeldChannel, ControlError> {
        for _ in 0..QUEUE_TRIES {
            if let Some(held) = HeldChannel::take(channel, CONTROL_PLANE) {
                return Ok(held);
            }
            std::thread::sleep(QUEUE_PAUSE);
        }
        Err(ControlError::Timeout)
    }

    /// Adds, renames or switches a provider.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub fn set_provider(&self, address: Address, name: String, active: bool) -> Result<(), ControlError> {
        self.change(&[Record::Provider { address, name, active }])
    }

    /// Sets a provider's price for a service.
    ///
    /// # Errors
    /// [`Refusal::UnknownPayee`], and as [`Self::change`].
    pub fn set_tariff(&self, payee: Address, rating_group: RatingGroup, tariff: &Tariff) -> Result<(), ControlError> {
        if self.shared.table.directory.provider(&payee).is_none() {
            return Err(Refusal::UnknownPayee.into());
        }
        self.change(&[Record::Tariff { payee, rating_group, tariff: tariff.to_cbor().into() }])
    }
}
