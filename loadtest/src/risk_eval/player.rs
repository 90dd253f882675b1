//! Devices that pay at a real hub, round by round: the next one begins when the last is acknowledged.
//!
//! Gateways carry them, a thousand on a connection. Every payment is a voucher: it is signed while the hub works on the
//! round before.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use farthing_channel::codec::{decode_exact, decode_first, encode_to_vec};
use farthing_channel::id::{Hash32, LaneId};
use farthing_channel::lane::SignedVoucher;
use farthing_channel::sign::LibSecpKey;
use farthing_channel::wire::{Answer, Hello, LaneOffer, LaneRef, Payment, Response};
use quinn_proto::StreamId;

use crate::clock;
use crate::engine::lane::sign_voucher;
use crate::fleet::Fleet;
use crate::quic::{Client, Event, Peer};

use super::timeline::Round;

/// Devices behind one connection.
const DEVICES_PER_CONNECTION: usize = 1000;
/// Attach requests of one connection under way at once: as many streams as a hub allows by default.
const REQUESTS_MAX: usize = 16;
/// Payments under way at once: what the datagram buffers of both sides hold with ease.
const UNDER_WAY_MAX: usize = 256;
/// Payload of a datagram that fits into any packet.
const DATAGRAM_BYTES: usize = 1100;
/// A payment of which nothing was heard for so long is sent again.
const REPEAT_AFTER: Duration = Duration::from_millis(250);
/// A hub of which nothing was heard for so many times that long is gone. Counted, not timed: a machine that slept is no silent hub.
const REPEATS_MAX: u32 = 120;

/// A lane of a device.
#[derive(Debug)]
pub struct Purse {
    /// Whom it pays for what.
    pub offer: LaneOffer,
    /// The lane.
    pub id: LaneId,
    handle: u32,
    /// The total of the newest voucher signed.
    promised: u64,
    /// The total of the newest voucher sent.
    said_total: u64,
    /// That voucher, encoded, until it is acknowledged.
    said: Vec<u8>,
}

impl Purse {
    /// A lane on which nothing has been paid.
    #[must_use]
    pub fn new(offer: LaneOffer, id: LaneId) -> Self {
        Self { offer, id, handle: 0, promised: 0, said_total: 0, said: Vec::new() }
    }
}

/// A device with its lanes: by the unit, where its tariff has units, and by the event.
#[derive(Debug)]
pub struct Payer {
    /// Its key.
    pub key: LibSecpKey,
    /// Its fleet.
    pub fleet: usize,
    /// By the unit.
    pub by_unit: Option<Purse>,
    /// By the event.
    pub by_event: Option<Purse>,
}

/// A connection.
#[derive(Debug)]
struct Gateway {
    peer: Peer,
    fleet: usize,
    binding: Option<Hash32>,
    /// Its devices, of which the first `asked` have asked to be attached.
    payers: Vec<usize>,
    asked: usize,
    attached: usize,
    requests: Vec<(StreamId, usize)>,
    /// Payer and whether it is the lane by the event, by handle.
    lanes: Vec<Option<(usize, bool)>>,
    packet: Vec<u8>,
}

/// A signed payment.
#[derive(Debug, Clone)]
struct Signed {
    gateway: usize,
    payer: usize,
    by_event: bool,
    total: u64,
    message: Vec<u8>,
}

/// All devices of a play.
#[derive(Debug)]
pub struct Player {
    client: Client,
    fleets: Vec<Fleet>,
    payers: Vec<Payer>,
    gateways: Vec<Gateway>,
    /// Gateway of each payer.
    homes: Vec<usize>,
    under_way: usize,
    /// Payments acknowledged.
    pub payments: u64,
    /// Payments sent again.
    pub repeated: u64,
}

impl Player {
    /// Connects and attaches all devices.
    ///
    /// # Errors
    /// Where the hub does not take them.
    pub fn attach(mut client: Client, fleets: Vec<Fleet>, payers: Vec<Payer>) -> anyhow::Result<Self> {
        let mut gateways = Vec::<Gateway>::new();
        let mut homes = vec![0; payers.len()];
        for (fleet, _) in fleets.iter().enumerate() {
            let own: Vec<usize> = (0..payers.len()).filter(|payer| payers[*payer].fleet == fleet).collect();
            for share in own.chunks(DEVICES_PER_CONNECTION) {
                share.iter().for_each(|payer| homes[*payer] = gateways.len());
                gateways.push(Gateway {
                    peer: client.connect()?,
                    fleet,
                    binding: None,
                    payers: share.to_vec(),
                    asked: 0,
                    attached: 0,
                    requests: Vec::new(),
                    lanes: Vec::new(),
                    packet: Vec::new(),
                });
            }
        }
        let mut player = Self { client, fleets, payers, gateways, homes, under_way: 0, payments: 0, repeated: 0 };
        let is_attached =
            |player: &Self| player.gateways.iter().all(|gateway| gateway.attached == gateway.payers.len());
        player.run_until(is_attached).context("the devices cannot attach")?;
        Ok(player)
    }

