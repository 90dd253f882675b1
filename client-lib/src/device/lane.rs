//! A lane, as whoever pays on it sees it.

use std::time::Duration;

use farthing_channel::id::{Address, LaneId, RatingGroup};
use farthing_channel::lane::Total;
use farthing_channel::wire::{Grant, LaneView, SignedReceipt};
use tokio::sync::watch;

use super::Device;
use crate::connection::within;
use crate::error::ClientError;
use crate::session::{LaneKey, LaneSlot, TariffTerms};
use crate::wallet::{Want, ceil};

/// A payment that the hub has made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Paid {
    /// The lane's total that is durable at the hub, whole base units: at least what was asked for.
    pub authorised: u64,
}

/// One total that only grows, from a device to a payee. Cloning shares it.
///
/// Whatever is to be paid is noted at once and sent as soon as the hub can be reached; many payments made meanwhile
/// become one message. A call that returns an error of time or network has not undone anything: the payment goes on.
#[derive(Debug, Clone)]
pub struct Lane {
    pub(super) device: Device,
    slot: u16,
    deadline: Duration,
}

impl Lane {
    pub(super) fn new(device: Device, slot: u16, deadline: Duration) -> Self {
        Self { device, slot, deadline }
    }

    /// The same lane, whose calls wait at most `deadline`.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Runs `work` on the lane's slot.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut LaneSlot) -> T) -> Result<T, ClientError> {
        let mut state = self.device.channel.state();
        let slot = state.lanes.get_mut(usize::from(self.slot));
        slot.map(work).ok_or(ClientError::Stopped)
    }

    /// The lane's identity.
    #[must_use]
    pub fn id(&self) -> LaneId {
        self.with(|slot| *slot.wallet.lane()).unwrap_or(LaneId::ZERO)
    }

    /// Whom it pays, and for which service.
    #[must_use]
    pub fn payee(&self) -> (Address, RatingGroup) {
        self.with(|slot| (slot.payee, slot.rating_group)).unwrap_or((Address::ZERO, RatingGroup(0)))
    }

    /// The device it belongs to.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Pays `amount` base units more, and waits until that is durable.
    ///
    /// # Errors
    /// [`ClientError::Limit`] and [`ClientError::Overflow`] before anything is signed; the hub's refusal;
    /// [`ClientError::Timeout`], after which [`Self::settle`] or [`Self::pay_total`] go on waiting: calling `pay`
    /// again pays again.
    pub async fn pay(&self, amount: u64) -> Result<Paid, ClientError> {
        let waiter = self.waiter()?;
        let (mark, _) = self.raise(Want::whole(amount))?;
        self.wait(waiter, Target::Mark(mark)).await
    }

    /// Pays whatever is missing to a total of `total` base units since the lane was opened, and waits until that is
    /// durable. Calling it again with the same total pays nothing.
    ///
    /// # Errors
    /// As [`Self::pay`].
    pub async fn pay_total(&self, total: u64) -> Result<Paid, ClientError> {
        let waiter = self.waiter()?;
        self.raise_to(total)?;
        self.wait(waiter, Target::Total(Total::whole(total))).await
    }

    /// Pays `ticks` more, each at the price of the lane's [`crate::TickPlan`], and waits until that is durable. What a
    /// tick costs may be a fraction of a base unit; it carries over exactly.
    ///
    /// # Errors
    /// As [`Self::pay`], and [`ClientError::NotTicks`].
    pub async fn pay_ticks(&self, ticks: u32) -> Result<Paid, ClientError> {
        let waiter = self.waiter()?;
        let (mark, _) = self.raise_ticks(ticks)?;
        self.wait(waiter, Target::Mark(mark)).await
    }

    /// Notes `amount` base units more to pay, and returns at once with the lane's new wanted total. What becomes of it
    /// shows in [`Self::acknowledged`].
    ///
    /// # Errors
    /// [`ClientError::Limit`] and [`ClientError::Overflow`]; nothing is noted then.
    pub fn send(&self, amount: u64) -> Result<u64, ClientError> {
        self.raise(Want::whole(amount)).map(|(_, total)| total.amount())
    }

    /// Notes a total to pay, and returns at once. Below what is wanted already it changes nothing.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_total(&self, total: u64) -> Result<(), ClientError> {
        self.raise_to(total)
    }

    /// Notes ticks to pay, and returns at once with the lane's new wanted total, whole base units.
    ///
    /// # Errors
    /// As [`Self::send`], and [`ClientError::NotTicks`].
    pub fn send_ticks(&self, ticks: u32) -> Result<u64, ClientError> {
        self.raise_ticks(ticks).map(|(_, total)| total.amount())
    }

    fn raise_ticks(&self, ticks: u32) -> Result<(Want, Total), ClientError> {
        if self.with(|slot| *slot.wallet.mode() == crate::PayMode::Voucher)? {
            return Err(ClientError::NotTicks);
        }
        self.raise(Want { amount: 0, ticks: u64::from(ticks) })
    }

    /// Raises what is wanted. Returns the mark up to which that is, and the wanted total.
    fn raise(&self, more: Want) -> Result<(Want, Total), ClientError> {
        let place = usize::from(self.slot);
        let mut state = self.device.channel.state();
        let slot = state.lanes.get(place).ok_or(ClientError::Stopped)?;
        let total = slot.wallet.commitment_with(more).ok_or(ClientError::Overflow)?;
        state.check_limit(place, total)?;
        let slot = state.lanes.get_mut(place).ok_or(ClientError::Stopped)?;
        let wanted = slot.wallet.add(more).ok_or(ClientError::Overflow)?;
        self.enqueue(slot);
        Ok((slot.wallet.mark(), wanted))
    }

    pub(super) fn raise_to(&self, total: u64) -> Result<(), ClientError> {
        let place = usize::from(self.slot);
        let mut state = self.device.channel.state();
        state.check_limit(place, total)?;
        let slot = state.lanes.get_mut(place).ok_or(ClientError::Stopped)?;
        slot.wallet.raise_to(total);
        self.enqueue(slot);
        Ok(())
    }

    /// Whether the lane may come to `total` within its channel's limit.
    pub(super) fn check_total(&self, total: u64) -> Result<(), ClientError> {
        let state = self.device.channel.state();
        state.check_limit(usize::from(self.slot), total)
    }

    fn enqueue(&self, slot: &mut LaneSlot) {
        slot.unsaved = true;
        let key = LaneKey { channel: self.device.channel.place, slot: self.slot };
        self.device.owner.enqueue(slot, key);
    }

    /// Waits until the hub was asked how the lane stands: once in the lane's life here, not for each connection.
    ///
    /// # Errors
    /// As [`Device::attached`].
    pub async fn attached(&self) -> Result<(), ClientError> {
        let mut waiter = self.waiter()?;
        within(self.deadline, waiter.resumed()).await
    }

    /// Waits until everything wanted so far is durable.
    ///
    /// # Errors
    /// The hub's refusal, the store's or key's failure, or the deadline.
    pub async fn settle(&self) -> Result<Paid, ClientError> {
        let waiter = self.waiter()?;
        self.with(|slot| {
            if slot.wallet.is_behind() {
                self.enqueue(slot);
            }
        })?;
        self.wait(waiter, Target::Wanted).await
    }

    /// Waits until `total` base units are durable, however they came about.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub async fn settled(&self, total: u64) -> Result<Paid, ClientError> {
        let waiter = self.waiter()?;
        self.wait(waiter, Target::Total(Total::whole(total))).await
    }

    fn waiter(&self) -> Result<Waiter, ClientError> {
        // Told before anything is noted.
        if let Some(error) = self.device.channel.failure() {
            return Err(error);
        }
        self.with(|slot| {
            let mut progress = slot.progress.subscribe();
            let failures = progress.borrow_and_update().failures;
            Waiter { progress, failures }
        })
    }

    async fn wait(&self, mut waiter: Waiter, target: Target) -> Result<Paid, ClientError> {
        within(self.deadline, async {
            // "So much more" means something only once it is known from where.
            waiter.resumed().await?;
            let total = self.with(|slot| match target {
                Target::Total(total) => total,
                Target::Mark(mark) => slot.wallet.total_of(mark).unwrap_or(slot.wallet.wanted()),
                Target::Wanted => slot.wallet.wanted(),
            })?;
            waiter.until(total).await?;
            let authorised = self.with(|slot| slot.wallet.acknowledged().amount())?;
            Ok(Paid { authorised })
        })
        .await
    }

    /// The durable total as it grows, whole base units: fire with [`Self::send`] and look here.
    #[must_use]
    pub fn acknowledged(&self) -> Acknowledged {
        let progress = self.with(|slot| slot.progress.subscribe());
        Acknowledged { progress: progress.ok() }
    }

    /// What is wanted in all, base units, rounded up: what the lane counts for in its channel's limit.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.with(|slot| slot.wallet.commitment()).unwrap_or(0)
    }

    /// What was signed for in all, base units, rounded up: the most the payer can be made to pay now, apart from what
    /// is left of a chain, whose preimages nobody else has.
    #[must_use]
    pub fn liability(&self) -> u64 {
        self.with(|slot| ceil(&slot.wallet.proven()).unwrap_or(u64::MAX)).unwrap_or(0)
    }

    /// What the hub grants on the lane, now and whenever it changes; none before the first attach.
    #[must_use]
    pub fn grant(&self) -> watch::Receiver<Option<Grant>> {
        match self.with(|slot| slot.grant.subscribe()) {
            Ok(grant) => grant,
            Err(_) => watch::Sender::new(None).subscribe(),
        }
    }

    /// The lane's tariff as the hub said on attaching; none before the first attach.
    #[must_use]
    pub fn tariff_terms(&self) -> Option<TariffTerms> {
        self.with(|slot| slot.tariff).ok().flatten()
    }

    /// The newest receipt that was checked and kept.
    #[must_use]
    pub fn last_receipt(&self) -> Option<SignedReceipt> {
        self.with(|slot| slot.receipt).ok().flatten()
    }

    /// See [`Device::receipt`].
    ///
    /// # Errors
    /// As there.
    pub async fn receipt(&self) -> Result<SignedReceipt, ClientError> {
        self.attached().await?;
        self.device.with_deadline(self.deadline).receipt(self.id()).await
    }

    /// See [`Device::query`].
    ///
    /// # Errors
    /// As there.
    pub async fn query(&self) -> Result<LaneView, ClientError> {
        self.attached().await?;
        self.device.with_deadline(self.deadline).query(self.id()).await
    }
}

