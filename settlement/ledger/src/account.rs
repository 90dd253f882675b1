//! Accounts of the base ledger.

use farthing_channel::id::Address;
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};

/// What an account is, which decides whose signatures move its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(index_only)]
#[repr(u8)]
pub enum AccountKind {
    /// Funds escrows with its own signature. Any account nobody registered is one.
    #[default]
    #[n(0)]
    Payer = 0,
    /// A hub's payee account: escrows are opened in its favour; its money moves with two approvals only.
    #[n(1)]
    Hub = 1,
    /// A participant that legs pay to; its money moves with two approvals only.
    #[n(2)]
    Provider = 2,
}

impl AccountKind {
    /// Its number in signed data.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Payer => 0,
            Self::Hub => 1,
            Self::Provider => 2,
        }
    }

    /// Whether money of the account moves only with two approvals.
    #[must_use]
    pub const fn is_participant(self) -> bool {
        !matches!(self, Self::Payer)
    }
}

/// A payout address that is not in force yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PendingPayout {
    /// Where money will go.
    #[n(0)]
    pub payout: Address,
    /// From when on.
    #[n(1)]
    pub effective: UnixSeconds,
}

/// What the approvers of a participant have set for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ParticipantSettings {
    /// Settings so far.
    #[n(0)]
    pub revision: u64,
    /// Most it may owe in one batch of transfers, net, base units.
    #[n(1)]
    pub net_debit_cap: u64,
    /// Its own approvers, ascending; empty where the ledger's approve for it.
    #[n(2)]
    pub approvers: Vec<Address>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// Its address.
    #[n(0)]
    pub address: Address,
    /// What it is.
    #[n(1)]
    pub kind: AccountKind,
    /// What people call it; empty where nobody registered it.
    #[n(2)]
    pub label: String,
    /// Base units.
    #[n(3)]
    pub balance: u64,
    /// Registrations so far.
    #[n(4)]
    pub registrations: u64,
    /// Where money of legs goes; the account itself until changed.
    #[n(5)]
    pub payout: Address,
    /// A change of it that waits for its time.
    #[n(6)]
    pub payout_pending: Option<PendingPayout>,
    /// Payout changes so far.
    #[n(7)]
    pub payout_changes: u64,
    /// What is set for a participant; `None` until its first setting.
    #[n(8)]
    pub settings: Option<ParticipantSettings>,
}

impl Account {
    /// An account on which nothing happened yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            kind: AccountKind::Payer,
            label: String::new(),
            balance: 0,
            registrations: 0,
            payout: address,
            payout_pending: None,
            payout_changes: 0,
            settings: None,
        }
    }

    /// Its own approvers, ascending; empty where the ledger's approve for it.
    #[must_use]
    pub fn approvers(&self) -> &[Address] {
        self.settings.as_ref().map_or(&[], |settings| &settings.approvers)
    }

    /// Where money of legs goes at `now`.
    #[must_use]
    pub fn payout_at(&self, now: UnixSeconds) -> Address {
        match &self.payout_pending {
            Some(pending) if pending.effective <= now => pending.payout,
            _ => self.payout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_payout_address_waits_for_its_time() {
        let mut account = Account::new(Address([1; 20]));
        account.payout_pending = Some(PendingPayout { payout: Address([2; 20]), effective: UnixSeconds(10) });
        assert_eq!(account.payout_at(UnixSeconds(9)), Address([1; 20]));
        assert_eq!(account.payout_at(UnixSeconds(10)), Address([2; 20]));
    }
}
