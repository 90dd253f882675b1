//! The gateway role: many devices behind one connection.

use std::sync::Arc;
use std::time::Duration;

use crate::config::DeviceConfig;
use crate::connection::within;
use crate::connector::Connector;
use crate::device::Device;
use crate::error::ClientError;
use crate::session::{LinkState, SessionOwner};

/// One connection that carries the channels of many devices. Payments that are due at the same moment share
/// datagrams; attaches run a few at a time. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Gateway {
    owner: Arc<SessionOwner>,
    deadline: Duration,
}

impl Gateway {
    /// Starts a gateway without devices. Returns at once; the connection is made in the background.
    ///
    /// # Errors
    /// [`ClientError::Config`] outside a tokio runtime.
    pub fn start(connector: &Connector) -> Result<Self, ClientError> {
        Ok(Self { owner: SessionOwner::start(connector)?, deadline: connector.config().deadline })
    }

    /// Adds a device, which is attached in the background and again on every later connection.
    ///
    /// # Errors
    /// As [`Device::start`].
    pub fn add(&self, config: DeviceConfig) -> Result<Device, ClientError> {
        Device::on(Arc::clone(&self.owner), config)
    }

    /// Waits until there is a connection.
    ///
    /// # Errors
    /// What keeps it from being made, or [`ClientError::Timeout`].
    pub async fn connected(&self) -> Result<(), ClientError> {
        match within(self.deadline, self.owner.linked()).await {
            Ok(_) => Ok(()),
            Err(ClientError::Timeout(deadline)) => Err(match self.owner.link_state() {
                LinkState::Down(Some(reason)) => reason,
                _ => ClientError::Timeout(deadline),
            }),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a connection now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.owner.link_state(), LinkState::Up(_))
    }

    /// Ends the connection at once; what is not acknowledged is paid by whoever starts with the same state or key.
    pub fn shutdown(&self) {
        self.owner.stop();
    }
}
