//! The statement as one HTML page that needs nothing else: style, charts and figures are inside.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{Bar, bars};
use super::{Statement, short};
use crate::text::{TokenFormat, utc};

const STYLE: &str = include_str!("style.css");

/// Rows of a table before the reader is sent to the CSV.
const ROWS_MAX: usize = 200;

/// The page.
#[must_use]
pub fn render(statement: &Statement, token: &TokenFormat) -> String {
    let title = format!("Settlement statement, epoch {}", statement.epoch);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(statement, token))
                (figures(statement, token))
                (charts(statement, token))
                (payers(statement, token))
                (providers(statement, token))
                (legs(statement, token))
                (approvals(statement))
                (reconciliation(statement, token))
                (carried(statement, token))
                (disputes(statement, token))
                (proofs(statement))
            }
        }
    };
    page.into_string()
}

fn head(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        header {
            div {
                h1 { "Settlement statement · epoch " (statement.epoch) }
                p { (statement.hub_name) " " code.quiet title=(statement.hub) { (short(&statement.hub)) } }
                p.quiet { "Cut off " (utc(statement.cut_off_at)) }
            }
            div {
                @if statement.closed {
                    span.badge.good { "Settled and reconciled" }
                } @else {
                    span.badge.wait { "Proposed, not settled" }
                }
                @if let Some(at) = statement.closed_at { p.quiet { "Closed " (utc(at)) } }
                p.quiet { "Amounts in " (if token.symbol.is_empty() { "tokens" } else { &token.symbol })
                    ", " (token.decimals) " decimals" }
            }
        }
    }
}

/// A number with its noun.
fn counted(number: impl std::fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn figure(amount: &str, what: &str) -> Markup {
    html! { div.figure { b { (amount) } span { (what) } } }
}

fn figures(statement: &Statement, token: &TokenFormat) -> Markup {
    let totals = &statement.totals;
    html! {
        div.figures {
            (figure(&token.number(totals.collected), "collected from payers"))
            (figure(&token.number(totals.paid), "paid to providers"))
            (figure(&token.number(totals.carried), "carried to the next epoch"))
            (figure(&statement.disputes.len().to_string(), "disputed records, unpaid"))
        }
        p.quiet.summary {
            (counted(totals.lanes, "lane")) ", " (counted(statement.payers.len(), "payer")) ", "
            (counted(statement.providers.len(), "provider")) ". "
            (counted(totals.positions, "position")) " of " (token.amount(totals.gross)) " became "
            (counted(totals.legs, "transfer")) " of " (token.amount(totals.net)) "."
        }
    }
}

fn charts(statement: &Statement, token: &TokenFormat) -> Markup {
    let bar = |label: &str, amount: u128| Bar { label: label.to_owned(), amount, note: String::new() };
    let providers: Vec<_> = statement.providers.iter().map(|line| bar(&line.name, line.earned)).collect();
    let groups: Vec<_> = statement
        .groups
        .iter()
        .map(|line| bar(&format!("{} · group {}", line.provider, line.rating_group), line.collected))
        .collect();
    let payers: Vec<_> = statement.payers.iter().map(|line| bar(&line.name, line.collected)).collect();
    let totals = &statement.totals;
    let noted = |label: &str, amount: u128, count: u64| Bar {
        label: label.to_owned(),
        amount,
        note: format!("{} in {count}", token.number(amount)),
    };
    let netting = [noted("Positions", totals.gross, totals.positions), noted("Transfers", totals.net, totals.legs)];
    let held: Vec<_> = statement.carried.iter().map(|line| bar(line.reason.text(), line.amount)).collect();
    html! {
        section.charts {
            (bars("Paid to each provider", "out", &providers, token))
            (bars("Collected from each payer", "in", &payers, token))
            (bars("By service", "out", &groups, token))
            (bars("Before and after netting", "in", &netting, token))
            @if !held.is_empty() { (bars("Carried, by reason", "hold", &held, token)) }
        }
    }
}

fn party(name: &str, identity: &str) -> Markup {
    html! {
        (name)
        @if name != short(identity) { " " code.quiet title=(identity) { (short(identity)) } }
    }
}

fn payers(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        h2 { "Payers" }
        table {
            thead { tr { th { "Payer" } th.n { "Escrows" } th.n { "Collected" } th.n { "Left in escrow" } } }
            tbody {
                @for line in statement.payers.iter().take(ROWS_MAX) {
                    tr {
                        td { (party(&line.name, &line.payer)) }
                        td.n { (line.escrows) }
                        td.n { (token.number(line.collected)) }
                        td.n { (token.number(line.remaining)) }
                    }
                }
            }
            tfoot { tr { td { "Total in" } td.n {} td.n { (token.number(statement.totals.collected)) } td.n {} } }
        }
        (more(statement.payers.len(), "positions.csv"))
    }
}

