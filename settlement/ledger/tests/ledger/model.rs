//! The rules of the ledger once more, plainly, in memory; and operations to try on both.

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::id::EscrowId;
use proptest::prelude::*;

use crate::world::*;

/// What somebody tries. Small numbers, so that operations meet each other.
#[derive(Debug, Clone)]
pub(crate) enum Attempt {
    Issue { reference: u8, to: usize, amount: u64 },
    Open { payer: usize, salt: u8, deposit: u64 },
    TopUp { escrow: usize, counter: u64, amount: u64 },
    RequestClose { escrow: usize, counter: u64 },
    Withdraw { escrow: usize, counter: u64 },
    Close { escrow: usize },
    Settle { escrow: usize, prev: Option<u64>, increase: u64 },
    SettleLane { escrow: usize, increase: u64 },
    Transfer { proposal: u8, from: usize, to: usize, amount: u64 },
    Replay { back: usize },
    Wait { hours: u64 },
}

pub(crate) const PAYERS: [u8; 2] = [PAYER, OTHER_PAYER];
pub(crate) const PARTICIPANTS: [u8; 3] = [HUB, PROVIDER, OTHER_PROVIDER];

pub(crate) fn attempts() -> impl Strategy<Value = Attempt> {
    // What is added to the counter of the payer's last operation: mostly the right thing.
    let counter = prop_oneof![6 => Just(1_u64), 1 => Just(0), 1 => Just(2)];
    let (escrow, amount) = (0..4_usize, 0..60_u64);
    prop_oneof![
        3 => (0..6_u8, 0..5_usize, 0..300_u64).prop_map(|(reference, to, amount)| Attempt::Issue { reference, to, amount }),
        3 => (0..2_usize, 0..2_u8, 0..400_u64).prop_map(|(payer, salt, deposit)| Attempt::Open { payer, salt, deposit }),
        2 => (escrow.clone(), counter.clone(), amount.clone())
            .prop_map(|(escrow, counter, amount)| Attempt::TopUp { escrow, counter, amount }),
        1 => (escrow.clone(), counter.clone()).prop_map(|(escrow, counter)| Attempt::RequestClose { escrow, counter }),
        1 => (escrow.clone(), counter).prop_map(|(escrow, counter)| Attempt::Withdraw { escrow, counter }),
        1 => escrow.clone().prop_map(|escrow| Attempt::Close { escrow }),
        4 => (escrow.clone(), prop::option::weighted(0.2, 0..50_u64), 0..50_u64)
            .prop_map(|(escrow, prev, increase)| Attempt::Settle { escrow, prev, increase }),
        3 => (escrow, 0..50_u64).prop_map(|(escrow, increase)| Attempt::SettleLane { escrow, increase }),
        3 => (0..6_u8, 0..3_usize, 0..3_usize, amount)
            .prop_map(|(proposal, from, to, amount)| Attempt::Transfer { proposal, from, to, amount }),
        2 => (0..8_usize).prop_map(|back| Attempt::Replay { back }),
        1 => (1..30_u64).prop_map(|hours| Attempt::Wait { hours }),
    ]
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ModelEscrow {
    pub(crate) payer: u8,
    pub(crate) deposit: u64,
    pub(crate) settled: u64,
    pub(crate) lane: u64,
    pub(crate) counter: u64,
    /// Seconds of the request, and batches left.
    pub(crate) exit: Option<(u64, u8)>,
    pub(crate) finalized: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) balances: BTreeMap<u8, u64>,
    pub(crate) escrows: BTreeMap<EscrowId, ModelEscrow>,
    pub(crate) references: BTreeSet<u8>,
    pub(crate) proposals: BTreeSet<u8>,
    pub(crate) issued: u64,
}

impl Model {
    pub(crate) fn balance(&self, seed: u8) -> u64 {
        self.balances.get(&seed).copied().unwrap_or(0)
    }

