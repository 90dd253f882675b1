//! What can go wrong with a chain, by blame.

use alloy_primitives::U256;
use farthing_channel::id::Address;
use farthing_ledger::LedgerError;

use crate::keys::KeyError;

/// Why something with a chain failed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The node could not be reached, or did not answer in its form. Trying again helps.
    #[error("the chain's node does not answer: {0}")]
    Unreachable(String),
    /// The node answered with an error of its own.
    #[error("the chain's node answers {code}: {message}")]
    Node {
        /// The node's number for it.
        code: i64,
        /// What it says.
        message: String,
    },
    /// A contract refused.
    #[error("the contract refuses: {0}")]
    Reverted(String),
    /// A transaction was not final within the patience that is configured. It stays in the outbox; trying again goes on
    /// with it.
    #[error("a transaction is not final yet; it will be gone on with")]
    NotFinalYet,
    /// The chain is not the one this ledger is on.
    #[error("the node serves chain {found}; the ledger is on chain {expected}")]
    OtherChain {
        /// The ledger's.
        expected: u64,
        /// The node's.
        found: u64,
    },
    /// The token counts its units otherwise: every amount in print, and in a bank's files, would be wrong by powers of ten.
    #[error("the token has {found} decimals, and amounts are read with {expected}")]
    OtherDecimals {
        /// What the ledger's users reckon with.
        expected: u8,
        /// The token's own.
        found: u8,
    },
    /// A block that was final is not part of the chain any more.
    #[error("block {0} was final, and the chain goes another way now")]
    FinalityBroken(u64),
    /// An answer or a stored row is not what it must be.
    #[error("unexpected: {0}")]
    Unexpected(String),
    /// No key for the account that must send.
    #[error("no key of {0} is at hand")]
    NoKey(Address),
    /// Whoever must send holds less of the chain's own currency than the transaction may cost. Once it holds more, the
    /// same operation goes on.
    #[error("{account} has {has} wei of the chain's own currency, and its transaction may cost {needs}")]
    NoGas {
        /// Who must send.
        account: Address,
        /// What it has, wei.
        has: U256,
        /// What it needs, wei.
        needs: U256,
    },
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The mirror's books.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The outbox.
    #[error("the outbox: {0}")]
    Outbox(#[source] Box<redb::Error>),
}

impl ChainError {
    /// Whether trying again cannot help: somebody has to look.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::FinalityBroken(_) | Self::OtherChain { .. } | Self::OtherDecimals { .. } => true,
            Self::Ledger(error) => matches!(error, LedgerError::Damaged(_)),
            _ => false,
        }
    }

    pub(crate) fn unexpected(what: impl std::fmt::Display) -> Self {
        Self::Unexpected(what.to_string())
    }
}

impl From<ChainError> for LedgerError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Ledger(error) => error,
            ChainError::Reverted(reason) => Self::Rejected(reason),
            ChainError::NoKey(account) => Self::NoKey(account),
            ChainError::NoGas { .. } => Self::Rejected(error.to_string()),
            ChainError::FinalityBroken(_) | ChainError::OtherChain { .. } => Self::damaged(error),
            other => Self::Storage(Box::new(other)),
        }
    }
}

macro_rules! outbox_errors {
    ($($kind:ty),*) => {
        $(impl From<$kind> for ChainError {
            fn from(error: $kind) -> Self {
                Self::Outbox(Box::new(error.into()))
            }
        })*
    };
}

outbox_errors!(redb::DatabaseError, redb::StorageError, redb::TransactionError, redb::TableError, redb::CommitError);