fn providers(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        h2 { "Providers" }
        table {
            thead { tr {
                th { "Provider" } th.n { "Paying lanes" } th.n { "Earned" } th.n { "Received net" } th.n { "Carried" }
                th.n { "Refunded to date" }
            } }
            tbody {
                @for line in statement.providers.iter().take(ROWS_MAX) {
                    tr {
                        td { (party(&line.name, &line.provider)) }
                        td.n { (line.lanes) }
                        td.n { (token.number(line.earned)) }
                        td.n { (token.number(line.received)) }
                        td.n { (token.number(line.carried)) }
                        td.n { (token.number(line.credited)) }
                    }
                }
            }
            tfoot { tr {
                td { "Total out" } td.n {} td.n { (token.number(statement.totals.collected)) }
                td.n { (token.number(statement.totals.net)) } td.n { (token.number(statement.totals.carried)) } td.n {}
            } }
        }
        (more(statement.providers.len(), "lanes.csv"))
    }
}

fn legs(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        h2 { "Transfers" }
        @if statement.legs.is_empty() {
            p.quiet { "No money moves between participants in this epoch." }
        } @else {
            table {
                thead { tr { th.n { "Leg" } th { "From" } th { "To" } th.n { "Amount" } } }
                tbody {
                    @for line in statement.legs.iter().take(ROWS_MAX) {
                        tr {
                            td.n { (line.leg) }
                            td { (party(&line.from_name, &line.from)) }
                            td { (party(&line.to_name, &line.to)) }
                            td.n { (token.number(line.amount)) }
                        }
                    }
                }
                tfoot { tr { td {} td {} td { "Total" } td.n { (token.number(statement.totals.net)) } } }
            }
            (more(statement.legs.len(), "legs.csv"))
        }
    }
}

fn approvals(statement: &Statement) -> Markup {
    html! {
        h2 { "Approvals" }
        @if statement.approvals.is_empty() {
            p.wait { "Nobody has approved this proposal yet." }
        } @else {
            table {
                thead { tr { th { "Approver" } th { "Approved at" } } }
                tbody {
                    @for line in &statement.approvals {
                        tr { td { code { (line.approver) } } td { (utc(line.at)) } }
                    }
                }
            }
        }
    }
}

