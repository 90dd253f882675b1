//! The devices' side of QUIC: one endpoint, a connection for each gateway.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use bytes::{Bytes, BytesMut};
use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::wire::{Answer, Hello, Payments, Request, Response};
use farthing_hub::transport::ALPN;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, StreamEvent,
    StreamId, TransportConfig,
};
use rustls_pki_types::CertificateDer;

use crate::site::Packet;

/// Where the hub pretends to be.
const HUB: ([u8; 4], u16) = ([10, 0, 0, 1], 443);

/// One connection and what came over it.
#[derive(Debug)]
struct Link {
    quic: Connection,
    address: SocketAddr,
    is_connected: bool,
    hello: Option<Hello>,
    replies: VecDeque<Response>,
    /// Payments answered by acknowledgements are counted by whoever reads these.
    answers: Vec<Answer>,
    receiving: Vec<(StreamId, Vec<u8>)>,
}

/// The devices' endpoint.
#[derive(Debug)]
pub(crate) struct Client {
    endpoint: Endpoint,
    config: ClientConfig,
    links: Vec<Link>,
    scratch: Vec<u8>,
}

impl Client {
    /// An endpoint that trusts this certificate alone.
    pub(crate) fn new(certificate: &CertificateDer<'static>) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        let mut transport = TransportConfig::default();
        // Packets of one size from the first to the last: no probes among what is counted.
        transport.mtu_discovery_config(None);
        config.transport_config(Arc::new(transport));
        let mut settings = EndpointConfig::default();
        settings.rng_seed(Some([1; 32]));
        let endpoint = Endpoint::new(Arc::new(settings), None, false, Some([1; 32]));
        Ok(Self { endpoint, config, links: Vec::new(), scratch: Vec::new() })
    }

    /// Begins another connection, from an address of its own.
    pub(crate) fn connect(&mut self, now: Instant) -> anyhow::Result<()> {
        let number = u16::try_from(self.links.len())?;
        let [high, low] = number.to_be_bytes();
        let config = self.config.clone();
        let (handle, quic) = self.endpoint.connect(now, config, SocketAddr::from(HUB), "localhost")?;
        ensure!(handle.0 == self.links.len(), "connections are numbered one after another");
        self.links.push(Link {
            quic,
            address: SocketAddr::from(([10, 1, high, low], 5_000)),
            is_connected: false,
            hello: None,
            replies: VecDeque::new(),
            answers: Vec::new(),
            receiving: Vec::new(),
        });
        Ok(())
    }

    /// The hub's first words on a connection, once they are there.
    pub(crate) fn hello(&self, link: usize) -> Option<&Hello> {
        let link = self.links.get(link)?;
        link.hello.as_ref().filter(|_| link.is_connected)
    }

    /// Asks the hub something on a stream of its own.
    pub(crate) fn request(&mut self, link: usize, request: &Request) -> anyhow::Result<()> {
        let quic = &mut self.links.get_mut(link).context("no such connection")?.quic;
        let stream = quic.streams().open(Dir::Bi).context("the hub allows no stream")?;
        let payload = encode_to_vec(request);
        let mut frame = u16::try_from(payload.len())?.to_be_bytes().to_vec();
        frame.extend_from_slice(&payload);
        let written = quic.send_stream(stream).write(&frame)?;
        ensure!(written == frame.len(), "the request does not fit into the window");
        quic.send_stream(stream).finish()?;
        Ok(())
    }

    /// The oldest reply on a connection that was not taken yet.
    pub(crate) fn reply(&mut self, link: usize) -> Option<Response> {
        self.links.get_mut(link)?.replies.pop_front()
    }

    /// Pays: one datagram, which must hold whole payments.
    pub(crate) fn pay(&mut self, link: usize, payments: Vec<u8>) -> anyhow::Result<()> {
        ensure!(Payments::new(&payments).all(|payment| payment.is_ok()), "the hub would not read these payments");
        let quic = &mut self.links.get_mut(link).context("no such connection")?.quic;
        quic.datagrams().send(Bytes::from(payments), false)?;
        Ok(())
    }

    /// What the hub answered to payments on a connection since the last call.
    pub(crate) fn answers(&mut self, link: usize) -> Vec<Answer> {
        self.links.get_mut(link).map(|link| std::mem::take(&mut link.answers)).unwrap_or_default()
    }

    /// What the devices have to send now. Time passes for them, too.
    pub(crate) fn transmit(&mut self, now: Instant) -> Vec<Packet> {
        let mut packets = Vec::new();
        for (number, link) in self.links.iter_mut().enumerate() {
            if link.quic.poll_timeout().is_some_and(|due| due <= now) {
                link.quic.handle_timeout(now);
            }
            loop {
                self.scratch.clear();
                let Some(transmit) = link.quic.poll_transmit(now, 1, &mut self.scratch) else {
                    break;
                };
                let payload = BytesMut::from(self.scratch.get(..transmit.size).unwrap_or_default());
                packets.push(Packet { device: link.address, payload });
            }
            while let Some(event) = link.quic.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(ConnectionHandle(number), event) {
                    link.quic.handle_event(event);
                }
            }
        }
        packets
    }

    /// Takes in what the hub sent.
    pub(crate) fn receive(&mut self, now: Instant, packets: Vec<Packet>) -> anyhow::Result<()> {
        for packet in packets {
            self.scratch.clear();
            let hub = SocketAddr::from(HUB);
            let event = self.endpoint.handle(now, hub, None, None, packet.payload, &mut self.scratch);
            if let Some(DatagramEvent::ConnectionEvent(handle, event)) = event {
                let link = self.links.get_mut(handle.0).context("no such connection")?;
                link.quic.handle_event(event);
                link.read()?;
            }
        }
        Ok(())
    }
}

impl Link {
    fn read(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.quic.poll() {
            match event {
                Event::Connected => self.is_connected = true,
                Event::ConnectionLost { reason } => bail!("a connection was lost: {reason}"),
                Event::Stream(StreamEvent::Opened { dir }) => {
                    while let Some(stream) = self.quic.streams().accept(dir) {
                        self.read_stream(stream)?;
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read_stream(id)?,
                _ => {}
            }
        }
        while let Some(datagram) = self.quic.datagrams().recv() {
            let mut rest = datagram.as_ref();
            while !rest.is_empty() {
                let (answer, taken) = farthing_channel::codec::decode_first(rest)?;
                self.answers.push(answer);
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn read_stream(&mut self, stream: StreamId) -> anyhow::Result<()> {
        let at = match self.receiving.iter().position(|(known, _)| *known == stream) {
            Some(at) => at,
            None => {
                self.receiving.push((stream, Vec::new()));
                self.receiving.len() - 1
            }
        };
        let mut is_finished = false;
        let mut receive = self.quic.recv_stream(stream);
        let mut chunks = receive.read(true)?;
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => self.receiving[at].1.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    is_finished = true;
                    break;
                }
                Err(quinn_proto::ReadError::Blocked) => break,
                Err(error) => bail!("a stream was reset: {error}"),
            }
        }
        let _ = chunks.finalize();
        if is_finished {
            let (_, bytes) = self.receiving.swap_remove(at);
            let frame = bytes.get(2..).context("a stream without a frame")?;
            match stream.dir() {
                Dir::Uni => self.hello = Some(decode_exact(frame)?),
                Dir::Bi => self.replies.push_back(decode_exact(frame)?),
            }
        }
        Ok(())
    }
}
