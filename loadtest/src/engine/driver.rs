//! The loop: what comes in is counted, what is due goes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::BytesMut;

use super::lane::Lane;
use super::measure::{Measure, Second};
use super::member::{Member, Stage};
use super::schedule::Schedule;
use super::shape::Shape;
use crate::clock;
use crate::fleet::Fleet;
use crate::quic::{Client, Event, Peer};

/// Between two rounds of looking for payments, and attempts to connect, of which nothing was heard.
pub(super) const SWEEP: Duration = Duration::from_millis(250);

/// The system rounds waits up to milliseconds; what is due sooner is slept for in steps of this.
const NAP: Duration = Duration::from_micros(50);

/// Of a connection that belongs to no member.
pub(super) const STRANGER: usize = usize::MAX;

/// What the fleet does now.
#[derive(Debug)]
pub enum Mode {
    /// Nothing by itself.
    Still,
    /// Every lane makes its first payment, some connections at a time.
    First,
    /// Every connection keeps packets under way.
    Closed,
    /// Packets go out at their times, from the members in turn.
    Open {
        /// The times.
        schedule: Schedule,
    },
}

/// The fleet, its connections and its counters.
#[derive(Debug)]
pub struct Driver {
    /// The connections.
    pub client: Client,
    /// Places for connections.
    pub members: Vec<Member>,
    /// Lanes, by member.
    pub lanes: Vec<Lane>,
    /// What was counted.
    pub measure: Measure,
    pub(super) fleet: Fleet,
    pub(super) shape: Shape,
    pub(super) mode: Mode,
    /// Member of each of the client's slots.
    pub(super) by_slot: Vec<usize>,
    /// Members that are to connect.
    pub(super) wanted: VecDeque<usize>,
    /// Members that are connecting or attaching.
    pub(super) gathering: usize,
    pub(super) gathering_max: usize,
    /// Members that are ready.
    pub(super) ready: usize,
    /// Members that wait for their turn in the present mode.
    pub(super) waiting: VecDeque<usize>,
    pub(super) preparing: usize,
    pub(super) turn_of: usize,
    pub(super) repeat_after: Duration,
    pub(super) next_sweep: Instant,
    /// The member to be looked at next.
    pub(super) sweep_at: usize,
    pub(super) scratch: Vec<u8>,
    pub(super) piece: BytesMut,
    stop: Arc<AtomicBool>,
    /// Says a line for every second.
    pub live: bool,
    /// A device that has come back pays at once.
    pub pay_on_return: bool,
    /// Bytes of each packet, where the server is a bare echo.
    pub(super) echo_bytes: Option<usize>,
    /// Lanes that wait for an acknowledgement.
    pub(super) waiting_lanes: usize,
    /// Attempts to connect that got no answer in time, and were begun anew.
    pub given_up: u64,
    pub(super) attempt_max: Duration,
    /// Strangers that completed their handshake, and those that were let go.
    pub strangers: Strangers,
}

/// Connections that attach nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Strangers {
    /// Begun.
    pub begun: u64,
    /// Handshakes completed.
    pub connected: u64,
    /// Over.
    pub ended: u64,
    /// Whether they leave as soon as they are in.
    pub leave: bool,
}

/// How a driver is made.
#[derive(Debug)]
pub struct DriverSettings {
    /// Hub and escrow.
    pub fleet: Fleet,
    /// Who pays how.
    pub shape: Shape,
    /// Handshakes under way at once.
    pub gathering_max: usize,
    /// When a payment is said again.
    pub repeat_after: Duration,
    /// When an attempt to connect is given up and begun anew.
    pub attempt_max: Duration,
    /// Bytes of each packet, where the server is a bare echo that knows no payments.
    pub echo_bytes: Option<usize>,
    /// Ends everything early.
    pub stop: Arc<AtomicBool>,
}

impl Driver {
    /// A driver for these lanes, with nothing connected yet.
    #[must_use]
    pub fn new(client: Client, lanes: Vec<Lane>, settings: DriverSettings, now: Instant) -> Self {
        let shape = settings.shape;
        let members = (0..shape.connections)
            .map(|place| Member::new(place * shape.lanes_per_connection, shape.lanes_per_connection))
            .collect();
        Self {
            client,
            members,
            lanes,
            measure: Measure::new(now),
            fleet: settings.fleet,
            shape,
            mode: Mode::Still,
            by_slot: Vec::new(),
            wanted: VecDeque::new(),
            gathering: 0,
            gathering_max: settings.gathering_max.max(1),
            ready: 0,
            waiting: VecDeque::new(),
            preparing: 0,
            turn_of: 0,
            repeat_after: settings.repeat_after,
            next_sweep: now,
            sweep_at: usize::MAX,
            scratch: Vec::new(),
            piece: BytesMut::new(),
            stop: settings.stop,
            live: true,
            pay_on_return: false,
            echo_bytes: settings.echo_bytes,
            waiting_lanes: 0,
            given_up: 0,
            attempt_max: settings.attempt_max,
            strangers: Strangers::default(),
        }
    }

