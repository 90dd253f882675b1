//! A device under a mandate.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use farthing_cells::{Counter, Hold, HolderId};
use farthing_channel::admission::{ChannelStatus, Standing};
use farthing_channel::id::{Address, ChannelId, LaneId};
use farthing_channel::mandate::MandateTerms;
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_risk::ladder::Level;
use farthing_risk::policy::{Override, UnixSecondsForm};

use super::{Escrow, Lane};

/// Bits of the time in a word with an operator's level.
const OVERRIDE_SHIFT: u32 = 56;

/// A channel. Amounts in base units.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    escrow: Arc<Escrow>,
    device: Address,
    limit: AtomicU64,
    expiry: AtomicU64,
    /// Serial of the mandate in force, plus one; 0 for the lone payer's channel, which has none.
    serial: AtomicU64,
    /// Mandates up to this serial are revoked, plus one; 0 for none.
    revoked: AtomicU64,
    /// Serial at which the channel was closed, plus one.
    status: AtomicU8,
    /// An operator's word about its risk: the level above 56 bits of the Unix time at which it ends.
    risk_override: AtomicU64,
    /// Whom it may pay; anyone where absent.
    payees: ArcSwapOption<Vec<Address>>,
    /// Whether `payees` is there: asked for every payment, and mostly false.
    names_payees: AtomicBool,
    authorised: Counter,
    /// Held by whoever has changes of it, or of its lanes, on their way to the disk.
    hold: Hold,
    /// The round of the last change or look-up, see [`farthing_cells::Rounds`].
    touched: AtomicU64,
    /// Opened lanes. Taken when a device attaches, never by a payment.
    lanes: Mutex<Vec<Arc<Lane>>>,
}

impl Channel {
    pub(super) fn mandated(escrow: Arc<Escrow>, terms: &MandateTerms) -> Self {
        let channel = Self::bare(escrow, terms.device);
        channel.renew(terms);
        channel
    }

    /// The channel of a lone payer, who signs for the whole escrow and needs no mandate.
    pub(super) fn lone(escrow: Arc<Escrow>) -> Self {
        let device = escrow.signer();
        let channel = Self::bare(escrow, device);
        channel.limit.store(u64::MAX, Ordering::Release);
        channel.expiry.store(u64::MAX, Ordering::Release);
        channel
    }

    fn bare(escrow: Arc<Escrow>, device: Address) -> Self {
        Self {
            id: ChannelId::derive(&escrow.id(), &device),
            touched: AtomicU64::new(escrow.round()),
            escrow,
            device,
            limit: AtomicU64::new(0),
            expiry: AtomicU64::new(0),
            serial: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
            status: AtomicU8::new(0),
            risk_override: AtomicU64::new(0),
            payees: ArcSwapOption::empty(),
            names_payees: AtomicBool::new(false),
            authorised: Counter::default(),
            hold: Hold::new(),
            lanes: Mutex::new(Vec::new()),
        }
    }