    /// Pays all rounds. `at` is told the time of each before it is paid, in sixteenths of a second since the beginning.
    ///
    /// # Errors
    /// Where the hub refuses a payment or is gone.
    pub fn play(
        &mut self,
        rounds: impl Iterator<Item = Round>,
        mut at: impl FnMut(u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut rounds = rounds;
        let mut next = rounds.next().map(|round| (round.at, self.sign(&round)));
        while let Some((time, signed)) = next.take() {
            at(time)?;
            let mut rest = signed.into_iter().peekable();
            let mut following = None;
            while rest.peek().is_some() || self.under_way > 0 {
                while self.under_way < UNDER_WAY_MAX
                    && let Some(signed) = rest.next()
                {
                    self.send(signed);
                }
                self.flush();
                following = following.or_else(|| rounds.next().map(|round| (round.at, self.sign(&round))));
                let before = self.under_way;
                self.run_until(|player| player.under_way < before || player.under_way == 0)?;
            }
            // A round in which nothing is owed still brings the next one.
            next = following.or_else(|| rounds.next().map(|round| (round.at, self.sign(&round))));
        }
        Ok(())
    }

    /// Signs a round's payments, by the unit and by the event. What costs nothing is no payment.
    fn sign(&mut self, round: &Round) -> Vec<Signed> {
        let mut signed = Vec::with_capacity(2 * round.uses.len());
        for used in &round.uses {
            let gateway = self.homes[used.actor];
            let payer = &mut self.payers[used.actor];
            let ledger = &self.fleets[payer.fleet].contact.ledger;
            for (by_event, cost) in [(false, used.quantity), (true, 1)] {
                let purse = if by_event { &mut payer.by_event } else { &mut payer.by_unit };
                let Some(purse) = purse.as_mut().filter(|_| cost > 0) else { continue };
                purse.promised = purse.promised.saturating_add(cost);
                let total = purse.promised;
                let signature = sign_voucher(&payer.key, ledger, purse.id, total).into();
                let voucher = SignedVoucher { amount: total, signature };
                let message = encode_to_vec(&Payment::Voucher { lane: LaneRef::Handle(purse.handle), voucher });
                signed.push(Signed { gateway, payer: used.actor, by_event, total, message });
            }
        }
        signed
    }

    fn purse(&mut self, payer: usize, by_event: bool) -> Option<&mut Purse> {
        let payer = self.payers.get_mut(payer)?;
        if by_event { payer.by_event.as_mut() } else { payer.by_unit.as_mut() }
    }

    fn send(&mut self, signed: Signed) {
        let Signed { gateway, payer, by_event, total, message } = signed;
        self.put(gateway, &message);
        if let Some(purse) = self.purse(payer, by_event) {
            purse.said = message;
            purse.said_total = total;
        }
        self.under_way += 1;
    }

    /// Appends a message to its connection's packet.
    fn put(&mut self, gateway: usize, message: &[u8]) {
        let gateway = &mut self.gateways[gateway];
        if gateway.packet.len() + message.len() > DATAGRAM_BYTES {
            // What cannot be sent now is sent again later, like what is lost.
            let _sent = self.client.send_datagram(gateway.peer, Bytes::from(std::mem::take(&mut gateway.packet)));
        }
        gateway.packet.extend_from_slice(message);
    }

    fn flush(&mut self) {
        for gateway in self.gateways.iter_mut().filter(|gateway| !gateway.packet.is_empty()) {
            let _sent = self.client.send_datagram(gateway.peer, Bytes::from(std::mem::take(&mut gateway.packet)));
        }
        self.client.flush();
    }

    fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let (mut repeat, mut repeats) = (clock::now() + REPEAT_AFTER, 0);
        while !done(self) {
            self.client.wait(clock::now(), Some(repeat))?;
            let now = clock::now();
            self.client.receive(now);
            while let Some((peer, event)) = self.client.next_event() {
                let gateway = self.gateways.iter().position(|gateway| gateway.peer == peer);
                self.take(gateway.context("a connection that nobody began")?, event)?;
            }
            if now >= repeat {
                self.repeat();
                (repeat, repeats) = (now + REPEAT_AFTER, repeats + 1);
            }
            self.flush();
            ensure!(repeats < REPEATS_MAX, "the hub does not answer");
        }
        Ok(())
    }

