//! The statement as one HTML page that needs nothing else: style, charts and figures are inside, and no script.
//!
//! Every amount is a `data` element whose `value` is in base units, so a program can check the page against
//! `statement.json`; on paper it breaks between rows, with headings repeated.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{Bar, Step, StepKind, bars, columns, waterfall};
use super::{Statement, short};
use crate::text::{TokenFormat, utc};

mod reconciliation;
mod sign_off;
mod tables;

const STYLE: &str = include_str!("style.css");

/// Rows of a table before the reader is sent to the CSV.
const ROWS_MAX: usize = 200;

/// The page.
#[must_use]
pub fn render(statement: &Statement, token: &TokenFormat) -> String {
    let title = format!("Settlement statement, {}, epoch {}", statement.hub_name, statement.epoch);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(statement, token))
                main {
                    (figures(statement, token))
                    (charts(statement, token))
                    (tables::legs(statement, token))
                    (tables::payers(statement, token))
                    (tables::providers(statement, token))
                    (tables::services(statement, token))
                    (tables::hours(statement, token))
                    (tables::lane_states(statement, token))
                    (tables::carried(statement, token))
                    (tables::disputes(statement, token))
                    (reconciliation::sides(statement, token))
                    (reconciliation::balances(statement, token))
                    (sign_off::approvals(statement, token))
                    (sign_off::proofs(statement))
                }
            }
        }
    };
    page.into_string()
}

/// An amount for people, with its base units for programs.
fn amount(base_units: u128, token: &TokenFormat) -> Markup {
    html! { data value=(base_units) { (token.number(base_units)) } }
}

/// The same for an amount that may be negative.
fn signed_amount(base_units: i128, token: &TokenFormat) -> Markup {
    let sign = if base_units < 0 { "−" } else { "" };
    html! { data value=(base_units) { (sign) (token.number(base_units.unsigned_abs())) } }
}

/// A number of things, with its value for programs.
fn count(number: impl std::fmt::Display) -> Markup {
    html! { data value=(number) { (number) } }
}

/// A number with its noun.
fn counted(number: impl std::fmt::Display, noun: &str) -> Markup {
    let plural = if number.to_string() == "1" { "" } else { "s" };
    html! { (count(number)) " " (noun) (plural) }
}

fn party(name: &str, identity: &str) -> Markup {
    html! {
        (name)
        @if name != short(identity) { " " code.quiet title=(identity) { (short(identity)) } }
    }
}

fn more(rows: usize, file: &str) -> Markup {
    html! {
        @if rows > ROWS_MAX {
            p.quiet { "The first " (ROWS_MAX) " of " (rows) "; all are in " code { (file) } "." }
        }
    }
}

fn head(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        header {
            div {
                p.kind { "Settlement statement" }
                h1 { (statement.hub_name) ", epoch " (statement.epoch) }
                p.quiet { "Hub " code { (statement.hub) } }
            }
            div.standing {
                @if statement.closed {
                    span.badge.good { "Settled and reconciled" }
                } @else {
                    span.badge.wait { "Proposed, not settled" }
                }
                p.quiet { "Cut off " (utc(statement.cut_off_at)) }
                @if let Some(at) = statement.closed_at { p.quiet { "Closed " (utc(at)) } }
                p.quiet { "Amounts in " (if token.symbol.is_empty() { "tokens" } else { &token.symbol })
                    ", " (token.decimals) " decimals" }
            }
        }
    }
}

fn figure(amount: Markup, what: &str) -> Markup {
    html! { div.figure { b { (amount) } span { (what) } } }
}

fn figures(statement: &Statement, token: &TokenFormat) -> Markup {
    let totals = &statement.totals;
    html! {
        section #summary aria-label="Summary" {
            div.figures {
                (figure(amount(totals.collected, token), "collected from payers"))
                (figure(amount(totals.paid, token), "paid to providers"))
                (figure(amount(totals.carried, token), "carried to the next epoch"))
                (figure(count(statement.disputes.len()), "disputed records, unpaid"))
            }
            p.quiet {
                (counted(totals.lanes, "lane")) ", " (counted(statement.payers.len(), "payer")) ", "
                (counted(statement.providers.len(), "provider")) ". "
                (counted(totals.positions, "position")) " of " (amount(totals.gross, token)) " became "
                (counted(totals.legs, "transfer")) " of " (amount(totals.net, token)) "."
            }
        }
    }
}

/// From what became payable to what is transferred.
fn steps(statement: &Statement) -> Vec<Step> {
    let totals = &statement.totals;
    let passed_on = totals.collected.saturating_sub(totals.kept_by_hub);
    let mut steps = vec![
        Step::total("Payable since the last epoch", totals.collected.saturating_add(totals.carried)),
        Step::change("Carried", StepKind::Less, totals.carried),
        Step::total("Collected from escrows", totals.collected),
    ];
    if totals.kept_by_hub > 0 {
        steps.push(Step::change("Kept by the hub as a provider", StepKind::Less, totals.kept_by_hub));
    }
    let (kind, netted) = match totals.net.checked_sub(passed_on) {
        Some(more) => (StepKind::More, more),
        None => (StepKind::Less, passed_on.saturating_sub(totals.net)),
    };
    if netted > 0 {
        steps.push(Step::change("Netted with obligations", kind, netted));
    }
    steps.push(Step::total("Transferred", totals.net));
    steps
}

fn charts(statement: &Statement, token: &TokenFormat) -> Markup {
    let bar = |label: &str, amount: u128| Bar::new(label, amount);
    let providers: Vec<_> = statement.providers.iter().map(|line| bar(&line.name, line.earned)).collect();
    let groups: Vec<_> = statement
        .groups
        .iter()
        .map(|line| bar(&format!("{} · group {}", line.provider, line.rating_group), line.collected))
        .collect();
    let payers: Vec<_> = statement.payers.iter().map(|line| bar(&line.name, line.collected)).collect();
    let totals = &statement.totals;
    let noted = |label: &str, amount: u128, count: u64| {
        Bar::noted(label, amount, &format!("{} in {count}", token.number(amount)))
    };
    let netting =
        [noted("Positions, gross", totals.gross, totals.positions), noted("Transfers, net", totals.net, totals.legs)];
    let held: Vec<_> = statement.carried.iter().map(|line| bar(line.reason.text(), line.amount)).collect();
    let in_use = statement.lane_states.iter().filter(|line| line.lanes > 0);
    let states: Vec<_> = in_use.map(|line| Bar::counted(line.state.text(), line.lanes)).collect();
    html! {
        section.charts #charts aria-label="Charts" {
            (waterfall("From what is payable to what is transferred", &steps(statement), token))
            (bars("Before and after netting", "in", &netting, token))
            (bars("Paid to each provider", "out", &providers, token))
            (bars("Collected for each service", "out", &groups, token))
            (bars("Collected from each payer", "in", &payers, token))
            (bars("Lanes by state", "in", &states, token))
            @if !held.is_empty() { (bars("Carried, by reason", "hold", &held, token)) }
            @if !statement.hours.is_empty() { (columns("Proven in each hour", &statement.hours, token)) }
        }
    }
}
