//! One connection: its QUIC state, its streams, and what waits to be told to the application.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{Dir, Event, StreamEvent, VarInt};

use super::admission::AddressKey;
use super::close_code;
use super::streams::{Read, Streams};

/// A packet below this size had room for whatever else was to be said, datagrams apart.
const SMALL_PACKET_BYTES: usize = 600;

/// A connection of one driver. Stable while the connection is open, and never reused afterwards
/// (a slot is, with another generation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// An id of no connection, for tests of what is kept by connection.
    #[cfg(test)]
    pub(crate) fn of_slot(slot: u32) -> Self {
        Self { slot, generation: 0 }
    }

    /// The connection's place among the driver's connections: small, dense and reused, fit to
    /// index a table whose entries remember the whole id.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

/// A stream of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(super) quinn_proto::StreamId);

/// Something to tell the application.
#[derive(Debug)]
pub(super) enum Delivery {
    Opened(SocketAddr),
    Established,
    Moved { from: SocketAddr, to: SocketAddr },
    Datagram { early: bool, payload: Bytes },
    Frame { stream: StreamId, early: bool, payload: Bytes },
    StreamFinished { stream: StreamId, broken: bool },
    Closed,
}

/// How far a connection has come in what the application knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client's first message is not complete; the application knows nothing.
    Beginning,
    /// The server can send; the handshake goes on.
    Opened,
    /// The handshake is complete.
    Established,
    /// The application has been told that it is over, or never knew of it.
    Closed,
}

/// What QUIC has reported, ahead of what the application has been told.
#[derive(Debug, Default)]
struct Reported {
    hello_received: bool,
    handshake_completed: bool,
    lost: bool,
    datagrams: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) quic: quinn_proto::Connection,
    pub(super) streams: Streams,
    pub(super) address_key: AddressKey,
    /// When the handshake must be complete.
    handshake_deadline: Instant,
    /// Whether the connection is in the queue of those to be served.
    pub(super) queued: bool,
    /// Packets taken in since the application was last told.
    pub(super) packets_untold: u8,
    /// Whether something may be left to tell the application.
    pub(super) untold: bool,
    /// Whether the limits still count a handshake in progress.
    pub(super) counted_in_handshake: bool,
    /// Whether early data was counted.
    counted_early: bool,
    /// Until when an answer of the application may be waited for, so that QUIC's own acknowledgement travels with it.
    answer_due: Option<Instant>,
    /// Datagrams queued since packets were last sent.
    datagrams_unsent: u32,
    closed_here: bool,
    phase: Phase,
    reported: Reported,
    remote: SocketAddr,
    readable: VecDeque<quinn_proto::StreamId>,
}

impl Connection {
    pub(super) fn new(quic: quinn_proto::Connection, address_key: AddressKey, handshake_deadline: Instant) -> Self {
        Self {
            remote: quic.remote_address(),
            quic,
            streams: Streams::default(),
            address_key,
            handshake_deadline,
            queued: false,
            packets_untold: 0,
            untold: true,
            counted_in_handshake: true,
            counted_early: false,
            answer_due: None,
            datagrams_unsent: 0,
            closed_here: false,
            phase: Phase::Beginning,
            reported: Reported::default(),
            readable: VecDeque::new(),
        }
    }

    /// Whether the application may still send.
    pub(super) fn is_open(&self) -> bool {
        !self.closed_here && !self.reported.lost && matches!(self.phase, Phase::Opened | Phase::Established)
    }

    /// Whether the handshake never completed, as far as the limits have been told.
    pub(super) fn is_in_handshake(&self) -> bool {
        !self.reported.handshake_completed
    }

