//! The trait that every base ledger fits.

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

use crate::account::Account;
use crate::error::LedgerError;
use crate::escrow::{Escrow, Revocation, SettledChannel};
use crate::event::{ClosedEpoch, LoggedEvent};
use crate::operation::SignedOperation;

/// Which ledger it is. Nothing of it ever changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LedgerIdentity {
    /// The chain, or [`crate::limits::EMBEDDED_CHAIN_ID`].
    #[n(0)]
    pub chain_id: u64,
    /// The contract, or the 20 random bytes an embedded ledger drew at its genesis.
    #[n(1)]
    pub contract: Address,
    /// Whose approvals count, ascending; two different ones are needed.
    #[n(2)]
    pub approvers: Vec<Address>,
}

impl LedgerIdentity {
    /// The EIP-712 domain everything for this ledger is signed under.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::new(self.chain_id, self.contract)
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
    /// Everything ever issued, from the event log.
    pub issued: u64,
    /// Sum over all accounts.
    pub accounts: u64,
    /// Sum over all escrows of what they hold.
    pub escrows: u64,
    /// Everything escrows ever paid to their payees.
    pub settled: u64,
}

/// Where money really moves. Operations are signed values; what they did is told by events.
///
/// Calls block. An implementation over a chain returns from [`Self::submit`] once the operation is included; its events
/// are final when [`Self::heads`] says so.
pub trait BaseLedger: std::fmt::Debug + Send + Sync {
    /// Which ledger it is.
    ///
    /// # Errors
    /// [`LedgerError::Busy`], [`LedgerError::Storage`], [`LedgerError::Damaged`], as for every read below.
    fn identity(&self) -> Result<LedgerIdentity, LedgerError>;

    /// Carries out an operation, wholly or not at all, and returns the events it left.
    ///
    /// # Errors
    /// [`LedgerError::Refused`], which changes nothing; and as for reads.
    fn submit(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError>;

    /// How far the log reaches.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn heads(&self) -> Result<LedgerHeads, LedgerError>;

    /// At most `max` events after cursor `after`, in order.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn events(&self, after: u64, max: usize) -> Result<Vec<LoggedEvent>, LedgerError>;

    /// A mark for [`Self::changed_since`]. Take it before reading: a change in between is then seen again, not missed.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn mark(&self) -> Result<ChangeMark, LedgerError>;

    /// Whether anything may have happened since the mark was taken; cheap enough to be asked many times a second.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn changed_since(&self, mark: &ChangeMark) -> Result<bool, LedgerError> {
        Ok(self.mark()? != *mark)
    }

    /// An escrow.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn escrow(&self, id: &EscrowId) -> Result<Option<Escrow>, LedgerError>;

    /// All escrows, by id.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn escrows(&self) -> Result<Vec<Escrow>, LedgerError>;

    /// An account; one on which nothing happened yet is empty.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn account(&self, address: &Address) -> Result<Account, LedgerError>;

    /// All accounts, by address.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn accounts(&self) -> Result<Vec<Account>, LedgerError>;

    /// What is settled of each of `lanes`, base units since opening; zero for a lane never settled.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn lanes_settled(&self, lanes: &[LaneId]) -> Result<Vec<u64>, LedgerError>;

    /// What is settled of one lane.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn lane_settled(&self, lane: &LaneId) -> Result<u64, LedgerError> {
        Ok(self.lanes_settled(std::slice::from_ref(lane))?.first().copied().unwrap_or(0))
    }

    /// What batches of leaves last settled for each channel of an escrow, by device. A claim under the serial told here
    /// needs no mandate again.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn channels_settled(&self, escrow: &EscrowId) -> Result<Vec<SettledChannel>, LedgerError>;

    /// All revocations under an escrow, by device and serial.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn revocations(&self, escrow: &EscrowId) -> Result<Vec<Revocation>, LedgerError>;

    /// The last closed epoch of a hub.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn epoch_last(&self, hub: &Address) -> Result<Option<ClosedEpoch>, LedgerError>;

    /// Whether a proposal's transfers were executed.
    ///
    /// # Errors
    /// As [`Self::identity`].
    fn proposal_executed(&self, proposal: &Hash32) -> Result<bool, LedgerError>;

    /// Adds everything up from scratch.
    ///
    /// # Errors
    /// [`LedgerError::NotConserved`] where the sums differ, [`LedgerError::Damaged`] where the books contradict each
    /// other; and as [`Self::identity`].
    fn audit(&self) -> Result<Audit, LedgerError>;
}
