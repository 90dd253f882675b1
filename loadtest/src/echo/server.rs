//! The server's loop.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use farthing_udp::{Datagram, Inbox, SendBatch, Socket};
use mio::{Events, Poll, Token};
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Incoming, ServerConfig, TransportConfig, VarInt,
};
use rustls_pki_types::PrivatePkcs8KeyDer;

use super::ALPN;
use crate::clock;
use crate::quic::timers::{Deadline, Timers};

/// As the hub's data plane: datagrams per turn, packets per connection and turn, the longest sleep.
const WORK_PER_TURN_MAX: usize = 512;
const PACKETS_PER_FLUSH_MAX: usize = 16;
const SLEEP_MAX: Duration = Duration::from_millis(250);

struct Served {
    quic: quinn_proto::Connection,
    queued: bool,
    armed: Option<Instant>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    served: Option<Box<Served>>,
}

/// A socket, an endpoint and its connections.
pub struct EchoServer {
    poll: Poll,
    socket: Socket,
    inbox: Inbox,
    batch: SendBatch,
    endpoint: Endpoint,
    slots: Vec<Slot>,
    queue: VecDeque<u32>,
    timers: Timers,
    scratch: Vec<u8>,
    answer_bytes: usize,
    now: Instant,
    live: usize,
    readable: bool,
    blocked: bool,
}

impl fmt::Debug for EchoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EchoServer").field("connections", &self.live).finish_non_exhaustive()
    }
}

/// The settings of the hub's connections, as its defaults have them.
fn server_config() -> anyhow::Result<ServerConfig> {
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.into())?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 1;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut quic = TransportConfig::default();
    quic.max_concurrent_bidi_streams(VarInt::from_u32(16))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(Duration::from_secs(300).try_into().context("idle timeout")?))
        .stream_receive_window(VarInt::from_u32(32 * 1024))
        .receive_window(VarInt::from_u32(64 * 1024))
        .send_window(64 * 1024)
        .datagram_receive_buffer_size(Some(64 * 1024))
        .datagram_send_buffer_size(64 * 1024)
        .crypto_buffer_size(16 * 1024)
        .initial_rtt(Duration::from_millis(500))
        .mtu_discovery_config(None)
        .enable_segmentation_offload(false);
    config.transport_config(Arc::new(quic)).migration(true).max_incoming(1 << 16);
    Ok(config)
}

