//! What the base ledger says, taken down once at the cut-off, so that everything after it is a pure function.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::{MANDATE_END_GRACE_SECONDS, WITHDRAW_GRACE_SECONDS};
use farthing_ledger::{AccountKind, Escrow, EscrowState, LedgerError, LedgerView};
use serde::{Deserialize, Serialize};

use crate::netting::terms::Balances;

/// The ledger as the night sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFacts {
    /// Its chain id.
    pub chain_id: u64,
    /// Its contract.
    #[serde(with = "crate::text")]
    pub contract: Address,
    /// The contract of its participants, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::text::optional")]
    pub net_contract: Option<Address>,
    /// Its newest final event.
    pub event: u64,
    /// The escrows in favour of this hub, ascending.
    pub escrows: Vec<EscrowFacts>,
    /// All accounts with a label, kind or balance, ascending.
    pub accounts: Vec<AccountFacts>,
}

/// One escrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscrowFacts {
    /// The escrow.
    #[serde(with = "crate::text")]
    pub escrow: EscrowId,
    /// Who funds it.
    #[serde(with = "crate::text")]
    pub payer: Address,
    /// Whose vouchers and mandates count.
    #[serde(with = "crate::text")]
    pub signer: Address,
    /// Everything ever paid in, base units.
    pub deposit: u64,
    /// Everything ever collected, base units.
    pub settled: u64,
    /// What batches of leaves have settled, base units.
    pub lanes_total: u64,
    /// Whether a batch may be posted.
    pub standing: EscrowStanding,
    /// Devices whose mandates were taken back.
    pub revocations: Vec<RevocationFacts>,
}

/// Whether an escrow can be collected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscrowStanding {
    /// It can.
    Collectable,
    /// The payer's exit was requested, and the last batch was posted or the grace period is over.
    ExitOver,
    /// Nothing is left in it.
    Finalized,
}

/// Mandates of a device that are void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationFacts {
    /// The device.
    #[serde(with = "crate::text")]
    pub device: Address,
    /// The highest serial that is void.
    pub serial: u64,
    /// Since when, Unix seconds.
    pub at: u64,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The account.
    #[serde(with = "crate::text")]
    pub account: Address,
    /// What people call it.
    pub label: String,
    /// Whether legs may name it.
    pub participant: bool,
    /// What it holds, base units.
    #[serde(default)]
    pub balance: u64,
}

impl EscrowFacts {
    fn read(ledger: &dyn LedgerView, escrow: &Escrow, now: UnixSeconds) -> Result<Self, LedgerError> {
        let revocations = ledger.revocations(&escrow.id)?;
        let facts = |revocation: &farthing_ledger::Revocation| RevocationFacts {
            device: revocation.device,
            serial: revocation.serial,
            at: revocation.at.0,
        };
        Ok(Self {
            escrow: escrow.id,
            payer: escrow.payer,
            signer: escrow.signer(),
            deposit: escrow.deposit,
            settled: escrow.settled,
            lanes_total: escrow.lanes_total,
            standing: standing(&escrow.state, now),
            revocations: revocations.iter().map(facts).collect(),
        })
    }

    /// When the mandate with `serial` of `device` ended or ends, Unix seconds.
    #[must_use]
    pub fn mandate_end(&self, device: &Address, serial: u64, expiry: UnixSeconds) -> u64 {
        let revoked = self.revocations.iter().filter(|known| known.device == *device && known.serial >= serial);
        revoked.map(|known| known.at).fold(expiry.0, u64::min)
    }
}

fn standing(state: &EscrowState, now: UnixSeconds) -> EscrowStanding {
    match state {
        EscrowState::Open => EscrowStanding::Collectable,
        EscrowState::CloseRequested { at, batches_left } => {
            let over = now.0 >= at.0.saturating_add(WITHDRAW_GRACE_SECONDS);
            if over || *batches_left == 0 { EscrowStanding::ExitOver } else { EscrowStanding::Collectable }
        }
        EscrowState::Finalized => EscrowStanding::Finalized,
    }
}

/// Whether totals under a mandate that ended at `end` may still grow at `now`.
#[must_use]
pub fn may_grow(end: u64, now: UnixSeconds) -> bool {
    now.0 < end.saturating_add(MANDATE_END_GRACE_SECONDS)
}

impl LedgerFacts {
    /// Takes down what `ledger` says about `hub`.
    ///
    /// # Errors
    /// As the ledger's reads.
    pub fn read(ledger: &dyn LedgerView, hub: &Address, now: UnixSeconds) -> Result<Self, LedgerError> {
        let identity = ledger.identity();
        // The head first: what happens while the rest is read is then looked at again, not missed.
        let event = ledger.heads()?.finalized;
        let mut escrows = Vec::new();
        for escrow in ledger.escrows()?.iter().filter(|escrow| escrow.payee == *hub) {
            escrows.push(EscrowFacts::read(ledger, escrow, now)?);
        }
        escrows.sort_by_key(|facts| facts.escrow);
        let accounts = ledger.accounts()?;
        let mut accounts: Vec<_> = accounts
            .into_iter()
            .map(|account| AccountFacts {
                account: account.address,
                participant: account.kind != AccountKind::Payer,
                balance: account.balance,
                label: account.label,
            })
            .collect();
        accounts.sort_by_key(|facts| facts.account);
        Ok(Self {
            chain_id: identity.chain_id,
            contract: identity.contract,
            net_contract: identity.chain.map(|chain| chain.net_settlement),
            event,
            escrows,
            accounts,
        })
    }

    /// The escrow with this id.
    #[must_use]
    pub fn escrow(&self, id: &EscrowId) -> Option<&EscrowFacts> {
        let place = self.escrows.binary_search_by_key(id, |facts| facts.escrow).ok()?;
        self.escrows.get(place)
    }

    /// Whether the hub may still collect from an escrow.
    #[must_use]
    pub fn is_collectable(&self, id: &EscrowId) -> bool {
        self.escrow(id).is_some_and(|facts| facts.standing == EscrowStanding::Collectable)
    }

    /// Whether legs may name `account`.
    #[must_use]
    pub fn is_participant(&self, account: &Address) -> bool {
        self.accounts
            .binary_search_by_key(account, |facts| facts.account)
            .ok()
            .and_then(|place| self.accounts.get(place))
            .is_some_and(|facts| facts.participant)
    }

    /// What participants hold.
    #[must_use]
    pub fn balances(&self) -> Balances {
        let participants = self.accounts.iter().filter(|facts| facts.participant);
        participants.map(|facts| (facts.account, facts.balance)).collect()
    }

    /// The labels people gave to accounts.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<Address, String> {
        let labelled = self.accounts.iter().filter(|facts| !facts.label.is_empty());
        labelled.map(|facts| (facts.account, facts.label.clone())).collect()
    }
}
