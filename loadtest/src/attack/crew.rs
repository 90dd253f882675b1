//! The attacker's connections: what they send is up to the attack, what comes back is counted.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use farthing_channel::codec::{decode_exact, decode_first};
use farthing_channel::wire::{Answer, Grant, Hello, LaneOffer, LaneRef, Response};
use serde::Serialize;

use crate::engine::lane::Lane;
use crate::fleet::Fleet;
use crate::quic::{Client, Event, Peer};

/// Payload of a datagram that fits into any packet.
pub const DATAGRAM_BYTES: usize = 1100;

/// What became of an attack's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Payments sent.
    pub sent: u64,
    /// Acknowledgements.
    pub acknowledged: u64,
    /// Refusals by code.
    pub refused: BTreeMap<u16, u64>,
    /// Connections begun.
    pub begun: u64,
    /// Connections that the hub ended, or did not let in.
    pub ended: u64,
    /// Milliseconds from the attack's beginning until the hub first told one of its devices that it is suspected.
    pub slowed_after_ms: Option<u64>,
    /// Reasons that the attacker's devices were told, with the number of times.
    pub reasons: BTreeMap<u16, u64>,
    /// Base units that the hub had acknowledged when it first slowed one of its lanes; all, if it never did.
    pub base_units_before: u64,
    /// Base units that the hub acknowledged in all.
    pub base_units: u64,
}

/// A device that the attacker has, on a connection of its own.
#[derive(Debug)]
pub struct Intruder {
    /// Its lane, as this copy of it believes it to be.
    pub lane: Lane,
    /// What it asks for on attaching.
    pub offer: LaneOffer,
    peer: Option<Peer>,
    ready: bool,
    /// What the hub told it was granted last.
    pub granted: Option<Grant>,
    /// The greatest total that was acknowledged.
    acknowledged: u64,
    base: u64,
}

impl Intruder {
    /// A device that is not connected yet.
    #[must_use]
    pub fn new(lane: Lane, offer: LaneOffer) -> Self {
        Self { lane, offer, peer: None, ready: false, granted: None, acknowledged: 0, base: 0 }
    }

    /// Whether it is attached.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }
}

/// All of the attacker's devices and strangers.
#[derive(Debug)]
pub struct Crew {
    /// Its connections.
    pub client: Client,
    /// Whose devices they are.
    pub fleet: Fleet,
    /// Its devices.
    pub intruders: Vec<Intruder>,
    /// What came back.
    pub outcome: Outcome,
    /// When the attack begins; before that nothing is counted.
    begun: Option<Instant>,
}

impl Crew {
    /// A crew with nobody connected.
    #[must_use]
    pub fn new(client: Client, fleet: Fleet, intruders: Vec<Intruder>) -> Self {
        Self { client, fleet, intruders, outcome: Outcome::default(), begun: None }
    }

    /// Connects every device.
    ///
    /// # Errors
    /// Where the settings allow no connection.
    pub fn connect(&mut self) -> anyhow::Result<()> {
        for intruder in self.intruders.iter_mut().filter(|intruder| intruder.peer.is_none()) {
            intruder.peer = Some(self.client.connect()?);
        }
        Ok(())
    }

