//! The ledger's log: every fact, in order, with a cursor.
//!
//! Events are what operations leave behind. A follower keeps the last cursor it has taken in and asks for what comes
//! after. Variant numbers and field numbers are stored and only ever appended.

use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32};
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

use crate::account::AccountKind;
use crate::operation::{JournalCursor, SettleBatch};

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its number in the log, from 1 without gaps.
    pub cursor: u64,
    /// When the operation was carried out.
    pub at: UnixSeconds,
    /// What happened.
    pub event: Event,
}

/// A fact on the base ledger. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    /// Money came in.
    #[n(1)]
    Issued {
        /// The payment outside.
        #[n(0)]
        reference: Hash32,
        /// Who received it.
        #[n(1)]
        account: Address,
        /// How much.
        #[n(2)]
        amount: u64,
    },
    /// An account got its kind and label.
    #[n(2)]
    AccountRegistered {
        /// The account.
        #[n(0)]
        account: Address,
        /// What it is now.
        #[n(1)]
        kind: AccountKind,
        /// What it is called now.
        #[n(2)]
        label: String,
    },
    /// An escrow opened.
    #[n(3)]
    EscrowOpened {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// Who funds it.
        #[n(1)]
        payer: Address,
        /// The hub's account.
        #[n(2)]
        payee: Address,
        /// The token.
        #[n(3)]
        token: Address,
        /// The payer's salt.
        #[n(4)]
        salt: Hash32,
        /// Whose signature moves the money; zero stands for the payer.
        #[n(5)]
        authorized_signer: Address,
        /// The deposit.
        #[n(6)]
        deposit: u64,
    },
    /// An escrow's deposit grew; a pending request to close is cancelled by it.
    #[n(4)]
    EscrowToppedUp {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// By how much.
        #[n(1)]
        amount: u64,
        /// The deposit now.
        #[n(2)]
        deposit: u64,
    },
    /// The payer announced its exit.
    #[n(5)]
    EscrowCloseRequested {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// When the payer may withdraw.
        #[n(1)]
        withdrawable_at: UnixSeconds,
    },
    /// The payee collected.
    #[n(6)]
    EscrowSettled {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// Who was paid `total - prev_settled`.
        #[n(1)]
        payee: Address,
        /// What was settled before.
        #[n(2)]
        prev_settled: u64,
        /// What is settled now.
        #[n(3)]
        total: u64,
        /// Root of the batch's tree; zero where the signer's own proof covered it.
        #[n(4)]
        root: Hash32,
        /// Channel leaves.
        #[n(5)]
        channels: u32,
        /// Lane leaves.
        #[n(6)]
        lanes: u32,
        /// Root over the epoch's journal records; zero for a close.
        #[n(7)]
        journal_root: Hash32,
        /// The epoch; zero for a close.
        #[n(8)]
        epoch: u64,
    },
    /// The payer took back what was left.
    #[n(7)]
    EscrowWithdrawn {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// Who received it.
        #[n(1)]
        payer: Address,
        /// How much.
        #[n(2)]
        amount: u64,
    },
    /// The escrow is final.
    #[n(8)]
    EscrowFinalized {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// What was settled in the end.
        #[n(1)]
        settled: u64,
        /// What went back to the payer.
        #[n(2)]
        refunded: u64,
    },
    /// Mandates of a device are void.
    #[n(9)]
    MandateRevoked {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// The device.
        #[n(1)]
        device: Address,
        /// The highest serial that is void.
        #[n(2)]
        serial: u64,
    },
    /// A leg was paid.
    #[n(10)]
    Transferred {
        /// The proposal it belongs to.
        #[n(0)]
        proposal: Hash32,
        /// Its epoch.
        #[n(1)]
        epoch: u64,
        /// Its place among the proposal's legs, from 0.
        #[n(2)]
        leg: u32,
        /// Who paid.
        #[n(3)]
        from: Address,
        /// Who was paid.
        #[n(4)]
        to: Address,
        /// Where the money went: the payout address of `to` at that time.
        #[n(5)]
        credited: Address,
        /// How much.
        #[n(6)]
        amount: u64,
    },
    /// A participant named a new payout address.
    #[n(11)]
    PayoutChanged {
        /// The participant.
        #[n(0)]
        account: Address,
        /// Where its money goes.
        #[n(1)]
        payout: Address,
        /// From when on.
        #[n(2)]
        effective: UnixSeconds,
    },
    /// A hub's epoch is settled.
    #[n(12)]
    EpochClosed(#[n(0)] ClosedEpoch),
    /// Money left the ledger.
    #[n(13)]
    PaidOut {
        /// Names the payment.
        #[n(0)]
        reference: Hash32,
        /// Whose money it was.
        #[n(1)]
        account: Address,
        /// Where it went.
        #[n(2)]
        to: Address,
        /// How much.
        #[n(3)]
        amount: u64,
    },
    /// A batch was posted that may be challenged before it is paid. Only ledgers that do not check leaves themselves.
    #[n(14)]
    BatchPosted {
        /// Its name on the ledger.
        #[n(0)]
        id: Hash32,
        /// What is claimed.
        #[n(1)]
        batch: SettleBatch,
    },
    /// A posted batch was refuted, or a demand for its leaves not answered: nothing is paid.
    #[n(15)]
    BatchVoided {
        /// The escrow.
        #[n(0)]
        escrow: EscrowId,
        /// The batch's name.
        #[n(1)]
        id: Hash32,
    },
    /// A participant got approvers of its own, or lost them, and a cap.
    #[n(16)]
    ParticipantSet {
        /// The participant.
        #[n(0)]
        account: Address,
        /// Most it may owe in one batch of transfers, net.
        #[n(1)]
        net_debit_cap: u64,
        /// Its own approvers, ascending; none where the ledger's approve for it.
        #[n(2)]
        approvers: Vec<Address>,
    },
}