    /// Takes up a mandate with a higher serial. A closed channel opens again by it.
    pub(super) fn renew(&self, terms: &MandateTerms) {
        let payees = (!terms.payees.is_empty()).then(|| Arc::new(terms.payees.clone()));
        // A payment that meets the list half-way is checked against the list.
        self.names_payees.store(true, Ordering::Release);
        let names_payees = payees.is_some();
        self.payees.store(payees);
        self.names_payees.store(names_payees, Ordering::Release);
        // The wire's totals have 64 bits, so a larger limit is no limit beyond them.
        self.limit.store(u64::try_from(terms.limit).unwrap_or(u64::MAX), Ordering::Release);
        self.expiry.store(terms.expiry.0, Ordering::Release);
        self.serial.store(terms.serial.saturating_add(1), Ordering::Release);
        let closed = ChannelStatus::Closed as u8;
        let open = ChannelStatus::Open as u8;
        // A frozen channel stays frozen: that was the operator's decision, not the payer's.
        let _was_not_closed = self.status.compare_exchange(closed, open, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn revoke(&self, serial: u64) {
        self.revoked.fetch_max(serial.saturating_add(1), Ordering::AcqRel);
    }

    pub(super) fn set_status(&self, status: ChannelStatus) {
        self.status.store(status as u8, Ordering::Release);
    }

    pub(super) fn set_risk_override(&self, level: u8, until: UnixSeconds) {
        let until = until.0.min((1 << OVERRIDE_SHIFT) - 1);
        self.risk_override.store(u64::from(level) << OVERRIDE_SHIFT | until, Ordering::Release);
    }

    /// An operator's word about its risk; none where there never was one.
    pub fn risk_override(&self) -> Option<Override> {
        let word = self.risk_override.load(Ordering::Acquire);
        let level = u8::try_from(word >> OVERRIDE_SHIFT).ok().and_then(Level::from_code)?;
        (word != 0).then_some(Override { level, until: UnixSecondsForm(word & ((1 << OVERRIDE_SHIFT) - 1)) })
    }

    /// Its identity.
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// The escrow it draws on.
    pub fn escrow(&self) -> &Arc<Escrow> {
        &self.escrow
    }

    /// The device key's address.
    pub fn device(&self) -> Address {
        self.device
    }

    /// Most it may owe in all.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Acquire)
    }

    /// When its mandate ends.
    pub fn expiry(&self) -> UnixSeconds {
        UnixSeconds(self.expiry.load(Ordering::Acquire))
    }

    /// The serial of the mandate in force; none for a lone payer.
    pub fn serial(&self) -> Option<u64> {
        self.serial.load(Ordering::Acquire).checked_sub(1)
    }

    /// Whether the mandate in force has been revoked.
    pub fn is_revoked(&self) -> bool {
        let serial = self.serial.load(Ordering::Acquire);
        serial > 0 && serial <= self.revoked.load(Ordering::Acquire)
    }

    /// The highest serial revoked.
    pub fn revoked_serial(&self) -> Option<u64> {
        self.revoked.load(Ordering::Acquire).checked_sub(1)
    }

    /// Where it stands.
    pub fn status(&self) -> ChannelStatus {
        ChannelStatus::from_code(self.status.load(Ordering::Acquire)).unwrap_or(ChannelStatus::Closed)
    }

    /// What its lanes owe together.
    pub fn authorised(&self) -> u64 {
        self.authorised.get()
    }

    pub(super) fn authorised_counter(&self) -> &Counter {
        &self.authorised
    }

    /// Takes the right to change the channel and its lanes, and says that it is being changed in the round that runs. The
    /// holder makes its changes before the end of its turn.
    pub fn take_hold(&self, holder: HolderId) -> bool {
        let is_taken = self.hold.take(holder);
        if is_taken {
            self.touch();
        }
        is_taken
    }

    /// The right to change the channel and its lanes: one thread's at a time, until its changes are durable.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// What decides, besides amounts, whether it may pay: `payee`, or anyone at all.
    pub fn standing(&self, payee: Option<&Address>) -> Standing {
        Standing {
            status: self.status(),
            expiry: self.expiry(),
            revoked: self.is_revoked(),
            payee_allowed: payee.is_none_or(|payee| self.check_payee(payee).is_ok()),
            escrow_open: self.escrow.is_open(),
        }
    }

    /// Whether the mandate in force lets it pay `payee`.
    ///
    /// # Errors
    /// [`Refusal::PayeeNotAllowed`].
    pub fn check_payee(&self, payee: &Address) -> Result<(), Refusal> {
        if !self.names_payees.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.payees.load().as_ref() {
            Some(payees) if payees.binary_search(payee).is_err() => Err(Refusal::PayeeNotAllowed),
            _ => Ok(()),
        }
    }

    /// Whom it may pay; empty for anyone.
    pub fn payees(&self) -> Vec<Address> {
        self.payees.load().as_ref().map(|payees| payees.to_vec()).unwrap_or_default()
    }

    /// Its lanes, in the order in which they were opened.
    pub fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add_lane(&self, lane: Arc<Lane>) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// Its lane with this id.
    pub(super) fn lane(&self, id: &LaneId) -> Option<Arc<Lane>> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().find(|lane| lane.id() == *id).map(Arc::clone)
    }

    /// Says that it is in use, or that it is being changed, in the round that runs. A change says so before its holder
    /// lets go of the channel.
    pub(crate) fn touch(&self) {
        let round = self.escrow.round();
        // Mostly it was touched in this round already; looking first leaves the cache line shared.
        if self.touched.load(Ordering::Relaxed) < round {
            self.touched.fetch_max(round, Ordering::Relaxed);
        }
    }

    /// Whether nobody but the table holds the channel or one of its lanes. Under the lock of the table's shard, so that
    /// none of them is given out meanwhile. Why the order of the looks matters stands in [`super::hot`].
    fn is_unheld(self: &Arc<Self>, lanes: &[Arc<Lane>]) -> bool {
        if lanes.iter().any(|lane| Arc::strong_count(lane) != 1) {
            return false;
        }
        // Whoever let a lane go let it go after what it did before, taking the channel for one.
        fence(Ordering::Acquire);
        let is_unheld = Arc::strong_count(self) == lanes.len().saturating_add(1);
        fence(Ordering::Acquire);
        is_unheld
    }

    /// Whether the table may let it go: untouched since before the round, and unheld. Its lanes are gone then.
    pub(super) fn is_evictable(self: &Arc<Self>, before: u64) -> bool {
        if self.touched.load(Ordering::Relaxed) >= before {
            return false;
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at again: a holder may have touched it and let go between the two looks.
        if !self.is_unheld(&lanes) || self.touched.load(Ordering::Relaxed) >= before {
            return false;
        }
        // Lanes and their channel hold each other.
        lanes.clear();
        true
    }

    /// Breaks the circle of a channel and its lanes that are of no use any more.
    pub(super) fn let_lanes_go(&self) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The right to change a channel and its lanes, given back when dropped.
#[derive(Debug)]
pub struct HeldChannel(Arc<Channel>);

impl HeldChannel {
    /// Takes it. None while another holder has changes of it on their way to the disk.
    pub fn take(channel: &Arc<Channel>, holder: HolderId) -> Option<Self> {
        channel.take_hold(holder).then(|| Self(Arc::clone(channel)))
    }
}

impl Drop for HeldChannel {
    fn drop(&mut self) {
        self.0.hold().give_back();
    }
}
