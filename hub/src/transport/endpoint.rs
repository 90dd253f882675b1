//! All connections of one thread, from received packets to packets ready to be sent.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use farthing_udp::{Datagram, SendBatch};
use quinn_proto::{ConnectionHandle, DatagramEvent, Incoming};

use super::close_code;
use super::config::{TransportError, endpoint_config};
use super::connection::{Connection, ConnectionId, Delivery};
use super::counters::TransportCounters;
use super::fabric::Fabric;
use super::timer::{Deadline, Timers};

/// A connection's packets are told to the application after this many at the latest, so that its
/// buffer of received datagrams cannot overflow within one batch.
const PACKETS_UNTOLD_MAX: u8 = 16;

/// Packets one connection may send per turn, so that a bulk reader does not delay the others.
const PACKETS_PER_FLUSH_MAX: usize = 16;

/// Deadlines handled per turn. Most let a connection repeat itself; after a crowd has gone without a word, as many end one,
/// which costs as much as a payment.
const EXPIRIES_PER_TURN_MAX: usize = 128;

mod attempts;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// The earliest entry for the connection in the thread's timers. It stands here, and not in the connection, because most
    /// entries that come due are stale, and a connection not looked at costs no cache miss.
    armed: Option<Instant>,
    connection: Option<Box<Connection>>,
}

/// The QUIC endpoint of one thread with its connections and their timers.
pub(super) struct Endpoint {
    quic: quinn_proto::Endpoint,
    slots: Vec<Slot>,
    live: usize,
    /// Connections to be served this turn, each at most once.
    queue: VecDeque<u32>,
    timers: Timers,
    fabric: Arc<Fabric>,
    thread: u16,
    scratch: Vec<u8>,
    refusing: bool,
    /// Attempts to connect, in the order of their arrival.
    waiting: VecDeque<Incoming>,
    pub(super) now: Instant,
    /// UDP datagrams taken in this turn.
    pub(super) work: usize,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("thread", &self.thread)
            .field("connections", &self.live)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(
        fabric: Arc<Fabric>,
        thread: u16,
        may_fragment: bool,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let config = endpoint_config(fabric.keys(), thread, fabric.threads())?;
        Ok(Self {
            quic: quinn_proto::Endpoint::new(Arc::new(config), Some(Arc::clone(fabric.server())), !may_fragment, None),
            slots: Vec::new(),
            live: 0,
            queue: VecDeque::new(),
            timers: Timers::default(),
            fabric,
            thread,
            scratch: Vec::new(),
            refusing: false,
            waiting: VecDeque::new(),
            now,
            work: 0,
        })
    }

    pub(super) fn thread(&self) -> u16 {
        self.thread
    }

    pub(super) fn connections(&self) -> usize {
        self.live
    }

    pub(super) fn counters(&self) -> &TransportCounters {
        self.fabric.counters_of(self.thread)
    }

    pub(super) fn send_queue_bytes_max(&self) -> usize {
        usize::try_from(self.fabric.limits().send_queue_bytes_max).unwrap_or(usize::MAX)
    }

    /// From now on new connections are refused.
    pub(super) fn refuse_new(&mut self) {
        self.refusing = true;
        self.drop_waiting();
    }

    pub(super) fn close_all(&mut self, code: u32, reason: &[u8]) {
        for slot in 0..self.slots.len() {
            let now = self.now;
            if let Some(connection) = self.slots[slot].connection.as_mut() {
                connection.close(now, code, reason);
                self.enqueue(u32::try_from(slot).unwrap_or(u32::MAX));
            }
        }
    }