/// A hub's epoch that is settled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClosedEpoch {
    /// The hub.
    #[n(0)]
    pub hub: Address,
    /// Its number, from 1.
    #[n(1)]
    pub epoch: u64,
    /// The transfers that settled it, or zero.
    #[n(2)]
    pub proposal: Hash32,
    /// How far it reaches into the hub's journal.
    #[n(3)]
    pub cursors: Vec<JournalCursor>,
    /// Root over its journal records.
    #[n(4)]
    pub journal_root: Hash32,
    /// When it was closed.
    #[n(5)]
    pub at: UnixSeconds,
}

impl Event {
    /// The escrow it is about, if it is about one.
    #[must_use]
    pub fn escrow(&self) -> Option<&EscrowId> {
        match self {
            Self::EscrowOpened { escrow, .. }
            | Self::EscrowToppedUp { escrow, .. }
            | Self::EscrowCloseRequested { escrow, .. }
            | Self::EscrowSettled { escrow, .. }
            | Self::EscrowWithdrawn { escrow, .. }
            | Self::EscrowFinalized { escrow, .. }
            | Self::MandateRevoked { escrow, .. }
            | Self::BatchVoided { escrow, .. } => Some(escrow),
            Self::BatchPosted { batch, .. } => Some(&batch.escrow),
            _ => None,
        }
    }

    /// The terms of an escrow that opened.
    #[must_use]
    pub fn opened_terms(&self) -> Option<EscrowTerms> {
        match *self {
            Self::EscrowOpened { payer, payee, token, salt, authorized_signer, .. } => {
                Some(EscrowTerms { payer, payee, token, salt, authorized_signer })
            }
            _ => None,
        }
    }

    /// Whether it takes something from a hub (an exit, a revocation, the end of an escrow). A follower acts on
    /// these at the ledger's head; on all others once they are final.
    #[must_use]
    pub fn acts_at_head(&self) -> bool {
        matches!(
            self,
            Self::EscrowCloseRequested { .. }
                | Self::EscrowWithdrawn { .. }
                | Self::EscrowFinalized { .. }
                | Self::MandateRevoked { .. }
        )
    }
}

/// How an event lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct StoredEvent {
    #[n(0)]
    pub(crate) at: UnixSeconds,
    #[n(1)]
    pub(crate) event: Event,
}

#[cfg(test)]
mod tests;
