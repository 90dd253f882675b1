use super::*;
use crate::text::TokenFormat;

fn books() -> DoubleEntry {
    let posting = |account: &str, amount| Posting { account: account.to_owned(), amount };
    let entry = |what: &str, postings: Vec<Posting>| Entry { what: what.to_owned(), postings };
    let (hub, held) = ("Assets:Farthing:Account:0x01", "Assets:Farthing:Escrow:0x02");
    let (owner, carrier) = ("Liabilities:Farthing:Payer:0x03", "Liabilities:Farthing:Payee:0x04");
    DoubleEntry {
        epoch: 7,
        hub: "0x01".to_owned(),
        proposal: "0x05".to_owned(),
        closed_at: 1_800_000_000,
        accounts: [(hub, "Harbour \"hub\"\n"), (held, "0x02"), (owner, "0x03"), (carrier, "Carrier")]
            .map(|(account, name)| (account.to_owned(), name.to_owned()))
            .into(),
        entries: vec![
            entry("Opening balances", vec![posting(held, 10), posting(owner, -10)]),
            entry(
                "Collected from escrow 0x02",
                vec![posting(hub, 4), posting(held, -4), posting(carrier, -4), posting(owner, 4)],
            ),
            entry("Leg 0", vec![posting(hub, -4), posting(carrier, 4)]),
        ],
        balances: vec![posting(hub, 0), posting(held, 6), posting(carrier, 0), posting(owner, -6)],
    }
}

#[test]
fn the_files_are_the_golden_ones() {
    let token = TokenFormat { decimals: 6, symbol: "USDC".to_owned() };
    assert_eq!(hledger(&books(), &token), include_str!("tests/books.journal"));
    assert_eq!(beancount(&books(), &token), include_str!("tests/books.beancount"));
}

#[test]
fn closing_takes_every_account_to_zero() {
    let books = books();
    let mut sums = Sums::default();
    let closing = books.closing();
    let all = books.entries.iter().chain([&closing]).flat_map(|entry| &entry.postings);
    all.for_each(|posting| sums.debit(posting.account.clone(), posting.amount));
    assert!(sums.0.values().all(|sum| *sum == 0));
}

#[test]
fn a_symbol_that_a_program_would_refuse_is_replaced() {
    let named = |symbol: &str| hledger(&books(), &TokenFormat { decimals: 0, symbol: symbol.to_owned() });
    assert!(named("usdc").contains("commodity 0. \"USDC\""));
    for symbol in ["", "€", "1INCH", "X", "A B"] {
        assert!(named(symbol).contains("\"TOKEN\""), "{symbol}");
    }
}
