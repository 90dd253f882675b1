//! From a wanted total to the proof of it and the messages that carry it.

use farthing_channel::chain::{self, DeviceChain};
use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher, Total};
use farthing_channel::limits::TICK_GAP_MAX;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::sign_typed;
use farthing_channel::wire::{LaneRef, Payment};

use super::{Chain, Newest, TickPlan, Wallet, Want, ceil};
use crate::key::{DeviceKey, KeyError};
use crate::wallet::PayMode;

/// Most steps that a payment goes along its chain. A chain's tick costs the hub a hash per step, at some 50 ns; a new
/// anchor costs it one signature check, about 35 us, and this device one signature.
const WALK_STEPS_MAX: u16 = 1024;

/// Why a wanted total was not proven. Nothing was signed.
#[derive(Debug, Clone)]
pub(crate) enum WalletError {
    /// It would pass the limit.
    Limit {
        /// The lane's total, base units.
        total: u64,
    },
    /// The total does not fit 64 bits.
    Overflow,
    /// The key failed.
    Key(KeyError),
}

impl From<KeyError> for WalletError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl Wallet {
    /// Proves what is wanted, if it is not proven. `room` is the highest total the lane may reach, base units.
    /// Returns whether there is a new proof, which must be recorded before it is sent.
    pub(crate) fn prove(&mut self, key: &DeviceKey, domain: &Domain, room: u64) -> Result<bool, WalletError> {
        if !self.needs_proof() {
            return Ok(false);
        }
        let wanted = self.wanted();
        let total = ceil(&wanted).ok_or(WalletError::Overflow)?;
        if total > room {
            return Err(WalletError::Limit { total });
        }
        match self.mode {
            PayMode::Voucher => self.sign_voucher(total, key, domain)?,
            PayMode::Ticks(_) if self.vouchers_left > 0 => {
                self.vouchers_left -= 1;
                self.sign_voucher(total, key, domain)?;
            }
            PayMode::Ticks(plan) => {
                if !self.advance_chain(&plan, wanted, room) {
                    self.sign_anchor(&plan, total, room, key, domain)?;
                }
            }
        }
        self.prove_anew = false;
        Ok(true)
    }

    fn sign_voucher(&mut self, amount: u64, key: &DeviceKey, domain: &Domain) -> Result<(), WalletError> {
        let typed = Voucher { lane: self.lane, cumulative_amount: u128::from(amount) };
        let signature = sign_typed(key, domain, &typed)?.into();
        self.newest = Newest::Voucher(SignedVoucher { amount, signature });
        self.proven = self.proven.max(Total::whole(amount));
        Ok(())
    }

    /// Goes along the chain in use, if it reaches. `false` where a new anchor is the better way.
    fn advance_chain(&mut self, plan: &TickPlan, wanted: Total, room: u64) -> bool {
        if self.prove_anew {
            return false;
        }
        let Some(chain) = self.chain.as_mut() else {
            return false;
        };
        let terms = &chain.anchor.terms;
        if terms.tariff != self.tariff
            || terms.tick_amount != plan.tick_amount
            || terms.ticks_per_amount != plan.ticks_per_amount
        {
            return false;
        }
        let Some((index, total)) = index_for(terms, wanted) else {
            return false;
        };
        // Rounding up to a whole tick must not pass the limit either.
        if ceil(&total).is_none_or(|total| total > room) || index <= chain.index {
            return false;
        }
        let known = chain.held.unwrap_or(0);
        if index.saturating_sub(known) > WALK_STEPS_MAX {
            return false;
        }
        chain.index = index;
        self.newest = Newest::Chain;
        self.proven = self.proven.max(total);
        true
    }

