//! What a request can ask of a hub.

use std::sync::Arc;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{Address, ChannelId, RatingGroup};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::tariff::Tariff;
use farthing_channel::time::UnixSeconds;
use farthing_risk::ladder::Level;

use super::encoded::Text;
use super::protocol::Status;
use crate::clock;
use crate::config::material::pin_text;
use crate::control::{Control, ControlError, ImportOutcome};
use crate::facts::HubFacts;
use crate::risk::engine::RiskEngine;
use crate::session::Shared;
use crate::table::Table;

/// A hub as its operator sees it. Every call may wait for the disk; none is made on an async thread.
pub trait AdministeredHub: Send + Sync + 'static {
    /// Everything it knows.
    fn table(&self) -> &Table;

    /// How it stands.
    fn status(&self) -> Status;

    /// How far it trusts.
    fn risk(&self) -> &RiskEngine;

    /// Decides what is done about a channel's lanes; none where the model decides.
    ///
    /// # Errors
    /// As [`Control::override_risk`].
    fn override_risk(&self, channel: ChannelId, level: Option<Level>, seconds: u64) -> Result<(), ControlError>;

    /// Takes up a bundle of mandates.
    ///
    /// # Errors
    /// As [`Control::import_mandates`].
    fn import_mandates(&self, bundle: MandateBundle) -> Result<ImportOutcome, ControlError>;

    /// Freezes, thaws or closes a channel.
    ///
    /// # Errors
    /// As [`Control::set_status`].
    fn set_status(&self, channel: ChannelId, status: ChannelStatus) -> Result<(), ControlError>;

    /// Adds, renames or switches a provider.
    ///
    /// # Errors
    /// As [`Control::set_provider`].
    fn set_provider(&self, address: Address, name: String, active: bool) -> Result<(), ControlError>;

    /// Sets the price of a service.
    ///
    /// # Errors
    /// As [`Control::set_tariff`].
    fn set_tariff(&self, payee: Address, group: RatingGroup, tariff: &Tariff) -> Result<(), ControlError>;
}

/// The hub of this process.
#[derive(Debug)]
pub struct RunningHub {
    /// Its state.
    pub shared: Arc<Shared>,
    /// Its changes.
    pub control: Arc<Control>,
    /// What never changes about it.
    pub facts: Arc<HubFacts>,
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl AdministeredHub for RunningHub {
    fn table(&self) -> &Table {
        &self.shared.table
    }

    fn status(&self) -> Status {
        let Self { shared, facts, .. } = self;
        let table = &shared.table;
        let journal = &shared.journal;
        let mut faults = Vec::new();
        if let Some(fault) = journal.fault() {
            faults.push(format!("journal: {fault}"));
        }
        if journal.is_short_of_space() {
            faults.push("journal: the disk has no room for the next segment".to_owned());
        }
        if let Some(sequence) = facts.behind_ledger {
            faults.push(format!("restored backup: the ledger has settled up to journal block {sequence}"));
        }
        let (escrows, channels, lanes) = table.counts();
        let (_, journal_records, journal_bytes) = journal.committed_totals();
        let (epoch_closed, epoch_sequence) = table.epoch_closed();
        let mut sums = [0_u128; 3];
        for escrow in table.escrows() {
            let parts = [escrow.deposit(), escrow.authorised(), escrow.settled()];
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum = sum.saturating_add(part.into());
            }
        }
        let [deposit_base_units, authorised_base_units, settled_base_units] = sums;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hub: Text(facts.hub),
            account: Text(facts.account),
            certificate_pin: pin_text(&facts.pin),
            quic: facts.quic.to_string(),
            http: facts.http.to_string(),
            chain_id: shared.domain.chain_id(),
            contract: Text(shared.domain.contract()),
            serving: shared.serving.is_on() && journal.fault().is_none(),
            faults,
            term: table.term(),
            restored: facts.behind_ledger.is_some(),
            started: facts.started,
            uptime_seconds: clock::unix_seconds().saturating_sub(facts.started),
            escrows: count(escrows),
            channels: count(channels),
            lanes: count(lanes),
            providers: count(table.directory.providers().len()),
            connections: shared.metrics.connections_open(),
            deposit_base_units,
            authorised_base_units,
            settled_base_units,
            journal_sequence: journal.durable_sequence().0,
            journal_records,
            journal_bytes,
            ledger_cursor: table.ledger_cursor(),
            epoch_closed,
            epoch_sequence,
        }
    }

    fn risk(&self) -> &RiskEngine {
        &self.shared.risk
    }

    fn override_risk(&self, channel: ChannelId, level: Option<Level>, seconds: u64) -> Result<(), ControlError> {
        self.control.override_risk(channel, level, UnixSeconds(clock::unix_seconds()), seconds)
    }

    fn import_mandates(&self, bundle: MandateBundle) -> Result<ImportOutcome, ControlError> {
        self.control.import_mandates(bundle)
    }

    fn set_status(&self, channel: ChannelId, status: ChannelStatus) -> Result<(), ControlError> {
        self.control.set_status(channel, status)
    }

    fn set_provider(&self, address: Address, name: String, active: bool) -> Result<(), ControlError> {
        self.control.set_provider(address, name, active)
    }

    fn set_tariff(&self, payee: Address, group: RatingGroup, tariff: &Tariff) -> Result<(), ControlError> {
        self.control.set_tariff(payee, group, tariff)
    }
}