    /// Members that are ready to pay.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Changes how many handshakes and attaches may be under way at once.
    pub fn set_gathering_max(&mut self, most: usize) {
        self.gathering_max = most.max(1);
    }

    /// Changes what the fleet does.
    pub fn set_mode(&mut self, mode: Mode) {
        self.waiting.clear();
        self.preparing = 0;
        if matches!(mode, Mode::First | Mode::Closed) {
            let ready = self.members.iter().enumerate().filter(|(_, member)| member.stage == Stage::Ready);
            self.waiting.extend(ready.map(|(place, _)| place));
        }
        self.mode = mode;
    }

    /// Whether all first payments of [`Mode::First`] are acknowledged.
    #[must_use]
    pub fn is_prepared(&self) -> bool {
        self.waiting.is_empty() && self.preparing == 0
    }

    /// Whether payments wait for their acknowledgement.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        match self.echo_bytes {
            Some(_) => self.members.iter().any(|member| member.under_way() > 0),
            None => self.waiting_lanes > 0,
        }
    }

    /// Lanes whose payments wait for their acknowledgement.
    #[must_use]
    pub fn waiting_lanes(&self) -> usize {
        self.waiting_lanes
    }

    /// Runs until `end`, or until `done` says so. Returns whether it did.
    ///
    /// # Errors
    /// Where the system fails, or somebody wants it to stop.
    pub fn run(&mut self, end: Instant, mut done: impl FnMut(&Self) -> bool) -> anyhow::Result<bool> {
        self.measure.resume(clock::now());
        loop {
            ensure!(!self.stop.load(Ordering::Relaxed), "stopped");
            let now = self.turn(end)?;
            if done(self) {
                return Ok(true);
            }
            if now >= end {
                return Ok(false);
            }
        }
    }

    /// One turn of the loop. Returns its time.
    fn turn(&mut self, end: Instant) -> anyhow::Result<Instant> {
        self.wait(end)?;
        let now = clock::now();
        self.client.receive(now);
        while let Some((peer, event)) = self.client.next_event() {
            self.take(now, peer, event);
        }
        self.gather(now);
        self.pay_due(now);
        self.sweep(now);
        self.client.flush();
        if let Some(second) = self.measure.tick(now)
            && self.live
        {
            self.say(&second);
        }
        Ok(now)
    }

    fn wait(&mut self, end: Instant) -> anyhow::Result<()> {
        let now = clock::now();
        let until = end.min(self.next_sweep);
        let is_sweeping = self.sweep_at < self.members.len();
        let has_work =
            is_sweeping || !self.waiting.is_empty() || (!self.wanted.is_empty() && self.gathering < self.gathering_max);
        if has_work {
            return Ok(self.client.wait(now, Some(now)).map(drop)?);
        }
        let Mode::Open { schedule } = &self.mode else {
            return Ok(self.client.wait(now, Some(until)).map(drop)?);
        };
        let until = until.min(schedule.next());
        let left = until.saturating_duration_since(now);
        // Whole milliseconds are left to the system, which takes care not to wait longer than that.
        if left > Duration::from_millis(2) {
            return Ok(self.client.wait(now, Some(until - Duration::from_millis(2))).map(drop)?);
        }
        if !self.client.wait(now, Some(now))? && !left.is_zero() {
            std::thread::sleep(left.min(NAP));
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, peer: Peer, event: Event) {
        let place = usize::try_from(peer.slot).ok().and_then(|slot| self.by_slot.get(slot)).copied();
        match place {
            Some(STRANGER) => self.take_stranger(peer, &event),
            Some(place) if self.members.get(place).is_some_and(|member| member.peer == Some(peer)) => match event {
                Event::Datagram(payload) => self.take_answers(now, place, &payload),
                other => self.take_progress(now, place, other),
            },
            // A connection that its member has left already.
            _ => {}
        }
    }

    fn say(&self, second: &Second) {
        let (acknowledged, p50, p99) = (second.acknowledged, second.p50_us, second.p99_us);
        let (ready, gathering) = (self.ready, self.gathering);
        let mark = if second.measured { "*" } else { " " };
        let at = second.at_ms / 1000;
        eprintln!(
            "{at:>5} s {mark} {acknowledged:>9}/s  p50 {p50:>7} us  p99 {p99:>8} us  {ready} ready, {gathering} coming, \
             {} repeated",
            self.measure.repeated
        );
    }
}
