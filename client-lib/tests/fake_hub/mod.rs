//! A hub in this process, small enough to read: real QUIC, the channel's rules, and switches for everything that can
//! go wrong on the way.
#![allow(dead_code, reason = "each test file uses its own part of it")]

mod lane_model;
mod serve;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId, RatingGroup};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_channel::tariff::{Price, Tariff, Unit};
use farthing_channel::wire::Notice;
use farthing_client::{Backoff, Connector, ConnectorConfig, DeviceConfig, DeviceKey, PayMode, StateStore, Trust};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, ServerConfig, TransportConfig, VarInt};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::broadcast;

pub(crate) use lane_model::LaneModel;

pub(crate) const PAYEE: Address = Address([0xaa; 20]);
pub(crate) const GROUP: RatingGroup = RatingGroup(1);
pub(crate) const ESCROW: EscrowId = EscrowId([0xee; 32]);
/// What the hub lets each lane come to.
pub(crate) const LIMIT: u64 = 1_000_000;

/// What tests look at and switch.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) lanes: Mutex<HashMap<LaneId, LaneModel>>,
    pub(crate) tariff: Mutex<Option<Tariff>>,
    pub(crate) key: LibSecpKey,
    pub(crate) domain: Domain,
    pub(crate) certificate: CertificateDer<'static>,
    /// Datagrams to lose before one gets through; `usize::MAX` loses all.
    pub(crate) lose_datagrams: AtomicUsize,
    /// Answers are not sent.
    pub(crate) mute: AtomicBool,
    /// Every payment is refused with this.
    pub(crate) refuse: Mutex<Option<Refusal>>,
    /// Every device attach is refused with this.
    pub(crate) refuse_attach: Mutex<Option<Refusal>>,
    /// Datagrams that carried payments, payments, and those among them that named their lane in full.
    pub(crate) datagrams: AtomicUsize,
    pub(crate) payments: AtomicUsize,
    pub(crate) payments_by_id: AtomicUsize,
    pub(crate) streams: AtomicUsize,
    pub(crate) attaches: AtomicUsize,
    pub(crate) subscriptions: AtomicUsize,
    connections: Mutex<Vec<quinn::Connection>>,
    notices: broadcast::Sender<Notice>,
}

impl Hub {
    pub(crate) fn lanes(&self) -> MutexGuard<'_, HashMap<LaneId, LaneModel>> {
        self.lanes.lock().unwrap()
    }

    /// The lane's total, whole base units.
    pub(crate) fn total(&self, lane: LaneId) -> u64 {
        let lanes = self.lanes();
        lanes.get(&lane).map_or(0, |model| model.state.total().amount())
    }

    pub(crate) fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    pub(crate) fn set_refusal(&self, refusal: Option<Refusal>) {
        *self.refuse.lock().unwrap() = refusal;
    }

    pub(crate) fn lose(&self, datagrams: usize) {
        self.lose_datagrams.store(datagrams, Ordering::SeqCst);
    }
}

/// A running hub. It stops when dropped.
#[derive(Debug)]
pub(crate) struct FakeHub {
    pub(crate) hub: Arc<Hub>,
    endpoint: Endpoint,
    server: ServerConfig,
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.endpoint.close(VarInt::from_u32(0), b"test ended");
    }
}

impl FakeHub {
    pub(crate) fn start() -> Self {
        Self::start_with(true)
    }

    /// A hub that takes datagrams, or does not.
    pub(crate) fn start_with(datagrams: bool) -> Self {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let server = server_config(certificate.clone(), key, datagrams);
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let endpoint = Endpoint::server(server.clone(), address).unwrap();
        let hub = Arc::new(Hub {
            lanes: Mutex::default(),
            tariff: Mutex::default(),
            key: LibSecpKey::from_bytes([0x4b; 32]).unwrap(),
            domain: Domain::new(31_337, Address([0xcc; 20])),
            certificate,
            lose_datagrams: AtomicUsize::new(0),
            mute: AtomicBool::new(false),
            refuse: Mutex::default(),
            refuse_attach: Mutex::default(),
            datagrams: AtomicUsize::new(0),
            payments: AtomicUsize::new(0),
            payments_by_id: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            attaches: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            connections: Mutex::default(),
            notices: broadcast::channel(1024).0,
        });
        tokio::spawn(serve::accept(Arc::clone(&hub), endpoint.clone()));
        Self { hub, endpoint, server }
    }

    /// Ends all connections and takes no new ones.
    pub(crate) fn go_down(&self) {
        self.endpoint.set_server_config(None);
        for connection in self.hub.connections.lock().unwrap().drain(..) {
            connection.close(VarInt::from_u32(0), b"down");
        }
    }

    pub(crate) fn come_back(&self) {
        self.endpoint.set_server_config(Some(self.server.clone()));
    }

    pub(crate) fn config(&self) -> ConnectorConfig {
        let address = self.endpoint.local_addr().unwrap();
        let pin = Hash32(sha256(&self.hub.certificate));
        let mut config = ConnectorConfig::new(address.to_string(), Trust::Pin(pin));
        config.deadline = Duration::from_secs(20);
        config.reconnect = Backoff { first: Duration::from_millis(20), max: Duration::from_millis(100) };
        config.resend = Backoff { first: Duration::from_millis(30), max: Duration::from_millis(200) };
        config
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::new(self.config()).unwrap()
    }

    pub(crate) fn connector_with(&self, store: Arc<dyn StateStore>) -> Connector {
        Connector::new(self.config().with_store(store)).unwrap()
    }

    /// Sets a tariff for lanes that are opened from now on.
    pub(crate) fn set_tariff(&self, amount: u64, per_units: u64) -> Tariff {
        let price = Price::new(amount, per_units).unwrap();
        let tariff = Tariff::flat(1, Unit::Octets, price).unwrap();
        *self.hub.tariff.lock().unwrap() = Some(tariff.clone());
        tariff
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().unwrap().common.hash_provider.hash(bytes);
    hash.as_ref().try_into().unwrap()
}

pub(crate) fn device_config(secret: u8, pay_mode: PayMode) -> DeviceConfig {
    let key = DeviceKey::from_secret([secret; 32]).unwrap();
    DeviceConfig { pay_mode, ..DeviceConfig::new(key, ESCROW) }
}

/// Waits until `condition` holds; a test that hangs is ended by its runner.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn server_config(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>, datagrams: bool) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    tls.alpn_protocols = vec![farthing_channel::wire::ALPN.to_vec()];
    tls.max_early_data_size = u32::MAX;
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(16));
    if !datagrams {
        transport.datagram_receive_buffer_size(None);
    }
    server.transport_config(Arc::new(transport));
    server
}

pub(crate) fn address_of(hub: &Hub) -> Address {
    hub.key.address()
}
