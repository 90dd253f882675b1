//! All connections of the process: sockets in, events out, packets out.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use farthing_udp::{Inbox, SendBatch, Socket};
use mio::{Events, Poll, Token};
use quinn_proto::{ClientConfig, Endpoint, StreamId, VarInt};

use super::config::endpoint_config;
use super::connection::{Connection, Event};
use super::timers::{Deadline, Timers};

/// UDP datagrams taken in per turn and socket, unless a shorter turn is asked for.
const DATAGRAMS_PER_TURN: usize = 1024;

/// A connection of this client. A slot is used again, under another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its place, small and dense.
    pub slot: u32,
    pub(super) generation: u32,
}

/// How the client is made.
#[derive(Debug)]
pub struct ClientSettings {
    /// The server.
    pub remote: SocketAddr,
    /// TLS and QUIC.
    pub config: ClientConfig,
    /// Sockets, and so source ports, over which connections are spread.
    pub sockets: u16,
}

/// What went over the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// UDP datagrams sent.
    pub packets_out: u64,
    /// Their payload.
    pub bytes_out: u64,
    /// UDP datagrams received.
    pub packets_in: u64,
    /// Their payload.
    pub bytes_in: u64,
}

pub(super) struct Face {
    pub(super) socket: Socket,
    pub(super) inbox: Inbox,
    pub(super) batch: SendBatch,
    pub(super) endpoint: Endpoint,
    /// Slot of each of the endpoint's connections.
    pub(super) slots: Vec<u32>,
    pub(super) readable: bool,
    pub(super) blocked: bool,
}

#[derive(Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) connection: Option<Box<Connection>>,
}

/// All connections.
pub struct Client {
    pub(super) poll: Poll,
    events: Events,
    pub(super) faces: Vec<Face>,
    next_face: usize,
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<u32>,
    pub(super) queue: VecDeque<u32>,
    /// Connections of the queue whose events were told in this turn.
    pub(super) told: usize,
    pub(super) timers: Timers,
    remote: SocketAddr,
    config: ClientConfig,
    pub(super) scratch: Vec<u8>,
    pub(super) now: Instant,
    pub(super) traffic: Traffic,
    pub(super) datagrams_per_turn: usize,
    pub(super) live: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connections", &self.live)
            .field("traffic", &self.traffic)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens the sockets.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(settings: ClientSettings, now: Instant) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let any: SocketAddr = match settings.remote {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let endpoint_config = Arc::new(endpoint_config()?);
        let mut faces = Vec::new();
        for number in 0..settings.sockets.max(1) {
            let mut socket = Socket::bind(any).context("no socket for the devices")?;
            socket.register(poll.registry(), Token(usize::from(number)))?;
            let endpoint = Endpoint::new(Arc::clone(&endpoint_config), None, !socket.may_fragment(), None);
            faces.push(Face {
                socket,
                inbox: Inbox::new(),
                batch: SendBatch::new(),
                endpoint,
                slots: Vec::new(),
                readable: false,
                blocked: false,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            faces,
            next_face: 0,
            slots: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            told: 0,
            timers: Timers::default(),
            remote: settings.remote,
            config: settings.config,
            scratch: Vec::new(),
            now,
            traffic: Traffic::default(),
            datagrams_per_turn: DATAGRAMS_PER_TURN,
            live: 0,
        })
    }

    /// Connections that exist, those closing included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.live
    }

    /// What went over the sockets so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Packets that QUIC believes lost, of all connections that exist.
    #[must_use]
    pub fn packets_lost(&self) -> u64 {
        let connections = self.slots.iter().filter_map(|slot| slot.connection.as_deref());
        connections.map(|connection| connection.quic.stats().path.lost_packets).sum()
    }

    /// Takes in at most this many UDP datagrams per turn and socket, so that a turn stays short.
    pub fn set_datagrams_per_turn(&mut self, most: usize) {
        self.datagrams_per_turn = most.max(1);
    }

    /// Begins a connection, on each socket in its turn.
    ///
    /// # Errors
    /// Where the settings allow none.
    pub fn connect(&mut self) -> anyhow::Result<Peer> {
        let face_number = self.next_face % self.faces.len();
        self.next_face = self.next_face.wrapping_add(1);
        let face = &mut self.faces[face_number];
        let (handle, quic) = face.endpoint.connect(self.now, self.config.clone(), self.remote, "hub")?;
        let slot = self.free.pop().unwrap_or(u32::try_from(self.slots.len())?);
        if index(slot) == self.slots.len() {
            self.slots.push(Slot::default());
        }
        if face.slots.len() <= handle.0 {
            face.slots.resize(handle.0 + 1, u32::MAX);
        }
        face.slots[handle.0] = slot;
        let place = &mut self.slots[index(slot)];
        place.connection = Some(Box::new(Connection::new(quic, handle, u16::try_from(face_number)?)));
        self.live += 1;
        let peer = Peer { slot, generation: place.generation };
        self.enqueue(slot);
        Ok(peer)
    }

