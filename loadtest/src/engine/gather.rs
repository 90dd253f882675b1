//! Connecting and attaching, some at a time.

use std::time::Instant;

use farthing_channel::codec::decode_exact;
use farthing_channel::wire::{Hello, Response};

use super::driver::{Driver, STRANGER};
use super::member::Stage;
use crate::quic::{Event, Peer};

/// Connections begun in one turn. Each costs a key exchange, and what comes in must not wait for many.
const CONNECTS_PER_TURN_MAX: usize = 4;

/// Attach requests of one connection under way at once: as many streams as a hub allows by default.
const REQUESTS_MAX: usize = 16;

impl Driver {
    /// Has these members connect, as soon as there is room.
    pub fn call(&mut self, members: impl IntoIterator<Item = usize>) {
        self.wanted.extend(members);
    }

    /// Ends a member's connection, with a goodbye or `silent`ly.
    pub fn dismiss(&mut self, place: usize, silent: bool) {
        let member = &mut self.members[place];
        let Some(peer) = member.peer else { return };
        self.gathering -= usize::from(matches!(member.stage, Stage::Connecting | Stage::Attaching));
        self.ready -= usize::from(member.stage == Stage::Ready);
        member.leave();
        if silent { self.client.abandon(peer) } else { self.client.close(peer) }
    }

    /// Begins connections for those who are wanted.
    pub(super) fn gather(&mut self, now: Instant) {
        let mut begun = 0;
        while self.gathering < self.gathering_max
            && begun < CONNECTS_PER_TURN_MAX
            && let Some(place) = self.wanted.pop_front()
        {
            if self.members[place].stage != Stage::Absent {
                continue;
            }
            begun += 1;
            match self.client.connect() {
                Ok(peer) => {
                    self.note(peer, place);
                    self.members[place].peer = Some(peer);
                    self.members[place].stage = Stage::Connecting;
                    self.members[place].attempt_begun = Some(now);
                    self.gathering += 1;
                }
                Err(error) => *self.measure.dropped.entry(error.to_string()).or_default() += 1,
            }
        }
    }

    /// Begins an attempt anew that got no answer in time, as the SDK does.
    pub(super) fn give_up_attempt(&mut self, now: Instant, place: usize) {
        let begun = self.members[place].attempt_begun;
        if begun.is_some_and(|begun| now.saturating_duration_since(begun) > self.attempt_max) {
            self.given_up += 1;
            self.dismiss(place, true);
            self.wanted.push_back(place);
        }
    }

    fn note(&mut self, peer: Peer, place: usize) {
        let slot = usize::try_from(peer.slot).unwrap_or(0);
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, STRANGER);
        }
        self.by_slot[slot] = place;
    }

    /// Begins a connection that attaches nothing.
    pub fn begin_stranger(&mut self) {
        if let Ok(peer) = self.client.connect() {
            self.note(peer, STRANGER);
            self.strangers.begun += 1;
        }
    }

    pub(super) fn take_stranger(&mut self, peer: Peer, event: &Event) {
        match event {
            Event::Connected => {
                self.strangers.connected += 1;
                if self.strangers.leave {
                    self.client.close(peer);
                    self.strangers.ended += 1;
                }
            }
            Event::Closed(_) => self.strangers.ended += 1,
            _ => {}
        }
    }

    /// Takes what moves a member on: hello, answers to requests, the end.
    pub(super) fn take_progress(&mut self, now: Instant, place: usize, event: Event) {
        match event {
            Event::Hello(payload) => match decode_exact::<Hello>(&payload) {
                Ok(Hello::Hub { nonce, .. }) => {
                    let member = &mut self.members[place];
                    member.binding = Some(self.fleet.binding(&nonce));
                    member.stage = Stage::Attaching;
                    self.ask(place);
                }
                Err(_) => self.give_up(place, "a hello that is none"),
            },
            Event::Response { stream, payload } => {
                let member = &mut self.members[place];
                let Some(request) = member.requests.iter().position(|(id, _)| *id == stream) else { return };
                let (_, lane) = member.requests.swap_remove(request);
                match decode_exact::<Response>(&payload) {
                    Ok(Response::Attached(attached)) => {
                        let view = attached.lanes.first().map(|view| (view.handle, view.authorised));
                        let Some((handle, authorised)) = view else {
                            return self.give_up(place, "an attach that opened no lane");
                        };
                        self.attached(now, place, lane, handle, authorised);
                    }
                    Ok(Response::Refused { refusal }) => self.give_up(place, &format!("attach refused: {refusal:?}")),
                    _ => self.give_up(place, "a response that is none"),
                }
            }
            Event::StreamAvailable => self.ask(place),
            Event::Closed(reason) => {
                let member = &mut self.members[place];
                self.gathering -= usize::from(matches!(member.stage, Stage::Connecting | Stage::Attaching));
                self.ready -= usize::from(member.stage == Stage::Ready);
                member.leave();
                *self.measure.dropped.entry(reason).or_default() += 1;
                self.wanted.push_back(place);
            }
            Event::Connected if self.echo_bytes.is_some() => self.become_ready(now, place),
            Event::Connected | Event::Datagram(_) => {}
        }
    }

    /// Ends a connection that leads nowhere, and tries again.
    fn give_up(&mut self, place: usize, reason: &str) {
        *self.measure.dropped.entry(reason.to_owned()).or_default() += 1;
        self.dismiss(place, false);
        self.wanted.push_back(place);
    }

    /// Sends attach requests while there are streams for them.
    fn ask(&mut self, place: usize) {
        loop {
            let member = &mut self.members[place];
            let (Some(peer), Some(binding)) = (member.peer, member.binding) else { return };
            if member.stage != Stage::Attaching || member.asked == member.lanes || member.requests.len() >= REQUESTS_MAX
            {
                return;
            }
            let lane = member.first_lane + member.asked;
            let request = self.fleet.attach(self.lanes[lane].key(), binding, vec![self.fleet.lane]);
            let Some(stream) = self.client.request(peer, &request) else { return };
            member.asked += 1;
            member.requests.push((stream, lane));
        }
    }

    fn attached(&mut self, now: Instant, place: usize, lane: usize, handle: u32, authorised: u64) {
        let member = &mut self.members[place];
        member.attached += 1;
        let at = usize::try_from(handle).unwrap_or(0);
        if member.handles.len() <= at {
            member.handles.resize(at + 1, usize::MAX);
        }
        member.handles[at] = lane;
        if !self.lanes[lane].resume(handle, authorised) {
            self.measure.lost += 1;
        }
        if member.attached < member.lanes {
            return self.ask(place);
        }
        self.become_ready(now, place);
    }

    fn become_ready(&mut self, now: Instant, place: usize) {
        self.members[place].stage = Stage::Ready;
        self.gathering -= 1;
        self.ready += 1;
        self.is_ready(now, place);
    }
}
