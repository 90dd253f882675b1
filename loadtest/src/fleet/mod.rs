//! Simulated devices: who they are, how they connect, what they pay, and what was acknowledged to them.

mod attach;
mod crowd;
mod description;
mod drive;
mod keys;
mod meter;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_channel::mandate::{MandateTerms, sign_mandate};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::LaneOffer;
use farthing_client::{Backoff, Connector, ConnectorConfig, DeviceConfig, DeviceKey, ExpectedHub, PayMode, Trust};

pub use crowd::{Crowd, Member, Recruit};
pub use description::FleetDescription;
pub use drive::{Drive, Step, drive};
pub use keys::FleetSeed;
pub use meter::{Meter, MeterReading};
pub use sample::Sample;

use crate::clock;

/// How long a simulated mandate is good for.
pub const MANDATE_SECONDS: u64 = 7 * 24 * 3600;

/// A silent hub is given up after this. Short, for a simulator watches hubs being killed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// An attempt to connect is given up after this. Thousands of handshakes at once take some seconds on two cores.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Delays between attempts to reach a hub that is gone.
const RECONNECT: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) };

/// UDP sockets of a simulator: one receiving task each.
const SOCKETS: usize = 4;

/// How to reach a hub, and how to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubContact {
    /// `host:port`.
    pub hub: Arc<str>,
    /// SHA-256 of its certificate.
    pub pin: Hash32,
    /// Its address.
    pub address: Address,
    /// The ledger it serves.
    pub ledger: Domain,
}

impl HubContact {
    /// The SDK's configuration for many devices of one process. `deadline` bounds every call.
    #[must_use]
    pub fn config(&self, deadline: Duration) -> ConnectorConfig {
        let mut config = ConnectorConfig::new(Arc::clone(&self.hub), Trust::Pin(self.pin));
        config.expected = Some(ExpectedHub { hub: self.address, ledger: self.ledger });
        config.sockets = SOCKETS;
        config.deadline = deadline;
        config.connect_timeout = CONNECT_TIMEOUT;
        config.idle_timeout = IDLE_TIMEOUT;
        config.keep_alive = Some(KEEP_ALIVE);
        config.reconnect = RECONNECT;
        // What a hub says on attaching then stands before anything that is paid on the connection, so a restarted hub
        // cannot be taught by the devices what it should have known.
        config.early_data = false;
        config
    }

    /// A connector for many devices of one process. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where no socket can be opened.
    pub fn connector(&self, deadline: Duration) -> anyhow::Result<Connector> {
        Connector::new(self.config(deadline)).context("no socket for the devices")
    }
}

/// Devices under one escrow that pay one provider for one service.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The hub.
    pub contact: HubContact,
    /// Where the devices' keys come from.
    pub seed: FleetSeed,
    /// Who pays for them.
    pub escrow: EscrowId,
    /// The escrow's signer, where devices bring their mandates themselves.
    pub payer: Option<DeviceKey>,
    /// Whom they pay, and for what.
    pub lane: LaneOffer,
}

impl Fleet {
    /// The mandate's terms for the device with this name.
    ///
    /// # Errors
    /// As [`FleetSeed::device`].
    pub fn terms(&self, name: &str, limit: u64) -> anyhow::Result<MandateTerms> {
        Ok(self.terms_of(self.seed.device(name)?.address(), limit))
    }

    /// The mandate's terms for a device with this address.
    #[must_use]
    pub fn terms_of(&self, device: Address, limit: u64) -> MandateTerms {
        MandateTerms {
            device,
            limit: u128::from(limit),
            expiry: UnixSeconds(clock::unix_seconds().saturating_add(MANDATE_SECONDS)),
            serial: 1,
            payees: vec![self.lane.payee],
        }
    }

    /// The SDK's configuration of the device with this name. It brings a mandate over `limit` base units where the
    /// payer's key is at hand.
    ///
    /// # Errors
    /// As [`FleetSeed::device`], and where the payer's key does not sign.
    pub fn device(&self, name: &str, limit: u64, mode: PayMode) -> anyhow::Result<DeviceConfig> {
        let key = self.seed.device(name)?;
        let mut config = match &self.payer {
            Some(payer) => {
                let terms = self.terms(name, limit)?;
                let mandate = sign_mandate(payer, &self.contact.ledger, self.escrow, terms)?;
                DeviceConfig::with_mandate(key, mandate)
            }
            None => DeviceConfig::new(key, self.escrow),
        };
        config.pay_mode = mode;
        config.lanes = vec![self.lane];
        Ok(config)
    }
}
