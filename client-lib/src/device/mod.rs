//! The device role: a channel and its lanes.

mod lane;
mod units;

use std::sync::Arc;
use std::time::Duration;

use farthing_channel::id::{Address, ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::tariff::Tariff;
use farthing_channel::wire::{ClosedLane, LaneRef, LaneView, Request, Response, SignedReceipt};
use tokio::sync::watch;

pub use lane::{Acknowledged, Lane, Paid};

use crate::config::DeviceConfig;
use crate::connection::{Link, within};
use crate::connector::Connector;
use crate::error::{ClientError, HubFault};
use crate::session::{Channel, ChannelTerms, LinkState, SessionOwner, Standing};
use crate::wallet::PayMode;

/// A device: one key's channel under an escrow. It connects by itself, stays connected, and takes what it is to pay
/// at any time. Cloning shares it; when the last clone and the last of its lanes are dropped, the connection closes.
#[derive(Debug, Clone)]
pub struct Device {
    pub(crate) owner: Arc<SessionOwner>,
    pub(crate) channel: Arc<Channel>,
    deadline: Duration,
}

impl Device {
    /// Starts a device on a connection of its own. Returns at once; the connection is made in the background.
    ///
    /// # Errors
    /// [`ClientError::Config`], [`ClientError::Store`], and refusals that can be told without asking the hub.
    pub fn start(connector: &Connector, config: DeviceConfig) -> Result<Self, ClientError> {
        let owner = SessionOwner::start(connector)?;
        Self::on(owner, config)
    }

    /// Starts a device and waits until the hub has attached it.
    ///
    /// # Errors
    /// As [`Self::start`] and [`Self::attached`].
    pub async fn connect(connector: &Connector, config: DeviceConfig) -> Result<Self, ClientError> {
        let device = Self::start(connector, config)?;
        device.attached().await?;
        Ok(device)
    }

    /// A device on a connection that others share.
    pub(crate) fn on(owner: Arc<SessionOwner>, config: DeviceConfig) -> Result<Self, ClientError> {
        let deadline = owner.connector().config().deadline;
        let channel = owner.add_channel(config)?;
        Ok(Self { owner, channel, deadline })
    }

    /// The same device, whose calls wait at most `deadline`.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.channel.config.key.address()
    }

    /// The channel's identity.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        self.channel.id
    }

    /// How the channel stands, now and whenever it changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.channel.standing.subscribe()
    }

    /// Waits until the hub has attached the channel.
    ///
    /// # Errors
    /// The hub's refusal, [`ClientError::Timeout`], or what keeps the connection from being made.
    pub async fn attached(&self) -> Result<ChannelTerms, ClientError> {
        within(self.deadline, self.wait_attached()).await.map_err(|error| self.explain(error))
    }

    async fn wait_attached(&self) -> Result<ChannelTerms, ClientError> {
        let mut standing = self.channel.standing.subscribe();
        loop {
            match &*standing.borrow_and_update() {
                Standing::Attached(terms) => return Ok(*terms),
                Standing::Failed(error) => return Err(error.clone()),
                Standing::Closed => return Err(ClientError::Stopped),
                Standing::Detached => {}
            }
            tokio::select! {
                changed = standing.changed() => {
                    changed.map_err(|_| ClientError::Stopped)?;
                }
                error = self.hopeless() => return Err(error),
            }
        }
    }

    /// Resolves with an error of connecting that no waiting mends.
    async fn hopeless(&self) -> ClientError {
        loop {
            if let Err(error) = self.owner.linked().await {
                return error;
            }
            // Connected: look again only after this connection, whose end also changes the standing.
            std::future::pending::<()>().await;
        }
    }

    /// A deadline's error says little where the connection's error is known.
    fn explain(&self, error: ClientError) -> ClientError {
        match (&error, self.owner.link_state()) {
            (ClientError::Timeout(_), LinkState::Down(Some(reason))) => reason,
            _ => error,
        }
    }

    /// The lane to `payee` for `rating_group`, in the device's pay mode. A new lane is attached in the background.
    ///
    /// # Errors
    /// [`ClientError::Store`], a payee the mandate does not allow, or more lanes than a channel may have.
    pub fn lane(&self, payee: Address, rating_group: RatingGroup) -> Result<Lane, ClientError> {
        self.lane_with(payee, rating_group, self.channel.config.pay_mode)
    }

    /// The lane to `payee` for `rating_group`. A lane that is open keeps its pay mode.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn lane_with(&self, payee: Address, rating_group: RatingGroup, mode: PayMode) -> Result<Lane, ClientError> {
        let store = &*self.owner.connector().config().store;
        let (slot, new) = self.channel.open_lane(payee, rating_group, mode, store)?;
        if new {
            self.owner.request_attach(self.channel.place);
        }
        Ok(Lane::new(self.clone(), slot, self.deadline))
    }

    /// Attaches again, with a new mandate where one is given: after the payer has raised the limit, extended the
    /// expiry or funded the escrow. Returns at once; [`Self::attached`] waits for the outcome.
    ///
    /// # Errors
    /// [`ClientError::Config`] for a mandate of another key or escrow.
    pub fn renew(&self, mandate: Option<MandateBundle>) -> Result<(), ClientError> {
        self.channel.renew(mandate)?;
        self.owner.request_attach(self.channel.place);
        Ok(())
    }

    async fn link(&self) -> Result<Arc<Link>, ClientError> {
        self.wait_attached().await?;
        self.owner.linked().await
    }

    /// Asks the hub how a lane of this channel stands.
    ///
    /// # Errors
    /// The hub's refusal, or the deadline.
    pub async fn query(&self, lane: LaneId) -> Result<LaneView, ClientError> {
        within(self.deadline, async { self.link().await?.query(LaneRef::Id(lane)).await }).await
    }

    /// The hub's signed statement of a lane of this channel, checked, and kept beside the lane's state.
    ///
    /// # Errors
    /// The hub's refusal, [`HubFault::BadReceipt`], [`ClientError::Store`], or the deadline.
    pub async fn receipt(&self, lane: LaneId) -> Result<SignedReceipt, ClientError> {
        within(self.deadline, async {
            let receipt = self.link().await?.receipt(LaneRef::Id(lane)).await?;
            self.keep_receipts(&[receipt]).await?;
            Ok(receipt)
        })
        .await
    }

    /// The tariff with this hash, as the hub has it; what does not hash to it is refused.
    ///
    /// # Errors
    /// The hub's refusal, [`HubFault::WrongTariff`], or the deadline.
    pub async fn tariff(&self, hash: TariffHash) -> Result<Tariff, ClientError> {
        within(self.deadline, async { self.owner.linked().await?.tariff(hash).await }).await
    }

    /// Closes the channel: the hub takes no further payment until a mandate with a higher serial. Returns and keeps the
    /// last receipt of every lane.
    ///
    /// # Errors
    /// The hub's refusal, [`HubFault::BadReceipt`], [`ClientError::Store`], or the deadline.
    pub async fn close(&self) -> Result<Vec<SignedReceipt>, ClientError> {
        within(self.deadline, async {
            let link = self.link().await?;
            let request = Request::Close { channel: self.channel.id };
            let Response::Closed(lanes) = link.request(&request).await? else {
                return Err(HubFault::Unexpected.into());
            };
            let receipts: Vec<_> = lanes.iter().map(|ClosedLane { receipt }| *receipt).collect();
            for receipt in &receipts {
                link.check_receipt(receipt)?;
            }
            self.keep_receipts(&receipts).await?;
            self.channel.standing.send_replace(Standing::Closed);
            Ok(receipts)
        })
        .await
    }

    async fn keep_receipts(&self, receipts: &[SignedReceipt]) -> Result<(), ClientError> {
        let records = {
            let mut state = self.channel.state();
            let lanes = state.lanes.iter_mut();
            lanes
                .filter_map(|slot| {
                    let receipt = receipts.iter().find(|r| r.lane == *slot.wallet.lane())?;
                    slot.receipt = Some(*receipt);
                    Some(slot.record())
                })
                .collect()
        };
        self.owner.save(records).await
    }

    /// Waits until everything wanted on every lane is durably acknowledged.
    ///
    /// # Errors
    /// As [`Lane::settled`].
    pub async fn settle(&self) -> Result<(), ClientError> {
        let count = self.channel.state().lanes.len();
        for slot in 0..count {
            let Ok(slot) = u16::try_from(slot) else { break };
            let lane = Lane::new(self.clone(), slot, self.deadline);
            let _: Paid = lane.settle().await?;
        }
        Ok(())
    }

    /// Waits until everything is acknowledged, then ends the connection, which other devices of a gateway share.
    ///
    /// # Errors
    /// As [`Self::settle`]; the connection is ended all the same.
    pub async fn shutdown(self) -> Result<(), ClientError> {
        let settled = self.settle().await;
        self.owner.stop();
        // Whoever starts next on the same state must find it written.
        within(self.deadline, async {
            self.owner.stopped().await;
            Ok(())
        })
        .await?;
        settled
    }
}
