//! Floods of what no honest device sends.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use farthing_channel::id::keccak256;
use farthing_client::Connector;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::support::{World, runtime};

/// What a hub may grow by under a flood: buffers that are bounded, and what its allocator keeps of them.
const GROWTH_BYTES_MAX: u64 = 96 << 20;

const DATAGRAMS: u32 = 30_000;

/// Bytes that look random, each time the same.
fn noise(number: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut part = 0_u32;
    while bytes.len() < length {
        bytes.extend(keccak256(&[&number.to_be_bytes(), &part.to_be_bytes()]));
        part += 1;
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn noise_changes_nothing_and_costs_no_memory() {
    let world = World::new(2);
    world.pay(2, 5);
    let before = world.site.hub_resident_bytes().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let hub = &*world.site.contact().hub;
    for number in 0..DATAGRAMS {
        let length = usize::try_from(number % 1_400).unwrap() + 1;
        let mut datagram = noise(number, length);
        if let Some(first) = datagram.first_mut() {
            // A third looks like packets of connections, a third like beginnings of them, the rest like nothing.
            match number % 3 {
                0 => *first = 0x40 | (*first & 0x3f),
                1 => *first = 0xc0 | (*first & 0x0f),
                _ => {}
            }
        }
        if number % 3 == 1 && datagram.len() > 5 {
            datagram[1..5].copy_from_slice(&[0, 0, 0, 1]);
        }
        // Where the hub is slower than this loop the system drops some; what arrives is enough.
        let _ = socket.send_to(&datagram, hub);
    }
    world.pay(2, 5);
    assert_eq!(world.authorised(), 20);
    let after = world.site.hub_resident_bytes().unwrap();
    assert!(after < before + GROWTH_BYTES_MAX, "{before} bytes before, {after} after");
    world.site.finish().unwrap();
}

#[test]
fn devices_without_permission_get_nowhere() {
    let world = World::new(1);
    runtime().block_on(async {
        let mut config = world.config();
        config.sockets = 1;
        let connector = Connector::new(config).unwrap();
        for place in 0..50 {
            let name = format!("stranger-{place}");
            let config = world.fleet.device(&name, 1, farthing_client::PayMode::Voucher).unwrap();
            let error = farthing_client::Device::connect(&connector, config).await.unwrap_err();
            assert!(matches!(error, farthing_client::ClientError::Refused(_)), "{error}");
        }
    });
    world.pay(1, 3);
    assert_eq!(world.authorised(), 3);
    assert_eq!(world.site.status().unwrap().channels, 1);
    world.site.finish().unwrap();
}

/// A connection of someone who knows QUIC and nothing else.
async fn stranger(world: &World) -> (Endpoint, Connection) {
    let file = world.folder.path().join("hub/hub-cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![farthing_channel::wire::ALPN.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let hub = world.site.contact().hub.parse().unwrap();
    let connection = endpoint.connect_with(config, hub, "localhost").unwrap().await.unwrap();
    (endpoint, connection)
}

/// Sends `bytes` on a stream of its own, and waits a moment for whatever comes back. The hub may end stream or
/// connection at any point.
async fn on_a_stream(connection: &Connection, bytes: &[u8]) {
    let Ok((mut send, mut receive)) = connection.open_bi().await else { return };
    let exchange = async {
        if send.write_all(bytes).await.is_ok() && send.finish().is_ok() {
            let _ = receive.read_to_end(64 * 1024).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(300), exchange).await;
}

#[test]
fn bad_frames_and_datagrams_change_nothing_and_cost_no_memory() {
    let world = World::new(2);
    world.pay(2, 5);
    let before = world.site.hub_resident_bytes().unwrap();
    runtime().block_on(async {
        for round in 0..8 {
            let (endpoint, connection) = stranger(&world).await;
            for number in 0..300 {
                let length = usize::try_from(number % 1_100).unwrap() + 1;
                let _ = connection.send_datagram(noise(round * 1_000 + number, length).into());
            }
            // A frame that is announced and never comes, the longest there is, nothing, and far too much.
            on_a_stream(&connection, &[0x40, 0x00]).await;
            on_a_stream(&connection, &[0xff, 0xff, 0x00]).await;
            on_a_stream(&connection, &[0x00, 0x00]).await;
            let mut huge = vec![0xff, 0xff];
            huge.extend(noise(round, 200_000));
            on_a_stream(&connection, &huge).await;
            let mut whole = vec![0x3f, 0xf0];
            whole.extend(noise(round, 0x3ff0));
            on_a_stream(&connection, &whole).await;
            // The hub lets clients open no such streams: waiting for one ends with the time set for it.
            let one_way = tokio::time::timeout(Duration::from_millis(100), connection.open_uni()).await;
            assert!(one_way.is_err() || connection.close_reason().is_some());
            connection.close(0_u32.into(), b"");
            endpoint.wait_idle().await;
        }
    });
    world.pay(2, 5);
    assert_eq!(world.authorised(), 20);
    let after = world.site.hub_resident_bytes().unwrap();
    assert!(after < before + GROWTH_BYTES_MAX, "{before} bytes before, {after} after");
    world.site.finish().unwrap();
}
