//! Who owes whom before netting, and that it is what lanes and escrows come to.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId};

use super::{Draw, LaneLine, PositionError, Positions};
use crate::facts::LedgerFacts;
use crate::netting::Position;

/// Payers owe their payees what the lanes collect; the hub owes the payers what it draws from their deposits. Netted,
/// the hub's account pays out exactly what flows into it.
pub(super) fn gross_positions(hub: &Address, facts: &LedgerFacts, lines: &[LaneLine], draws: &[Draw]) -> Vec<Position> {
    let mut owed: BTreeMap<(Address, Address), u128> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.collect > 0) {
        let Some(escrow) = facts.escrow(&line.escrow) else { continue };
        let sum = owed.entry((escrow.payer, line.payee)).or_default();
        *sum = sum.saturating_add(u128::from(line.collect));
    }
    for draw in draws {
        let sum = owed.entry((*hub, draw.payer)).or_default();
        *sum = sum.saturating_add(u128::from(draw.amount()));
    }
    let between_two = owed.into_iter().filter(|((debtor, creditor), _)| debtor != creditor);
    between_two.map(|((debtor, creditor), amount)| Position { debtor, creditor, amount }).collect()
}

/// The sums taken over lanes, over escrows and over positions are one number.
pub(super) fn require_conserved(planned: &Positions, hub: &Address) -> Result<(), PositionError> {
    let lanes = planned.lanes.iter().map(|line| u128::from(line.collect)).sum();
    let draws = planned.draws.iter().map(|draw| u128::from(draw.amount())).sum();
    let by_payee = planned.by_payee();
    let payees = by_payee.values().map(|line| line.collect).sum();
    let drawn_by_hub: u128 = planned.positions.iter().filter(|p| p.debtor == *hub).map(|p| p.amount).sum();
    let own: u128 = planned.draws.iter().filter(|draw| draw.payer == *hub).map(|draw| u128::from(draw.amount())).sum();
    let hub_as_payer: u128 = planned.lanes_of_payer(hub);
    let position_sum = drawn_by_hub.saturating_add(own).saturating_sub(hub_as_payer);
    if lanes == draws && draws == payees && position_sum == draws {
        Ok(())
    } else {
        Err(PositionError::NotConserved { lanes, draws, payees })
    }
}

impl Positions {
    /// What this epoch's lanes of `payer` to others collect, base units.
    fn lanes_of_payer(&self, payer: &Address) -> u128 {
        let escrows: Vec<EscrowId> = self.draws.iter().filter(|d| d.payer == *payer).map(|d| d.escrow).collect();
        let of_payer = self.lanes.iter().filter(|line| line.payee != *payer && escrows.contains(&line.escrow));
        of_payer.map(|line| u128::from(line.collect)).sum()
    }
}