impl EchoServer {
    /// Binds the address. Each datagram will be answered with its first `answer_bytes` bytes.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn bind(address: SocketAddr, answer_bytes: usize) -> anyhow::Result<Self> {
        let mut socket = Socket::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        let poll = Poll::new()?;
        socket.register(poll.registry(), Token(0))?;
        let mut config = EndpointConfig::default();
        config.max_udp_payload_size(1472).context("the largest packet")?;
        let server = Some(Arc::new(server_config()?));
        let endpoint = Endpoint::new(Arc::new(config), server, !socket.may_fragment(), None);
        Ok(Self {
            poll,
            socket,
            inbox: Inbox::new(),
            batch: SendBatch::new(),
            endpoint,
            slots: Vec::new(),
            queue: VecDeque::new(),
            timers: Timers::default(),
            scratch: Vec::new(),
            answer_bytes,
            now: clock::now(),
            live: 0,
            readable: true,
            blocked: false,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` is set.
    ///
    /// # Errors
    /// Where the system no longer tells what happens on the socket.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        while !stop.load(Ordering::Relaxed) {
            let busy = self.readable || (!self.queue.is_empty() && !self.blocked);
            let next = self.timers.next().map_or(SLEEP_MAX, |at| at.saturating_duration_since(clock::now()));
            let timeout = if busy { Duration::ZERO } else { next.min(SLEEP_MAX) };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                done => done?,
            }
            for event in &events {
                self.readable |= event.is_readable() || event.is_error();
                self.blocked &= !event.is_writable();
            }
            self.now = clock::now();
            self.receive();
            self.expire();
            for at in 0..self.queue.len() {
                self.answer(at);
            }
            self.flush();
        }
        Ok(())
    }

    fn receive(&mut self) {
        let mut work = 0;
        while self.readable && work < WORK_PER_TURN_MAX {
            match self.inbox.receive(&self.socket) {
                Ok(()) => {
                    while let Some(datagram) = self.inbox.pop() {
                        work += 1;
                        self.take_in(datagram);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(_) => work += 1,
            }
        }
    }

    fn take_in(&mut self, datagram: Datagram) {
        self.scratch.clear();
        let Datagram { remote, local_ip, ecn, payload } = datagram;
        match self.endpoint.handle(self.now, remote, local_ip, ecn, payload, &mut self.scratch) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let Ok(slot) = u32::try_from(handle.0) else { return };
                if let Some(served) = self.served(slot) {
                    served.quic.handle_event(event);
                    self.enqueue(slot);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.accept(incoming),
            // A client that speaks the right version needs no such answer.
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn accept(&mut self, incoming: Incoming) {
        self.scratch.clear();
        let Ok((handle, quic)) = self.endpoint.accept(incoming, self.now, &mut self.scratch, None) else { return };
        if self.slots.len() <= handle.0 {
            self.slots.resize_with(handle.0 + 1, Slot::default);
        }
        self.slots[handle.0].served = Some(Box::new(Served { quic, queued: false, armed: None }));
        self.live += 1;
        if let Ok(slot) = u32::try_from(handle.0) {
            self.enqueue(slot);
        }
    }

    fn served(&mut self, slot: u32) -> Option<&mut Served> {
        self.slots.get_mut(usize::try_from(slot).ok()?)?.served.as_deref_mut()
    }

    fn enqueue(&mut self, slot: u32) {
        if let Some(served) = self.served(slot)
            && !served.queued
        {
            served.queued = true;
            self.queue.push_back(slot);
        }
    }

    fn expire(&mut self) {
        while let Some(due) = self.timers.pop_due(self.now) {
            if !is_armed(&self.slots, &due) {
                continue;
            }
            let now = self.now;
            if let Some(served) = self.served(due.slot) {
                served.armed = None;
                if served.quic.poll_timeout().is_some_and(|at| at <= now) {
                    served.quic.handle_timeout(now);
                }
                self.enqueue(due.slot);
            }
        }
    }

    fn answer(&mut self, at: usize) {
        let answer_bytes = self.answer_bytes;
        let Some(&slot) = self.queue.get(at) else { return };
        let Some(served) = self.served(slot) else { return };
        while let Some(event) = served.quic.poll() {
            if !matches!(event, Event::DatagramReceived) {
                continue;
            }
            while let Some(payload) = served.quic.datagrams().recv() {
                let answer = payload.slice(..answer_bytes.min(payload.len()));
                // An answer too many for the connection's buffer is one that the client will miss.
                let _ = served.quic.datagrams().send(answer, false);
            }
        }
    }

    fn flush(&mut self) {
        for _ in 0..self.queue.len() {
            if self.batch.is_full() && !self.blocked {
                self.blocked = self.batch.flush(&self.socket).blocked;
            }
            if self.blocked {
                break;
            }
            if let Some(slot) = self.queue.pop_front() {
                self.flush_one(slot);
            }
        }
        if !self.blocked {
            self.blocked = self.batch.flush(&self.socket).blocked;
        }
    }

    fn flush_one(&mut self, slot: u32) {
        let place = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some(Slot { generation, served }) = self.slots.get_mut(place) else { return };
        let Some(connection) = served.as_deref_mut() else { return };
        connection.queued = false;
        let handle = ConnectionHandle(place);
        while let Some(event) = connection.quic.poll_endpoint_events() {
            let over = event.is_drained();
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                connection.quic.handle_event(event);
            }
            if over {
                *served = None;
                *generation = generation.wrapping_add(1);
                self.live -= 1;
                return;
            }
        }
        let mut more = true;
        for _ in 0..PACKETS_PER_FLUSH_MAX {
            if self.batch.is_full() {
                break;
            }
            match connection.quic.poll_transmit(self.now, 1, self.batch.buffer()) {
                Some(transmit) => self.batch.commit(&transmit),
                None => {
                    more = false;
                    break;
                }
            }
        }
        if let Some(at) = connection.quic.poll_timeout()
            && connection.armed.is_none_or(|armed| at < armed)
        {
            connection.armed = Some(at);
            let generation = *generation;
            self.timers.push(Deadline { at, slot, generation });
            if self.timers.wants_cleaning(self.live) {
                let slots = &self.slots;
                self.timers.clean(|deadline| is_armed(slots, deadline));
            }
        }
        if more {
            self.enqueue(slot);
        }
    }
}

fn is_armed(slots: &[Slot], deadline: &Deadline) -> bool {
    let place = usize::try_from(deadline.slot).ok().and_then(|slot| slots.get(slot));
    place
        .filter(|place| place.generation == deadline.generation)
        .and_then(|place| place.served.as_deref())
        .is_some_and(|served| served.armed == Some(deadline.at))
}
