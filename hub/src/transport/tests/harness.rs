//! A server with an application that echoes, and clients to talk to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::clock;
use crate::transport::{
    ALPN, Application, ConnectionId, Counter, Driver, Fabric, Identity, Io, StreamId, TransportCounters,
    TransportLimits, Unsent, WakeHandle,
};

/// Longer than anything here takes; only a failing test waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Opened(ConnectionId),
    Established(ConnectionId),
    Datagram { early: bool, payload: Bytes },
    Frame { early: bool, payload: Bytes },
    StreamFinished,
    Moved,
    Closed(ConnectionId),
    Blocked,
    Woken,
    Timeout,
}

pub(super) type Log = Arc<Mutex<Vec<Seen>>>;

/// Echoes datagrams and frames; greets with "hello", leaves with "bye".
#[derive(Debug)]
pub(super) struct Echo {
    log: Log,
    open: Vec<ConnectionId>,
    crash: Arc<AtomicBool>,
    timer: Option<Instant>,
}

impl Echo {
    fn saw(&self, seen: Seen) {
        self.log.lock().unwrap().push(seen);
    }
}

impl Application for Echo {
    fn opened(&mut self, io: &mut Io<'_>, connection: ConnectionId, peer: SocketAddr) {
        assert!(io.peer_address(connection).is_none_or(|address| address == peer));
        if io.is_open(connection) {
            io.open_uni_and_finish(connection, b"hello").unwrap();
        }
        self.open.push(connection);
        self.saw(Seen::Opened(connection));
    }

    fn established(&mut self, io: &mut Io<'_>, connection: ConnectionId) {
        // The peer may have left already.
        assert!(io.datagram_bytes_max(connection).is_none_or(|bytes| bytes > 1000));
        self.saw(Seen::Established(connection));
    }

    fn datagram(&mut self, io: &mut Io<'_>, connection: ConnectionId, early: bool, payload: Bytes) {
        if payload == b"close me".as_slice() {
            io.close(connection, 77, b"as you wish");
            assert_eq!(io.send_datagram(connection, payload), Err(Unsent::Gone));
            return;
        }
        if payload == b"no answer".as_slice() {
            io.expect_answer(connection);
            self.saw(Seen::Datagram { early, payload });
            return;
        }
        if payload == b"timer".as_slice() {
            self.timer = Some(io.now() + Duration::from_millis(5));
        }
        let sent = io.send_datagram(connection, payload.clone());
        assert!(sent.is_ok() || !io.is_open(connection));
        self.saw(Seen::Datagram { early, payload });
    }

    fn frame(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, early: bool, payload: Bytes) {
        if payload == b"flood".as_slice() {
            let frame = vec![7; 16 * 1024];
            while io.send_frame(connection, stream, &frame).is_ok() {}
            assert_eq!(io.send_frame(connection, stream, b"x"), Err(Unsent::Gone));
            self.saw(Seen::Blocked);
            return;
        }
        let sent = io.send_frame(connection, stream, &payload);
        assert!(sent.is_ok() || !io.is_open(connection));
        self.saw(Seen::Frame { early, payload });
    }

    fn stream_finished(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId) {
        io.finish_stream(connection, stream);
        self.saw(Seen::StreamFinished);
    }

    fn moved(&mut self, io: &mut Io<'_>, connection: ConnectionId, from: SocketAddr, to: SocketAddr) {
        assert_ne!(from, to);
        // The packet that came from elsewhere may have been the goodbye.
        assert!(io.peer_address(connection).is_none_or(|address| address == to));
        self.saw(Seen::Moved);
    }

    fn closed(&mut self, io: &mut Io<'_>, connection: ConnectionId) {
        assert!(!io.is_open(connection));
        self.open.retain(|open| *open != connection);
        self.saw(Seen::Closed(connection));
    }

    fn woken(&mut self, _io: &mut Io<'_>, _now: Instant) {
        assert!(!self.crash.load(Ordering::Acquire), "the test wants a crash");
        self.saw(Seen::Woken);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.timer
    }

    fn timeout(&mut self, _io: &mut Io<'_>, now: Instant) {
        assert!(self.timer.take().unwrap() <= now);
        self.saw(Seen::Timeout);
    }

    fn draining(&mut self, io: &mut Io<'_>, now: Instant, deadline: Instant) {
        assert!(deadline > now);
        for connection in &self.open {
            io.send_datagram(*connection, Bytes::from_static(b"bye")).unwrap();
        }
    }
}

/// A key and certificate for "localhost", new for every test.
#[derive(Clone)]
pub(super) struct TestIdentity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl TestIdentity {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        Self { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }

