//! What can go wrong, by blame.

use farthing_channel::id::Address;
use farthing_channel::time::UnixSeconds;

use crate::refusal::LedgerRefusal;

/// Why a call to a base ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operation is at fault; nothing changed.
    #[error("refused: {0}")]
    Refused(#[from] LedgerRefusal),
    /// Somebody else held the ledger for too long. Trying again helps.
    #[error("the ledger is busy")]
    Busy,
    /// The ledger's storage or node failed; whether an operation took effect is told by the event log.
    #[error("ledger storage: {0}")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file is not a ledger, or what it holds cannot be read back. Nobody may go on with it.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The books would not add up: a bug. The operation was not carried out.
    #[error("not conserved: {issued} base units issued, {accounts} in accounts, {escrows} in escrows")]
    NotConserved {
        /// Everything that came in, less what was paid out.
        issued: u64,
        /// Sum over accounts.
        accounts: u64,
        /// Sum over escrows of what they hold.
        escrows: u64,
    },
    /// It was handed in, and the ledger decides later, as it does where a claim may be challenged first. The same call
    /// after that time goes on.
    #[error("handed in; the ledger decides not before Unix second {}", until.0)]
    Waiting {
        /// Not before then.
        until: UnixSeconds,
    },
    /// A chain would not carry it out, or did not, for a reason that these rules do not know. Nothing changed.
    #[error("the chain rejects it: {0}")]
    Rejected(String),
    /// Whoever must send this to the ledger is not among the keys at hand.
    #[error("no key of {0} is at hand to send this with")]
    NoKey(Address),
    /// Genesis parameters that make no ledger.
    #[error("genesis: {0}")]
    Genesis(&'static str),
}

impl LedgerError {
    /// The refusal, where it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<LedgerRefusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        matches!(self, Self::Busy | Self::Storage(_) | Self::Waiting { .. })
    }

    /// That something which was read back is not what was written.
    pub fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }
}

macro_rules! storage_errors {
    ($($kind:ty),*) => {
        $(impl From<$kind> for LedgerError {
            fn from(error: $kind) -> Self {
                Self::Storage(Box::new(error))
            }
        })*
    };
}

storage_errors!(std::io::Error, redb::StorageError, redb::TransactionError, redb::TableError, redb::CommitError);

impl From<redb::DatabaseError> for LedgerError {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => Self::Busy,
            other => Self::Storage(Box::new(other)),
        }
    }
}
