//! A session: one connection's worth of channels, kept attached for as long as somebody holds it.
//!
//! Callers change wallets under a short lock and put the lane into a queue; one task per session proves, records and
//! sends what is queued, takes answers, repeats what is not acknowledged, and reconnects. Nothing is held across a
//! wait.

mod active;
mod attach;
mod channel;
mod connect;
mod flush;
mod inbound;
mod pipe;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use farthing_channel::eip712::Domain;
use farthing_channel::id::LaneId;
use tokio::sync::{Notify, watch};

pub(crate) use channel::{Channel, LaneSlot, Progress};
pub use channel::{ChannelTerms, Standing, TariffTerms};

use crate::config::DeviceConfig;
use crate::connection::Link;
use crate::connector::Connector;
use crate::error::ClientError;
use crate::store::{LaneRecord, StateStore};

/// A lane within a session: the channel's number and the lane's within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneKey {
    pub(crate) channel: u32,
    pub(crate) slot: u16,
}

/// The connection, as those who make requests see it.
#[derive(Debug, Clone)]
pub(crate) enum LinkState {
    /// None at present, and why the last one ended.
    Down(Option<ClientError>),
    Up(Arc<Link>),
    Stopped,
}

/// What callers and the session's task share.
#[derive(Debug)]
pub(crate) struct Session {
    connector: Connector,
    channels: RwLock<Vec<Arc<Channel>>>,
    queue: Mutex<VecDeque<LaneKey>>,
    attach_queue: Mutex<VecDeque<u32>>,
    wake: Notify,
    stopping: AtomicBool,
    link: watch::Sender<LinkState>,
    /// The ledger of the last connection, for proofs in early data.
    domain: Mutex<Option<Domain>>,
}

/// Keeps the session's task alive; the last one to go stops it.
#[derive(Debug)]
pub(crate) struct SessionOwner {
    session: Arc<Session>,
}

impl SessionOwner {
    /// Starts a session's task on the current tokio runtime.
    pub(crate) fn start(connector: &Connector) -> Result<Arc<Self>, ClientError> {
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_| ClientError::config("there is no tokio runtime here"))?;
        let session = Arc::new(Session {
            connector: connector.clone(),
            channels: RwLock::default(),
            queue: Mutex::default(),
            attach_queue: Mutex::default(),
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
            link: watch::Sender::new(LinkState::Down(None)),
            domain: Mutex::new(connector.config().expected.map(|expected| expected.ledger)),
        });
        runtime.spawn(connect::run(Arc::clone(&session)));
        Ok(Arc::new(Self { session }))
    }
}

impl std::ops::Deref for SessionOwner {
    type Target = Arc<Session>;
    fn deref(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for SessionOwner {
    fn drop(&mut self) {
        self.session.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    fn store(&self) -> &Arc<dyn StateStore> {
        &self.connector.config().store
    }

    /// Adds a device's channel with the lanes of its configuration, and has it attached.
    pub(crate) fn add_channel(&self, config: DeviceConfig) -> Result<Arc<Channel>, ClientError> {
        let offers = config.lanes.clone();
        let mode = config.pay_mode;
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        let place =
            u32::try_from(channels.len()).map_err(|_| ClientError::config("too many devices on one connection"))?;
        let channel = Arc::new(Channel::new(place, config)?);
        for offer in offers {
            channel.open_lane(offer.payee, offer.rating_group, mode, &**self.store())?;
        }
        channels.push(Arc::clone(&channel));
        drop(channels);
        self.request_attach(place);
        Ok(channel)
    }

    pub(crate) fn channel(&self, place: u32) -> Option<Arc<Channel>> {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.get(usize::try_from(place).ok()?).cloned()
    }

    fn channels(&self) -> Vec<Arc<Channel>> {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.clone()
    }

    pub(crate) fn request_attach(&self, place: u32) {
        lock(&self.attach_queue).push_back(place);
        self.wake.notify_one();
    }

    /// Has the task look at the lane, which is locked by the caller.
    pub(crate) fn enqueue(&self, slot: &mut LaneSlot, key: LaneKey) {
        if !slot.sending.queued {
            slot.sending.queued = true;
            lock(&self.queue).push_back(key);
            self.wake.notify_one();
        }
    }

    fn take_queue(&self) -> VecDeque<LaneKey> {
        std::mem::take(&mut *lock(&self.queue))
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits until the task has written what is to be paid, and ended.
    pub(crate) async fn stopped(&self) {
        let mut link = self.link.subscribe();
        // The sender lives as long as this, so there is no other end to wait for.
        let _ = link.wait_for(|link| matches!(link, LinkState::Stopped)).await;
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The connection, as soon as there is one.
    pub(crate) async fn linked(&self) -> Result<Arc<Link>, ClientError> {
        let mut link = self.link.subscribe();
        loop {
            match &*link.borrow_and_update() {
                LinkState::Up(link) => return Ok(Arc::clone(link)),
                LinkState::Stopped => return Err(ClientError::Stopped),
                LinkState::Down(Some(error)) if !error.retry_helps() => return Err(error.clone()),
                LinkState::Down(_) => {}
            }
            if link.changed().await.is_err() {
                return Err(ClientError::Stopped);
            }
        }
    }

    /// Whether there is a connection, and why not.
    pub(crate) fn link_state(&self) -> LinkState {
        self.link.borrow().clone()
    }

    /// Which lane of the session this is; for the rare answers that name a lane in full.
    fn find_lane(&self, lane: &LaneId) -> Option<LaneKey> {
        self.channels().iter().find_map(|channel| {
            let state = channel.state();
            let place = state.lanes.iter().position(|s| s.wallet.lane() == lane)?;
            Some(LaneKey { channel: channel.place, slot: u16::try_from(place).ok()? })
        })
    }

    /// Writes records, on a thread for blocking work where the store needs one.
    pub(crate) async fn save(&self, records: Vec<LaneRecord>) -> Result<(), ClientError> {
        if records.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(self.store());
        if !store.waits_for_disk() {
            return Ok(store.save(&records)?);
        }
        match tokio::task::spawn_blocking(move || store.save(&records)).await {
            Ok(saved) => Ok(saved?),
            Err(_) => Err(ClientError::Stopped),
        }
    }
}