    fn server(&self) -> Identity {
        Identity {
            certificate_chain: vec![self.certificate.clone()],
            private_key: PrivatePkcs8KeyDer::from(self.key.clone()).into(),
        }
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) fabric: Arc<Fabric>,
    pub(super) log: Log,
    pub(super) wakers: Vec<WakeHandle>,
    identity: TestIdentity,
    stop: Arc<AtomicBool>,
    crash: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(limits: TransportLimits, threads: u16) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(any, &TestIdentity::new(), limits, threads)
    }

    pub(super) fn start_at(
        address: SocketAddr,
        identity: &TestIdentity,
        limits: TransportLimits,
        threads: u16,
    ) -> Self {
        let fabric = Fabric::new(identity.server(), limits, threads).unwrap();
        let mut server = Self {
            address,
            log: Log::default(),
            wakers: Vec::new(),
            identity: identity.clone(),
            stop: Arc::new(AtomicBool::new(false)),
            crash: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
            fabric,
        };
        for thread in 0..threads {
            let bound = Driver::bind(server.address, &server.fabric, thread, clock::now);
            let mut driver = bound.unwrap();
            server.address = driver.local_addr();
            server.wakers.push(driver.waker());
            let mut app =
                Echo { log: Arc::clone(&server.log), open: Vec::new(), crash: Arc::clone(&server.crash), timer: None };
            let stop = Arc::clone(&server.stop);
            server.threads.push(std::thread::spawn(move || {
                driver.run(&mut app, &stop).unwrap();
            }));
        }
        server
    }

    pub(super) fn client(&self) -> quinn::Endpoint {
        let mut transport = quinn::TransportConfig::default();
        transport.max_idle_timeout(Some(quinn::IdleTimeout::try_from(PATIENCE).unwrap()));
        self.client_with(transport)
    }

    pub(super) fn client_with(&self, transport: quinn::TransportConfig) -> quinn::Endpoint {
        let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(self.client_crypto()));
        config.transport_config(Arc::new(transport));
        endpoint.set_default_client_config(config);
        endpoint
    }

    pub(super) fn client_crypto(&self) -> quinn_proto::crypto::rustls::QuicClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.identity.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.enable_early_data = true;
        tls.try_into().unwrap()
    }

    pub(super) async fn connect(&self, client: &quinn::Endpoint) -> quinn::Connection {
        let connecting = client.connect(self.address, "localhost").unwrap();
        tokio::time::timeout(PATIENCE, connecting).await.unwrap().unwrap()
    }

    /// The sum of a counter over all threads.
    pub(super) fn sum(&self, of: impl Fn(&TransportCounters) -> &Counter) -> u64 {
        self.fabric.counters().map(|counters| of(counters).get()).sum()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the application has seen something that `wanted` accepts.
    pub(super) async fn until_seen(&self, wanted: impl Fn(&Seen) -> bool) {
        until(|| self.log.lock().unwrap().iter().any(&wanted)).await;
    }

    /// Asks the drivers to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wakers.iter().for_each(WakeHandle::wake);
    }

    /// Kills the drivers without a goodbye.
    pub(super) fn crash(mut self) {
        self.crash.store(true, Ordering::Release);
        self.wakers.iter().for_each(WakeHandle::wake);
        for thread in self.threads.drain(..) {
            thread.join().unwrap_err();
        }
    }

    /// Waits for the drivers to come to their end.
    pub(super) fn join(&mut self) {
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A panic on a driver's thread is a failed test, unless one is failing already.
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("a driver's thread panicked");
            }
        }
    }
}

pub(super) async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// Sends a datagram until its echo comes back: either may be lost.
pub(super) async fn echo_datagram(connection: &quinn::Connection, payload: &[u8]) {
    let exchange = async {
        loop {
            connection.send_datagram(Bytes::copy_from_slice(payload)).unwrap();
            let pause = Duration::from_millis(500);
            while let Ok(answer) = tokio::time::timeout(pause, connection.read_datagram()).await {
                if answer.unwrap() == payload {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap();
}

pub(super) fn framed(payload: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    framed.extend_from_slice(payload);
    framed
}

pub(super) async fn read_frame(stream: &mut quinn::RecvStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.unwrap();
    let mut payload = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

pub(super) async fn echo_frames(connection: &quinn::Connection, payloads: &[Vec<u8>]) {
    let exchange = async {
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let all: Vec<u8> = payloads.iter().flat_map(|payload| framed(payload)).collect();
        let writing = async {
            send.write_all(&all).await.unwrap();
            send.finish().unwrap();
        };
        let reading = async {
            for payload in payloads {
                assert_eq!(&read_frame(&mut receive).await, payload);
            }
            assert_eq!(receive.read(&mut [0; 1]).await.unwrap(), None);
        };
        tokio::join!(writing, reading);
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap();
}
