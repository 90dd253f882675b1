//! The provider role: to know at once what is paid for, and to report what was served.

mod conversation;
mod notices;

use std::sync::Arc;
use std::time::Duration;

use farthing_channel::id::{Address, LaneId, RatingGroup, TariffHash};
use farthing_channel::tariff::Tariff;
use farthing_channel::wire::{Grant, LaneRef, LaneView, SignedReceipt};
use tokio::sync::watch;

pub use notices::{Authorised, Notices};

use crate::connection::{Link, within};
use crate::connector::Connector;
use crate::error::ClientError;
use crate::key::DeviceKey;
use conversation::{Desk, Line, ReportState};

/// Who is paid, and of what it wants to hear.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The payee's key.
    pub key: DeviceKey,
    /// Of which of its rating groups it wants to hear; all where empty.
    pub rating_groups: Vec<RatingGroup>,
}

/// A provider's conversation with the hub. It connects, subscribes and reports by itself, and does so again on every
/// later connection. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Provider {
    desk: Arc<DeskOwner>,
    deadline: Duration,
}

#[derive(Debug)]
struct DeskOwner(Arc<Desk>);

impl Drop for DeskOwner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Provider {
    /// Starts a provider. Returns at once with it and the notices of what is paid.
    ///
    /// # Errors
    /// [`ClientError::Config`] outside a tokio runtime.
    pub fn start(connector: &Connector, config: ProviderConfig) -> Result<(Self, Notices), ClientError> {
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_| ClientError::config("there is no tokio runtime here"))?;
        let desk = Arc::new(Desk::new(connector.clone(), config));
        let notices = desk.notices();
        runtime.spawn(conversation::run(Arc::clone(&desk)));
        let provider = Self { deadline: connector.config().deadline, desk: Arc::new(DeskOwner(desk)) };
        Ok((provider, notices))
    }

    /// Starts a provider and waits until it is subscribed.
    ///
    /// # Errors
    /// As [`Self::start`] and [`Self::subscribed`].
    pub async fn connect(connector: &Connector, config: ProviderConfig) -> Result<(Self, Notices), ClientError> {
        let (provider, notices) = Self::start(connector, config)?;
        provider.subscribed().await?;
        Ok((provider, notices))
    }

    /// The same provider, whose calls wait at most `deadline`.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The payee's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.desk.0.address()
    }

    /// Waits until the hub has attached the key and tells of payments.
    ///
    /// # Errors
    /// The hub's refusal, what keeps the connection from being made, or [`ClientError::Timeout`].
    pub async fn subscribed(&self) -> Result<(), ClientError> {
        self.link().await.map(|_| ())
    }

    async fn link(&self) -> Result<Arc<Link>, ClientError> {
        let mut line = self.desk.0.line();
        let waited = within(self.deadline, wait_for_link(&mut line)).await;
        match waited {
            Err(ClientError::Timeout(deadline)) => match &*line.borrow() {
                Line::Down(Some(reason)) => Err(reason.clone()),
                _ => Err(ClientError::Timeout(deadline)),
            },
            other => other,
        }
    }

    /// Reports what was served on a lane and waits until the hub has made that durable. `revision` must grow with
    /// every report of the lane; a newer one may correct `used_units` downwards, while `credited` (refunds, base units)
    /// only grows. A newer report of the same lane replaces one that is still on its way.
    ///
    /// Returns what may be served further.
    ///
    /// # Errors
    /// The hub's refusal, the key's failure, or the deadline; the report goes on after a [`ClientError::Timeout`].
    pub async fn report(
        &self,
        lane: LaneId,
        revision: u64,
        used_units: u64,
        credited: u64,
    ) -> Result<Grant, ClientError> {
        let mut state = self.desk.0.post(lane, revision, used_units, credited)?;
        within(self.deadline, async {
            let state = state.wait_for(|state| state.concerns(revision)).await.map_err(|_| ClientError::Stopped)?;
            match &*state {
                ReportState::Kept { grant, .. } => Ok(grant.clone()),
                ReportState::Refused { refusal, .. } => Err((*refusal).into()),
                ReportState::Waiting => Err(ClientError::Stopped),
            }
        })
        .await
    }

    /// Asks the hub how a lane that pays this provider stands.
    ///
    /// # Errors
    /// The hub's refusal, or the deadline.
    pub async fn query(&self, lane: LaneId) -> Result<LaneView, ClientError> {
        within(self.deadline, async { self.link().await?.query(LaneRef::Id(lane)).await }).await
    }

    /// The hub's signed statement of a lane that pays this provider, checked.
    ///
    /// # Errors
    /// The hub's refusal, [`crate::HubFault::BadReceipt`], or the deadline.
    pub async fn receipt(&self, lane: LaneId) -> Result<SignedReceipt, ClientError> {
        within(self.deadline, async { self.link().await?.receipt(LaneRef::Id(lane)).await }).await
    }

    /// The tariff with this hash, as the hub has it; what does not hash to it is refused.
    ///
    /// # Errors
    /// The hub's refusal, [`crate::HubFault::WrongTariff`], or the deadline.
    pub async fn tariff(&self, hash: TariffHash) -> Result<Tariff, ClientError> {
        within(self.deadline, async { self.link().await?.tariff(hash).await }).await
    }

    /// Ends the connection; the notices end too.
    pub fn shutdown(&self) {
        self.desk.0.stop();
    }
}

async fn wait_for_link(line: &mut watch::Receiver<Line>) -> Result<Arc<Link>, ClientError> {
    loop {
        match &*line.borrow_and_update() {
            Line::Up(link) => return Ok(Arc::clone(link)),
            Line::Stopped => return Err(ClientError::Stopped),
            Line::Down(Some(error)) if !error.retry_helps() => return Err(error.clone()),
            Line::Down(_) => {}
        }
        line.changed().await.map_err(|_| ClientError::Stopped)?;
    }
}
