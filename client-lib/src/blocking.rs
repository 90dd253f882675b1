//! The same roles for programs without an async runtime.
//!
//! A [`Connector`] here owns a runtime with one thread, on which all connections of its devices live; calls block the
//! caller until they are done or their deadline passes. They must not be made from inside an async runtime.

use std::sync::Arc;
use std::time::Duration;

use farthing_channel::id::{Address, ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::tariff::Tariff;
use farthing_channel::wire::{Grant, LaneView, SignedReceipt};
use tokio::runtime::Runtime;

use crate::config::{ConnectorConfig, DeviceConfig};
use crate::error::ClientError;
use crate::provider::{Authorised, ProviderConfig};
use crate::session::ChannelTerms;
use crate::wallet::PayMode;
use crate::{Paid, device, gateway, provider};

/// See [`crate::Connector`]. Cloning shares the runtime; it ends with the last clone, device, gateway and provider.
#[derive(Debug, Clone)]
pub struct Connector {
    inner: crate::Connector,
    runtime: Arc<Runtime>,
}

impl Connector {
    /// Starts the runtime and opens the sockets.
    ///
    /// # Errors
    /// [`ClientError::Config`].
    pub fn new(config: ConnectorConfig) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("farthing-client")
            .enable_all()
            .build()
            .map_err(|error| ClientError::config(format!("runtime: {error}")))?;
        let inner = {
            let _entered = runtime.enter();
            crate::Connector::new(config)?
        };
        Ok(Self { inner, runtime: Arc::new(runtime) })
    }
}

/// See [`crate::Device`].
#[derive(Debug, Clone)]
pub struct Device {
    inner: device::Device,
    runtime: Arc<Runtime>,
}

impl Device {
    /// See [`crate::Device::start`].
    ///
    /// # Errors
    /// As there.
    pub fn start(connector: &Connector, config: DeviceConfig) -> Result<Self, ClientError> {
        let _entered = connector.runtime.enter();
        Ok(Self { inner: device::Device::start(&connector.inner, config)?, runtime: Arc::clone(&connector.runtime) })
    }

    /// See [`crate::Device::connect`].
    ///
    /// # Errors
    /// As there.
    pub fn connect(connector: &Connector, config: DeviceConfig) -> Result<Self, ClientError> {
        let device = Self::start(connector, config)?;
        device.attached()?;
        Ok(device)
    }

    /// See [`crate::Device::with_deadline`].
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: self.inner.with_deadline(deadline), runtime: Arc::clone(&self.runtime) }
    }

    /// See [`crate::Device::address`].
    #[must_use]
    pub fn address(&self) -> Address {
        self.inner.address()
    }

    /// See [`crate::Device::channel_id`].
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        self.inner.channel_id()
    }

    /// See [`crate::Device::attached`].
    ///
    /// # Errors
    /// As there.
    pub fn attached(&self) -> Result<ChannelTerms, ClientError> {
        self.runtime.block_on(self.inner.attached())
    }

    /// See [`crate::Device::lane`].
    ///
    /// # Errors
    /// As there.
    pub fn lane(&self, payee: Address, rating_group: RatingGroup) -> Result<Lane, ClientError> {
        self.inner.lane(payee, rating_group).map(|inner| self.wrap(inner))
    }

    /// See [`crate::Device::lane_with`].
    ///
    /// # Errors
    /// As there.
    pub fn lane_with(&self, payee: Address, rating_group: RatingGroup, mode: PayMode) -> Result<Lane, ClientError> {
        self.inner.lane_with(payee, rating_group, mode).map(|inner| self.wrap(inner))
    }

    fn wrap(&self, inner: device::Lane) -> Lane {
        Lane { inner, runtime: Arc::clone(&self.runtime) }
    }

    /// See [`crate::Device::query`].
    ///
    /// # Errors
    /// As there.
    pub fn query(&self, lane: LaneId) -> Result<LaneView, ClientError> {
        self.runtime.block_on(self.inner.query(lane))
    }

    /// See [`crate::Device::receipt`].
    ///
    /// # Errors
    /// As there.
    pub fn receipt(&self, lane: LaneId) -> Result<SignedReceipt, ClientError> {
        self.runtime.block_on(self.inner.receipt(lane))
    }

    /// See [`crate::Device::tariff`].
    ///
    /// # Errors
    /// As there.
    pub fn tariff(&self, hash: TariffHash) -> Result<Tariff, ClientError> {
        self.runtime.block_on(self.inner.tariff(hash))
    }

    /// See [`crate::Device::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&self) -> Result<Vec<SignedReceipt>, ClientError> {
        self.runtime.block_on(self.inner.close())
    }

    /// See [`crate::Device::settle`].
    ///
    /// # Errors
    /// As there.
    pub fn settle(&self) -> Result<(), ClientError> {
        self.runtime.block_on(self.inner.settle())
    }

    /// See [`crate::Device::shutdown`].
    ///
    /// # Errors
    /// As there.
    pub fn shutdown(self) -> Result<(), ClientError> {
        self.runtime.block_on(self.inner.shutdown())
    }
}

