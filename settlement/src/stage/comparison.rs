//! The ledger's events beside a proposal: what of them was proposed, and what others did meanwhile.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_ledger::{Event, LoggedEvent};

use super::reconcile::Opening;
use crate::proposal::Proposal;

/// What moved into and out of a holder.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Movement {
    pub(super) proposal_in: u128,
    pub(super) proposal_out: u128,
    pub(super) other_in: u128,
    pub(super) other_out: u128,
}

/// Walks the events and ticks off what was proposed.
pub(super) struct Comparison<'a> {
    proposal: &'a Proposal,
    id: Hash32,
    opening: &'a Opening,
    payers: BTreeMap<EscrowId, Address>,
    batches_seen: Vec<bool>,
    legs_seen: Vec<bool>,
    closed_at: Option<u64>,
    movements: BTreeMap<String, Movement>,
    transferred: BTreeMap<Address, i128>,
    differences: Vec<String>,
}

/// What the events come to.
#[derive(Debug)]
pub(super) struct Compared {
    /// Batches, transfers and closings of the proposal that were found.
    pub(super) matched: u64,
    /// What differs, for people.
    pub(super) differences: Vec<String>,
    /// By holder.
    pub(super) movements: BTreeMap<String, Movement>,
    /// What the proposal's transfers brought each participant, base units; negative where it paid.
    pub(super) transferred: BTreeMap<Address, i128>,
    /// When the epoch was closed, Unix seconds.
    pub(super) closed_at: u64,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(proposal: &'a Proposal, opening: &'a Opening, payers: BTreeMap<EscrowId, Address>) -> Self {
        Self {
            proposal,
            id: proposal.id(),
            opening,
            payers,
            batches_seen: vec![false; proposal.batches.len()],
            legs_seen: vec![false; proposal.legs.len()],
            closed_at: None,
            movements: BTreeMap::new(),
            transferred: BTreeMap::new(),
            differences: Vec::new(),
        }
    }

    fn add(&mut self, holder: &impl ToString, field: impl FnOnce(&mut Movement) -> &mut u128, amount: u64) {
        let sum = field(self.movements.entry(holder.to_string()).or_default());
        *sum = sum.saturating_add(u128::from(amount));
    }

    pub(super) fn take(&mut self, logged: &LoggedEvent) {
        match &logged.event {
            Event::EscrowSettled { escrow, payee, prev_settled, total, root, .. } => {
                let amount = total.saturating_sub(*prev_settled);
                let place = self.proposal.batches.iter().position(|batch| {
                    (batch.escrow, batch.prev_settled, batch.total, batch.root)
                        == (*escrow, *prev_settled, *total, *root)
                });
                let ours = place.is_some();
                tick_off(&mut self.batches_seen, place);
                self.add(escrow, |m| if ours { &mut m.proposal_out } else { &mut m.other_out }, amount);
                self.add(payee, |m| if ours { &mut m.proposal_in } else { &mut m.other_in }, amount);
            }
            Event::Transferred { proposal, leg, from, to, credited, amount, .. } => {
                let ours = *proposal == self.id;
                if ours {
                    self.leg(*leg, from, to, credited, *amount);
                    let paid = self.transferred.entry(*from).or_default();
                    *paid = paid.saturating_sub((*amount).into());
                    let received = self.transferred.entry(*to).or_default();
                    *received = received.saturating_add((*amount).into());
                }
                self.add(from, |m| if ours { &mut m.proposal_out } else { &mut m.other_out }, *amount);
                self.add(credited, |m| if ours { &mut m.proposal_in } else { &mut m.other_in }, *amount);
            }
            Event::EpochClosed(closed) if closed.hub == self.proposal.hub && closed.epoch == self.proposal.epoch => {
                self.closed_at = Some(closed.at.0);
            }
            event => self.take_other(event),
        }
    }

    fn leg(&mut self, index: u32, from: &Address, to: &Address, credited: &Address, amount: u64) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let proposed = self.proposal.legs.get(index);
        if proposed.is_none_or(|leg| (leg.from, leg.to, leg.amount) != (*from, *to, amount)) {
            self.differences.push(format!("leg {index} paid {amount} from {from} to {to}, which was not proposed"));
        }
        if self.opening.payouts.get(&to.to_string()).is_none_or(|payout| *payout != credited.to_string()) {
            self.differences
                .push(format!("leg {index} was credited to {credited}, another payout address than before"));
        }
        tick_off(&mut self.legs_seen, Some(index));
    }

    /// What others did meanwhile.
    fn take_other(&mut self, event: &Event) {
        match event {
            Event::Issued { account, amount, .. } => self.add(account, |m| &mut m.other_in, *amount),
            Event::EscrowOpened { escrow, payer, deposit, .. } => {
                self.add(payer, |m| &mut m.other_out, *deposit);
                self.add(escrow, |m| &mut m.other_in, *deposit);
            }
            Event::EscrowToppedUp { escrow, amount, .. } => {
                self.add(escrow, |m| &mut m.other_in, *amount);
                if let Some(payer) = self.payers.get(escrow).copied() {
                    self.add(&payer, |m| &mut m.other_out, *amount);
                }
            }
            Event::EscrowFinalized { escrow, refunded, .. } => {
                self.add(escrow, |m| &mut m.other_out, *refunded);
                if let Some(payer) = self.payers.get(escrow).copied() {
                    self.add(&payer, |m| &mut m.other_in, *refunded);
                }
            }
            Event::PaidOut { account, amount, .. } => self.add(account, |m| &mut m.other_out, *amount),
            _ => {}
        }
    }

    pub(super) fn finish(mut self) -> Compared {
        for (batch, seen) in self.proposal.batches.iter().zip(&self.batches_seen) {
            if !seen {
                self.differences.push(format!("the batch of escrow {} is not in the ledger's log", batch.escrow));
            }
        }
        for (index, seen) in self.legs_seen.iter().enumerate() {
            if !seen {
                self.differences.push(format!("leg {index} is not in the ledger's log"));
            }
        }
        if self.closed_at.is_none() {
            self.differences.push("the epoch is not closed on the ledger".to_owned());
        }
        let seen = self.batches_seen.iter().chain(&self.legs_seen).filter(|seen| **seen).count();
        let matched = seen.saturating_add(usize::from(self.closed_at.is_some()));
        let Self { differences, movements, transferred, closed_at, .. } = self;
        let closed_at = closed_at.unwrap_or(0);
        Compared { matched: u64::try_from(matched).unwrap_or(u64::MAX), differences, movements, transferred, closed_at }
    }
}

fn tick_off(seen: &mut [bool], place: Option<usize>) {
    if let Some(seen) = place.and_then(|place| seen.get_mut(place)) {
        *seen = true;
    }
}
