//! Devices with their chains, attached through a few connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use farthing_channel::chain::{ChainPurpose, DeviceChain, seed};
use farthing_channel::codec::encode_into;
use farthing_channel::eip712::{Attach, Voucher};
use farthing_channel::id::{ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher};
use farthing_channel::sign::{LibSecpKey, Signer as _, sign_typed};
use farthing_channel::wire::{Answer, Hello, LaneOffer, LaneRef, Payment, Request, Response, Role};

use crate::client::Client;
use crate::site::{PAYEE, Packet, Site};

/// Simulated time between two exchanges.
const STEP: Duration = Duration::from_millis(1);

/// Exchanges after which something that was awaited does not come any more.
const EXCHANGES_MAX: u32 = 2_000;

/// What a tick is worth, base units.
const TICK_AMOUNT: u32 = 3;

/// A device with one lane.
#[derive(Debug)]
struct Device {
    link: usize,
    key: LibSecpKey,
    lane: LaneId,
    handle: u32,
    chain: DeviceChain,
    anchor: SignedAnchor,
    index: u16,
    /// Total authorised by vouchers.
    amount: u64,
    acknowledged: u64,
}

/// The devices, the hub, and the time between them.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) site: Site,
    client: Client,
    devices: Vec<Device>,
    now: Instant,
}

/// The work of the hub alone, without what the devices do.
pub(crate) trait Meter {
    /// Runs the hub's part of an exchange.
    fn hub<R>(&mut self, work: impl FnOnce() -> R) -> R;
}

impl Fleet {
    /// A hub, and `links` connections with `devices` devices each, whose chains have `length` links.
    pub(crate) fn attach(links: u16, devices: u16, length: u16, now: Instant) -> anyhow::Result<Self> {
        let site = Site::new(now)?;
        let client = Client::new(&site.certificate)?;
        let mut fleet = Self { site, client, devices: Vec::new(), now };
        for link in 0..links {
            fleet.client.connect(fleet.now)?;
            let link = usize::from(link);
            fleet.until("the hub's hello", |fleet| Ok(fleet.client.hello(link).is_some()))?;
            for number in 0..devices {
                fleet.attach_device(link, number, length)?;
            }
        }
        fleet.pay_anchors()?;
        // What the handshakes left to be said is said before anything is counted.
        for _ in 0..100 {
            fleet.exchange(&mut Unmetered)?;
        }
        Ok(fleet)
    }

    fn attach_device(&mut self, link: usize, number: u16, length: u16) -> anyhow::Result<()> {
        let mut secret = [0x11; 32];
        secret[28..30].copy_from_slice(&u16::try_from(link)?.to_be_bytes());
        secret[30..].copy_from_slice(&number.to_be_bytes());
        let key = LibSecpKey::from_bytes(secret)?;
        self.site.mandate(key.address())?;
        let Some(Hello::Hub { nonce, .. }) = self.client.hello(link) else {
            bail!("the connection has no hello");
        };
        let role = Role::Device;
        let binding = Attach::binding(nonce, &self.site.certificate);
        let Ok(signature) =
            sign_typed(&key, &self.site.domain, &Attach { binding, hub: self.site.hub, role: role.code() });
        let lanes = vec![LaneOffer { payee: PAYEE, rating_group: RatingGroup(1) }];
        let escrow = Some(self.site.escrow);
        let request = Request::Attach { role, signature: signature.into(), escrow, mandate: None, lanes };
        self.client.request(link, &request)?;
        let mut reply = None;
        self.until("the reply to an attach", |fleet| {
            reply = fleet.client.reply(link);
            Ok(reply.is_some())
        })?;
        let Some(Response::Attached(attached)) = reply else {
            bail!("the hub does not attach: {reply:?}");
        };
        let view = attached.lanes.first().context("the hub opens no lane")?;
        let lane = LaneId::derive(&ChannelId::derive(&self.site.escrow, &key.address()), &PAYEE, RatingGroup(1));
        ensure!(view.lane == lane, "the hub opens another lane");
        let purpose = ChainPurpose {
            lane,
            base_amount: 0,
            base_ticks: 0,
            tick_amount: TICK_AMOUNT,
            ticks_per_amount: 1,
            length,
            tariff: TariffHash::ZERO,
        };
        let chain = DeviceChain::new(&lane, seed(&secret, &self.site.domain, &purpose), length).context("a chain")?;
        let terms = AnchorTerms::of_chain(&purpose, chain.root());
        let Ok(signature) = sign_typed(&key, &self.site.domain, &terms.typed(&lane));
        let anchor = SignedAnchor { terms, signature: signature.into() };
        let handle = view.handle;
        self.devices.push(Device { link, key, lane, handle, chain, anchor, index: 0, amount: 0, acknowledged: 0 });
        Ok(())
    }

