//! Escrows of the base ledger.

use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32, LaneId};
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

use crate::event::Event;
use crate::limits::{BATCHES_AFTER_CLOSE_REQUEST, WITHDRAW_GRACE_SECONDS};
use crate::operation::SettleBatch;

/// Where an escrow stands. `Finalized` is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum EscrowState {
    /// Accepts batches and top-ups.
    #[n(0)]
    Open,
    /// The payer announced its exit.
    #[n(1)]
    CloseRequested {
        /// When.
        #[n(0)]
        at: UnixSeconds,
        /// Batches the payee may still post.
        #[n(1)]
        batches_left: u8,
    },
    /// Nothing is left in it.
    #[n(2)]
    Finalized,
}

/// An escrow.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Escrow {
    /// Its identity on this ledger.
    #[n(0)]
    pub id: EscrowId,
    /// Who funds it and gets back what is left.
    #[n(1)]
    pub payer: Address,
    /// The hub's account.
    #[n(2)]
    pub payee: Address,
    /// The token; zero for the embedded ledger's own unit.
    #[n(3)]
    pub token: Address,
    /// Chosen by the payer.
    #[n(4)]
    pub salt: Hash32,
    /// Whose signature moves the money; zero stands for the payer.
    #[n(5)]
    pub authorized_signer: Address,
    /// Everything ever paid in, base units.
    #[n(6)]
    pub deposit: u64,
    /// Everything ever paid to the payee, base units.
    #[n(7)]
    pub settled: u64,
    /// Where it stands.
    #[n(8)]
    pub state: EscrowState,
    /// Signed operations of the payer after opening; the next one carries one more.
    #[n(9)]
    pub payer_operations: u64,
    /// Lanes that batches of leaves have settled so far.
    #[n(10)]
    pub lanes: u32,
    /// Sum of these lanes' totals: the total of the last batch of leaves.
    #[n(11)]
    pub lanes_total: u64,
    /// A batch that was posted and may still be challenged; never on a ledger that checks leaves itself.
    #[n(12)]
    pub pending: Option<PendingBatch>,
}

/// A batch that is not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PendingBatch {
    /// Its name on the ledger.
    #[n(0)]
    pub id: Hash32,
    /// What is claimed.
    #[n(1)]
    pub batch: SettleBatch,
    /// When it was posted.
    #[n(2)]
    pub posted_at: UnixSeconds,
}

impl Escrow {
    /// What its identity is made of.
    #[must_use]
    pub fn terms(&self) -> EscrowTerms {
        EscrowTerms {
            payer: self.payer,
            payee: self.payee,
            token: self.token,
            salt: self.salt,
            authorized_signer: self.authorized_signer,
        }
    }

    /// The key whose vouchers and mandates count.
    #[must_use]
    pub fn signer(&self) -> Address {
        self.terms().signer()
    }

    /// What is still in it, base units: zero once finalised, when the rest went back to the payer.
    #[must_use]
    pub fn held(&self) -> u64 {
        match self.state {
            EscrowState::Finalized => 0,
            // Every change keeps settled within the deposit.
            _ => self.deposit.saturating_sub(self.settled),
        }
    }

    /// Takes on what an event beyond finality takes from the hub: an exit, or the escrow's end. What such an event gives
    /// waits for finality.
    pub fn expect(&mut self, event: &Event) {
        match event {
            Event::EscrowCloseRequested { withdrawable_at, .. } if self.state == EscrowState::Open => {
                let at = UnixSeconds(withdrawable_at.0.saturating_sub(WITHDRAW_GRACE_SECONDS));
                self.state = EscrowState::CloseRequested { at, batches_left: BATCHES_AFTER_CLOSE_REQUEST };
            }
            Event::EscrowFinalized { .. } => self.state = EscrowState::Finalized,
            _ => {}
        }
    }

    /// When the payer may withdraw, where an exit was requested.
    #[must_use]
    pub fn withdrawable_at(&self) -> Option<UnixSeconds> {
        match self.state {
            EscrowState::CloseRequested { at, .. } => Some(UnixSeconds(at.0.saturating_add(WITHDRAW_GRACE_SECONDS))),
            _ => None,
        }
    }
}

/// Mandates of a device up to a serial that are void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Revocation {
    /// The device.
    #[n(0)]
    pub device: Address,
    /// The highest serial that is void.
    #[n(1)]
    pub serial: u64,
    /// Since when.
    #[n(2)]
    pub at: UnixSeconds,
}

/// What a batch last settled for a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledChannel {
    /// The device.
    pub device: Address,
    /// Serial of the mandate its last leaf stood under; the ledger remembers the mandate itself.
    pub serial: u64,
    /// Sum over its lanes, base units.
    pub total: u64,
}

/// What a batch last settled for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledLane {
    /// The lane.
    pub lane: LaneId,
    /// Base units since opening.
    pub total: u64,
}
