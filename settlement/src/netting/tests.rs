use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn address() -> impl Strategy<Value = Address> {
    (1_u8..=9).prop_map(|n| Address([n; 20]))
}

fn positions() -> impl Strategy<Value = Vec<Position>> {
    let one = (address(), address(), 0_u128..1_000_000_000_000)
        .prop_filter("nobody owes himself", |(debtor, creditor, _)| debtor != creditor)
        .prop_map(|(debtor, creditor, amount)| Position { debtor, creditor, amount });
    prop::collection::vec(one, 0..60)
}

/// Balances the slow way, signed, for comparison.
fn balances(flows: impl Iterator<Item = (Address, Address, u128)>) -> BTreeMap<Address, i128> {
    let mut balances = BTreeMap::new();
    for (from, to, amount) in flows {
        let amount = i128::try_from(amount).unwrap();
        *balances.entry(from).or_default() -= amount;
        *balances.entry(to).or_default() += amount;
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

proptest! {
    #[test]
    fn legs_keep_every_balance(positions in positions()) {
        let netting = net(&positions, &Greedy).unwrap();
        let before = balances(positions.iter().map(|p| (p.debtor, p.creditor, p.amount)));
        let pairs = balances(netting.bilateral.iter().map(|p| (p.debtor, p.creditor, p.amount)));
        let after = balances(netting.legs.iter().map(|leg| (leg.from, leg.to, leg.amount)));
        prop_assert_eq!(&before, &pairs);
        prop_assert_eq!(&before, &after);
        prop_assert_eq!(after.values().sum::<i128>(), 0);
    }

    #[test]
    fn legs_are_few_and_none_is_empty(positions in positions()) {
        let netting = net(&positions, &Greedy).unwrap();
        let uneven = netting.nets.debtors().count() + netting.nets.creditors().count();
        prop_assert!(netting.legs.len() <= uneven.saturating_sub(1));
        prop_assert!(netting.legs.iter().all(|leg| leg.amount > 0 && leg.from != leg.to));
    }

    #[test]
    fn a_debtor_only_pays_and_a_creditor_only_receives(positions in positions()) {
        let netting = net(&positions, &Greedy).unwrap();
        for leg in &netting.legs {
            prop_assert!(matches!(netting.nets.0[&leg.from], Net::Owes(_)));
            prop_assert!(matches!(netting.nets.0[&leg.to], Net::IsOwed(_)));
        }
    }

    #[test]
    fn the_order_of_positions_does_not_show(
        (positions, shuffled) in positions().prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle()))
    ) {
        prop_assert_eq!(net(&positions, &Greedy).unwrap(), net(&shuffled, &Greedy).unwrap());
    }

    #[test]
    fn netting_twice_changes_nothing(positions in positions()) {
        let once = net(&positions, &Greedy).unwrap();
        let twice = net(&once.bilateral, &Greedy).unwrap();
        prop_assert_eq!(once, twice);
    }
}

#[test]
fn a_ring_of_equal_debts_needs_no_leg() {
    let [a, b, c] = [1, 2, 3].map(|n| Address([n; 20]));
    let ring = [(a, b), (b, c), (c, a)].map(|(debtor, creditor)| Position { debtor, creditor, amount: 5 });
    assert!(net(&ring, &Greedy).unwrap().legs.is_empty());
}
