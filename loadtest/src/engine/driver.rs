//! The loop: what comes in is counted, what is due goes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::BytesMut;
use farthing_channel::codec::decode_first;
use farthing_channel::wire::{Answer, LaneRef};

use super::lane::Lane;
use super::measure::{Measure, Second};
use super::member::{Member, Stage};
use super::schedule::Schedule;
use super::shape::Shape;
use crate::clock;
use crate::fleet::Fleet;
use crate::quic::{Client, Event, Peer};

/// Packets of an open loop sent in one turn, so that answers are read in between.
const DUE_PER_TURN_MAX: usize = 512;

/// Connections of a closed loop begun in one turn.
const STARTS_PER_TURN_MAX: usize = 64;

/// Between two looks for payments of which nothing was heard.
const SWEEP: Duration = Duration::from_millis(250);

/// Packets are cut from pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

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
    /// Packets go out at their times, from the members below this place in turn.
    Open {
        /// The times.
        schedule: Schedule,
        /// How many members take part.
        members: usize,
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
    shape: Shape,
    mode: Mode,
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
    waiting: VecDeque<usize>,
    preparing: usize,
    turn_of: usize,
    repeat_after: Duration,
    next_sweep: Instant,
    scratch: Vec<u8>,
    piece: BytesMut,
    stop: Arc<AtomicBool>,
    /// Says a line for every second.
    pub live: bool,
    /// A device that has come back pays at once.
    pub pay_on_return: bool,
    /// Payments of the members below this place are counted.
    pub counted: usize,
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
            scratch: Vec::new(),
            piece: BytesMut::new(),
            stop: settings.stop,
            live: true,
            pay_on_return: false,
            counted: usize::MAX,
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
        self.lanes.iter().any(Lane::is_waiting)
    }

    /// Runs until `end`, or until `done` says so. Returns whether it did.
    ///
    /// # Errors
    /// Where the system fails, or somebody wants it to stop.
    pub fn run(&mut self, end: Instant, mut done: impl FnMut(&Self) -> bool) -> anyhow::Result<bool> {
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
        self.gather();
        self.pay_due(now);
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep(now);
        }
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
        let has_work = !self.waiting.is_empty() || (!self.wanted.is_empty() && self.gathering < self.gathering_max);
        if has_work {
            return Ok(self.client.wait(now, Some(now)).map(drop)?);
        }
        let Mode::Open { schedule, .. } = &self.mode else {
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

    fn take_answers(&mut self, now: Instant, place: usize, payload: &[u8]) {
        let mut rest = payload;
        let mut done = 0;
        while !rest.is_empty() {
            let Ok((answer, taken)) = decode_first::<Answer>(rest) else {
                *self.measure.dropped.entry("an answer that is none".to_owned()).or_default() += 1;
                return;
            };
            rest = &rest[taken..];
            match answer {
                Answer::Acknowledged { lane: LaneRef::Handle(handle), authorised, .. } => {
                    done += self.acknowledge(now, place, handle, authorised);
                }
                Answer::Acknowledged { .. } => {}
                Answer::Refused { refusal, .. } => *self.measure.refused.entry(refusal.code()).or_default() += 1,
            }
        }
        for _ in 0..done {
            self.packet_done(now, place);
        }
    }

    /// Counts what an acknowledgement covers; returns how many packets are done with it.
    fn acknowledge(&mut self, now: Instant, place: usize, handle: u32, authorised: u64) -> usize {
        let member = &mut self.members[place];
        let lane = usize::try_from(handle).ok().and_then(|handle| member.handles.get(handle)).copied();
        let Some(lane) = lane.and_then(|lane| self.lanes.get_mut(lane)) else { return 0 };
        let mut done = 0;
        let mut run: Option<(Instant, u64)> = None;
        let is_counted = place < self.counted;
        let measure = &mut self.measure;
        lane.acknowledge(authorised, |covered| {
            done += usize::from(member.window().covered(covered.packet));
            if !is_counted {
                return;
            }
            match &mut run {
                Some((due, count)) if *due == covered.due => *count += 1,
                _ => {
                    if let Some((due, count)) = run.replace((covered.due, 1)) {
                        measure.covered(due, now, count);
                    }
                }
            }
        });
        if let Some((due, count)) = run {
            measure.covered(due, now, count);
        }
        done
    }

    fn packet_done(&mut self, now: Instant, place: usize) {
        match self.mode {
            Mode::Closed => {
                self.send(place, now);
            }
            Mode::First => {
                let more = self.members[place].unpaid > 0 && self.send(place, now);
                if !more && self.members[place].window().under_way() == 0 {
                    self.preparing = self.preparing.saturating_sub(1);
                }
            }
            Mode::Still | Mode::Open { .. } => {}
        }
    }

    /// A member has become ready.
    pub(super) fn is_ready(&mut self, now: Instant, place: usize) {
        let member = &self.members[place];
        for lane in member.first_lane..member.first_lane + member.lanes {
            if self.lanes.get(lane).is_some_and(Lane::is_waiting) {
                self.repeat(now, place, lane);
            }
        }
        if self.pay_on_return {
            self.send(place, now);
        }
        match self.mode {
            Mode::Closed => self.waiting.push_back(place),
            Mode::First if self.members[place].unpaid > 0 => self.waiting.push_back(place),
            _ => {}
        }
    }

    fn pay_due(&mut self, now: Instant) {
        match &mut self.mode {
            Mode::Still => {}
            Mode::First => {
                while self.preparing < self.gathering_max
                    && let Some(place) = self.waiting.pop_front()
                {
                    let begun = self.members[place].unpaid > 0 && self.send(place, now);
                    self.preparing += usize::from(begun);
                }
            }
            Mode::Closed => {
                for _ in 0..STARTS_PER_TURN_MAX {
                    let Some(place) = self.waiting.pop_front() else { break };
                    while self.members[place].window().under_way() < self.shape.in_flight && self.send(place, now) {}
                }
            }
            Mode::Open { .. } => self.pay_open(now),
        }
    }

    fn pay_open(&mut self, now: Instant) {
        for _ in 0..DUE_PER_TURN_MAX {
            let Mode::Open { schedule, members } = &mut self.mode else { return };
            let members = *members;
            let Some(due) = schedule.take_due(now) else { return };
            // A device that is away now pays when it is back; the next one that is there takes its turn.
            for _ in 0..members {
                self.turn_of = (self.turn_of + 1) % members.max(1);
                if self.members[self.turn_of].stage == Stage::Ready {
                    self.send(self.turn_of, due);
                    break;
                }
            }
        }
    }

    /// Sends a packet of payments due at `due` from the member's next lanes. False if none could be made.
    fn send(&mut self, place: usize, due: Instant) -> bool {
        let member = &mut self.members[place];
        let Some(peer) = member.peer.filter(|_| member.stage == Stage::Ready) else { return false };
        let Some(room) = self.client.datagram_bytes_max(peer) else { return false };
        let most = match self.mode {
            Mode::First => self.shape.payments_per_packet.min(member.unpaid),
            _ => self.shape.payments_per_packet,
        };
        let packet = member.window().next();
        self.scratch.clear();
        let mut payments = 0_u32;
        for _ in 0..most {
            let lane = &mut self.lanes[member.first_lane + member.cursor];
            if !lane.promise(&self.fleet.contact.ledger, &mut self.scratch, room, due, packet) {
                break;
            }
            payments += 1;
            member.cursor = (member.cursor + 1) % member.lanes;
            member.unpaid = member.unpaid.saturating_sub(1);
        }
        if payments == 0 {
            return false;
        }
        member.window().sent(payments);
        self.send_scratch(peer);
        true
    }

    fn send_scratch(&mut self, peer: Peer) {
        if self.piece.capacity() < self.scratch.len() {
            self.piece = BytesMut::with_capacity(PIECE_BYTES.max(self.scratch.len()));
        }
        self.piece.extend_from_slice(&self.scratch);
        if !self.client.send_datagram(peer, self.piece.split().freeze()) {
            self.measure.unsent += 1;
        }
    }

    /// Says again what has not been heard of.
    fn sweep(&mut self, now: Instant) {
        let Some(before) = now.checked_sub(self.repeat_after) else { return };
        for place in 0..self.members.len() {
            let member = &self.members[place];
            if member.stage != Stage::Ready {
                continue;
            }
            for lane in member.first_lane..member.first_lane + member.lanes {
                if self.lanes.get(lane).is_some_and(|lane| lane.is_silent_since(before)) {
                    self.repeat(now, place, lane);
                }
            }
        }
    }

    fn repeat(&mut self, now: Instant, place: usize, lane: usize) {
        let Some(peer) = self.members[place].peer else { return };
        self.scratch = self.lanes[lane].repeat(&self.fleet.contact.ledger, now);
        self.measure.repeated += 1;
        self.send_scratch(peer);
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
