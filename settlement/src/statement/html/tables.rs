//! The tables of a statement.

use maud::{Markup, html};

use super::{ROWS_MAX, amount, count, more, party};
use crate::statement::{Statement, short};
use crate::text::{TokenFormat, utc};

pub(super) fn legs(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #transfers aria-labelledby="transfers-title" {
            h2 #transfers-title { "Transfers" }
            @if statement.legs.is_empty() {
                p.quiet { "No money moves between participants in this epoch." }
            } @else {
                table {
                    thead { tr { th.n scope="col" { "Leg" } th scope="col" { "From" } th scope="col" { "To" }
                        th.n scope="col" { "Amount" } } }
                    tbody {
                        @for line in statement.legs.iter().take(ROWS_MAX) {
                            tr {
                                td.n { (line.leg) }
                                td { (party(&line.from_name, &line.from)) }
                                td { (party(&line.to_name, &line.to)) }
                                td.n { (amount(line.amount, token)) }
                            }
                        }
                    }
                    tfoot { tr { td {} td {} th scope="row" { "Total" } td.n { (amount(statement.totals.net, token)) } } }
                }
                (more(statement.legs.len(), "legs.csv"))
            }
        }
    }
}

pub(super) fn payers(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #payers aria-labelledby="payers-title" {
            h2 #payers-title { "Payers" }
            table {
                thead { tr { th scope="col" { "Payer" } th.n scope="col" { "Escrows" } th.n scope="col" { "Collected" }
                    th.n scope="col" { "Left in escrow" } } }
                tbody {
                    @for line in statement.payers.iter().take(ROWS_MAX) {
                        tr {
                            td { (party(&line.name, &line.payer)) }
                            td.n { (count(line.escrows)) }
                            td.n { (amount(line.collected, token)) }
                            td.n { (amount(line.remaining, token)) }
                        }
                    }
                }
                tfoot { tr { th scope="row" { "Total in" } td.n {} td.n { (amount(statement.totals.collected, token)) } td.n {} } }
            }
            (more(statement.payers.len(), "positions.csv"))
        }
    }
}

pub(super) fn providers(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #providers aria-labelledby="providers-title" {
            h2 #providers-title { "Providers" }
            table {
                thead { tr {
                    th scope="col" { "Provider" } th.n scope="col" { "Paying lanes" } th.n scope="col" { "Earned" }
                    th.n scope="col" { "Received net" } th.n scope="col" { "Carried" } th.n scope="col" { "Refunded to date" }
                } }
                tbody {
                    @for line in statement.providers.iter().take(ROWS_MAX) {
                        tr {
                            td { (party(&line.name, &line.provider)) }
                            td.n { (count(line.lanes)) }
                            td.n { (amount(line.earned, token)) }
                            td.n { (amount(line.received, token)) }
                            td.n { (amount(line.carried, token)) }
                            td.n { (amount(line.credited, token)) }
                        }
                    }
                }
                tfoot { tr {
                    th scope="row" { "Total out" } td.n {} td.n { (amount(statement.totals.collected, token)) }
                    td.n { (amount(statement.totals.net, token)) } td.n { (amount(statement.totals.carried, token)) } td.n {}
                } }
            }
            (more(statement.providers.len(), "lanes.csv"))
        }
    }
}

pub(super) fn services(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #services aria-labelledby="services-title" {
            h2 #services-title { "Services" }
            @if statement.groups.is_empty() {
                p.quiet { "Nothing is collected for any service in this epoch." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Provider" } th.n scope="col" { "Rating group" }
                        th.n scope="col" { "Paying lanes" } th.n scope="col" { "Collected" } } }
                    tbody {
                        @for line in statement.groups.iter().take(ROWS_MAX) {
                            tr {
                                td { (line.provider) }
                                td.n { (line.rating_group) }
                                td.n { (count(line.lanes)) }
                                td.n { (amount(line.collected, token)) }
                            }
                        }
                    }
                    tfoot { tr { th scope="row" { "Total" } td.n {} td.n {} td.n { (amount(statement.totals.collected, token)) } } }
                }
                (more(statement.groups.len(), "lanes.csv"))
            }
        }
    }
}

