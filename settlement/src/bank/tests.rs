use proptest::prelude::*;

use super::*;

const FILE: &str = include_str!("tests/bank.toml");

fn leg(from: u8, to: u8, amount: u128) -> Leg {
    Leg { from: Address([from; 20]), to: Address([to; 20]), amount }
}

fn run(legs: &[Leg], earlier: &[Leg]) -> PaymentRun {
    let mut totals = PairTotals::default();
    totals.add_all(earlier).unwrap();
    let (orders, rests, control_sum) = totals.order(legs, &MinorUnit::new(6, 2)).unwrap();
    let proposal = Hash32([7; 32]);
    PaymentRun { hub: Address([1; 20]), epoch: 9, proposal, closed_at: 1_800_000_000, orders, rests, control_sum }
}

#[test]
fn the_file_is_the_golden_one() {
    let config = BankConfig::parse(FILE).unwrap();
    let run = run(&[leg(1, 2, 12_345_678), leg(1, 3, 9_999)], &[leg(1, 3, 1)]);
    assert_eq!((run.orders.len(), run.control_sum), (2, 1_235));
    assert_eq!(run.rests, [Rest { from: Address([1; 20]), to: Address([2; 20]), base_units: 5_678 }]);
    let file = credit_transfer(&run, &config).unwrap().unwrap();
    assert_eq!(file.control_sum, "12.35");
    assert!(file.message_id.len() <= 35);
    assert_eq!(file.xml, include_str!("tests/pain.001.xml"));
}

#[test]
fn a_participant_without_an_account_stops_the_file() {
    let config = BankConfig::parse(FILE).unwrap();
    let stranger = run(&[leg(1, 9, 10_000)], &[]);
    assert!(matches!(credit_transfer(&stranger, &config), Err(BankError::NoParticipant(a)) if a == Address([9; 20])));
    assert!(credit_transfer(&run(&[leg(1, 9, 9_999)], &[]), &config).unwrap().is_none(), "nothing to order yet");
}

#[test]
fn what_no_bank_takes_is_refused() {
    for (good, bad) in [
        ("DE89370400440532013000", "DE89370400440532013001"),
        ("COBADEFFXXX", "COBADEFFXX"),
        ("\"EUR\"", "\"euro\""),
        ("name = \"Carrier & Sons\"", "name = \"\""),
        ("currency", "money"),
    ] {
        let text = FILE.replacen(good, bad, 1);
        assert_ne!(text, FILE);
        assert!(BankConfig::parse(&text).is_err(), "{bad}");
    }
}

#[test]
fn currencies_without_or_with_more_digits() {
    assert_eq!(MinorUnit::new(6, 0).split(1_999_999).unwrap(), (1, 999_999));
    assert_eq!(MinorUnit::new(2, 3).split(15).unwrap(), (150, 0));
    let digits = |code: &str| code.parse::<Currency>().unwrap().minor_digits();
    assert_eq!((digits("JPY"), digits("KWD"), digits("CHF")), (0, 3, 2));
}

proptest! {
    /// However legs fall into runs, what is ordered and what is left is what was owed.
    #[test]
    fn nothing_is_rounded_away(runs in prop::collection::vec(prop::collection::vec((1..4_u8, 4..7_u8, 0..50_000_u128), 0..6), 1..8)) {
        let unit = MinorUnit::new(6, 2);
        let mut totals = PairTotals::default();
        let (mut owed, mut ordered, mut rests) = (0, 0, Vec::new());
        for legs in runs {
            let legs: Vec<_> = legs.into_iter().map(|(from, to, amount)| leg(from, to, amount)).collect();
            let (orders, left, control_sum) = totals.clone().order(&legs, &unit).unwrap();
            totals.add_all(&legs).unwrap();
            let sum: u128 = orders.iter().map(|order| order.minor_units).sum();
            prop_assert_eq!(sum, control_sum);
            owed += legs.iter().map(|leg| leg.amount).sum::<u128>();
            ordered += sum;
            rests = left;
        }
        prop_assert!(rests.iter().all(|rest| rest.base_units < 10_000));
        prop_assert_eq!(ordered * 10_000 + rests.iter().map(|rest| rest.base_units).sum::<u128>(), owed);
    }
}
