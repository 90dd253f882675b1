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

/// The fewest legs by trying everything: the first participant that is not even is paired with each of the other sign.
fn fewest_by_trial(balances: &mut Vec<i128>) -> usize {
    let Some(first) = balances.iter().position(|balance| *balance != 0) else { return 0 };
    let (mut fewest, amount) = (usize::MAX, balances[first]);
    for other in first + 1..balances.len() {
        if balances[other].signum() == -amount.signum() {
            balances[other] += amount;
            balances[first] = 0;
            fewest = fewest.min(1 + fewest_by_trial(balances));
            balances[other] -= amount;
            balances[first] = amount;
        }
    }
    fewest
}

/// Positions with small amounts, so that parts of the participants often sum to zero.
fn small_positions(participants: u8) -> impl Strategy<Value = Vec<Position>> {
    let one = (1..=participants, 1..=participants, 1_u128..6)
        .prop_filter("nobody owes himself", |(debtor, creditor, _)| debtor != creditor)
        .prop_map(|(a, b, amount)| Position { debtor: Address([a; 20]), creditor: Address([b; 20]), amount });
    prop::collection::vec(one, 0..25)
}

proptest! {
    #[test]
    fn the_fewest_legs_are_the_fewest(positions in small_positions(6)) {
        let netting = net(&positions, &Exact).unwrap();
        let flows = positions.iter().map(|p| (p.debtor, p.creditor, p.amount));
        let mut signed: Vec<i128> = balances(flows).into_values().collect();
        prop_assert_eq!(netting.legs.len(), fewest_by_trial(&mut signed));
        prop_assert_eq!(netting.counts.exact, Some(netting.legs.len()));
        prop_assert!(netting.legs.len() <= netting.counts.greedy);
    }

    #[test]
    fn the_fewest_legs_keep_every_balance(positions in small_positions(16)) {
        let netting = net(&positions, &Exact).unwrap();
        let before = balances(positions.iter().map(|p| (p.debtor, p.creditor, p.amount)));
        let after = balances(netting.legs.iter().map(|leg| (leg.from, leg.to, leg.amount)));
        prop_assert_eq!(before, after);
        prop_assert!(netting.counts.gap().is_some());
    }

    #[test]
    fn clearing_cycles_keeps_balances_and_counterparties(positions in small_positions(9)) {
        let netting = net(&positions, &Greedy).unwrap();
        let left = &netting.clearing.remaining;
        let before = balances(positions.iter().map(|p| (p.debtor, p.creditor, p.amount)));
        prop_assert_eq!(before, balances(left.iter().map(|p| (p.debtor, p.creditor, p.amount))));
        for position in left {
            let known = netting.bilateral.iter().find(|p| (p.debtor, p.creditor) == (position.debtor, position.creditor));
            prop_assert!(known.is_some_and(|known| position.amount <= known.amount));
        }
        let sum = |positions: &[Position]| positions.iter().map(|p| p.amount).sum::<u128>();
        prop_assert_eq!(sum(&netting.bilateral) - sum(left), netting.clearing.cleared);
        prop_assert_eq!(clear_cycles(left).unwrap().cycles, 0, "no cycle is left");
    }

    #[test]
    fn who_is_left_out_is_left_out_of_everything(
        positions in positions(),
        shuffled_seed in any::<u64>(),
        terms in prop::collection::vec((1_u8..=9, prop::option::of(0_u64..1_000_000_000_000), any::<bool>()), 0..5),
        funds in prop::collection::vec(0_u64..3_000_000_000_000, 9),
    ) {
        let participants = terms.iter().map(|(who, cap, defaulted)| ParticipantTerms {
            account: Address([*who; 20]),
            net_debit_cap: *cap,
            collateral: 0,
            defaulted: *defaulted,
        });
        let terms = NettingTerms { participants: participants.collect(), ..NettingTerms::default() };
        let balances: BTreeMap<_, _> = (1_u8..).zip(&funds).map(|(n, funds)| (Address([n; 20]), *funds)).collect();
        let nobody = Address::ZERO;
        let netting = net_under(&terms, &positions, &balances, &nobody).unwrap();
        let out: Vec<_> = netting.attempts.iter().flat_map(|run| &run.exclusions).map(|e| e.participant).collect();
        prop_assert!(netting.legs.iter().all(|leg| !out.contains(&leg.from) && !out.contains(&leg.to)));
        prop_assert!(netting.nets.0.keys().all(|who| !out.contains(who)));
        for (who, owes) in netting.nets.debtors() {
            prop_assert!(owes <= u128::from(balances[&who]));
        }
        let mut turned = positions.clone();
        turned.rotate_left(usize::try_from(shuffled_seed % 61).unwrap().min(positions.len()));
        prop_assert_eq!(net_under(&terms, &turned, &balances, &nobody).unwrap(), netting);
    }
}

#[test]
fn greedy_can_need_a_leg_more_and_the_gap_is_told() {
    // 5 pays 5 and 4 pays 2 + 2; greedy has 5 pay 5 too, but 6 = 3 + 3 beside 5 = 4 + 1 are drawn into one.
    let owes = |debtor: u8, creditor: u8, amount| Position {
        debtor: Address([debtor; 20]),
        creditor: Address([creditor; 20]),
        amount,
    };
    let positions = [owes(1, 3, 3), owes(1, 4, 3), owes(2, 5, 4), owes(2, 6, 1)];
    let netting = net(&positions, &Greedy).unwrap();
    assert_eq!(netting.counts, LegCounts { greedy: 5, exact: Some(4) });
    assert_eq!((netting.counts.gap(), net(&positions, &Exact).unwrap().legs.len()), (Some(1), 4));
}

#[test]
fn a_defaulter_is_left_out_and_both_runs_are_kept() {
    let [a, b, c] = [1, 2, 3].map(|n| Address([n; 20]));
    let positions =
        [(a, b, 10), (b, c, 10), (a, c, 7)].map(|(debtor, creditor, amount)| Position { debtor, creditor, amount });
    let balances = BTreeMap::from([(a, 20), (b, 5), (c, 0)]);
    let terms = NettingTerms::default();
    assert!(net_under(&terms, &positions, &balances, &Address::ZERO).unwrap().attempts.is_empty(), "b is even");
    let declared = ParticipantTerms { account: a, net_debit_cap: None, collateral: 0, defaulted: true };
    let terms = NettingTerms { participants: vec![declared], ..terms };
    let netting = net_under(&terms, &positions, &balances, &Address::ZERO).unwrap();
    // Without what a owes it, b cannot pay c either.
    let reasons: Vec<_> = netting.attempts.iter().map(|run| (run.legs.len(), run.exclusions.clone())).collect();
    let left_out = |participant, reason| vec![Exclusion { participant, reason }];
    let expected =
        vec![(1, left_out(a, terms::ExclusionReason::Defaulted)), (1, left_out(b, terms::ExclusionReason::NotCovered))];
    assert_eq!((reasons, netting.legs.len()), (expected, 0));
}

#[test]
fn a_ring_of_equal_debts_needs_no_leg() {
    let [a, b, c] = [1, 2, 3].map(|n| Address([n; 20]));
    let ring = [(a, b), (b, c), (c, a)].map(|(debtor, creditor)| Position { debtor, creditor, amount: 5 });
    assert!(net(&ring, &Greedy).unwrap().legs.is_empty());
}