    /// Signs a chain whose base is the wanted total, so that the anchor itself pays it and the chain is for what
    /// follows. Near the limit, where not one tick has room, a voucher pays.
    fn sign_anchor(
        &mut self,
        plan: &TickPlan,
        total: u64,
        room: u64,
        key: &DeviceKey,
        domain: &Domain,
    ) -> Result<(), WalletError> {
        let base = self.anchor_base(total);
        let Some(length) = chain_length(plan, base, room) else {
            return self.sign_voucher(total, key, domain);
        };
        let mut terms = AnchorTerms {
            base_amount: base.amount,
            base_ticks: base.ticks,
            tick_amount: plan.tick_amount,
            ticks_per_amount: plan.ticks_per_amount,
            length,
            tariff: self.tariff,
            root: farthing_channel::id::Hash32::ZERO,
        };
        let value = terms.total_at(0).map_err(|_| WalletError::Overflow)?;
        let seed = chain::seed(key.chain_secret().bytes(), domain, &terms.purpose(self.lane));
        let links = DeviceChain::new(&self.lane, seed, length).ok_or(WalletError::Overflow)?;
        terms.root = links.root();
        let signature = sign_typed(key, domain, &terms.typed(&self.lane))?.into();
        self.chain = Some(Chain { anchor: SignedAnchor { terms, signature }, links, index: 0, held: None });
        self.newest = Newest::Chain;
        self.proven = self.proven.max(value);
        Ok(())
    }

    /// What a new chain starts from: the wanted total exactly, its fraction as ticks. Where a proof has to be replaced
    /// the total is proven already, perhaps above what is wanted, and the base is that, rounded up.
    fn anchor_base(&self, total: u64) -> Want {
        let exact = self.want().filter(|want| {
            want.total(self.price())
                .is_some_and(|value| value > self.proven || (self.prove_anew && value == self.proven))
        });
        exact.unwrap_or(Want::whole(total))
    }

    /// The messages that bring the hub from what it acknowledged to what is proven, in the order they must be read;
    /// none where there is nothing to tell.
    pub(crate) fn messages(&mut self, lane: LaneRef) -> Vec<Payment> {
        if !self.unacknowledged() {
            return Vec::new();
        }
        match (self.newest, self.chain.as_mut()) {
            (Newest::Voucher(voucher), _) => vec![Payment::Voucher { lane, voucher }],
            (Newest::Chain, Some(chain)) => chain.messages(lane),
            (Newest::Nothing | Newest::Chain, _) => Vec::new(),
        }
    }
}

impl Chain {
    /// The anchor, unless the hub holds it, and ticks no further apart than the hub walks at once.
    fn messages(&mut self, lane: LaneRef) -> Vec<Payment> {
        let mut payments = Vec::new();
        if self.held.is_none() {
            payments.push(Payment::Anchor { lane, anchor: self.anchor });
        }
        let mut at = self.held.unwrap_or(0);
        while at < self.index {
            at = at.saturating_add(TICK_GAP_MAX).min(self.index);
            let Some((link, _)) = self.links.preimage(at) else {
                break;
            };
            payments.push(Payment::Tick { lane, index: at, link });
        }
        payments
    }
}

/// The first index of the chain that is worth `wanted`, and its exact worth; `None` past the chain's end.
fn index_for(terms: &AnchorTerms, wanted: Total) -> Option<(u16, Total)> {
    let worth = |index| terms.total_at(index).map_err(|_: Refusal| ());
    if worth(terms.length).ok()? < wanted {
        return None;
    }
    // Worth grows with the index: twelve halvings find the first that is enough.
    let (mut low, mut high) = (0, terms.length);
    while low < high {
        let middle = low.midpoint(high);
        if worth(middle).ok()? < wanted {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Some((low, worth(low).ok()?))
}

/// The longest chain from `base` whose top value is within `room`, at most the plan's; `None` where not one tick is.
fn chain_length(plan: &TickPlan, base: Want, room: u64) -> Option<u16> {
    let left = u128::from(room.checked_sub(base.amount)?);
    // (base.ticks + length) * amount / per <= left, rounded so that even the fraction stays within.
    let ticks = (left * u128::from(plan.ticks_per_amount))
        .checked_div(u128::from(plan.tick_amount))?
        .checked_sub(u128::from(base.ticks))?;
    let length = u16::try_from(ticks).unwrap_or(u16::MAX).min(plan.length);
    (length > 0).then_some(length)
}
