//! Devices that pay a [`Site`], and what is expected of it.

use farthing_channel::admission::ChannelStatus;
use farthing_channel::chain::{self, DeviceChain};
use farthing_channel::eip712::{Domain, TypedData, Voucher};
use farthing_channel::id::{Address, LaneId, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher, Total};
use farthing_channel::limits::TICK_GAP_MAX;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::time::UnixSeconds;

use crate::model::Value;
use crate::operation::{Amount, Index, Operation, SignatureFlaw, Terms, TickFlaw};
use crate::signature;
use crate::site::{CHANNEL_OF_LANE, CHANNELS, EXPIRY, LANES, Payment, Site};

/// Anchors a device remembers per lane; more than the hub keeps, so that forgotten ones are paid on too.
const ANCHORS_REMEMBERED: usize = 8;

/// An anchor the device signed.
struct Anchored {
    terms: AnchorTerms,
    chain: DeviceChain,
    /// The highest index the site has accepted; `None` until it has accepted the anchor.
    accepted: Option<u16>,
}

impl Anchored {
    fn value(&self, index: u16) -> Value {
        let terms = &self.terms;
        let ticks = u128::from(terms.base_ticks) + u128::from(index);
        Value::of_ticks(terms.base_amount, ticks, terms.tick_amount, terms.ticks_per_amount).unwrap_or(Value::ZERO)
    }
}

/// What the model expects of one lane.
#[derive(Default)]
struct Expected {
    total: Option<Value>,
    anchors: Vec<Anchored>,
    /// The anchor accepted last, where the site is bound to hold it: not when a forgotten one was shown again.
    newest: Option<usize>,
}

/// A site and the devices that pay it.
#[derive(Default)]
pub struct World {
    site: Site,
    lanes: [Expected; LANES],
    /// Every payment whose whole value the site has counted.
    credited: Vec<(usize, Payment)>,
}

/// What an honest payment claims, and whether the site has no reason to refuse it but the limits.
struct Claim {
    value: Value,
    owed_acceptance: bool,
}

impl World {
    /// Lets `operation` happen and checks what it may not do.
    ///
    /// # Panics
    /// When the rules and the model disagree.
    pub fn happen(&mut self, operation: &Operation) {
        match *operation {
            Operation::Voucher { lane, amount, flaw } => self.voucher(usize::from(lane) % LANES, amount, flaw.0),
            Operation::Anchor { lane, terms, flaw } => self.anchor(usize::from(lane) % LANES, terms, flaw.0),
            Operation::Tick { lane, anchor, index, flaw } => {
                self.tick(usize::from(lane) % LANES, usize::from(anchor), index, flaw.0);
            }
            Operation::Replay => self.replay(),
            Operation::TopUp { by } => self.site.deposit = self.site.deposit.saturating_add(u64::from(by)),
            Operation::RaiseLimit { channel, by } => {
                let limit = &mut self.site.channels[usize::from(channel) % CHANNELS].limit;
                *limit = limit.saturating_add(u64::from(by));
            }
            Operation::Freeze { channel, frozen } => {
                self.site.channels[usize::from(channel) % CHANNELS].status =
                    if frozen { ChannelStatus::Frozen } else { ChannelStatus::Open };
            }
            Operation::Revoke { channel } => self.site.channels[usize::from(channel) % CHANNELS].revoked = true,
            Operation::RequestClose => self.site.escrow_open = false,
            Operation::Wait { seconds } => self.site.now = UnixSeconds(self.site.now.0 + u64::from(seconds)),
            Operation::Restart { checkpoint } => self.site.restart(checkpoint),
        }
    }

    /// Checks the whole site once more, and that it survives a restart.
    ///
    /// # Panics
    /// When it does not add up.
    pub fn end(&mut self) {
        self.site.check();
        self.site.restart(false);
        self.replay();
    }

    fn voucher(&mut self, lane: usize, amount: Amount, flaw: Option<SignatureFlaw>) {
        let mut amount = self.amount(lane, amount);
        let typed = |amount: u64, lane: LaneId| Voucher { lane, cumulative_amount: u128::from(amount) };
        let id = *self.site.lanes[lane].lane();
        let signature = self.sign(lane, &typed(amount, self.lane_signed(lane, flaw)), flaw);
        if matches!(flaw, Some(SignatureFlaw::Raised)) {
            amount = amount.saturating_add(1);
        }
        let payment = Payment::Voucher(SignedVoucher { amount, signature });
        let genuine = self.genuine(lane, &typed(amount, id)) == signature;
        let claim = genuine.then(|| Claim { value: Value::whole(amount), owed_acceptance: amount > 0 });
        self.pay(lane, payment, claim);
    }