    fn shift(&mut self, seed: u8, out: u64, into: u64) -> Option<()> {
        let balance = self.balance(seed).checked_sub(out)? + into;
        self.balances.insert(seed, balance);
        Some(())
    }

    /// A batch that raises what is settled of an escrow to `total`.
    fn settle(&mut self, id: &EscrowId, prev: u64, total: u64, now: u64) -> Option<()> {
        let escrow = self.escrows.get_mut(id)?;
        if escrow.finalized || prev != escrow.settled || total <= prev || total > escrow.deposit {
            return None;
        }
        if let Some((since, left)) = &mut escrow.exit {
            *left = left.checked_sub(1).filter(|_| now < *since + 24 * HOUR)?;
        }
        escrow.settled = total;
        self.shift(HUB, 0, total - prev)
    }

    fn finalize(&mut self, id: &EscrowId) -> Option<()> {
        let escrow = self.escrows.get_mut(id)?;
        escrow.finalized = true;
        let (payer, rest) = (escrow.payer, escrow.deposit - escrow.settled);
        self.shift(payer, 0, rest)
    }

    fn payer_operation(&mut self, id: &EscrowId, counter: u64) -> Option<&mut ModelEscrow> {
        let escrow = self.escrows.get_mut(id).filter(|escrow| !escrow.finalized && escrow.counter + 1 == counter)?;
        escrow.counter = counter;
        Some(escrow)
    }

    /// The state after `attempt` on escrow `id`; `None` where it is refused.
    pub(crate) fn after(mut self, attempt: &Attempt, id: &EscrowId, now: u64) -> Option<Self> {
        match *attempt {
            Attempt::Issue { reference, to, amount } => {
                let to = [PAYERS.as_slice(), &PARTICIPANTS].concat()[to];
                (amount > 0 && self.references.insert(reference)).then_some(())?;
                self.issued += amount;
                self.shift(to, 0, amount)?;
            }
            Attempt::Open { payer, deposit, .. } => {
                (deposit > 0 && !self.escrows.contains_key(id)).then_some(())?;
                self.shift(PAYERS[payer], deposit, 0)?;
                self.escrows.insert(*id, ModelEscrow { payer: PAYERS[payer], deposit, ..ModelEscrow::default() });
            }
            Attempt::TopUp { counter, amount, .. } => {
                let escrow = self.payer_operation(id, counter).filter(|_| amount > 0)?;
                escrow.deposit += amount;
                escrow.exit = None;
                let payer = escrow.payer;
                self.shift(payer, amount, 0)?;
            }
            Attempt::RequestClose { counter, .. } => {
                let escrow = self.payer_operation(id, counter).filter(|escrow| escrow.exit.is_none())?;
                escrow.exit = Some((now, 1));
            }
            Attempt::Withdraw { counter, .. } => {
                let (since, _) = self.payer_operation(id, counter)?.exit?;
                (now >= since + 24 * HOUR).then_some(())?;
                self.finalize(id)?;
            }
            Attempt::Close { .. } => {
                self.escrows.get(id).filter(|escrow| !escrow.finalized)?;
                self.finalize(id)?;
            }
            Attempt::Settle { prev, increase, .. } => {
                let prev = prev.unwrap_or(self.escrows.get(id)?.settled);
                self.settle(id, prev, prev + increase, now)?;
            }
            Attempt::SettleLane { increase, .. } => {
                let (settled, total) = self.escrows.get(id).map(|escrow| (escrow.settled, escrow.lane + increase))?;
                (total > 0).then_some(())?;
                self.settle(id, settled, total, now)?;
                self.escrows.get_mut(id)?.lane = total;
            }
            Attempt::Transfer { proposal, from, to, amount } => {
                (amount > 0 && from != to && self.proposals.insert(proposal)).then_some(())?;
                self.shift(PARTICIPANTS[from], amount, 0)?;
                self.shift(PARTICIPANTS[to], 0, amount)?;
            }
            Attempt::Replay { .. } | Attempt::Wait { .. } => {}
        }
        Some(self)
    }
}
