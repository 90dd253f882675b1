//! Going on after a restart, a lost memory, or a restored backup.
//!
//! A device believes its own signatures and nothing else. What the hub shows is checked as any stranger would check
//! it; the greater of the hub's proofs and the device's own record is the truth; and where the hub is behind, the
//! device's newest proof goes out again, which heals a hub that was restored from an old backup.

use farthing_channel::chain::{self, DeviceChain};
use farthing_channel::eip712::Domain;
use farthing_channel::lane::{Evidence, SignedAnchor, TickProof, Total, verify_evidence};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::LaneView;

use super::{Chain, Newest, Wallet, Want, ceil};
use crate::key::DeviceKey;
use crate::store::LaneRecord;

impl Wallet {
    /// Takes up what an earlier run recorded. `domain` is needed to grow the chain again; where it is not known yet,
    /// [`Self::resume`] does that later.
    pub(crate) fn restore(&mut self, record: &LaneRecord) {
        let recorded = Want { amount: record.wanted_amount, ticks: record.wanted_ticks };
        self.base = if record.tick_price == self.price() {
            recorded
        } else {
            // Another price now: the fraction is rounded up once.
            recorded.total(record.tick_price).and_then(|total| ceil(&total)).map_or(Want::ZERO, Want::whole)
        };
        if let Some(voucher) = record.voucher {
            self.newest = Newest::Voucher(voucher);
            self.proven = self.proven.max(Total::whole(voucher.amount));
        }
    }

    /// Merges what the hub shows with what is known here, on every attach. `record` is the stored one, on the first.
    ///
    /// # Errors
    /// The refusal a proof would deserve that this device did not sign.
    pub(crate) fn resume(
        &mut self,
        view: &LaneView,
        record: Option<&LaneRecord>,
        key: &DeviceKey,
        domain: &Domain,
    ) -> Result<(), Refusal> {
        let shown = self.check_view(view, key, domain)?;
        self.tariff = view.tariff;
        if let Some(anchor) = record.and_then(|record| record.anchor)
            && self.chain.is_none()
        {
            self.take_up_chain(anchor.signed, anchor.index, None, key, domain);
        }
        for tick in &view.anchors {
            self.meet_anchor(tick, key, domain);
        }
        if let Some(chain) = &mut self.chain
            && !view.anchors.iter().any(|tick| tick.anchor.terms == chain.anchor.terms)
        {
            chain.held = None;
        }
        if !self.resumed {
            self.start_from(view, shown);
            self.resumed = true;
        }
        self.proven = self.proven.max(shown);
        self.acknowledged = shown;
        self.settle_newest();
        Ok(())
    }

    /// Checks every proof in the view and returns the greatest total they prove.
    fn check_view(&self, view: &LaneView, key: &DeviceKey, domain: &Domain) -> Result<Total, Refusal> {
        let address = key.address();
        let check = |evidence: Evidence| verify_evidence(&LibSecp, domain, &self.lane, &address, &evidence);
        let mut shown = Total::ZERO;
        if let Some(voucher) = view.voucher {
            shown = shown.max(check(Evidence::Voucher(voucher))?);
        }
        for tick in &view.anchors {
            shown = shown.max(check(Evidence::Tick(*tick))?);
        }
        Ok(shown)
    }

    /// On the first attach: what the hub proves was paid before is where "so much more" starts from, unless the
    /// record says that more was wanted.
    fn start_from(&mut self, view: &LaneView, shown: Total) {
        let base = self.base.total(self.price()).unwrap_or(Total::ZERO);
        if base >= shown {
            return;
        }
        let price = self.price();
        let exact = view
            .anchors
            .iter()
            .filter(|tick| {
                let terms = &tick.anchor.terms;
                (terms.tick_amount, terms.ticks_per_amount) == price && terms.total_at(tick.index) == Ok(shown)
            })
            .find_map(|tick| {
                let ticks = tick.anchor.terms.base_ticks.checked_add(u64::from(tick.index))?;
                Want { amount: tick.anchor.terms.base_amount, ticks }.normal(price)
            });
        self.base = exact.or_else(|| ceil(&shown).map(Want::whole)).unwrap_or(self.base);
    }

    /// Notes how far the hub holds the chain in use, or takes up a chain that only the hub remembers.
    fn meet_anchor(&mut self, tick: &TickProof, key: &DeviceKey, domain: &Domain) {
        match &mut self.chain {
            Some(chain) if chain.anchor.terms == tick.anchor.terms => {
                chain.index = chain.index.max(tick.index);
                chain.held = Some(tick.index);
            }
            Some(chain) if chain.top() >= top(&tick.anchor) => {}
            _ => self.take_up_chain(tick.anchor, tick.index, Some(tick.index), key, domain),
        }
    }

    /// Grows a chain again from the secret. An anchor of another secret stays a proof, and cannot be paid along.
    fn take_up_chain(&mut self, anchor: SignedAnchor, index: u16, held: Option<u16>, key: &DeviceKey, domain: &Domain) {
        let terms = &anchor.terms;
        if terms.check().is_err() || index > terms.length {
            return;
        }
        let seed = chain::seed(key.chain_secret().bytes(), domain, &terms.purpose(self.lane));
        let Some(links) = DeviceChain::new(&self.lane, seed, terms.length) else {
            return;
        };
        if links.root() != terms.root {
            return;
        }
        let chain = Chain { anchor, links, index, held };
        if let Ok(total) = anchor.terms.total_at(index)
            && total >= self.proven
        {
            self.proven = total;
            self.newest = Newest::Chain;
        }
        self.chain = Some(chain);
    }

    /// Makes sure that what is behind can be sent: the newest proof is worth `proven`, or the hub has that already.
    fn settle_newest(&mut self) {
        let worth = match (&self.newest, &self.chain) {
            (Newest::Voucher(voucher), _) => Total::whole(voucher.amount),
            (Newest::Chain, Some(chain)) => {
                let terms = &chain.anchor.terms;
                terms.total_at(chain.index).unwrap_or(Total::ZERO)
            }
            _ => Total::ZERO,
        };
        if self.unacknowledged() && worth < self.proven {
            self.prove_anew = true;
        }
    }
}

impl Chain {
    fn top(&self) -> Total {
        top(&self.anchor)
    }
}

fn top(anchor: &SignedAnchor) -> Total {
    anchor.terms.total_at(anchor.terms.length).unwrap_or(Total::ZERO)
}