    /// When time alone changes something.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let quic = match (self.quic.poll_timeout(), self.answer_due) {
            (Some(quic), Some(answer)) => Some(quic.min(answer)),
            (quic, answer) => quic.or(answer),
        };
        if self.is_in_handshake() && !self.quic.is_closed() {
            return Some(quic.map_or(self.handshake_deadline, |at| at.min(self.handshake_deadline)));
        }
        quic
    }

    /// Lets time pass. True if the handshake took too long and was given up.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.quic.handle_timeout(now);
        self.answer_due = None;
        self.untold = true;
        let overdue =
            self.is_in_handshake() && !self.closed_here && !self.quic.is_closed() && self.handshake_deadline <= now;
        if overdue {
            self.close(now, close_code::HANDSHAKE_TIMEOUT, b"handshake took too long");
        }
        overdue
    }

    /// The application is going to answer soon. Until `due`, or until it sends something, nothing is sent that could as
    /// well go with the answer.
    pub(super) fn expect_answer(&mut self, due: Instant) {
        if self.reported.handshake_completed {
            self.answer_due.get_or_insert(due);
        }
    }

    /// The application sends something: nothing is held back any more.
    pub(super) fn answered(&mut self) {
        self.answer_due = None;
    }

    /// Whether packets wait for an answer.
    pub(super) fn awaits_answer(&self) -> bool {
        self.answer_due.is_some() && !self.closed_here
    }

    /// The application queued a datagram.
    pub(super) fn queued_datagram(&mut self) {
        self.datagrams_unsent = self.datagrams_unsent.saturating_add(1);
    }

    /// Whether a packet of `bytes` was surely the last: it had room for more, and nothing but one datagram was there to be
    /// said. Asking QUIC costs as much as a tenth of a payment, and it would say no.
    pub(super) fn has_said_all(&self, bytes: usize) -> bool {
        bytes < SMALL_PACKET_BYTES
            && self.datagrams_unsent == 1
            && self.streams.is_empty()
            && self.reported.handshake_completed
            && !self.closed_here
    }

    /// What was queued has been sent, or waits for the congestion window, which asks again.
    pub(super) fn sent(&mut self) {
        self.datagrams_unsent = 0;
    }

    /// Closes the connection; the application is told at its next turn.
    pub(super) fn close(&mut self, now: Instant, code: u32, reason: &[u8]) {
        if !self.closed_here {
            self.closed_here = true;
            self.untold = true;
            self.quic.close(now, VarInt::from_u32(code), Bytes::copy_from_slice(reason));
        }
    }

    /// The next thing to tell the application, in the order in which it should hear it.
    pub(super) fn next_delivery(&mut self) -> Option<Delivery> {
        self.take_events();
        let delivery = self.choose_delivery();
        if delivery.is_none() {
            self.untold = false;
            self.packets_untold = 0;
        }
        delivery
    }

    fn choose_delivery(&mut self) -> Option<Delivery> {
        match self.phase {
            Phase::Closed => return None,
            Phase::Beginning if self.reported.hello_received && !self.closed_here => {
                self.phase = Phase::Opened;
                self.remote = self.quic.remote_address();
                return Some(Delivery::Opened(self.remote));
            }
            Phase::Beginning if self.closed_here || self.reported.lost => {
                self.phase = Phase::Closed;
                return None;
            }
            Phase::Beginning => return None,
            Phase::Opened if self.reported.handshake_completed => {
                self.phase = Phase::Established;
                return Some(Delivery::Established);
            }
            Phase::Opened | Phase::Established => {}
        }
        if self.closed_here {
            self.phase = Phase::Closed;
            return Some(Delivery::Closed);
        }
        let remote = self.quic.remote_address();
        if remote != self.remote {
            let from = std::mem::replace(&mut self.remote, remote);
            return Some(Delivery::Moved { from, to: remote });
        }
        // A connection that the peer has closed is read to its end first: a device may pay and
        // leave with one packet.
        if let Some(delivery) = self.next_payload() {
            return Some(delivery);
        }
        if self.reported.lost {
            self.phase = Phase::Closed;
            return Some(Delivery::Closed);
        }
        None
    }

    fn next_payload(&mut self) -> Option<Delivery> {
        let early = self.phase == Phase::Opened;
        if self.reported.datagrams {
            if let Some(payload) = self.quic.datagrams().recv() {
                return Some(Delivery::Datagram { early, payload });
            }
            self.reported.datagrams = false;
        }
        while let Some(&id) = self.readable.front() {
            let stream = StreamId(id);
            match self.streams.read(&mut self.quic, id) {
                Read::Frame(payload) => {
                    return Some(Delivery::Frame { stream, early, payload });
                }
                Read::Blocked | Read::Unknown => {
                    self.readable.pop_front();
                    if self.readable.is_empty() {
                        self.readable = VecDeque::new();
                    }
                }
                Read::Finished => {
                    self.readable.pop_front();
                    return Some(Delivery::StreamFinished { stream, broken: false });
                }
                Read::Broken => {
                    self.readable.pop_front();
                    return Some(Delivery::StreamFinished { stream, broken: true });
                }
            }
        }
        None
    }

    fn take_events(&mut self) {
        while let Some(event) = self.quic.poll() {
            match event {
                Event::HandshakeDataReady => self.reported.hello_received = true,
                Event::Connected => {
                    self.reported.hello_received = true;
                    self.reported.handshake_completed = true;
                }
                Event::ConnectionLost { .. } => self.reported.lost = true,
                Event::DatagramReceived => self.reported.datagrams = true,
                Event::DatagramsUnblocked => {}
                Event::Stream(event) => self.take_stream_event(event),
            }
        }
    }

    fn take_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(id) = self.quic.streams().accept(dir) {
                    if dir == Dir::Bi {
                        self.streams.accepted(id);
                        self.readable.push_back(id);
                    }
                }
            }
            StreamEvent::Readable { id } => {
                if !self.readable.contains(&id) {
                    self.readable.push_back(id);
                }
            }
            StreamEvent::Writable { id } => self.streams.writable(&mut self.quic, id),
            StreamEvent::Stopped { id, error_code } => {
                self.streams.stopped(&mut self.quic, id, error_code);
            }
            StreamEvent::Finished { .. } | StreamEvent::Available { .. } => {}
        }
    }

    /// True once per connection, at the first payload that came before the handshake was complete.
    pub(super) fn count_early(&mut self) -> bool {
        !std::mem::replace(&mut self.counted_early, true)
    }
}