/// Someone who waits for a total, from before it was asked for.
struct Waiter {
    progress: watch::Receiver<crate::session::Progress>,
    failures: u64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum Target {
    Total(Total),
    /// Everything that was asked for up to then.
    Mark(Want),
    Wanted,
}

impl Waiter {
    /// Waits until the hub was asked how the lane stands.
    async fn resumed(&mut self) -> Result<(), ClientError> {
        let failures = self.failures;
        let progress = self
            .progress
            .wait_for(|progress| progress.resumed || progress.failures != failures)
            .await
            .map_err(|_| ClientError::Stopped)?;
        match &progress.failure {
            Some(error) if !progress.resumed => Err(error.clone()),
            _ => Ok(()),
        }
    }

    async fn until(&mut self, total: Total) -> Result<(), ClientError> {
        let failures = self.failures;
        let progress = self
            .progress
            .wait_for(|progress| progress.acknowledged >= total || progress.failures != failures)
            .await
            .map_err(|_| ClientError::Stopped)?;
        match &progress.failure {
            Some(error) if progress.acknowledged < total => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// The durable total of a lane, as it grows.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    progress: Option<watch::Receiver<crate::session::Progress>>,
}

impl Acknowledged {
    /// The durable total, whole base units.
    #[must_use]
    pub fn total(&self) -> u64 {
        let progress = self.progress.as_ref();
        progress.map_or(0, |progress| progress.borrow().acknowledged.amount())
    }

    /// Waits for the total to change or for a payment to fail, and returns the total; `None` when the device is gone.
    ///
    /// # Errors
    /// The failure, once.
    pub async fn changed(&mut self) -> Option<Result<u64, ClientError>> {
        let progress = self.progress.as_mut()?;
        let failures = progress.borrow().failures;
        progress.changed().await.ok()?;
        let now = progress.borrow_and_update();
        match &now.failure {
            Some(error) if now.failures != failures => Some(Err(error.clone())),
            _ => Some(Ok(now.acknowledged.amount())),
        }
    }
}
