//! What lanes, journal and ledger say of the same money, and every balance from before to after.

use maud::{Markup, html};

use super::{ROWS_MAX, amount, count, more, party, signed_amount};
use crate::stage::reconcile::BalanceLine;
use crate::stage::three_way::{Conservation, KindTotals, Row, Status};
use crate::statement::{ReconciliationSummary, Statement, short};
use crate::text::TokenFormat;

fn verdict(holds: bool) -> Markup {
    html! { @if holds { span.good { "holds" } } @else { span.bad { "differs" } } }
}

pub(super) fn sides(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #reconciliation aria-labelledby="reconciliation-title" {
            h2 #reconciliation-title { "Three-way reconciliation: lanes, journal, ledger" }
            @match &statement.reconciliation {
                None => { p.quiet { "Follows when the ledger has carried out the proposal." } }
                Some(summary) => { (summed(summary, token)) }
            }
        }
    }
}

fn summed(summary: &ReconciliationSummary, token: &TokenFormat) -> Markup {
    html! {
        p.quiet {
            "The same money from three sources: the lanes that were approved, the proofs of the journal with every signature "
            "checked again, and the ledger. Lanes and escrows count what is settled since opening, participants what this "
            "epoch's transfers bring them."
        }
        @if summary.holds {
            p.good { "Everything matches, and every sum is conserved." }
        } @else {
            p.bad { "Not everything matches." }
        }
        table {
            thead { tr {
                th scope="col" { "Rows" } th.n scope="col" { "Matched" } th.n scope="col" { "Partial" }
                th.n scope="col" { "Unmatched" } th.n scope="col" { "Lanes" } th.n scope="col" { "Journal" }
                th.n scope="col" { "Ledger" }
            } }
            tbody { @for totals in &summary.totals { (kind(totals, token)) } }
        }
        @if summary.lanes_beyond > 0 {
            p.quiet { (count(summary.lanes_beyond)) " more lanes belong to escrows that nothing can be collected from any more." }
        }
        @if !summary.exceptions.is_empty() { (exceptions(&summary.exceptions, token)) }
        table.sums {
            thead { tr { th scope="col" { "Sum taken two ways" } th.n scope="col" { "One way" } th.n scope="col" { "The other" }
                th.n scope="col" { "" } } }
            tbody { @for sum in &summary.conservation { (conserved(sum, token)) } }
        }
    }
}

fn kind(totals: &KindTotals, token: &TokenFormat) -> Markup {
    html! {
        tr {
            td { (count(totals.rows)) " " (totals.kind.name()) @if totals.rows != 1 { "s" } }
            td.n { (count(totals.matched)) }
            td.n { (count(totals.partial)) }
            td.n { (count(totals.unmatched)) }
            td.n { (side(totals.settled.lanes, token)) }
            td.n { (side(totals.settled.journal, token)) }
            td.n { (side(totals.settled.ledger, token)) }
        }
    }
}

fn side(base_units: Option<i128>, token: &TokenFormat) -> Markup {
    html! { @if let Some(base_units) = base_units { (signed_amount(base_units, token)) } @else { "none" } }
}

fn exceptions(rows: &[Row], token: &TokenFormat) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Differs" } th scope="col" { "Which" } th scope="col" { "Status" } th.n scope="col" { "Lanes" }
                th.n scope="col" { "Journal" } th.n scope="col" { "Ledger" } th.n scope="col" { "Difference" }
            } }
            tbody {
                @for row in rows.iter().take(ROWS_MAX) {
                    tr {
                        td { (row.kind.name()) }
                        td { code title=(row.id) { (short(&row.id)) } }
                        td { span class=(if row.status == Status::Partial { "wait" } else { "bad" }) { (row.status.name()) } }
                        td.n { (side(row.settled.lanes, token)) }
                        td.n { (side(row.settled.journal, token)) }
                        td.n { (side(row.settled.ledger, token)) }
                        td.n { (amount(row.difference, token)) }
                    }
                }
            }
        }
        (more(rows.len(), "reconciliation.csv"))
    }
}

fn conserved(sum: &Conservation, token: &TokenFormat) -> Markup {
    html! {
        tr {
            td { (sum.what) }
            td.n { (signed_amount(sum.one, token)) }
            td.n { (signed_amount(sum.other, token)) }
            td.n { (verdict(sum.holds())) }
        }
    }
}

pub(super) fn balances(statement: &Statement, token: &TokenFormat) -> Markup {
    if statement.balances.is_empty() {
        return html! {};
    }
    let totals = &statement.totals;
    html! {
        section #balances aria-labelledby="balances-title" {
            h2 #balances-title { "Balances on the ledger" }
            table {
                thead { tr {
                    th scope="col" { "Account or escrow" } th.n scope="col" { "Before" } th.n scope="col" { "In" }
                    th.n scope="col" { "Out" } th.n scope="col" { "By others" } th.n scope="col" { "After" }
                    th.n scope="col" { "" }
                } }
                tbody { @for line in statement.balances.iter().take(ROWS_MAX) { (balance(statement, line, token)) } }
            }
            (more(statement.balances.len(), "statement.json"))
            p.quiet {
                "Collected " (amount(totals.collected, token)) " − kept by the hub as a provider "
                (amount(totals.kept_by_hub, token)) " = passed on "
                (amount(totals.collected.saturating_sub(totals.kept_by_hub), token)) "."
            }
        }
    }
}

fn balance(statement: &Statement, line: &BalanceLine, token: &TokenFormat) -> Markup {
    let name = statement.holder_name(&line.holder);
    html! {
        tr {
            td { @if line.escrow { "Escrow " code.quiet title=(line.holder) { (short(&line.holder)) } }
                @else { (party(&name, &line.holder)) } }
            td.n { (amount(line.before.into(), token)) }
            td.n { (amount(line.proposal_in, token)) }
            td.n { (amount(line.proposal_out, token)) }
            td.n { (others(line.other_in, line.other_out, token)) }
            td.n { (amount(line.after.into(), token)) }
            td.n { (verdict(line.adds_up())) }
        }
    }
}

fn others(came: u128, went: u128, token: &TokenFormat) -> Markup {
    html! {
        @if came == 0 && went == 0 { "–" }
        @if came > 0 { "+" (amount(came, token)) }
        @if came > 0 && went > 0 { " " }
        @if went > 0 { "−" (amount(went, token)) }
    }
}
