//! A site, and a connection to it that speaks the protocol by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::eip712::{Attach, Domain};
use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId, RatingGroup};
use farthing_channel::mandate::{MandateBundle, MandateTerms, sign_mandate};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::sign_typed;
use farthing_channel::wire::{ALPN, Answer, Attached, Hello, LaneOffer, Request, Response, Role};
use farthing_client::DeviceKey;
use farthing_loadtest::site::SiteOptions;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::support::{PATIENCE, RATING_GROUP, World, runtime};

/// What is sent, and how it is refused.
pub(crate) type Row = (&'static str, Vec<u8>, Refusal);

/// A connection that speaks the protocol by hand, so that it can say what the SDK never would.
pub(crate) struct Wire {
    _endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) nonce: Hash32,
    pub(crate) hub: Address,
    pub(crate) certificate: Vec<u8>,
    pub(crate) payments: (SendStream, RecvStream),
}

impl Wire {
    pub(crate) async fn open(world: &World) -> Self {
        let file = world.folder.path().join("hub/hub-cert.pem");
        let certificate = CertificateDer::from_pem_file(file).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider);
        let tls = tls.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = quinn::TransportConfig::default();
        transport.keep_alive_interval(Some(Duration::from_secs(3)));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let hub = world.site.contact().hub.parse().unwrap();
        let connection = endpoint.connect_with(config, hub, "localhost").unwrap().await.unwrap();
        let hello = read_frame(&mut connection.accept_uni().await.unwrap()).await;
        let Hello::Hub { nonce, hub, .. } = decode_exact(&hello).unwrap();
        let mut payments = connection.open_bi().await.unwrap();
        write_frame(&mut payments.0, &encode_to_vec(&Request::PaymentStream {})).await;
        let ready: Response = decode_exact(&read_frame(&mut payments.1).await).unwrap();
        assert_eq!(ready, Response::Ready {});
        let certificate = certificate.to_vec();
        Self { _endpoint: endpoint, connection, nonce, hub, certificate, payments }
    }

    pub(crate) async fn pay(&mut self, message: &[u8]) -> Answer {
        write_frame(&mut self.payments.0, message).await;
        decode_exact(&read_frame(&mut self.payments.1).await).unwrap()
    }

    pub(crate) async fn ask(&self, message: &[u8]) -> Response {
        let (mut send, mut receive) = self.connection.open_bi().await.unwrap();
        write_frame(&mut send, message).await;
        send.finish().unwrap();
        decode_exact(&read_frame(&mut receive).await).unwrap()
    }
}

pub(crate) async fn write_frame(send: &mut SendStream, payload: &[u8]) {
    send.write_all(&u16::try_from(payload.len()).unwrap().to_be_bytes()).await.unwrap();
    send.write_all(payload).await.unwrap();
}

pub(crate) async fn read_frame(receive: &mut RecvStream) -> Vec<u8> {
    let mut length = [0; 2];
    timeout(PATIENCE, receive.read_exact(&mut length)).await.expect("the hub answers").unwrap();
    let mut payload = vec![0; usize::from(u16::from_be_bytes(length))];
    timeout(PATIENCE, receive.read_exact(&mut payload)).await.expect("the hub answers").unwrap();
    payload
}

/// An attach, good or bad.
#[derive(Clone)]
pub(crate) struct Proof {
    pub(crate) key: DeviceKey,
    pub(crate) role: Role,
    pub(crate) signed: Attach,
    pub(crate) escrow: Option<EscrowId>,
    pub(crate) mandate: Option<MandateBundle>,
    pub(crate) lanes: Vec<LaneOffer>,
}

impl Proof {
    pub(crate) fn request(&self, domain: &Domain) -> Request {
        let signature = sign_typed(&self.key, domain, &self.signed).unwrap().into();
        let Self { role, escrow, mandate, lanes, .. } = self.clone();
        Request::Attach { role, signature, escrow, mandate, lanes }
    }
}

