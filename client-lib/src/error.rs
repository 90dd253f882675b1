//! What can go wrong, by whose fault it is and whether trying again helps.

use std::sync::Arc;
use std::time::Duration;

use farthing_channel::refusal::{Blame as RefusalBlame, Refusal};
use farthing_channel::tariff::{ChargeError, TariffDecodeError};

use crate::key::KeyError;
use crate::store::StoreError;

/// Whose fault an error is, and so who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The program that calls this crate, or its configuration.
    Caller,
    /// The payer must fund, extend or replace a mandate.
    Payer,
    /// The hub cannot serve, or broke the protocol.
    Hub,
    /// The path to the hub.
    Network,
    /// This device: its key or its disk.
    Device,
}

/// How a hub broke the protocol or contradicted itself. Nothing it said is taken over then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubFault {
    /// A message that is not one, or is too large.
    #[error("the hub sent bytes that are no message")]
    Malformed,
    /// A message that does not answer what was asked.
    #[error("the hub answered something else than was asked")]
    Unexpected,
    /// It is another hub, or serves another ledger, than the configuration names.
    #[error("the hub is not the one that is configured")]
    OtherHub,
    /// It recovered another address, or derived another channel or lane.
    #[error("the hub sees another key, channel or lane")]
    OtherIdentity,
    /// It shows a proof that this device did not sign.
    #[error("the hub shows a proof that this device did not sign")]
    ForeignProof,
    /// A receipt's signature is not the hub's.
    #[error("the receipt is not signed by the hub")]
    BadReceipt,
    /// A tariff does not hash to what was asked for.
    #[error("the tariff is not the one that was asked for")]
    WrongTariff,
}

/// Everything a call of this crate can fail with. Cheap to clone: one failure may reach many callers.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The hub said no, for a numbered reason; nothing changed by it.
    #[error("refused by the hub: {0}")]
    Refused(#[from] Refusal),
    /// The deadline passed. A payment goes on by itself: wait for it with `settled`, or name the same total
    /// again with `pay_total`. Calling `pay` again would pay once more.
    #[error("no durable answer within {0:?}")]
    Timeout(Duration),
    /// The hub could not be reached, or the connection broke.
    #[error("cannot reach the hub: {0}")]
    Unreachable(Arc<str>),
    /// TLS failed: most often the certificate is not the pinned one.
    #[error("the hub's certificate was not accepted: {0}")]
    Certificate(Arc<str>),
    /// The hub broke the protocol.
    #[error("{0}")]
    Hub(#[from] HubFault),
    /// The payment would pass the mandate's limit or the spending limit. Nothing was signed.
    #[error("a channel total of {total} base units would pass the limit of {limit}")]
    Limit {
        /// What the channel would owe in all, base units.
        total: u128,
        /// What it may owe, base units.
        limit: u64,
    },
    /// A total that does not fit 64 bits.
    #[error("the total does not fit 64 bits")]
    Overflow,
    /// Ticks can only be paid on a lane whose pay mode is `Ticks`.
    #[error("the lane does not pay by ticks")]
    NotTicks,
    /// The units could not be priced.
    #[error("units cannot be priced: {0}")]
    Charge(ChargeError),
    /// The tariff given is not the lane's.
    #[error("the tariff is not the lane's")]
    OtherTariff,
    /// The hub's tariff does not decode.
    #[error("the tariff cannot be read: {0}")]
    Tariff(Arc<TariffDecodeError>),
    /// The key did not sign.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The state could not be read or written. No payment leaves before its record is kept.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(Arc<str>),
    /// The device, gateway or provider was shut down.
    #[error("shut down")]
    Stopped,
}

impl ClientError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused(refusal) => match refusal.blame() {
                RefusalBlame::Sender => Blame::Caller,
                RefusalBlame::Payer => Blame::Payer,
                RefusalBlame::Hub => Blame::Hub,
            },
            Self::Timeout(_) | Self::Unreachable(_) => Blame::Network,
            Self::Certificate(_) | Self::Hub(_) | Self::Tariff(_) => Blame::Hub,
            Self::Limit { .. } => Blame::Payer,
            Self::Overflow | Self::NotTicks | Self::Charge(_) | Self::OtherTariff | Self::Config(_) | Self::Stopped => {
                Blame::Caller
            }
            Self::Key(_) | Self::Store(_) => Blame::Device,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retry_helps(),
            Self::Timeout(_) | Self::Unreachable(_) => true,
            Self::Key(error) => error.retry_helps(),
            Self::Store(error) => error.retry_helps(),
            _ => false,
        }
    }

    pub(crate) fn config(text: impl Into<Arc<str>>) -> Self {
        Self::Config(text.into())
    }
}

impl From<quinn::ConnectionError> for ClientError {
    fn from(error: quinn::ConnectionError) -> Self {
        match &error {
            // A TLS alert: code 0x100 + alert. Certificate trouble is the one a person must look at.
            quinn::ConnectionError::TransportError(transport)
                if (0x100..0x200).contains(&u64::from(transport.code)) =>
            {
                Self::Certificate(transport.to_string().into())
            }
            _ => Self::Unreachable(error.to_string().into()),
        }
    }
}

impl From<quinn::ConnectError> for ClientError {
    fn from(error: quinn::ConnectError) -> Self {
        Self::Config(error.to_string().into())
    }
}

impl From<quinn::WriteError> for ClientError {
    fn from(error: quinn::WriteError) -> Self {
        Self::Unreachable(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_and_retry_follow_the_refusal() {
        let limit = ClientError::Refused(Refusal::EscrowLimit);
        assert_eq!(limit.blame(), Blame::Payer);
        assert!(limit.retry_helps());
        let signer = ClientError::Refused(Refusal::WrongSigner);
        assert_eq!(signer.blame(), Blame::Caller);
        assert!(!signer.retry_helps());
        assert!(ClientError::Timeout(Duration::ZERO).retry_helps());
        assert!(!ClientError::Hub(HubFault::OtherHub).retry_helps());
    }
}
