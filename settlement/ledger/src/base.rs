//! The trait that every base ledger fits.

use farthing_channel::eip712::Domain;
use farthing_channel::id::Address;
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

use crate::error::LedgerError;
use crate::event::LoggedEvent;
use crate::operation::SignedOperation;
use crate::view::LedgerView;

/// Which ledger it is. Nothing of it ever changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LedgerIdentity {
    /// The chain, or [`crate::limits::EMBEDDED_CHAIN_ID`].
    #[n(0)]
    pub chain_id: u64,
    /// The escrow contract, or the 20 random bytes an embedded ledger drew at its genesis.
    #[n(1)]
    pub contract: Address,
    /// Whose approvals count, ascending; two different ones are needed.
    #[n(2)]
    pub approvers: Vec<Address>,
    /// What else there is to a ledger on a chain.
    #[n(3)]
    pub chain: Option<ChainContracts>,
}

/// The further contracts of a ledger on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ChainContracts {
    /// Holds what participants own.
    #[n(0)]
    pub net_settlement: Address,
    /// The token that all of it is in.
    #[n(1)]
    pub token: Address,
}

impl LedgerIdentity {
    /// The EIP-712 domain of escrows: batches, vouchers, mandates.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::new(self.chain_id, self.contract)
    }

    /// The EIP-712 domain of participants: approvals and payout addresses.
    #[must_use]
    pub fn net_domain(&self) -> Domain {
        Domain::new(self.chain_id, self.net_contract())
    }

    /// The contract of participants.
    #[must_use]
    pub fn net_contract(&self) -> Address {
        self.chain.map_or(self.contract, |chain| chain.net_settlement)
    }

    /// The token of its escrows; zero for the embedded ledger's own unit.
    #[must_use]
    pub fn token(&self) -> Address {
        self.chain.map_or(Address::ZERO, |chain| chain.token)
    }
}

/// How far the event log reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerHeads {
    /// Cursor of the newest event; 0 where there is none.
    pub head: u64,
    /// Cursor of the newest event that cannot be undone any more. Embedded: the same as `head`.
    pub finalized: u64,
}

/// What a ledger looked like from outside at some moment. Two equal marks mean that nothing happened in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMark(pub(crate) Vec<u8>);

impl ChangeMark {
    /// A mark made of whatever bytes an implementation compares.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// The result of adding everything up from scratch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Everything that came in, less what was paid out, from the event log.
    pub issued: u64,
    /// Sum over all accounts.
    pub accounts: u64,
    /// Sum over all escrows of what they hold.
    pub escrows: u64,
    /// Everything escrows ever paid to their payees.
    pub settled: u64,
}

/// Where money really moves. Operations are signed values; what they did is told by events.
pub trait BaseLedger: LedgerView {
    /// Carries out an operation, wholly or not at all, and returns the events it left. Returns once they are final, and
    /// what [`LedgerView`] shows includes them.
    ///
    /// `now` is the time an operation is carried out at where the ledger has no clock of its own; a chain's blocks have
    /// theirs.
    ///
    /// # Errors
    /// [`LedgerError::Refused`], which changes nothing; [`LedgerError::Waiting`] for what the ledger decides later;
    /// [`LedgerError::NoKey`]; and as for reads. After any but a refusal the same call may be made again: an operation
    /// that was handed in before is not handed in twice.
    fn submit(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError>;
}