/// A site, one connection to it, and what is watched on it.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) world: World,
    pub(crate) wire: Wire,
    pub(crate) domain: Domain,
    pub(crate) watched: Vec<LaneId>,
    /// Everything that was not as expected, so that one run tells all of it.
    pub(crate) faults: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(SiteOptions::default())
    }

    /// As [`Self::new`], with options.
    pub(crate) fn with(options: SiteOptions) -> Self {
        let (runtime, world) = (runtime(), World::with(0, options));
        let wire = runtime.block_on(Wire::open(&world));
        let domain = world.site.contact().ledger;
        Self { runtime, world, wire, domain, watched: Vec::new(), faults: Vec::new() }
    }

    pub(crate) fn key(&self, name: &str) -> DeviceKey {
        self.world.fleet.seed.device(name).unwrap()
    }

    pub(crate) fn channel(&self, key: &DeviceKey) -> ChannelId {
        ChannelId::derive(&self.world.fleet.escrow, &key.address())
    }

    pub(crate) fn lane(&self, key: &DeviceKey, rating_group: u32) -> LaneId {
        LaneId::derive(&self.channel(key), &self.world.fleet.lane.payee, RatingGroup(rating_group))
    }

    pub(crate) fn mandate(&self, name: &str, limit: u64, change: impl FnOnce(&mut MandateTerms)) -> MandateBundle {
        let fleet = &self.world.fleet;
        let mut terms = fleet.terms(name, limit).unwrap();
        change(&mut terms);
        sign_mandate(self.world.site.payer(&fleet.escrow).unwrap(), &self.domain, fleet.escrow, terms).unwrap()
    }

    /// An attach as it should be, of a device whose mandate the hub knows.
    pub(crate) fn proof(&self, key: &DeviceKey) -> Proof {
        let fleet = &self.world.fleet;
        let binding = Attach::binding(&self.wire.nonce, &self.wire.certificate);
        let signed = Attach { binding, hub: self.wire.hub, role: Role::Device.code() };
        let (key, escrow) = (key.clone(), Some(fleet.escrow));
        Proof { key, role: Role::Device, signed, escrow, mandate: None, lanes: vec![fleet.lane] }
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        self.runtime.block_on(self.wire.ask(&encode_to_vec(request)))
    }

    pub(crate) fn attach(&mut self, proof: &Proof) -> Attached {
        let request = proof.request(&self.domain);
        match self.ask(&request) {
            Response::Attached(attached) => attached,
            other => panic!("an honest attach is answered by {other:?}"),
        }
    }

    /// Attaches a device with a new mandate. Its lane is watched from now on.
    pub(crate) fn admit(&mut self, name: &str, limit: u64) -> (DeviceKey, LaneId) {
        let key = self.key(name);
        let attached = self.attach(&Proof { mandate: Some(self.mandate(name, limit, |_| {})), ..self.proof(&key) });
        let lane = self.lane(&key, RATING_GROUP);
        assert_eq!((attached.limit, attached.lanes[0].lane), (Some(limit), lane));
        self.watched.push(lane);
        (key, lane)
    }

    /// How escrows, watched lanes and their channels stand, as the operator sees it: amounts, proofs, serials, lanes.
    pub(crate) fn standing(&self) -> Vec<Value> {
        let site = &self.world.site;
        let mut all = vec![site.ask_hub(&["escrow", "list"]).unwrap()];
        for lane in &self.watched {
            let shown = site.ask_hub(&["lane", "show", &lane.to_string()]).unwrap();
            let channel = shown["channel"].as_str().unwrap().to_owned();
            all.extend([shown, site.ask_hub(&["channel", "show", &channel]).unwrap()]);
        }
        all
    }

    pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.faults.push(format!("{what}: {found:?} in place of {expected:?}"));
        }
    }

    pub(crate) fn payments_are_refused(&mut self, rows: Vec<Row>) {
        let before = self.standing();
        for (what, message, expected) in rows {
            match self.runtime.block_on(self.wire.pay(&message)) {
                Answer::Refused { refusal, .. } => self.expect(what, refusal, expected),
                other => self.faults.push(format!("{what}: {other:?} in place of {expected:?}")),
            }
            self.expect(what, self.standing(), before.clone());
        }
    }

    pub(crate) fn requests_are_refused(&mut self, rows: Vec<Row>) {
        let before = self.standing();
        for (what, message, expected) in rows {
            match self.runtime.block_on(self.wire.ask(&message)) {
                Response::Refused { refusal } => self.expect(what, refusal, expected),
                other => self.faults.push(format!("{what}: {other:?} in place of {expected:?}")),
            }
            self.expect(what, self.standing(), before.clone());
        }
    }

    pub(crate) fn acknowledged(&mut self, what: &str, message: &[u8], total: u64) {
        match self.runtime.block_on(self.wire.pay(message)) {
            Answer::Acknowledged { authorised, .. } => self.expect(what, authorised, total),
            other => self.faults.push(format!("{what}: {other:?} in place of {total}")),
        }
    }

    pub(crate) fn finish(self) {
        assert!(self.faults.is_empty(), "\n{}", self.faults.join("\n"));
        self.wire.connection.close(0_u32.into(), b"");
        self.world.site.finish().unwrap();
    }
}