    /// Says again what waits for its acknowledgement.
    fn repeat(&mut self) {
        let mut silent = Vec::new();
        for (place, payer) in self.payers.iter().enumerate() {
            for purse in [&payer.by_unit, &payer.by_event].into_iter().flatten() {
                if !purse.said.is_empty() {
                    silent.push((self.homes[place], purse.said.clone()));
                }
            }
        }
        for (gateway, message) in silent {
            self.repeated += 1;
            self.put(gateway, &message);
        }
    }

    fn take(&mut self, gateway: usize, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Hello(payload) => {
                let Ok(Hello::Hub { nonce, .. }) = decode_exact::<Hello>(&payload) else {
                    bail!("a hello that is none")
                };
                let known = &mut self.gateways[gateway];
                known.binding = Some(self.fleets[known.fleet].binding(&nonce));
                self.ask(gateway);
            }
            Event::Response { stream, payload } => self.attached(gateway, stream, &payload)?,
            Event::StreamAvailable => self.ask(gateway),
            Event::Datagram(payload) => self.take_answers(gateway, &payload)?,
            Event::Closed(reason) => bail!("the hub ended a connection: {reason}"),
            Event::Connected => {}
        }
        Ok(())
    }

    fn ask(&mut self, gateway: usize) {
        let gateway = &mut self.gateways[gateway];
        let Some(binding) = gateway.binding else { return };
        let fleet = &self.fleets[gateway.fleet];
        while gateway.requests.len() < REQUESTS_MAX
            && let Some(payer) = gateway.payers.get(gateway.asked).copied()
        {
            let Payer { key, by_unit, by_event, .. } = &self.payers[payer];
            let lanes = [by_unit, by_event].into_iter().flatten().map(|purse| purse.offer).collect();
            let request = fleet.attach(key, binding, lanes);
            let Some(stream) = self.client.request(gateway.peer, &request) else { return };
            gateway.asked += 1;
            gateway.requests.push((stream, payer));
        }
    }

    fn attached(&mut self, gateway: usize, stream: StreamId, payload: &[u8]) -> anyhow::Result<()> {
        let place = self.gateways[gateway].requests.iter().position(|(id, _)| *id == stream);
        let (_, payer) = self.gateways[gateway].requests.swap_remove(place.context("an answer to no request")?);
        let attached = match decode_exact::<Response>(payload) {
            Ok(Response::Attached(attached)) => attached,
            other => bail!("a device cannot attach: {other:?}"),
        };
        for view in &attached.lanes {
            let Payer { by_unit, by_event, .. } = &mut self.payers[payer];
            let lanes = [(by_unit, false), (by_event, true)];
            for (purse, is_by_event) in
                lanes.into_iter().filter_map(|(purse, by_event)| Some((purse.as_mut()?, by_event)))
            {
                if purse.id == view.lane {
                    purse.handle = view.handle;
                    let handle = usize::try_from(view.handle)?;
                    let lanes = &mut self.gateways[gateway].lanes;
                    lanes.resize(lanes.len().max(handle + 1), None);
                    lanes[handle] = Some((payer, is_by_event));
                }
            }
        }
        self.gateways[gateway].attached += 1;
        self.ask(gateway);
        Ok(())
    }

    fn take_answers(&mut self, gateway: usize, payload: &[u8]) -> anyhow::Result<()> {
        let mut rest = payload;
        while !rest.is_empty() {
            let (answer, taken) = decode_first::<Answer>(rest).ok().context("an answer that is none")?;
            rest = &rest[taken..];
            match answer {
                Answer::Acknowledged { lane: LaneRef::Handle(handle), authorised, .. } => {
                    let lane = self.gateways[gateway].lanes.get(usize::try_from(handle)?).copied().flatten();
                    let (payer, by_event) = lane.context("an acknowledgement of no lane")?;
                    let Some(purse) = self.purse(payer, by_event) else { continue };
                    if !purse.said.is_empty() && purse.said_total <= authorised {
                        purse.said.clear();
                        self.under_way -= 1;
                        self.payments += 1;
                    }
                }
                Answer::Acknowledged { .. } => {}
                Answer::Refused { refusal, .. } => bail!("the hub refused a payment: {refusal:?}"),
            }
        }
        Ok(())
    }
}
