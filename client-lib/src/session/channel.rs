//! A channel of a session: its limit, its lanes, and who waits for them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use farthing_channel::id::{Address, ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::Total;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Grant, SignedReceipt};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::DeviceConfig;
use crate::error::ClientError;
use crate::store::{LaneRecord, RecordedUsage, StateStore, StoreError};
use crate::wallet::{PayMode, Wallet, WalletError};

/// What the hub said of a channel when it attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelTerms {
    /// Most the channel may owe in all, base units.
    pub limit: u64,
    /// What it owed over all its lanes, base units.
    pub authorised: u64,
    /// When the mandate expires; none for a lone payer.
    pub expiry: Option<UnixSeconds>,
    /// The mandate's serial; none for a lone payer.
    pub serial: Option<u64>,
}

/// How a channel stands with the hub.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Not attached at present; the session is working on it.
    Detached,
    /// Attached: payments flow.
    Attached(ChannelTerms),
    /// The hub, or what it said, was refused for good; a change of mandate or configuration is needed.
    Failed(ClientError),
    /// Closed by this device, or shut down.
    Closed,
}

/// What those who wait for a payment look at.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) acknowledged: Total,
    /// Whether the hub was asked how the lane stands.
    pub(crate) resumed: bool,
    /// Counts failures, so that a waiter tells a new one from one before its time.
    pub(crate) failures: u64,
    pub(crate) failure: Option<ClientError>,
}

/// When and how the lane's newest proof was sent.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Waits in the queue of lanes that have something to do.
    pub(crate) queued: bool,
    /// Repetitions since something was last acknowledged.
    pub(crate) attempts: u32,
    /// When the first of them left.
    pub(crate) first_sent: Option<Instant>,
    /// When to look again; a timer with another time is out of date.
    pub(crate) due: Option<Instant>,
    /// Not before this: the pace that the hub asked for, or a pause after a refusal.
    pub(crate) not_before: Option<Instant>,
}

/// The lane's tariff as the hub said on attaching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TariffTerms {
    /// The tariff; zero for none.
    pub hash: TariffHash,
    /// The lane's total when it began, base units.
    pub base_amount: u64,
    /// Units granted before it began.
    pub base_units: u64,
}

#[derive(Debug)]
pub(crate) struct LaneSlot {
    pub(crate) payee: Address,
    pub(crate) rating_group: RatingGroup,
    pub(crate) wallet: Wallet,
    /// What the store held; used until the hub has been asked.
    pub(crate) restored: Option<LaneRecord>,
    pub(crate) usage: Option<RecordedUsage>,
    pub(crate) receipt: Option<SignedReceipt>,
    pub(crate) tariff: Option<TariffTerms>,
    pub(crate) handle: Option<u32>,
    /// The record has changed since it was saved.
    pub(crate) unsaved: bool,
    pub(crate) sending: Sending,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) grant: watch::Sender<Option<Grant>>,
}

impl LaneSlot {
    pub(crate) fn record(&self) -> LaneRecord {
        let mut record = self.wallet.record();
        if let Some(restored) = &self.restored {
            // Until the hub was asked, the chain lies only in what the store held.
            record.anchor = record.anchor.or(restored.anchor);
        }
        record.usage.clone_from(&self.usage);
        record.receipt = self.receipt;
        record
    }

    pub(crate) fn publish_progress(&self) {
        let acknowledged = self.wallet.acknowledged();
        let resumed = self.wallet.resumed();
        self.progress.send_if_modified(|progress| {
            let news = progress.acknowledged != acknowledged || progress.resumed != resumed;
            progress.acknowledged = acknowledged;
            progress.resumed = resumed;
            news
        });
    }

    pub(crate) fn publish_grant(&self, grant: Grant) {
        self.grant.send_if_modified(|known| {
            let news = known.as_ref() != Some(&grant);
            *known = Some(grant);
            news
        });
    }

    /// Tells everyone who waits now.
    pub(crate) fn fail(&self, error: ClientError) {
        self.progress.send_modify(|progress| {
            progress.failures = progress.failures.wrapping_add(1);
            progress.failure = Some(error);
        });
    }
}

#[derive(Debug)]
pub(crate) struct ChannelState {
    /// The mandate to present when attaching.
    pub(crate) mandate: Option<MandateBundle>,
    /// Attach although no lane needs it: there is a mandate the hub has not seen.
    pub(crate) present: bool,
    /// The mandate's limit as far as it is known, base units.
    pub(crate) limit: u64,
    spending_limit: u64,
    pub(crate) lanes: Vec<LaneSlot>,
}

impl ChannelState {
    pub(crate) fn limit(&self) -> u64 {
        self.limit.min(self.spending_limit)
    }

    /// What all lanes but one count for, base units.
    pub(crate) fn others(&self, slot: usize) -> u128 {
        let lanes = self.lanes.iter().enumerate();
        lanes.filter(|(place, _)| *place != slot).map(|(_, lane)| u128::from(lane.wallet.commitment())).sum()
    }

    /// The highest total that lane may reach, base units.
    pub(crate) fn room(&self, slot: usize) -> u64 {
        let room = u128::from(self.limit()).saturating_sub(self.others(slot));
        u64::try_from(room).unwrap_or(u64::MAX)
    }

    /// Whether the lane may come to `total`.
    pub(crate) fn check_limit(&self, slot: usize, total: u64) -> Result<(), ClientError> {
        let sum = self.others(slot).saturating_add(u128::from(total));
        if sum > u128::from(self.limit()) {
            return Err(ClientError::Limit { total: sum, limit: self.limit() });
        }
        Ok(())
    }