    /// The connection, if it is open for the application.
    pub(super) fn open_connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(usize::try_from(id.slot).ok()?)?;
        if slot.generation != id.generation {
            return None;
        }
        slot.connection.as_deref_mut().filter(|connection| connection.is_open())
    }

    fn connection_at(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(usize::try_from(slot).ok()?)?.connection.as_deref_mut()
    }

    /// Has the connection served before the turn ends.
    pub(super) fn enqueue(&mut self, slot: u32) {
        if let Some(connection) = self.connection_at(slot)
            && !connection.queued
        {
            connection.queued = true;
            self.queue.push_back(slot);
        }
    }

    /// How many connections wait to be served.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The slot of a connection that waits to be served.
    pub(super) fn queued_slot(&self, at: usize) -> Option<u32> {
        self.queue.get(at).copied()
    }

    /// Takes in one UDP datagram. Names the connection that should be told to the application at
    /// once, if there is one. A direct answer goes to `batch`, if it has room.
    pub(super) fn receive(&mut self, datagram: Datagram, batch: &mut SendBatch) -> Option<u32> {
        self.work += 1;
        self.scratch.clear();
        let remote = datagram.remote;
        let event =
            self.quic.handle(self.now, remote, datagram.local_ip, datagram.ecn, datagram.payload, &mut self.scratch)?;
        match event {
            DatagramEvent::ConnectionEvent(handle, event) => {
                let slot = u32::try_from(handle.0).ok()?;
                let connection = self.connection_at(slot)?;
                connection.quic.handle_event(event);
                connection.untold = true;
                connection.packets_untold = connection.packets_untold.saturating_add(1);
                // During a handshake packet by packet, so that early data is told as such.
                let at_once = connection.packets_untold >= PACKETS_UNTOLD_MAX || connection.is_in_handshake();
                self.enqueue(slot);
                at_once.then_some(slot)
            }
            DatagramEvent::NewConnection(incoming) => {
                self.attempt(incoming, batch);
                None
            }
            DatagramEvent::Response(transmit) => {
                self.answer(&transmit, batch);
                None
            }
        }
    }

    /// The next thing to tell the application about a connection. `None` when all is told.
    pub(super) fn next_delivery(&mut self, slot: u32) -> Option<(ConnectionId, Delivery)> {
        let generation = self.slots.get(usize::try_from(slot).ok()?)?.generation;
        let connection = self.connection_at(slot)?;
        let delivery = connection.next_delivery()?;
        let key = connection.address_key;
        let carried_early =
            matches!(delivery, Delivery::Datagram { early: true, .. } | Delivery::Frame { early: true, .. });
        let first_early = carried_early && connection.count_early();
        let counters = self.counters();
        counters.connections_early.add(u64::from(first_early));
        match &delivery {
            Delivery::Established => {
                counters.connections_established.add(1);
                self.fabric.admission().handshake_completed(key);
                if let Some(connection) = self.connection_at(slot) {
                    connection.counted_in_handshake = false;
                }
            }
            Delivery::Moved { .. } => counters.migrations.add(1),
            Delivery::Datagram { .. } => counters.datagrams_in.add(1),
            Delivery::Frame { .. } => counters.frames_in.add(1),
            Delivery::StreamFinished { broken: true, .. } => {
                counters.streams_reset_framing.add(1);
            }
            Delivery::StreamFinished { .. } | Delivery::Opened(_) | Delivery::Closed => {}
        }
        Some((ConnectionId { slot, generation }, delivery))
    }

    /// The earliest deadline of any connection, or a time before it.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Lets time pass for the connections that are due, a bounded number of them.
    pub(super) fn expire(&mut self) {
        let now = self.now;
        for _ in 0..EXPIRIES_PER_TURN_MAX {
            let Some(due) = self.timers.pop_due(now) else {
                return;
            };
            if !is_armed(&self.slots, &due) {
                continue;
            }
            self.disarm(due.slot);
            let Some(connection) = self.connection_at(due.slot) else {
                continue;
            };
            if connection.deadline().is_some_and(|at| at <= now) {
                let overdue = connection.expire(now);
                self.counters().handshake_timeouts.add(u64::from(overdue));
                // Flushing arms the timer again.
                self.enqueue(due.slot);
            } else {
                // The deadline had moved to later, as it does with almost every packet: there is nothing to send.
                self.arm(due.slot);
            }
        }
    }

    /// Takes the next connection to be flushed out of the queue.
    pub(super) fn dequeue(&mut self) -> Option<u32> {
        let slot = self.queue.pop_front()?;
        if let Some(connection) = self.connection_at(slot) {
            connection.queued = false;
        }
        Some(slot)
    }

    /// Fills `batch` with what a connection has to send. The connection is queued again if the
    /// batch or its share is used up. A connection that is over is removed.
    pub(super) fn flush(&mut self, slot: u32, batch: &mut SendBatch) {
        let now = self.now;
        let handle = ConnectionHandle(usize::try_from(slot).unwrap_or(usize::MAX));
        let Some(connection) = self.slots.get_mut(handle.0).and_then(|slot| slot.connection.as_deref_mut()) else {
            return;
        };
        // The last of these events frees the slot, so the application hears everything first.
        while !connection.untold
            && let Some(event) = connection.quic.poll_endpoint_events()
        {
            let over = event.is_drained();
            if let Some(event) = self.quic.handle_event(handle, event) {
                connection.quic.handle_event(event);
            }
            if over {
                return self.remove(slot);
            }
        }
        if connection.awaits_answer() && !connection.untold {
            return self.arm(slot);
        }
        let mut more = connection.untold;
        for count in 0..=PACKETS_PER_FLUSH_MAX {
            if batch.is_full() || count == PACKETS_PER_FLUSH_MAX {
                more = true;
                break;
            }
            match connection.quic.poll_transmit(now, 1, batch.buffer()) {
                Some(transmit) => {
                    batch.commit(&transmit);
                    if connection.has_said_all(transmit.size) {
                        break;
                    }
                }
                None => break,
            }
        }
        connection.sent();
        if more {
            self.enqueue(slot);
        }
        self.arm(slot);
    }

    fn arm(&mut self, slot: u32) {
        let Some(place) = self.slots.get_mut(usize::try_from(slot).unwrap_or(usize::MAX)) else {
            return;
        };
        let Some(at) = place.connection.as_deref_mut().and_then(Connection::deadline) else {
            return;
        };
        if place.armed.is_none_or(|armed| at < armed) {
            place.armed = Some(at);
            self.timers.push(Deadline { at, slot, generation: place.generation });
            if self.timers.wants_cleaning(self.live) {
                let slots = &self.slots;
                self.timers.clean(|deadline| is_armed(slots, deadline));
            }
        }
    }

    fn disarm(&mut self, slot: u32) {
        if let Some(place) = self.slots.get_mut(usize::try_from(slot).unwrap_or(usize::MAX)) {
            place.armed = None;
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some(place) = self.slots.get_mut(usize::try_from(slot).unwrap_or(usize::MAX)) else {
            return;
        };
        if let Some(connection) = place.connection.take() {
            place.generation = place.generation.wrapping_add(1);
            place.armed = None;
            self.live -= 1;
            self.fabric.admission().release(self.now, connection.address_key, connection.counted_in_handshake);
            self.counters().connections_closed.add(1);
        }
    }
}

/// Whether a deadline is the one its connection waits for.
fn is_armed(slots: &[Slot], deadline: &Deadline) -> bool {
    usize::try_from(deadline.slot)
        .ok()
        .and_then(|slot| slots.get(slot))
        .is_some_and(|slot| slot.generation == deadline.generation && slot.armed == Some(deadline.at))
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.drop_waiting();
        // The limits are shared with other threads, which may go on.
        self.close_all(close_code::SHUTDOWN, b"");
        for slot in 0..self.slots.len() {
            self.remove(u32::try_from(slot).unwrap_or(u32::MAX));
        }
    }
}