    /// Whether every device is attached.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.intruders.iter().all(|intruder| intruder.ready)
    }

    /// From now on everything counts.
    pub fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
        self.outcome = Outcome::default();
        for intruder in &mut self.intruders {
            intruder.base = intruder.acknowledged;
        }
    }

    /// A connection of nobody's.
    pub fn begin_stranger(&mut self) {
        if self.client.connect().is_ok() {
            self.outcome.begun += 1;
        }
    }

    /// Sends a datagram that carries `payments` payments.
    pub fn send(&mut self, intruder: usize, datagram: Vec<u8>, payments: u64) {
        let Some(peer) = self.intruders.get(intruder).filter(|intruder| intruder.ready).and_then(|known| known.peer)
        else {
            return;
        };
        if self.client.send_datagram(peer, Bytes::from(datagram)) {
            self.outcome.sent += payments;
        }
    }

    /// Sends up to `count` next payments of a device.
    pub fn pay(&mut self, intruder: usize, count: u64, now: Instant) {
        let Some(known) = self.intruders.get_mut(intruder) else { return };
        let mut datagram = Vec::new();
        let mut payments = 0;
        while payments < count && known.lane.promise(&self.fleet.contact.ledger, &mut datagram, DATAGRAM_BYTES, now, 0)
        {
            payments += 1;
        }
        if payments > 0 {
            self.send(intruder, datagram, payments);
        }
    }

    /// Takes in what has come.
    ///
    /// # Errors
    /// Where the hub does not speak as it should.
    pub fn receive(&mut self, now: Instant) -> anyhow::Result<()> {
        self.client.receive(now);
        while let Some((peer, event)) = self.client.next_event() {
            match self.intruders.iter().position(|intruder| intruder.peer == Some(peer)) {
                Some(intruder) => self.take(now, intruder, peer, event)?,
                None => self.outcome.ended += u64::from(matches!(event, Event::Closed(_))),
            }
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, place: usize, peer: Peer, event: Event) -> anyhow::Result<()> {
        let Self { fleet, intruders, client, .. } = self;
        let intruder = &mut intruders[place];
        match event {
            Event::Hello(payload) => {
                let Ok(Hello::Hub { nonce, .. }) = decode_exact::<Hello>(&payload) else {
                    bail!("a hello that is none")
                };
                let request = fleet.attach(intruder.lane.key(), fleet.binding(&nonce), vec![intruder.offer]);
                client.request(peer, &request).context("no stream for an attach")?;
            }
            Event::Response { payload, .. } => match decode_exact::<Response>(&payload) {
                Ok(Response::Attached(attached)) => {
                    let view = attached.lanes.first().context("an attach that opened no lane")?;
                    intruder.lane.resume(view.handle, view.authorised);
                    intruder.acknowledged = intruder.acknowledged.max(view.authorised);
                    intruder.ready = true;
                }
                // Whoever is blocked may be refused here as well.
                Ok(Response::Refused { refusal }) => self.refused(refusal.code()),
                _ => bail!("a response that is none"),
            },
            Event::Datagram(payload) => self.take_answers(now, place, &payload)?,
            Event::Closed(_) => {
                intruder.ready = false;
                intruder.peer = None;
                self.outcome.ended += 1;
            }
            Event::Connected | Event::StreamAvailable => {}
        }
        Ok(())
    }

    fn refused(&mut self, code: u16) {
        *self.outcome.refused.entry(code).or_default() += 1;
    }

    fn take_answers(&mut self, now: Instant, place: usize, payload: &[u8]) -> anyhow::Result<()> {
        let mut rest = payload;
        while !rest.is_empty() {
            let (answer, taken) = decode_first::<Answer>(rest).ok().context("an answer that is none")?;
            rest = &rest[taken..];
            match answer {
                Answer::Acknowledged { lane: LaneRef::Handle(_), authorised, grant, .. } => {
                    self.outcome.acknowledged += 1;
                    let intruder = &mut self.intruders[place];
                    intruder.acknowledged = intruder.acknowledged.max(authorised);
                    intruder.lane.acknowledge(authorised, |_| {});
                    if let Some(grant) = grant {
                        self.granted(now, place, grant);
                    }
                    self.count();
                }
                Answer::Acknowledged { .. } => {}
                Answer::Refused { refusal, .. } => self.refused(refusal.code()),
            }
        }
        Ok(())
    }

    fn granted(&mut self, now: Instant, place: usize, grant: Grant) {
        for reason in &grant.reasons {
            *self.outcome.reasons.entry(*reason).or_default() += 1;
        }
        // The first four reasons are the operator's limits and load, which say nothing of suspicion.
        let suspected = grant.reasons.iter().any(|reason| *reason > LAST_OF_LIMITS);
        if let Some(begun) = self.begun.filter(|_| suspected && self.outcome.slowed_after_ms.is_none()) {
            let after = now.saturating_duration_since(begun).as_millis();
            self.outcome.slowed_after_ms = Some(u64::try_from(after).unwrap_or(u64::MAX));
        }
        self.intruders[place].granted = Some(grant);
    }

    fn count(&mut self) {
        // Copies of one device see the same lane: the greatest counts.
        let mut totals = BTreeMap::new();
        for intruder in &self.intruders {
            let total: &mut u64 = totals.entry(intruder.lane.id()).or_default();
            *total = (*total).max(intruder.acknowledged.saturating_sub(intruder.base));
        }
        self.outcome.base_units = totals.values().sum();
        if self.outcome.slowed_after_ms.is_none() {
            self.outcome.base_units_before = self.outcome.base_units;
        }
    }
}

/// Reasons up to this code are about limits and load.
const LAST_OF_LIMITS: u16 = farthing_channel::wire::Reason::Load as u16;