    pub(crate) fn wallet_error(&self, slot: usize, error: WalletError) -> ClientError {
        match error {
            WalletError::Limit { total } => {
                ClientError::Limit { total: self.others(slot).saturating_add(u128::from(total)), limit: self.limit() }
            }
            WalletError::Overflow => ClientError::Overflow,
            WalletError::Key(error) => ClientError::Key(error),
        }
    }
}

/// The mandate's limit. Totals on the wire have 64 bits, so a greater limit is as good as none.
fn own_limit(config: &DeviceConfig, mandate: &MandateBundle) -> Result<u64, ClientError> {
    match mandate.mandates.as_slice() {
        [terms] if terms.device == config.key.address() && mandate.escrow == config.escrow => {
            Ok(u64::try_from(terms.limit).unwrap_or(u64::MAX))
        }
        _ => Err(ClientError::config("the mandate must be this key's alone, under this escrow")),
    }
}

/// One device's channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Its number in the session.
    pub(crate) place: u32,
    pub(crate) id: ChannelId,
    pub(crate) config: DeviceConfig,
    pub(crate) standing: watch::Sender<Standing>,
    state: Mutex<ChannelState>,
}

impl Channel {
    pub(crate) fn new(place: u32, config: DeviceConfig) -> Result<Self, ClientError> {
        config.pay_mode.check()?;
        let address = config.key.address();
        let limit = match &config.mandate {
            Some(mandate) => own_limit(&config, mandate)?,
            None => u64::MAX,
        };
        let state = ChannelState {
            mandate: config.mandate.clone(),
            present: false,
            limit,
            spending_limit: config.spending_limit.unwrap_or(u64::MAX),
            lanes: Vec::with_capacity(config.lanes.len()),
        };
        Ok(Self {
            place,
            id: ChannelId::derive(&config.escrow, &address),
            standing: watch::Sender::new(Standing::Detached),
            state: Mutex::new(state),
            config,
        })
    }

    /// Takes a new mandate to present, and forgets a failure, so that the next attach may mend it.
    pub(crate) fn renew(&self, mandate: Option<MandateBundle>) -> Result<(), ClientError> {
        if let Some(mandate) = mandate {
            let limit = own_limit(&self.config, &mandate)?;
            let mut state = self.state();
            state.limit = limit;
            state.mandate = Some(mandate);
        }
        self.state().present = true;
        self.standing.send_if_modified(|standing| {
            let failed = matches!(standing, Standing::Failed(_) | Standing::Closed);
            if failed {
                *standing = Standing::Detached;
            }
            failed
        });
        Ok(())
    }

    /// Why no payment can get through at present, whatever the network does.
    pub(crate) fn failure(&self) -> Option<ClientError> {
        match &*self.standing.borrow() {
            Standing::Failed(error) => Some(error.clone()),
            Standing::Closed => Some(ClientError::Stopped),
            Standing::Detached | Standing::Attached(_) => None,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lane_id(&self, payee: &Address, rating_group: RatingGroup) -> LaneId {
        if self.config.lone_payer {
            LaneId::of_escrow(&self.config.escrow)
        } else {
            LaneId::derive(&self.id, payee, rating_group)
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Closed)
    }

    /// The slot of the lane, which is made (from the store's record, where there is one) if it is new. `true` where
    /// it is new.
    pub(crate) fn open_lane(
        &self,
        payee: Address,
        rating_group: RatingGroup,
        mode: PayMode,
        store: &dyn StateStore,
    ) -> Result<(u16, bool), ClientError> {
        mode.check()?;
        let lane = self.lane_id(&payee, rating_group);
        let mut state = self.state();
        if let Some(mandate) = &state.mandate
            && !mandate.mandates.iter().all(|terms| terms.allows(&payee))
        {
            return Err(Refusal::PayeeNotAllowed.into());
        }
        let too_many = || ClientError::from(Refusal::TooManyLanes);
        if let Some(place) = state.lanes.iter().position(|s| *s.wallet.lane() == lane) {
            return Ok((u16::try_from(place).map_err(|_| too_many())?, false));
        }
        if state.lanes.len() >= farthing_channel::limits::LANES_PER_CHANNEL_MAX {
            return Err(too_many());
        }
        let restored = match store.load(&lane) {
            Ok(restored) => restored,
            Err(StoreError::Damaged(path)) => {
                tracing::warn!(%lane, %path, "the lane's record is damaged; the hub will be asked instead");
                None
            }
            Err(error) => return Err(error.into()),
        };
        let mut wallet = Wallet::new(lane, mode);
        if let Some(record) = &restored {
            wallet.restore(record);
        }
        let place = u16::try_from(state.lanes.len()).map_err(|_| too_many())?;
        state.lanes.push(LaneSlot {
            payee,
            rating_group,
            wallet,
            usage: restored.as_ref().and_then(|record| record.usage.clone()),
            receipt: restored.as_ref().and_then(|record| record.receipt),
            restored,
            tariff: None,
            handle: None,
            unsaved: false,
            sending: Sending::default(),
            progress: watch::Sender::new(Progress {
                acknowledged: Total::ZERO,
                resumed: false,
                failures: 0,
                failure: None,
            }),
            grant: watch::Sender::new(None),
        });
        Ok((place, true))
    }

    /// Tells everyone who waits on any lane.
    pub(crate) fn fail_lanes(&self, error: &ClientError) {
        for slot in &self.state().lanes {
            slot.fail(error.clone());
        }
    }

    /// Forgets what was good on the last connection only.
    pub(crate) fn detach(&self) {
        for slot in &mut self.state().lanes {
            slot.handle = None;
            slot.sending = Sending { queued: slot.sending.queued, ..Sending::default() };
        }
        self.standing.send_if_modified(|standing| {
            let attached = matches!(standing, Standing::Attached(_));
            if attached {
                *standing = Standing::Detached;
            }
            attached
        });
    }
}
