//! One lane's money as the device sees it: what is wanted, what is proven, what the hub has kept.
//!
//! A wallet does no I/O and reads no clock. Callers raise what is wanted ([`Wallet::add`], [`Wallet::raise_to`]); the
//! connection's task asks it to [`Wallet::prove`] that with one signature or a preimage, keeps the
//! [`Wallet::record`], and only then sends the [`Wallet::messages`]; answers come back through
//! [`Wallet::acknowledge`] and [`Wallet::refuse`]. All values are totals, so whatever the network loses, repeats or
//! reorders, the two sides meet at the greatest.

mod prove;
mod resume;
mod want;

use farthing_channel::chain::DeviceChain;
use farthing_channel::id::{LaneId, TariffHash};
use farthing_channel::lane::{SignedAnchor, SignedVoucher, Total};
use farthing_channel::refusal::Refusal;

pub(crate) use prove::WalletError;
pub use want::{PayMode, TickPlan};
pub(crate) use want::{Want, ceil};

use crate::store::{LaneRecord, RecordedAnchor};

/// Refusals of one chain after which the device stops repeating it and makes a new one.
const CHAIN_STRIKES_MAX: u8 = 3;

/// A chain in use.
#[derive(Debug)]
struct Chain {
    anchor: SignedAnchor,
    links: DeviceChain,
    /// The furthest index let out.
    index: u16,
    /// The furthest index the hub has kept; `None` while it has not said that it holds the anchor.
    held: Option<u16>,
}

/// What proves [`Wallet::proven`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    /// Nothing was signed, or only proofs that the hub showed and so has.
    Nothing,
    Voucher(SignedVoucher),
    /// The chain in use, at its furthest index.
    Chain,
}

/// What the connection's task has to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing: it was about something already settled.
    Ignore,
    /// Prove and send again at once.
    Resend,
    /// Send again after a while.
    Later,
    /// Ask the hub how the lane stands (attach it again), then send again.
    Reattach,
    /// Tell the callers. The proof stays, and goes out again with the next payment.
    Fail,
}

/// Vouchers that are sent where the hub requires them, before a tick is tried again.
const VOUCHERS_IN_A_ROW: u8 = 16;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Wallet {
    lane: LaneId,
    mode: PayMode,
    tariff: TariffHash,
    /// What earlier runs wanted, or the hub proved they had paid.
    base: Want,
    /// Asked for since this wallet was made.
    added: Want,
    /// The greatest total named outright.
    floor: u64,
    /// Whether the hub has been asked how the lane stands.
    resumed: bool,
    proven: Total,
    newest: Newest,
    chain: Option<Chain>,
    acknowledged: Total,
    /// Make a new proof even though the total is proven: the hub cannot use the one there is.
    prove_anew: bool,
    /// How many more proofs are vouchers, because the hub takes nothing else at present.
    vouchers_left: u8,
    strikes: u8,
}

impl Wallet {
    pub(crate) fn new(lane: LaneId, mode: PayMode) -> Self {
        Self {
            lane,
            mode,
            tariff: TariffHash::ZERO,
            base: Want::ZERO,
            added: Want::ZERO,
            floor: 0,
            resumed: false,
            proven: Total::ZERO,
            newest: Newest::Nothing,
            chain: None,
            acknowledged: Total::ZERO,
            prove_anew: false,
            vouchers_left: 0,
            strikes: 0,
        }
    }

    pub(crate) fn lane(&self) -> &LaneId {
        &self.lane
    }

    pub(crate) fn mode(&self) -> &PayMode {
        &self.mode
    }

    /// Whether the hub's view has been merged since this wallet was made.
    pub(crate) fn resumed(&self) -> bool {
        self.resumed
    }

    pub(crate) fn proven(&self) -> Total {
        self.proven
    }

    pub(crate) fn acknowledged(&self) -> Total {
        self.acknowledged
    }

    fn price(&self) -> (u32, u32) {
        self.mode.price()
    }

    fn want(&self) -> Option<Want> {
        let asked = self.base.plus(self.added, self.price())?;
        if asked.total(self.price())? < Total::whole(self.floor) { Some(Want::whole(self.floor)) } else { Some(asked) }
    }

    /// The total wanted; never less than what is proven. Adding was checked, so it fits.
    pub(crate) fn wanted(&self) -> Total {
        self.want().and_then(|want| want.total(self.price())).unwrap_or(self.proven).max(self.proven)
    }

    /// What the lane counts for in its channel's limit: the wanted total, rounded up.
    pub(crate) fn commitment(&self) -> u64 {
        ceil(&self.wanted()).unwrap_or(u64::MAX)
    }

    /// The commitment if `more` were added; `None` past 64 bits.
    pub(crate) fn commitment_with(&self, more: Want) -> Option<u64> {
        let want = self.want()?.plus(more, self.price())?;
        ceil(&want.total(self.price())?.max(self.proven))
    }

    /// Raises the wanted total by `more`, and returns it; `None`, and nothing changes, past 64 bits.
    pub(crate) fn add(&mut self, more: Want) -> Option<Total> {
        let price = self.price();
        let want = self.want()?;
        let asked = self.base.plus(self.added, price)?;
        // Where a total was named outright that is above the sum, the sum goes on from there.
        let (base, added) =
            if asked == want { (self.base, self.added.plus(more, price)?) } else { (want, more.normal(price)?) };
        base.plus(added, price)?.total(price)?;
        (self.base, self.added, self.floor) = (base, added, 0);
        Some(self.wanted())
    }

