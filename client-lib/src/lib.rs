//! The Farthing SDK: devices that pay, gateways that carry many of them, providers that are paid.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use farthing_client::{Connector, ConnectorConfig, Device, DeviceConfig, FileKey, Trust};
//! use farthing_client::channel::id::{EscrowId, RatingGroup};
//!
//! let pin = "0x…".parse()?;
//! let connector = Connector::new(ConnectorConfig::new("hub.example:4433", Trust::Pin(pin)))?;
//! let escrow: EscrowId = "0x…".parse()?;
//! let device = Device::connect(&connector, DeviceConfig::new(FileKey::load("device.key")?, escrow)).await?;
//! let lane = device.lane("0x…".parse()?, RatingGroup(1))?;
//! let paid = lane.pay(250).await?; // durable at the hub when this returns
//! assert!(paid.authorised >= 250);
//! # Ok(())
//! # }
//! ```
//!
//! What a caller may rely on:
//!
//! - A payment is noted at once and survives lost packets, a lost connection and a restarted hub; with a
//!   [`FileStore`] also a restarted device. Offline, many payments become one message.
//! - Nothing is paid twice: all amounts are totals. [`Lane::pay_total`] may be repeated freely; after a
//!   [`ClientError::Timeout`] of [`Lane::pay`], use [`Lane::settle`].
//! - No proof leaves before its record is kept, and none is signed beyond the mandate's limit or the spending limit.
//! - A device that lost its state asks the hub and believes only its own signatures.
//! - Every call has a deadline, and every [`ClientError`] tells whose fault it is and whether a retry helps.
//!
//! [`blocking`] has the same for programs without an async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backoff;
pub mod blocking;
mod clock;
mod config;
mod connection;
mod connector;
mod device;
mod error;
mod frame;
mod gateway;
mod key;
mod provider;
mod session;
mod store;
mod trust;
mod wallet;

/// The rules and the wire: identities, tariffs, mandates, messages.
pub use farthing_channel as channel;

pub use backoff::Backoff;
pub use config::{ConnectorConfig, DeviceConfig, ExpectedHub, PaymentPath, Trust};
pub use connector::Connector;
pub use device::{Acknowledged, Device, Lane, Paid};
pub use error::{Blame, ClientError, HubFault};
pub use gateway::Gateway;
pub use key::{ChainSecret, DeviceKey, FileKey, KeyError};
pub use provider::{Authorised, Notices, Provider, ProviderConfig};
pub use session::{ChannelTerms, Standing, TariffTerms};
pub use store::{FileStore, LaneRecord, MemoryStore, RecordedAnchor, RecordedUsage, StateStore, StoreError};
pub use wallet::{PayMode, TickPlan};