    /// Shows every device's anchor, each in a datagram of its own.
    fn pay_anchors(&mut self) -> anyhow::Result<()> {
        for at in 0..self.devices.len() {
            let device = &self.devices[at];
            let mut bytes = Vec::new();
            encode_into(&Payment::Anchor { lane: LaneRef::Handle(device.handle), anchor: device.anchor }, &mut bytes);
            self.client.pay(device.link, bytes)?;
            let mut is_answered = false;
            self.until("the answer to an anchor", |fleet| {
                let answers = fleet.client.answers(fleet.devices[at].link);
                is_answered |= answers.iter().any(|answer| matches!(answer, Answer::Acknowledged { .. }));
                Ok(is_answered)
            })?;
        }
        Ok(())
    }

    /// Number of devices.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Sends `ticks` ticks of each of these devices, in this order, in one datagram.
    pub(crate) fn send_ticks(&mut self, devices: std::ops::Range<usize>, ticks: u16) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let link = self.devices[devices.start].link;
        for device in &mut self.devices[devices] {
            ensure!(device.link == link, "one datagram goes over one connection");
            for _ in 0..ticks {
                device.index += 1;
                let (preimage, _) = device.chain.preimage(device.index).context("the chain is used up")?;
                let lane = LaneRef::Handle(device.handle);
                encode_into(&Payment::Tick { lane, index: device.index, link: preimage }, &mut bytes);
            }
            device.amount = u64::from(device.index) * u64::from(TICK_AMOUNT);
        }
        self.client.pay(link, bytes)
    }

    /// Sends a voucher of each of these devices in one datagram.
    pub(crate) fn send_vouchers(&mut self, devices: std::ops::Range<usize>) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let link = self.devices[devices.start].link;
        for device in &mut self.devices[devices] {
            ensure!(device.link == link, "one datagram goes over one connection");
            device.amount += u64::from(TICK_AMOUNT);
            let typed = Voucher { lane: device.lane, cumulative_amount: u128::from(device.amount) };
            let Ok(signature) = sign_typed(&device.key, &self.site.domain, &typed);
            let voucher = SignedVoucher { amount: device.amount, signature: signature.into() };
            encode_into(&Payment::Voucher { lane: LaneRef::Handle(device.handle), voucher }, &mut bytes);
        }
        self.client.pay(link, bytes)
    }

    /// Carries everything to the hub and back until each device's total is acknowledged. The hub's part is metered.
    pub(crate) fn settle(&mut self, meter: &mut impl Meter) -> anyhow::Result<()> {
        self.exchange(meter)?;
        for _ in 0..EXCHANGES_MAX {
            self.take_answers()?;
            if self.devices.iter().all(|device| device.acknowledged >= device.amount) {
                return Ok(());
            }
            self.site.wait_committed()?;
            self.woken(meter)?;
        }
        bail!("not every payment is acknowledged")
    }

    fn take_answers(&mut self) -> anyhow::Result<()> {
        let Self { client, devices, .. } = self;
        let mut answers = Vec::new();
        let mut taken = None;
        for device in devices {
            // Devices of one connection stand side by side.
            if taken != Some(device.link) {
                answers = client.answers(device.link);
                taken = Some(device.link);
            }
            for answer in &answers {
                match answer {
                    Answer::Acknowledged { lane, authorised, .. } if *lane == LaneRef::Handle(device.handle) => {
                        device.acknowledged = device.acknowledged.max(*authorised);
                    }
                    Answer::Acknowledged { .. } => {}
                    Answer::Refused { .. } => bail!("the hub refuses: {answer:?}"),
                }
            }
        }
        Ok(())
    }

    /// The devices' packets to the hub, its answers to them.
    fn exchange(&mut self, meter: &mut impl Meter) -> anyhow::Result<()> {
        self.now += STEP;
        let packets = self.client.transmit(self.now);
        self.turn(meter, false, packets)
    }

    /// The hub is told that the journal has news.
    fn woken(&mut self, meter: &mut impl Meter) -> anyhow::Result<()> {
        self.now += STEP;
        self.turn(meter, true, Vec::new())
    }

    fn turn(&mut self, meter: &mut impl Meter, woken: bool, packets: Vec<Packet>) -> anyhow::Result<()> {
        // Room for every answer, so that gathering them costs the same each time.
        let mut answers = Vec::with_capacity(1_024);
        let (site, now) = (&mut self.site, self.now);
        meter.hub(|| site.turn(now, woken, packets, &mut answers));
        self.client.receive(self.now, answers)
    }

    /// Goes on until something is there.
    fn until(&mut self, what: &str, mut is_there: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        for exchange in 0..EXCHANGES_MAX {
            if is_there(self)? {
                return Ok(());
            }
            self.exchange(&mut Unmetered)?;
            // The journal works in real time, the rest does not.
            if exchange > 10 {
                std::thread::sleep(STEP);
            }
            self.woken(&mut Unmetered)?;
        }
        bail!("{what} does not come")
    }
}

/// Runs without being counted.
#[derive(Debug)]
pub(crate) struct Unmetered;

impl Meter for Unmetered {
    fn hub<R>(&mut self, work: impl FnOnce() -> R) -> R {
        work()
    }
}