    fn anchor(&mut self, lane: usize, terms: Terms, flaw: Option<SignatureFlaw>) {
        let id = *self.site.lanes[lane].lane();
        let mut signed = AnchorTerms {
            base_amount: self.amount(lane, terms.base),
            base_ticks: terms.base_ticks.long(),
            tick_amount: terms.tick_amount.short(),
            ticks_per_amount: terms.ticks_per_amount.short(),
            length: terms.length.min(Terms::LENGTH_MAX),
            tariff: if terms.other_tariff.0.is_some() { TariffHash([8; 32]) } else { self.site.tariff },
            root: farthing_channel::id::Hash32::ZERO,
        };
        let seed = chain::seed(&[42; 32], &self.site.domain, &signed.purpose(id));
        let Some(chain) = DeviceChain::new(&id, seed, signed.length) else {
            // No chain has no links; the rules must refuse its anchor whatever else it says.
            let signature = self.genuine(lane, &signed.typed(&id));
            self.pay(lane, Payment::Anchor(SignedAnchor { terms: signed, signature }), None);
            return;
        };
        signed.root = chain.root();
        let signature = self.sign(lane, &signed.typed(&self.lane_signed(lane, flaw)), flaw);
        if matches!(flaw, Some(SignatureFlaw::Raised)) {
            signed.base_amount = signed.base_amount.saturating_add(1);
        }
        let payment = Payment::Anchor(SignedAnchor { terms: signed, signature });
        let anchored = Anchored { terms: signed, chain, accepted: None };
        let top = anchored.value(signed.length);
        let in_range =
            signed.tick_amount > 0 && signed.ticks_per_amount > 0 && top.fits() && terms.other_tariff.0.is_none();
        let genuine = self.genuine(lane, &signed.typed(&id)) == signature;
        let is_new = self.lanes[lane].anchors.iter().all(|known| known.terms.root != signed.root);
        let total = self.lanes[lane].total.unwrap_or(Value::ZERO);
        let claim =
            (genuine && in_range).then(|| Claim { value: anchored.value(0), owed_acceptance: is_new && top > total });
        if self.pay(lane, payment, claim) && genuine {
            let expected = &mut self.lanes[lane];
            expected.newest = (is_new && expected.anchors.len() < ANCHORS_REMEMBERED).then_some(expected.anchors.len());
            if expected.newest.is_some() {
                let accepted = Some(0);
                expected.anchors.push(Anchored { accepted, ..anchored });
            }
        }
    }

    fn tick(&mut self, lane: usize, anchor: usize, index: Index, flaw: Option<TickFlaw>) {
        let expected = &mut self.lanes[lane];
        let total = expected.total.unwrap_or(Value::ZERO);
        let newest = expected.newest;
        let Some(place) = anchor.checked_rem(expected.anchors.len()) else {
            return;
        };
        let anchored = &mut expected.anchors[place];
        let known = anchored.accepted.unwrap_or(0);
        let index = match index {
            Index::At(index) => index,
            Index::Next => known.saturating_add(1),
            Index::Skip(by) => known.saturating_add(u16::from(by)),
            Index::Furthest(by) => known.saturating_add(TICK_GAP_MAX).saturating_add_signed(i16::from(by)),
        };
        let length = anchored.terms.length;
        let Some((mut link, _)) = anchored.chain.preimage(index) else {
            let payment = Payment::Tick { index, link: farthing_channel::id::Preimage([1; 32]) };
            self.pay(lane, payment, None);
            return;
        };
        let near = index > known && index - known <= TICK_GAP_MAX;
        // An anchor that can no longer raise the total may be dropped at a restart.
        let alive = newest == Some(place) && anchored.value(length) > total;
        let claim = Claim { value: anchored.value(index), owed_acceptance: near && alive };
        let (lane_shown, index_shown, claim) = match flaw {
            None => (lane, index, Some(claim)),
            Some(TickFlaw::Flipped { bit }) => {
                link.0[usize::from(bit / 8)] ^= 1 << (bit % 8);
                (lane, index, None)
            }
            Some(TickFlaw::OtherIndex) => (lane, index.saturating_add(1), None),
            Some(TickFlaw::OtherLane) => ((lane + 1) % LANES, index, None),
        };
        let owed = claim.as_ref().is_some_and(|claim| claim.owed_acceptance);
        if self.pay(lane_shown, Payment::Tick { index: index_shown, link }, claim) && owed {
            self.lanes[lane].anchors[place].accepted = Some(index);
        }
    }

    /// Everything that was counted arrives again. Nobody pays twice, so nothing may grow.
    fn replay(&mut self) {
        let before = self.site.authorised;
        for (lane, payment) in self.credited.clone() {
            // Refusals are as good as acceptance here: an anchor may be spent by now, a channel frozen.
            let _ = self.site.pay(lane, &payment);
        }
        // An anchor that the site had let go may be back now, in the place of another one.
        for expected in &mut self.lanes {
            expected.newest = None;
        }
        assert_eq!(self.site.authorised, before, "a payment that was accepted once is never paid twice");
        self.site.check();
    }