    /// What was asked for so far, for [`Self::total_of`].
    pub(crate) fn mark(&self) -> Want {
        self.added
    }

    /// The total that pays everything up to `mark`. Known only once the hub was asked, for a lost memory may hide
    /// earlier payments, from which "so much more" counts.
    pub(crate) fn total_of(&self, mark: Want) -> Option<Total> {
        if !self.resumed {
            return None;
        }
        let total = self.base.plus(mark, self.price())?.total(self.price())?;
        Some(total.min(self.wanted()))
    }

    /// Raises the wanted total to `total`, if it is below.
    pub(crate) fn raise_to(&mut self, total: u64) -> Total {
        self.floor = self.floor.max(total);
        self.wanted()
    }

    /// Whether there is anything the hub has not acknowledged, or that is wanted and not proven.
    pub(crate) fn is_behind(&self) -> bool {
        self.needs_proof() || self.unacknowledged()
    }

    /// Whether something let out is not acknowledged.
    pub(crate) fn unacknowledged(&self) -> bool {
        self.acknowledged < self.proven
    }

    pub(crate) fn needs_proof(&self) -> bool {
        self.prove_anew || self.wanted() > self.proven
    }

    /// Takes an acknowledgement. Returns `false` where it claims more than this device ever signed: what is above is
    /// not believed.
    pub(crate) fn acknowledge(&mut self, authorised: u64, anchor: Option<(u64, u16)>) -> bool {
        let mut total = Total::whole(authorised);
        if let (Some((tag, index)), Some(chain)) = (anchor, self.chain.as_mut())
            && chain.anchor.terms.tag() == tag
            && index <= chain.index
        {
            chain.held = chain.held.max(Some(index));
            if let Ok(exact) = chain.anchor.terms.total_at(index) {
                total = total.max(exact);
            }
        }
        let honest = total <= self.proven;
        let total = total.min(self.proven);
        if total > self.acknowledged {
            self.acknowledged = total;
            self.strikes = 0;
        }
        self.doubt_fraction(authorised, anchor.map(|(tag, _)| tag));
        honest
    }

    /// An acknowledgement tells whole base units, and the fraction by the index of the hub's newest anchor. Where
    /// that is not the chain in use (an older anchor came late), a fraction could never be acknowledged: a new anchor
    /// with the exact total as its base becomes the newest, and settles it.
    fn doubt_fraction(&mut self, authorised: u64, newest: Option<u64>) {
        if self.newest != Newest::Chain || self.acknowledged >= self.proven || authorised < self.proven.amount() {
            return;
        }
        if let Some(chain) = &self.chain
            && chain.held.is_some()
            && newest != Some(chain.anchor.terms.tag())
        {
            self.prove_anew = true;
        }
    }

    /// Takes a refusal and says what to do.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Reaction {
        if !self.is_behind() {
            return Reaction::Ignore;
        }
        match refusal {
            // The hub does not have the chain as far as the device thinks: show it from the anchor on.
            Refusal::NoAnchor
            | Refusal::WrongTick
            | Refusal::TickGap
            | Refusal::IndexOutOfRange
            | Refusal::AnchorConflict => {
                if let Some(chain) = self.chain.as_mut() {
                    chain.held = None;
                }
                self.strikes = self.strikes.saturating_add(1);
                if self.strikes >= CHAIN_STRIKES_MAX || refusal == Refusal::AnchorConflict {
                    self.strikes = 0;
                    self.prove_anew = true;
                }
                Reaction::Resend
            }
            // The hub knows more of the lane than the device does.
            Refusal::AnchorSpent | Refusal::WrongTariff | Refusal::UnknownLane | Refusal::NotAttached => {
                Reaction::Reattach
            }
            Refusal::VoucherRequired => {
                self.vouchers_left = VOUCHERS_IN_A_ROW;
                self.prove_anew = true;
                Reaction::Resend
            }
            Refusal::RateLimited
            | Refusal::LaneBlocked
            | Refusal::NotServing
            | Refusal::HubFull
            | Refusal::EarlyData => Reaction::Later,
            _ => Reaction::Fail,
        }
    }

    /// What has to be kept before anything of this leaves the device.
    pub(crate) fn record(&self) -> LaneRecord {
        let want = self
            .want()
            .filter(|want| want.total(self.price()).is_some_and(|total| total >= self.proven))
            .unwrap_or(Want::whole(ceil(&self.proven).unwrap_or(u64::MAX)));
        LaneRecord {
            lane: self.lane,
            wanted_amount: want.amount,
            wanted_ticks: want.ticks,
            tick_price: self.price(),
            voucher: match self.newest {
                Newest::Voucher(voucher) => Some(voucher),
                Newest::Nothing | Newest::Chain => None,
            },
            anchor: self.chain.as_ref().map(|chain| RecordedAnchor { signed: chain.anchor, index: chain.index }),
            usage: None,
            receipt: None,
        }
    }
}

#[cfg(test)]
mod tests;
