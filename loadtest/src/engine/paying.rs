//! Payments out, acknowledgements in.

use std::time::Instant;

use bytes::BytesMut;
use farthing_channel::codec::decode_first;
use farthing_channel::wire::{Answer, LaneRef};

use super::driver::{Driver, Mode, SWEEP};
use super::lane::Lane;
use super::member::Stage;
use crate::quic::Peer;

/// Packets of an open loop sent in one turn, so that answers are read in between.
const DUE_PER_TURN_MAX: usize = 512;

/// Connections of a closed loop begun in one turn.
const STARTS_PER_TURN_MAX: usize = 64;

/// Members looked after in one turn.
const SWEPT_PER_TURN: usize = 256;

/// Packets are cut from pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

impl Driver {
    pub(super) fn take_answers(&mut self, now: Instant, place: usize, payload: &[u8]) {
        if self.echo_bytes.is_some() {
            return self.take_echo(now, place, payload);
        }
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
        let was_waiting = lane.is_waiting();
        let measure = &mut self.measure;
        lane.acknowledge(authorised, |covered| {
            done += usize::from(member.window().covered(covered.packet));
            match &mut run {
                Some((due, count)) if *due == covered.due => *count += 1,
                _ => {
                    if let Some((due, count)) = run.replace((covered.due, 1)) {
                        measure.covered(due, now, count);
                    }
                }
            }
        });
        if was_waiting && !lane.is_waiting() {
            self.waiting_lanes -= 1;
        }
        if let Some((due, count)) = run {
            measure.covered(due, now, count);
        }
        done
    }

    pub(super) fn packet_done(&mut self, now: Instant, place: usize) {
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

    pub(super) fn pay_due(&mut self, now: Instant) {
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
            let Mode::Open { schedule } = &mut self.mode else { return };
            let members = self.members.len();
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
        if let Some(bytes) = self.echo_bytes {
            return self.send_echo(place, peer, bytes, due);
        }
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
            let was_waiting = lane.is_waiting();
            if !lane.promise(&self.fleet.contact.ledger, &mut self.scratch, room, due, packet) {
                break;
            }
            self.waiting_lanes += usize::from(!was_waiting);
            payments += 1;
            member.cursor = (member.cursor + 1) % member.lanes;
            member.unpaid = member.unpaid.saturating_sub(1);
        }
        if payments == 0 {
            return false;
        }
        member.window().sent(payments, due);
        self.send_scratch(peer);
        true
    }

    pub(super) fn send_scratch(&mut self, peer: Peer) {
        if self.piece.capacity() < self.scratch.len() {
            self.piece = BytesMut::with_capacity(PIECE_BYTES.max(self.scratch.len()));
        }
        self.piece.extend_from_slice(&self.scratch);
        if !self.client.send_datagram(peer, self.piece.split().freeze()) {
            self.measure.unsent += 1;
        }
    }

    /// Says again what has not been heard of. A round goes over all members, some in each turn, so that payments do
    /// not wait for it.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.sweep_at >= self.members.len() {
            if now < self.next_sweep {
                return;
            }
            self.next_sweep = now + SWEEP;
            self.sweep_at = 0;
        }
        let Some(before) = now.checked_sub(self.repeat_after) else { return };
        let end = (self.sweep_at + SWEPT_PER_TURN).min(self.members.len());
        for place in self.sweep_at..end {
            self.look_after(now, before, place);
        }
        self.sweep_at = end;
    }

    fn look_after(&mut self, now: Instant, before: Instant, place: usize) {
        let member = &self.members[place];
        match (member.stage, self.echo_bytes) {
            (Stage::Connecting, _) => self.give_up_attempt(now, place),
            (Stage::Ready, Some(bytes)) => self.repeat_echoes(place, bytes, before),
            (Stage::Ready, None) => {
                for lane in member.first_lane..member.first_lane + member.lanes {
                    if self.lanes.get(lane).is_some_and(|lane| lane.is_silent_since(before)) {
                        self.repeat(now, place, lane);
                    }
                }
            }
            (Stage::Absent | Stage::Attaching, _) => {}
        }
    }

    fn repeat(&mut self, now: Instant, place: usize, lane: usize) {
        let Some(peer) = self.members[place].peer else { return };
        self.scratch = self.lanes[lane].repeat(&self.fleet.contact.ledger, now);
        self.measure.repeated += 1;
        self.send_scratch(peer);
    }
}
