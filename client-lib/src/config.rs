//! What a program sets about its connections and its devices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::wire::LaneOffer;
use rustls_pki_types::CertificateDer;

use crate::backoff::Backoff;
use crate::key::DeviceKey;
use crate::store::{MemoryStore, StateStore};
use crate::wallet::PayMode;

/// How the hub's certificate is checked.
#[derive(Debug, Clone)]
pub enum Trust {
    /// SHA-256 over the end-entity certificate in DER, as `farthing-hub init` prints it.
    Pin(Hash32),
    /// The certificate must lead to one of these authorities, in PEM.
    CaFile(PathBuf),
    /// The certificate must lead to one of these authorities, in DER.
    CaCertificates(Vec<CertificateDer<'static>>),
}

/// Which way payments take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PaymentPath {
    /// Datagrams, and a stream where the hub or the path lets none through.
    #[default]
    Auto,
    /// A stream from the start.
    Stream,
}

/// Which hub is expected behind the address. What the hub says of itself is compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedHub {
    /// The hub's address, which signs receipts.
    pub hub: Address,
    /// The ledger it serves.
    pub ledger: Domain,
}

/// Everything about connections, shared by all devices, gateways and providers of a
/// [`Connector`](crate::Connector).
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// The hub as `host:port`; the name is looked up again for every connection.
    pub hub: Arc<str>,
    /// How its certificate is checked.
    pub trust: Trust,
    /// The name in the TLS handshake; must match the certificate unless that is pinned.
    pub server_name: Arc<str>,
    /// Where given, a hub that says otherwise of itself is not talked to.
    pub expected: Option<ExpectedHub>,
    /// Local address to send from; any by default.
    pub bind: Option<SocketAddr>,
    /// UDP sockets (and receiving tasks) to spread connections over; 1 serves a device, one per core a simulator.
    pub sockets: usize,
    /// How long a call waits for a durable answer unless it says otherwise.
    pub deadline: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// A silent connection is given up after this.
    pub idle_timeout: Duration,
    /// Interval of packets that keep a silent connection alive; none to let it lapse.
    pub keep_alive: Option<Duration>,
    /// Delays between attempts to connect.
    pub reconnect: Backoff,
    /// Delays before an unanswered payment is repeated; the round-trip time is added twice.
    pub resend: Backoff,
    /// Which way payments take.
    pub payments: PaymentPath,
    /// Whether payments may leave with the first packet of a resumed connection (0-RTT).
    pub early_data: bool,
    /// Attach requests a connection has under way at once.
    pub attaches_at_once: usize,
    /// Where devices remember their lanes.
    pub store: Arc<dyn StateStore>,
}

impl ConnectorConfig {
    /// The usual configuration for the hub at `hub` (`host:port`).
    #[must_use]
    pub fn new(hub: impl Into<Arc<str>>, trust: Trust) -> Self {
        let hub = hub.into();
        let host = hub.rsplit_once(':').map_or(&*hub, |(host, _)| host);
        let server_name = match trust {
            Trust::Pin(_) => "farthing-hub".into(),
            _ => host.trim_matches(['[', ']']).into(),
        };
        Self {
            hub,
            trust,
            server_name,
            expected: None,
            bind: None,
            sockets: 1,
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            keep_alive: Some(Duration::from_secs(30)),
            reconnect: Backoff::default(),
            resend: Backoff { first: Duration::from_millis(200), max: Duration::from_secs(10) },
            payments: PaymentPath::Auto,
            early_data: true,
            attaches_at_once: 8,
            store: Arc::new(MemoryStore::new()),
        }
    }

    /// The same with another store.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = store;
        self
    }
}

/// One device: a channel of an escrow and the lanes it pays on.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// The device's key.
    pub key: DeviceKey,
    /// The escrow that pays.
    pub escrow: EscrowId,
    /// The device's own mandate (a bundle of one), where the hub may not know it yet.
    pub mandate: Option<MandateBundle>,
    /// Most the channel may ever owe by this device's signatures, base units, where that is less than the mandate's
    /// limit.
    pub spending_limit: Option<u64>,
    /// How lanes pay unless they say otherwise.
    pub pay_mode: PayMode,
    /// Lanes to open or resume with the first attach.
    pub lanes: Vec<LaneOffer>,
    /// The payer pays on the escrow itself, without mandates; it then has one lane.
    pub lone_payer: bool,
}

impl DeviceConfig {
    /// A device with `key` under `escrow`, paying by vouchers, without lanes yet.
    #[must_use]
    pub fn new(key: impl Into<DeviceKey>, escrow: EscrowId) -> Self {
        Self {
            key: key.into(),
            escrow,
            mandate: None,
            spending_limit: None,
            pay_mode: PayMode::Voucher,
            lanes: Vec::new(),
            lone_payer: false,
        }
    }

    /// A device under its mandate's escrow.
    #[must_use]
    pub fn with_mandate(key: impl Into<DeviceKey>, mandate: MandateBundle) -> Self {
        let escrow = mandate.escrow;
        Self { mandate: Some(mandate), ..Self::new(key, escrow) }
    }
}
