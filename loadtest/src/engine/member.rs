//! One connection of the fleet: how far it has come, and which packets are under way on it.

use std::collections::VecDeque;
use std::time::Instant;

use quinn_proto::StreamId;

use crate::quic::Peer;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// There is none.
    Absent,
    /// The handshake, or the hub's hello, is awaited.
    Connecting,
    /// Keys are being attached.
    Attaching,
    /// All lanes are open.
    Ready,
}

/// A connection, or the place for one, with the lanes behind it.
#[derive(Debug)]
pub struct Member {
    /// The connection, while there is one.
    pub peer: Option<Peer>,
    /// How far it has come.
    pub stage: Stage,
    /// When its present or last attempt to connect began.
    pub attempt_begun: Option<Instant>,
    /// Its lanes: this many, from this place on.
    pub first_lane: usize,
    /// See `first_lane`.
    pub lanes: usize,
    /// Attach requests sent, and answered.
    pub asked: usize,
    /// See `asked`.
    pub attached: usize,
    /// Requests under way: their streams, and the lanes they are for.
    pub requests: Vec<(StreamId, usize)>,
    /// What attach proofs are bound to.
    pub binding: Option<farthing_channel::id::Hash32>,
    /// Lane of each handle, by handle.
    pub handles: Vec<usize>,
    /// The lane to pay next, counted from the first.
    pub cursor: usize,
    /// Lanes that have not paid since the fleet gathered.
    pub unpaid: usize,
    window: Window,
}

impl Member {
    /// A place for a connection with these lanes.
    #[must_use]
    pub fn new(first_lane: usize, lanes: usize) -> Self {
        Self {
            peer: None,
            stage: Stage::Absent,
            attempt_begun: None,
            first_lane,
            lanes,
            asked: 0,
            attached: 0,
            requests: Vec::new(),
            binding: None,
            handles: Vec::new(),
            cursor: 0,
            unpaid: lanes,
            window: Window::default(),
        }
    }

    /// Forgets the connection, which is over.
    pub fn leave(&mut self) {
        self.peer = None;
        self.stage = Stage::Absent;
        (self.asked, self.attached) = (0, 0);
        self.requests.clear();
        self.binding = None;
        self.handles.clear();
        self.window.forget();
    }

    /// How many packets are under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.window.under_way()
    }

    /// Packets under way.
    #[must_use]
    pub fn window(&mut self) -> &mut Window {
        &mut self.window
    }
}

/// Packets whose payments are not all acknowledged.
#[derive(Debug, Default)]
pub struct Window {
    /// Payments still open in each packet, and when it was due.
    open: VecDeque<(u32, Instant)>,
    first: u32,
    under_way: u32,
}

impl Window {
    /// The number of the next packet.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.first.wrapping_add(u32::try_from(self.open.len()).unwrap_or(u32::MAX))
    }

    /// Packets under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// The next packet has left with this many payments.
    pub fn sent(&mut self, payments: u32, due: Instant) {
        self.open.push_back((payments, due));
        self.under_way += u32::from(payments > 0);
    }

    /// A payment of `packet` is acknowledged. True if it was the packet's last.
    pub fn covered(&mut self, packet: u32) -> bool {
        let place = usize::try_from(packet.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        let Some((open, _)) = self.open.get_mut(place) else {
            // Of a connection that is gone.
            return false;
        };
        let done = *open == 1;
        *open = open.saturating_sub(1);
        self.under_way -= u32::from(done);
        while self.open.front().is_some_and(|(open, _)| *open == 0) {
            self.open.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        done
    }

    /// When a packet under way was due; `None` where it is done.
    #[must_use]
    pub fn due(&self, packet: u32) -> Option<Instant> {
        let place = usize::try_from(packet.wrapping_sub(self.first)).ok()?;
        self.open.get(place).filter(|(open, _)| *open > 0).map(|(_, due)| *due)
    }

    /// The packets under way that were due before `before`.
    pub fn overdue(&self, before: Instant) -> impl Iterator<Item = u32> {
        let packets = self.open.iter().zip(0_u32..);
        packets
            .filter(move |((open, due), _)| *open > 0 && *due <= before)
            .map(|(_, place)| self.first.wrapping_add(place))
    }

    fn forget(&mut self) {
        self.first = self.next();
        self.open.clear();
        self.under_way = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_done_with_its_last_payment_in_any_order() {
        let mut window = Window::default();
        let now = crate::clock::now();
        for payments in [2, 1, 3] {
            window.sent(payments, now);
        }
        assert_eq!(window.overdue(now).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((window.next(), window.under_way()), (3, 3));
        assert!(window.covered(1));
        assert_eq!((window.due(0), window.due(1)), (Some(now), None));
        assert!(!window.covered(1), "an answer that came twice");
        assert!(!window.covered(0));
        assert!(window.covered(0));
        assert_eq!((window.first, window.under_way()), (2, 1));
        window.forget();
        assert!(!window.covered(2));
        assert_eq!((window.next(), window.under_way()), (3, 0));
    }
}