    /// Shows the payment to the site. `claim` is `None` for one that must not change any total. Returns whether it was
    /// accepted.
    fn pay(&mut self, lane: usize, payment: Payment, claim: Option<Claim>) -> bool {
        let before = self.site.clone();
        let old = self.lanes[lane].total.unwrap_or(Value::ZERO);
        let result = self.site.pay(lane, &payment);
        let new = value(self.site.lanes[lane].total());
        assert!(new >= old, "a total never shrinks");
        if let Err(refusal) = result {
            assert_eq!(self.site, before, "a refused payment changes nothing");
            if let Some(claim) = claim {
                self.refused_for_cause(lane, old, &claim, refusal);
            }
            return false;
        }
        match claim {
            None => assert!(new == old, "nothing but an honest payment raises a total"),
            Some(claim) => {
                assert!(self.may_pay(lane), "who may not pay is refused");
                let raised = claim.value.max(old);
                assert!(
                    new == raised || (new == old && !claim.owed_acceptance),
                    "a total is the greatest value proven"
                );
                // A tick of an anchor that the site let go may be answered as known; it was not credited, and still
                // may be, should the anchor be shown again.
                if new >= claim.value {
                    self.credited.push((lane, payment));
                }
            }
        }
        self.lanes[lane].total = Some(new);
        self.site.check();
        true
    }

    /// An honest payment may be refused for where the channel stands or for its limits, and then they must say so.
    fn refused_for_cause(&self, lane: usize, old: Value, claim: &Claim, refusal: Refusal) {
        if !self.may_pay(lane) || !claim.owed_acceptance {
            return;
        }
        let channel = &self.site.channels[CHANNEL_OF_LANE[lane]];
        let increase = claim.value.max(old).floor() - old.floor();
        let over_limit = u128::from(channel.authorised) + increase > u128::from(channel.limit);
        let over_deposit = u128::from(self.site.authorised) + increase > u128::from(self.site.deposit);
        match refusal {
            Refusal::MandateLimit => assert!(over_limit, "the mandate would have allowed it"),
            Refusal::EscrowLimit => assert!(over_deposit && !over_limit, "the deposit would have allowed it"),
            other => panic!("an honest payment was refused: {other:?}"),
        }
    }

    fn may_pay(&self, lane: usize) -> bool {
        let channel = &self.site.channels[CHANNEL_OF_LANE[lane]];
        let open = channel.status == ChannelStatus::Open && !channel.revoked;
        open && self.site.escrow_open && self.site.now < EXPIRY
    }

    fn amount(&self, lane: usize, amount: Amount) -> u64 {
        let total = self.site.lanes[lane].total().amount();
        let channel = &self.site.channels[CHANNEL_OF_LANE[lane]];
        let near = |room: u64, by: i8| total.saturating_add(room).saturating_add_signed(i64::from(by));
        match amount {
            Amount::Above(by) => total.saturating_add(u64::from(by)),
            Amount::ToMandateLimit(by) => near(channel.limit - channel.authorised, by),
            Amount::ToDeposit(by) => near(self.site.deposit - self.site.authorised, by),
            Amount::Total(amount) => amount,
        }
    }

    fn device(&self, lane: usize) -> Address {
        self.site.channels[CHANNEL_OF_LANE[lane]].device
    }

    fn lane_signed(&self, lane: usize, flaw: Option<SignatureFlaw>) -> LaneId {
        let lane = if matches!(flaw, Some(SignatureFlaw::OtherLane)) { (lane + 1) % LANES } else { lane };
        *self.site.lanes[lane].lane()
    }

    /// The device's own signature over `data`.
    fn genuine(&self, lane: usize, data: &impl TypedData) -> UncheckedSignature {
        signature::sign(&self.device(lane), &self.site.domain.digest(data))
    }

    fn sign(&self, lane: usize, data: &impl TypedData, flaw: Option<SignatureFlaw>) -> UncheckedSignature {
        let mut signature = self.genuine(lane, data);
        match flaw {
            Some(SignatureFlaw::OtherSigner) => {
                signature = signature::sign(&Address([99; 20]), &self.site.domain.digest(data));
            }
            Some(SignatureFlaw::OtherLedger) => {
                let elsewhere = Domain::new(1, self.site.domain.contract());
                signature = signature::sign(&self.device(lane), &elsewhere.digest(data));
            }
            Some(SignatureFlaw::HighS) => signature.0[32] = 0x7f + (signature.0[32] & 0x80),
            Some(SignatureFlaw::Zero) => signature = UncheckedSignature([0; 64]),
            Some(SignatureFlaw::OtherLane | SignatureFlaw::Raised) | None => {}
        }
        if matches!(flaw, Some(SignatureFlaw::HighS)) {
            signature.0[33..].fill(0xff);
        }
        signature
    }
}

fn value(total: Total) -> Value {
    let (remainder, per) = total.fraction();
    Value::of_ticks(total.amount(), u128::from(remainder), 1, per).unwrap_or(Value::ZERO)
}
