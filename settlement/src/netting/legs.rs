//! From balances to transfers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use farthing_channel::id::Address;

use super::multilateral::{Nets, require_zero_sum};
use super::{Leg, NettingError};

/// Chooses the transfers that discharge a set of balances. A planner keeps every participant's balance
/// exactly, and gives the same legs for the same balances.
pub trait LegPlanner {
    /// The transfers for `nets`, in the order they are to be made.
    ///
    /// # Errors
    /// [`NettingError::NotZeroSum`], [`NettingError::Overflow`].
    fn plan(&self, nets: &Nets) -> Result<Vec<Leg>, NettingError>;
}

/// The greatest debtor pays the greatest creditor until one of the two is even; equal amounts go by the lesser
/// address. Every leg settles at least one participant and the last one settles two, hence at most n-1 legs for
/// n participants that are not even.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greedy;

impl LegPlanner for Greedy {
    fn plan(&self, nets: &Nets) -> Result<Vec<Leg>, NettingError> {
        require_zero_sum(nets)?;
        let mut debtors: BinaryHeap<_> = nets.debtors().map(by_amount).collect();
        let mut creditors: BinaryHeap<_> = nets.creditors().map(by_amount).collect();
        let mut legs = Vec::with_capacity(debtors.len().saturating_add(creditors.len()));
        while let (Some((owes, Reverse(from))), Some((is_owed, Reverse(to)))) = (debtors.pop(), creditors.pop()) {
            let amount = owes.min(is_owed);
            legs.push(Leg { from, to, amount });
            if owes > amount {
                debtors.push((owes.saturating_sub(amount), Reverse(from)));
            }
            if is_owed > amount {
                creditors.push((is_owed.saturating_sub(amount), Reverse(to)));
            }
        }
        Ok(legs)
    }
}

fn by_amount((who, amount): (Address, u128)) -> (u128, Reverse<Address>) {
    (amount, Reverse(who))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netting::Net;

    #[test]
    fn the_greatest_go_first_and_ties_go_by_address() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| Address([n; 20]));
        let nets = Nets([(a, Net::Owes(30)), (b, Net::IsOwed(10)), (c, Net::IsOwed(10)), (d, Net::IsOwed(10))].into());
        let legs = Greedy.plan(&nets).unwrap();
        assert_eq!(legs.iter().map(|leg| (leg.to, leg.amount)).collect::<Vec<_>>(), [(b, 10), (c, 10), (d, 10)]);
    }

    #[test]
    fn nothing_to_settle_makes_no_legs() {
        assert_eq!(Greedy.plan(&Nets::default()), Ok(vec![]));
    }
}