pub(super) fn lane_states(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #lanes aria-labelledby="lanes-title" {
            h2 #lanes-title { "Lanes by state" }
            table {
                thead { tr { th scope="col" { "State" } th.n scope="col" { "Lanes" } th.n scope="col" { "Collected" }
                    th.n scope="col" { "Carried" } } }
                tbody {
                    @for line in &statement.lane_states {
                        tr {
                            td { (line.state.text()) }
                            td.n { (count(line.lanes)) }
                            td.n { (amount(line.collected, token)) }
                            td.n { (amount(line.carried, token)) }
                        }
                    }
                }
                tfoot { tr {
                    th scope="row" { "Total" } td.n { (count(statement.totals.lanes)) }
                    td.n { (amount(statement.totals.collected, token)) } td.n { (amount(statement.totals.carried, token)) }
                } }
            }
        }
    }
}

pub(super) fn carried(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #carried aria-labelledby="carried-title" {
            h2 #carried-title { "Carried to the next epoch" }
            @if statement.carried.is_empty() {
                p.quiet { "Nothing waits." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Because" } th.n scope="col" { "Lanes" } th.n scope="col" { "Amount" } } }
                    tbody {
                        @for line in &statement.carried {
                            tr {
                                td { (line.reason.text()) }
                                td.n { (count(line.lanes)) }
                                td.n { (amount(line.amount, token)) }
                            }
                        }
                    }
                    tfoot { tr { th scope="row" { "Total" } td.n {} td.n { (amount(statement.totals.carried, token)) } } }
                }
            }
            @if statement.totals.overpaid > 0 {
                p { "Refunds of " (amount(statement.totals.overpaid, token))
                    " came after the money was collected; later payments on the same lanes use them up first." }
            }
        }
    }
}

pub(super) fn disputes(statement: &Statement, token: &TokenFormat) -> Markup {
    html! {
        section #disputes aria-labelledby="disputes-title" {
            h2 #disputes-title { "Disputed records" }
            @if statement.disputes.is_empty() {
                p.quiet { "Every record of the journal held when it was checked again." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Record" } th scope="col" { "Reason" } th scope="col" { "Lane or escrow" }
                        th.n scope="col" { "Claims" } th.n scope="col" { "Block" } } }
                    tbody {
                        @for dispute in statement.disputes.iter().take(ROWS_MAX) {
                            @let subject = dispute.lane.as_ref().or(dispute.escrow.as_ref());
                            tr {
                                td { (dispute.kind.text()) }
                                td { (dispute.reason) }
                                td { @if let Some(subject) = subject { code title=(subject) { (short(subject)) } } }
                                td.n { @if let Some(claimed) = dispute.claimed { (amount(claimed.into(), token)) } }
                                td.n { (dispute.sequence) }
                            }
                        }
                    }
                }
                (more(statement.disputes.len(), "statement.json"))
            }
        }
    }
}

pub(super) fn hours(statement: &Statement, token: &TokenFormat) -> Markup {
    if statement.hours.is_empty() {
        return html! {};
    }
    let sum = statement.hours.iter().fold(0_u128, |sum, hour| sum.saturating_add(hour.amount));
    html! {
        section #hours aria-labelledby="hours-title" {
            h2 #hours-title { "Proven by hour" }
            p.quiet { "By the time of the journal's blocks, UTC, and as far as this proposal read them first." }
            table {
                thead { tr { th scope="col" { "Hour" } th.n scope="col" { "Proven" } } }
                tbody {
                    @for hour in statement.hours.iter().take(ROWS_MAX) {
                        tr { td { (utc(hour.begins_at)) } td.n { (amount(hour.amount, token)) } }
                    }
                }
                tfoot { tr { th scope="row" { "Total" } td.n { (amount(sum, token)) } } }
            }
            @if statement.withdrawn > 0 {
                p { (amount(statement.withdrawn, token)) " of it was claimed by vouchers that did not hold, and counts for nothing." }
            }
            (more(statement.hours.len(), "statement.json"))
        }
    }
}
