//! A device under a mandate.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use farthing_cells::{Counter, Hold};
use farthing_channel::admission::{ChannelStatus, Standing};
use farthing_channel::id::{Address, ChannelId};
use farthing_channel::mandate::MandateTerms;
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;

use super::{Escrow, Lane};

/// A channel. Amounts in base units.
#[derive(Debug)]
pub struct Channel {
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
    /// Whom it may pay; anyone where absent.
    payees: ArcSwapOption<Vec<Address>>,
    authorised: Counter,
    /// Held by whoever has changes of it, or of its lanes, on their way to the disk.
    hold: Hold,
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
            escrow,
            device,
            limit: AtomicU64::new(0),
            expiry: AtomicU64::new(0),
            serial: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
            status: AtomicU8::new(0),
            payees: ArcSwapOption::empty(),
            authorised: Counter::default(),
            hold: Hold::new(),
            lanes: Mutex::new(Vec::new()),
        }
    }

    /// Takes up a mandate with a higher serial. A closed channel opens again by it.
    pub(super) fn renew(&self, terms: &MandateTerms) {
        let payees = (!terms.payees.is_empty()).then(|| Arc::new(terms.payees.clone()));
        self.payees.store(payees);
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

    /// Its identity.
    pub fn id(&self) -> ChannelId {
        ChannelId::derive(&self.escrow.id(), &self.device)
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
}