/// See [`crate::Lane`].
#[derive(Debug, Clone)]
pub struct Lane {
    inner: device::Lane,
    runtime: Arc<Runtime>,
}

impl Lane {
    /// The async lane, for everything that does not wait: `send`, `wanted`, `liability`, `grant`, `id`.
    #[must_use]
    pub fn inner(&self) -> &device::Lane {
        &self.inner
    }

    /// See [`crate::Lane::with_deadline`].
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: self.inner.with_deadline(deadline), runtime: Arc::clone(&self.runtime) }
    }

    /// See [`crate::Lane::pay`].
    ///
    /// # Errors
    /// As there.
    pub fn pay(&self, amount: u64) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.pay(amount))
    }

    /// See [`crate::Lane::pay_total`].
    ///
    /// # Errors
    /// As there.
    pub fn pay_total(&self, total: u64) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.pay_total(total))
    }

    /// See [`crate::Lane::pay_ticks`].
    ///
    /// # Errors
    /// As there.
    pub fn pay_ticks(&self, ticks: u32) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.pay_ticks(ticks))
    }

    /// See [`crate::Lane::pay_units`].
    ///
    /// # Errors
    /// As there.
    pub fn pay_units(&self, units: u64, tariff: &Tariff) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.pay_units(units, tariff))
    }

    /// See [`crate::Lane::use_units`].
    ///
    /// # Errors
    /// As there.
    pub fn use_units(&self, units: u64, tariff: &Tariff) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.use_units(units, tariff))
    }

    /// See [`crate::Lane::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, amount: u64) -> Result<u64, ClientError> {
        self.inner.send(amount)
    }

    /// See [`crate::Lane::settle`].
    ///
    /// # Errors
    /// As there.
    pub fn settle(&self) -> Result<Paid, ClientError> {
        self.runtime.block_on(self.inner.settle())
    }

    /// See [`crate::Lane::receipt`].
    ///
    /// # Errors
    /// As there.
    pub fn receipt(&self) -> Result<SignedReceipt, ClientError> {
        self.runtime.block_on(self.inner.receipt())
    }
}

/// See [`crate::Gateway`].
#[derive(Debug, Clone)]
pub struct Gateway {
    inner: gateway::Gateway,
    runtime: Arc<Runtime>,
}

impl Gateway {
    /// See [`crate::Gateway::start`].
    ///
    /// # Errors
    /// As there.
    pub fn start(connector: &Connector) -> Result<Self, ClientError> {
        let _entered = connector.runtime.enter();
        Ok(Self { inner: gateway::Gateway::start(&connector.inner)?, runtime: Arc::clone(&connector.runtime) })
    }

    /// See [`crate::Gateway::add`].
    ///
    /// # Errors
    /// As there.
    pub fn add(&self, config: DeviceConfig) -> Result<Device, ClientError> {
        Ok(Device { inner: self.inner.add(config)?, runtime: Arc::clone(&self.runtime) })
    }

    /// See [`crate::Gateway::connected`].
    ///
    /// # Errors
    /// As there.
    pub fn connected(&self) -> Result<(), ClientError> {
        self.runtime.block_on(self.inner.connected())
    }
}

/// See [`crate::Provider`].
#[derive(Debug, Clone)]
pub struct Provider {
    inner: provider::Provider,
    runtime: Arc<Runtime>,
}

/// See [`crate::Notices`].
#[derive(Debug)]
pub struct Notices {
    inner: provider::Notices,
    runtime: Arc<Runtime>,
}

impl Provider {
    /// See [`crate::Provider::start`].
    ///
    /// # Errors
    /// As there.
    pub fn start(connector: &Connector, config: ProviderConfig) -> Result<(Self, Notices), ClientError> {
        let _entered = connector.runtime.enter();
        let (inner, notices) = provider::Provider::start(&connector.inner, config)?;
        let runtime = &connector.runtime;
        Ok((Self { inner, runtime: Arc::clone(runtime) }, Notices { inner: notices, runtime: Arc::clone(runtime) }))
    }

    /// See [`crate::Provider::subscribed`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribed(&self) -> Result<(), ClientError> {
        self.runtime.block_on(self.inner.subscribed())
    }

    /// See [`crate::Provider::report`].
    ///
    /// # Errors
    /// As there.
    pub fn report(&self, lane: LaneId, revision: u64, used_units: u64, credited: u64) -> Result<Grant, ClientError> {
        self.runtime.block_on(self.inner.report(lane, revision, used_units, credited))
    }

    /// See [`crate::Provider::shutdown`].
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

impl Notices {
    /// See [`crate::Notices::recv`]; `None` also where nothing came within `deadline`.
    pub fn recv(&mut self, deadline: Duration) -> Option<Authorised> {
        let next = self.inner.recv();
        self.runtime.block_on(async { tokio::time::timeout(deadline, next).await.ok().flatten() })
    }
}
