//! A hub for tests: the real table, without a disk.

use farthing_channel::admission::ChannelStatus;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, ChannelId, RatingGroup};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::{Record, RiskOverride};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::tariff::Tariff;
use farthing_channel::time::UnixSeconds;
use farthing_risk::ladder::Level;

use crate::admin::encoded::Text;
use crate::admin::hub::AdministeredHub;
use crate::admin::protocol::Status;
use crate::control::{ControlError, ImportOutcome};
use crate::risk::RiskLimits;
use crate::risk::engine::{ModelSettings, RiskEngine};
use crate::table::Table;

/// A hub whose disk never fails: changes are applied at once.
#[derive(Debug)]
pub(super) struct MemoryHub {
    table: Table,
    risk: RiskEngine,
}

impl Default for MemoryHub {
    fn default() -> Self {
        let risk = RiskEngine::new(RiskLimits::default(), &ModelSettings::default()).unwrap();
        Self { table: Table::default(), risk }
    }
}

pub(super) fn domain() -> Domain {
    Domain::new(7, Address([9; 20]))
}

impl MemoryHub {
    pub(super) fn change(&self, record: &Record) -> Result<(), ControlError> {
        Ok(self.table.apply(record)?)
    }
}

impl AdministeredHub for MemoryHub {
    fn table(&self) -> &Table {
        &self.table
    }

    fn status(&self) -> Status {
        let (escrows, channels, lanes) = self.table.counts();
        let count = |value: usize| u64::try_from(value).unwrap();
        Status {
            version: "0".into(),
            hub: Text(Address::ZERO),
            account: Text(Address::ZERO),
            certificate_pin: String::new(),
            quic: String::new(),
            http: String::new(),
            chain_id: domain().chain_id(),
            contract: Text(domain().contract()),
            serving: true,
            faults: Vec::new(),
            term: 1,
            restored: false,
            started: 0,
            uptime_seconds: 0,
            escrows: count(escrows),
            channels: count(channels),
            lanes: count(lanes),
            providers: 0,
            connections: 0,
            // More than 64 bits: sums must survive the wire.
            deposit_base_units: u128::MAX,
            authorised_base_units: 0,
            settled_base_units: 0,
            journal_sequence: 0,
            journal_records: 0,
            journal_bytes: 0,
            ledger_cursor: 0,
            epoch_closed: 0,
            epoch_sequence: 0,
        }
    }

    fn risk(&self) -> &RiskEngine {
        &self.risk
    }

    fn override_risk(&self, channel: ChannelId, level: Option<Level>, seconds: u64) -> Result<(), ControlError> {
        let (at, level) = (UnixSeconds(0), level.unwrap_or_default() as u8);
        self.change(&Record::RiskOverride(RiskOverride { channel, at, level, until: UnixSeconds(seconds) }))
    }

    fn import_mandates(&self, bundle: MandateBundle) -> Result<ImportOutcome, ControlError> {
        let escrow = self.table.escrow(&bundle.escrow).ok_or(Refusal::UnknownEscrow)?;
        let verified = bundle.verify(&LibSecp, &domain(), &escrow.signer())?.into_inner();
        let accepted = verified.mandates.len();
        self.change(&Record::Mandates(verified))?;
        Ok(ImportOutcome { accepted, known: 0 })
    }

    fn set_status(&self, channel: ChannelId, status: ChannelStatus) -> Result<(), ControlError> {
        self.change(&Record::Status { channel, status: status as u8 })
    }

    fn set_provider(&self, address: Address, name: String, active: bool) -> Result<(), ControlError> {
        self.change(&Record::Provider { address, name, active })
    }

    fn set_tariff(&self, payee: Address, rating_group: RatingGroup, tariff: &Tariff) -> Result<(), ControlError> {
        if self.table.directory.provider(&payee).is_none() {
            return Err(Refusal::UnknownPayee.into());
        }
        self.change(&Record::Tariff { payee, rating_group, tariff: tariff.to_cbor().into() })
    }
}
