//! Who approved, with room for a hand on paper, and what ties the page to the proofs.

use farthing_ledger::limits::APPROVALS_REQUIRED;
use maud::{Markup, html};

use super::amount;
use crate::statement::{ApprovalLine, Statement, short};
use crate::text::{TokenFormat, utc};

pub(super) fn approvals(statement: &Statement, token: &TokenFormat) -> Markup {
    let missing = APPROVALS_REQUIRED.saturating_sub(statement.approvals.len());
    html! {
        section.sign-off #approvals aria-labelledby="approvals-title" {
            h2 #approvals-title { "Approvals" }
            p {
                "Each approver has signed proposal " code { (statement.proposal) } " with a key of their own: "
                (amount(statement.totals.collected, token)) " to be collected, " (amount(statement.totals.net, token))
                " to be transferred in " (statement.totals.legs) "."
            }
            div.hands {
                @for line in &statement.approvals { (approved(line)) }
                @for _ in 0..missing { (awaited()) }
            }
        }
    }
}

fn approved(line: &ApprovalLine) -> Markup {
    html! {
        div.hand {
            p.name { @if line.name == short(&line.approver) { "Approver" } @else { (line.name) } }
            p { code { (line.approver) } }
            p { span.good { "Signed" } " " (utc(line.at)) }
            (on_paper())
        }
    }
}

fn awaited() -> Markup {
    html! {
        div.hand {
            p.name { "Approver" }
            p.wait { "Has not approved yet." }
            (on_paper())
        }
    }
}

fn on_paper() -> Markup {
    html! { dl.paper { dt { "Name" } dd {} dt { "Date" } dd {} dt { "Signature" } dd {} } }
}

pub(super) fn proofs(statement: &Statement) -> Markup {
    html! {
        section #proofs aria-labelledby="proofs-title" {
            h2 #proofs-title { "Proof" }
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
}
