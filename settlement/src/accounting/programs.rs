//! The books in the languages of hledger and beancount.

use std::fmt::Write as _;

use super::{DoubleEntry, Entry, day_after};
use crate::text::{TokenFormat, utc_day};

/// The commodity: the token's symbol where both programs take it, else `TOKEN`. Beancount wants capitals, digits and a
/// few signs, 2 to 24 of them, with a capital first.
fn commodity(token: &TokenFormat) -> String {
    let upper = token.symbol.to_uppercase();
    let plain = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    let fits = (2..=24).contains(&upper.len())
        && upper.starts_with(|first: char| first.is_ascii_uppercase())
        && upper.chars().all(plain);
    if fits { upper } else { "TOKEN".to_owned() }
}

fn amount(base_units: i128, token: &TokenFormat) -> String {
    let number = token.plain(base_units.unsigned_abs());
    if base_units < 0 { format!("-{number}") } else { number }
}

/// A name that stays within its line and its quotes.
fn within_line(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).map(|letter| if letter == '"' { '\'' } else { letter }).collect()
}

/// The heading that both files share; `;` begins a comment in both.
fn heading(books: &DoubleEntry, token: &TokenFormat) -> String {
    let mut text = format!(
        "; Books of epoch {} of hub {}\n; proposal {}\n; amounts have {} decimals\n;\n",
        books.epoch, books.hub, books.proposal, token.decimals
    );
    for (account, name) in &books.accounts {
        let _ = writeln!(text, "; {account}  {}", within_line(name));
    }
    text.push('\n');
    text
}

/// The books for hledger; `hledger check --strict` takes them.
#[must_use]
pub fn hledger(books: &DoubleEntry, token: &TokenFormat) -> String {
    let commodity = format!("\"{}\"", commodity(token));
    let point = if token.decimals == 0 { "." } else { "" };
    let mut text = heading(books, token);
    let _ = writeln!(text, "commodity {}{point} {commodity}\n", amount(0, token));
    for account in books.accounts.keys() {
        let _ = writeln!(text, "account {account}");
    }
    let day = utc_day(books.closed_at);
    let code = format!("epoch {}", books.epoch);
    let mut write = |what: &str, postings: &[(&str, i128, Option<i128>)]| {
        let _ = writeln!(text, "\n{day} * ({code}) {what}");
        for (account, moved, after) in postings {
            let asserted = after.map(|after| format!(" = {} {commodity}", amount(after, token)));
            let moved = amount(*moved, token);
            let _ = writeln!(text, "    {account}  {moved} {commodity}{}", asserted.unwrap_or_default());
        }
    };
    for entry in &books.entries {
        let postings: Vec<_> = entry.postings.iter().map(|posting| (&*posting.account, posting.amount, None)).collect();
        write(&entry.what, &postings);
    }
    let after: Vec<_> = books.balances.iter().map(|posting| (&*posting.account, 0, Some(posting.amount))).collect();
    write("Balances afterwards", &after);
    let closing = books.closing();
    let closed: Vec<_> = closing.postings.iter().map(|posting| (&*posting.account, posting.amount, Some(0))).collect();
    if !closed.is_empty() {
        write(&closing.what, &closed);
    }
    text
}

/// The books for beancount; `bean-check` takes them. Its balances hold at the beginning of a day, so those after the epoch
/// stand on the next one. Entries are exact to half a base unit, that is exactly; a balance's tolerance is twice that and would let
/// a unit slip, so each says that it has none.
#[must_use]
pub fn beancount(books: &DoubleEntry, token: &TokenFormat) -> String {
    let commodity = commodity(token);
    let mut text = heading(books, token);
    let _ = writeln!(text, "plugin \"beancount.plugins.auto_accounts\"\n");
    let _ = writeln!(text, "option \"title\" \"Farthing, epoch {}\"", books.epoch);
    let _ = writeln!(text, "option \"operating_currency\" \"{commodity}\"");
    let (day, next) = (utc_day(books.closed_at), utc_day(day_after(books.closed_at)));
    let entry = |text: &mut String, day: &str, entry: &Entry| {
        let _ = writeln!(text, "\n{day} * \"Farthing\" \"Epoch {}: {}\"", books.epoch, entry.what);
        for posting in &entry.postings {
            let _ = writeln!(text, "  {}  {} {commodity}", posting.account, amount(posting.amount, token));
        }
    };
    books.entries.iter().for_each(|of| entry(&mut text, &day, of));
    text.push('\n');
    for posting in &books.balances {
        let _ = writeln!(text, "{next} balance {}  {} ~ 0 {commodity}", posting.account, amount(posting.amount, token));
    }
    let closing = books.closing();
    if !closing.postings.is_empty() {
        entry(&mut text, &next, &closing);
    }
    text
}