fn reconciliation(statement: &Statement, token: &TokenFormat) -> Markup {
    if statement.balances.is_empty() {
        return html! { h2 { "Reconciliation" } p.quiet { "Follows when the ledger has carried out the proposal." } };
    }
    html! {
        h2 { "Reconciliation with the ledger" }
        table {
            thead { tr {
                th { "Account or escrow" } th.n { "Before" } th.n { "In" } th.n { "Out" } th.n { "By others" } th.n { "After" }
                th.n { "Difference" }
            } }
            tbody {
                @for line in statement.balances.iter().take(ROWS_MAX) {
                    @let name = statement.holder_name(&line.holder);
                    tr {
                        td { @if line.escrow { "Escrow " code.quiet title=(line.holder) { (short(&line.holder)) } }
                            @else { (party(&name, &line.holder)) } }
                        td.n { (token.number(line.before.into())) }
                        td.n { (token.number(line.proposal_in)) }
                        td.n { (token.number(line.proposal_out)) }
                        td.n { (others(line.other_in, line.other_out, token)) }
                        td.n { (token.number(line.after.into())) }
                        td.n { @if line.adds_up() { span.good { "0" } } @else { span.bad { "differs" } } }
                    }
                }
            }
        }
        (more(statement.balances.len(), "proofs.cbor"))
        p.quiet {
            "Collected " (token.number(statement.totals.collected)) " − paid " (token.number(statement.totals.net))
            " − kept by the hub as a provider " (token.number(statement.totals.kept_by_hub)) " = "
            (token.number(statement.totals.collected.saturating_sub(statement.totals.paid)))
        }
    }
}

fn others(came: u128, went: u128, token: &TokenFormat) -> String {
    match (came, went) {
        (0, 0) => "–".to_owned(),
        (came, 0) => format!("+{}", token.number(came)),
        (0, went) => format!("−{}", token.number(went)),
        (came, went) => format!("+{} −{}", token.number(came), token.number(went)),
    }
}

fn carried(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        h2 { "Carried to the next epoch" }
        @if statement.carried.is_empty() {
            p.quiet { "Nothing waits." }
        } @else {
            table {
                thead { tr { th { "Because" } th.n { "Lanes" } th.n { "Amount" } } }
                tbody {
                    @for line in &statement.carried {
                        tr { td { (line.reason.text()) } td.n { (line.lanes) } td.n { (token.number(line.amount)) } }
                    }
                }
                tfoot { tr { td { "Total" } td.n {} td.n { (token.number(statement.totals.carried)) } } }
            }
        }
        @if statement.totals.overpaid > 0 {
            p { "Refunds of " (token.amount(statement.totals.overpaid))
                " came after the money was collected; later payments on the same lanes use them up first." }
        }
    }
}

fn disputes(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        h2 { "Disputed records" }
        @if statement.disputes.is_empty() {
            p.quiet { "Every record of the journal held when it was checked again." }
        } @else {
            table {
                thead { tr { th { "Record" } th { "Reason" } th { "Lane or escrow" } th.n { "Claims" } th.n { "Block" } } }
                tbody {
                    @for dispute in statement.disputes.iter().take(ROWS_MAX) {
                        @let subject = dispute.lane.as_ref().or(dispute.escrow.as_ref());
                        tr {
                            td { (dispute.kind.text()) }
                            td { (dispute.reason) }
                            td { @if let Some(subject) = subject { code title=(subject) { (short(subject)) } } }
                            td.n { @if let Some(claimed) = dispute.claimed { (token.number(claimed.into())) } }
                            td.n { (dispute.sequence) }
                        }
                    }
                }
            }
            (more(statement.disputes.len(), "proposal.json"))
        }
    }
}

fn proofs(statement: &Statement) -> Markup {
    html! {
        h2 { "Proof" }
        dl {
            dt { "Proposal" } dd { code { (statement.proposal) } }
            dt { "Root of lane records" } dd { code { (statement.journal_root) } }
            dt { "Ledger" } dd { "chain " (statement.chain_id) ", " code { (statement.contract) } }
            @for cursor in &statement.cursors {
                dt { "Journal thread " (cursor.thread) }
                dd { "to block " (cursor.sequence) " of term " (cursor.term) " " code { (cursor.block_hash) } }
            }
        }
        footer {
            "Every transfer can be traced to signed proofs with " code { "farthing-settle explain" }
            ", and this folder checked without hub or ledger with " code { "farthing-settle verify" } "."
        }
    }
}

fn more(rows: usize, file: &str) -> Markup {
    html! {
        @if rows > ROWS_MAX {
            p.quiet { "The first " (ROWS_MAX) " of " (rows) "; all are in " code { (file) } "." }
        }
    }
}
