//! One turn of the loop: datagrams in, deadlines passed, packets out.

use std::io;
use std::time::Instant;

use farthing_udp::Datagram;
use quinn_proto::DatagramEvent;

use super::client::{Client, Face, Traffic, index, is_armed};
use super::timers::Deadline;

/// Packets one connection may send per turn beside those sent at once.
const PACKETS_PER_FLUSH_MAX: usize = 16;

/// Deadlines handled per turn.
const EXPIRIES_PER_TURN_MAX: usize = 4096;

impl Client {
    /// Takes in what has arrived by `now`, and lets that time pass for all connections.
    pub fn receive(&mut self, now: Instant) {
        self.now = now;
        for number in 0..self.faces.len() {
            let mut taken = 0;
            while self.faces[number].readable && taken < self.datagrams_per_turn {
                let face = &mut self.faces[number];
                match face.inbox.receive(&face.socket) {
                    Ok(()) => {
                        while let Some(datagram) = self.faces[number].inbox.pop() {
                            taken += 1;
                            self.take_in(number, datagram);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => face.readable = false,
                    // An ICMP answer to something sent earlier, which QUIC finds out by itself.
                    Err(_) => taken += 1,
                }
            }
        }
        self.expire();
        self.told = 0;
    }

    fn take_in(&mut self, number: usize, datagram: Datagram) {
        self.traffic.packets_in += 1;
        self.traffic.bytes_in += u64::try_from(datagram.payload.len()).unwrap_or(0);
        self.scratch.clear();
        let face = &mut self.faces[number];
        let Datagram { remote, local_ip, ecn, payload } = datagram;
        match face.endpoint.handle(self.now, remote, local_ip, ecn, payload, &mut self.scratch) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let Some(&slot) = face.slots.get(handle.0) else { return };
                if let Some(connection) =
                    self.slots.get_mut(index(slot)).and_then(|slot| slot.connection.as_deref_mut())
                {
                    connection.quic.handle_event(event);
                    connection.untold = true;
                    self.enqueue(slot);
                }
            }
            // A client takes no connections, and need not answer strangers.
            Some(DatagramEvent::NewConnection(incoming)) => face.endpoint.ignore(incoming),
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn expire(&mut self) {
        for _ in 0..EXPIRIES_PER_TURN_MAX {
            let Some(due) = self.timers.pop_due(self.now) else { return };
            if !is_armed(&self.slots, &due) {
                continue;
            }
            let now = self.now;
            let Some(connection) = self.connection(due.slot) else { continue };
            connection.armed = None;
            if connection.quic.poll_timeout().is_some_and(|at| at <= now) {
                connection.quic.handle_timeout(now);
                connection.untold = true;
            }
            // Flushing arms the timer again.
            self.enqueue(due.slot);
        }
    }

    /// Puts up to `most` packets of a connection into its socket's batch. True if there may be more.
    pub(super) fn transmit(&mut self, slot: u32, most: usize) -> bool {
        let Some(connection) = self.slots[index(slot)].connection.as_deref_mut() else { return false };
        let face = &mut self.faces[usize::from(connection.face)];
        for _ in 0..most {
            if face.batch.is_full() && !face.blocked {
                send(face, &mut self.traffic);
            }
            if face.batch.is_full() {
                return true;
            }
            match connection.quic.poll_transmit(self.now, 1, face.batch.buffer()) {
                Some(transmit) => face.batch.commit(&transmit),
                None => return false,
            }
        }
        true
    }

    /// Sends what all connections have to say, and forgets those that are over.
    pub fn flush(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(slot) = self.queue.pop_front() else { break };
            let Some(connection) = self.slots[index(slot)].connection.as_deref_mut() else { continue };
            connection.queued = false;
            let face = &mut self.faces[usize::from(connection.face)];
            let mut over = false;
            while let Some(event) = connection.quic.poll_endpoint_events() {
                over |= event.is_drained();
                if let Some(event) = face.endpoint.handle_event(connection.handle, event) {
                    connection.quic.handle_event(event);
                }
            }
            if over && !connection.untold {
                self.forget(slot);
                continue;
            }
            let untold = connection.untold;
            if self.transmit(slot, PACKETS_PER_FLUSH_MAX) || untold {
                self.enqueue(slot);
            }
            self.arm(slot);
        }
        for face in self.faces.iter_mut().filter(|face| !face.blocked) {
            send(face, &mut self.traffic);
        }
    }

    fn arm(&mut self, slot: u32) {
        let place = &mut self.slots[index(slot)];
        let generation = place.generation;
        let Some(connection) = place.connection.as_deref_mut() else { return };
        let Some(at) = connection.quic.poll_timeout() else { return };
        if connection.armed.is_none_or(|armed| at < armed) {
            connection.armed = Some(at);
            self.timers.push(Deadline { at, slot, generation });
            if self.timers.wants_cleaning(self.live) {
                let slots = &self.slots;
                self.timers.clean(|deadline| is_armed(slots, deadline));
            }
        }
    }
}

fn send(face: &mut Face, traffic: &mut Traffic) {
    let sent = face.batch.flush(&face.socket);
    traffic.packets_out += sent.packets;
    traffic.bytes_out += sent.bytes;
    face.blocked = sent.blocked;
}
