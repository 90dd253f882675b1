//! Positions of one pair cancel until at most one side owes.

use std::collections::BTreeMap;

use farthing_channel::id::Address;

use super::{NettingError, Position};

/// What each side of a pair owes the other; `low` is the lesser address.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    low_owes: u128,
    high_owes: u128,
}

/// At most one position per pair of participants, ascending by debtor and creditor, none of them zero.
///
/// # Errors
/// [`NettingError::Overflow`], [`NettingError::SelfOwed`].
pub fn net_pairs(positions: &[Position]) -> Result<Vec<Position>, NettingError> {
    let mut pairs: BTreeMap<(Address, Address), Pair> = BTreeMap::new();
    for position in positions {
        let Position { debtor, creditor, amount } = *position;
        if debtor == creditor {
            return Err(NettingError::SelfOwed(debtor));
        }
        let (key, debtor_is_low) =
            if debtor < creditor { ((debtor, creditor), true) } else { ((creditor, debtor), false) };
        let pair = pairs.entry(key).or_default();
        let side = if debtor_is_low { &mut pair.low_owes } else { &mut pair.high_owes };
        *side = side.checked_add(amount).ok_or(NettingError::Overflow(debtor))?;
    }
    let mut netted: Vec<Position> =
        pairs.into_iter().filter_map(|((low, high), pair)| balance(low, high, pair)).collect();
    netted.sort_unstable();
    Ok(netted)
}

fn balance(low: Address, high: Address, pair: Pair) -> Option<Position> {
    let amount = pair.low_owes.abs_diff(pair.high_owes);
    let (debtor, creditor) = if pair.low_owes > pair.high_owes { (low, high) } else { (high, low) };
    (amount > 0).then_some(Position { debtor, creditor, amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address([1; 20]);
    const B: Address = Address([2; 20]);

    fn owes(debtor: Address, creditor: Address, amount: u128) -> Position {
        Position { debtor, creditor, amount }
    }

    #[test]
    fn a_pair_keeps_only_its_balance() {
        assert_eq!(net_pairs(&[owes(A, B, 70), owes(B, A, 100), owes(A, B, 5)]), Ok(vec![owes(B, A, 25)]));
        assert_eq!(net_pairs(&[owes(A, B, 7), owes(B, A, 7)]), Ok(vec![]));
    }

    #[test]
    fn nobody_owes_himself_and_sums_are_checked() {
        assert_eq!(net_pairs(&[owes(A, A, 1)]), Err(NettingError::SelfOwed(A)));
        assert_eq!(net_pairs(&[owes(A, B, u128::MAX), owes(A, B, 1)]), Err(NettingError::Overflow(A)));
    }
}