    /// Waits until something comes in, a deadline of QUIC's passes, or `until`. False if nothing has come in.
    ///
    /// # Errors
    /// As the system says.
    pub fn wait(&mut self, now: Instant, until: Option<Instant>) -> io::Result<bool> {
        let busy = self.faces.iter().any(|face| face.readable) || (!self.queue.is_empty() && !self.is_blocked());
        let next = [self.timers.next(), until].into_iter().flatten().min();
        let timeout = if busy { Some(Duration::ZERO) } else { next.map(|at| at.saturating_duration_since(now)) };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(busy),
            done => done?,
        }
        for event in &self.events {
            let Some(face) = self.faces.get_mut(event.token().0) else { continue };
            face.readable |= event.is_readable() || event.is_error();
            face.blocked &= !event.is_writable();
        }
        Ok(busy || !self.events.is_empty())
    }

    fn is_blocked(&self) -> bool {
        self.faces.iter().any(|face| face.blocked)
    }

    /// The next thing that happened; `None` when all of this turn is told.
    pub fn next_event(&mut self) -> Option<(Peer, Event)> {
        while let Some(&slot) = self.queue.get(self.told) {
            let place = &mut self.slots[index(slot)];
            let event = place.connection.as_deref_mut().and_then(Connection::next_event);
            if let Some(event) = event {
                return Some((Peer { slot, generation: place.generation }, event));
            }
            self.told += 1;
        }
        None
    }

    /// Sends a datagram, in a packet of its own if congestion control allows one now. False if it cannot be sent.
    pub fn send_datagram(&mut self, peer: Peer, payload: Bytes) -> bool {
        let Some(connection) = self.open(peer) else { return false };
        if connection.quic.datagrams().send(payload, false).is_err() {
            return false;
        }
        self.transmit(peer.slot, 1);
        self.enqueue(peer.slot);
        true
    }

    /// The largest datagram the path takes.
    pub fn datagram_bytes_max(&mut self, peer: Peer) -> Option<usize> {
        self.open(peer)?.quic.datagrams().max_size()
    }

    /// Sends a request on a stream of its own; see [`Connection::request`].
    pub fn request(&mut self, peer: Peer, payload: &[u8]) -> Option<StreamId> {
        let stream = self.open(peer)?.request(payload);
        self.enqueue(peer.slot);
        stream
    }

    /// Says goodbye. [`Event::Closed`] does not follow.
    pub fn close(&mut self, peer: Peer) {
        let now = self.now;
        if let Some(connection) = self.open(peer) {
            connection.quic.close(now, VarInt::from_u32(0), Bytes::new());
            self.enqueue(peer.slot);
        }
    }

    /// Forgets a connection without a word, as a device does whose battery is taken out.
    pub fn abandon(&mut self, peer: Peer) {
        let Some(place) = self.slots.get_mut(index(peer.slot)) else { return };
        if place.generation != peer.generation {
            return;
        }
        if let Some(connection) = place.connection.take() {
            let face = &mut self.faces[usize::from(connection.face)];
            face.endpoint.handle_event(connection.handle, quinn_proto::EndpointEvent::drained());
            self.forget(peer.slot);
        }
    }

    pub(super) fn forget(&mut self, slot: u32) {
        let place = &mut self.slots[index(slot)];
        place.connection = None;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        self.live -= 1;
    }

    fn open(&mut self, peer: Peer) -> Option<&mut Connection> {
        let place = self.slots.get_mut(index(peer.slot))?;
        if place.generation != peer.generation {
            return None;
        }
        place.connection.as_deref_mut().filter(|connection| !connection.quic.is_closed())
    }

    pub(super) fn connection(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index(slot))?.connection.as_deref_mut()
    }

    pub(super) fn enqueue(&mut self, slot: u32) {
        if let Some(connection) = self.slots[index(slot)].connection.as_deref_mut()
            && !connection.queued
        {
            connection.queued = true;
            self.queue.push_back(slot);
        }
    }
}

pub(super) fn is_armed(slots: &[Slot], deadline: &Deadline) -> bool {
    let place = slots.get(index(deadline.slot)).filter(|place| place.generation == deadline.generation);
    place.and_then(|place| place.connection.as_deref()).is_some_and(|connection| connection.armed == Some(deadline.at))
}

pub(super) fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
