//! The statement of an epoch: what finance, payers and providers read. Built from the stages' outputs alone.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dispute::Dispute;
use crate::night::EpochOutputs;
use crate::stage::positions::CarryReason;
use crate::stage::reconcile::BalanceLine;

mod charts;
mod csv;
mod html;
mod lines;

pub use csv::{CsvError, lanes_csv, legs_csv, positions_csv};
pub use html::render;

/// What one payer pays. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PayerLine {
    /// The payer.
    pub payer: String,
    /// What people call it.
    pub name: String,
    /// Its escrows that are collected from.
    pub escrows: u64,
    /// Collected in this epoch.
    pub collected: u128,
    /// Left in these escrows afterwards.
    pub remaining: u128,
}

/// What one provider receives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProviderLine {
    /// The provider.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// Lanes that pay it now.
    pub lanes: u64,
    /// What these lanes collect.
    pub earned: u128,
    /// What it receives after netting.
    pub received: u128,
    /// What waits.
    pub carried: u128,
    /// Refunds it has given since the lanes opened.
    pub credited: u128,
}

/// One provider's service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GroupLine {
    /// The provider's name.
    pub provider: String,
    /// The rating group.
    pub rating_group: u32,
    /// Lanes that pay for it now.
    pub lanes: u64,
    /// What they collect.
    pub collected: u128,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegLine {
    /// Its number, from 0.
    pub leg: usize,
    /// Who pays.
    pub from: String,
    /// Its name.
    pub from_name: String,
    /// Who is paid.
    pub to: String,
    /// Its name.
    pub to_name: String,
    /// How much.
    pub amount: u128,
}

/// Who approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalLine {
    /// The approver.
    pub approver: String,
    /// When, Unix seconds.
    pub at: u64,
}

/// What waits, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CarriedLine {
    /// The reason.
    pub reason: CarryReason,
    /// Lanes.
    pub lanes: u64,
    /// How much.
    pub amount: u128,
}

/// How far a journal thread was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CursorLine {
    /// The thread.
    pub thread: u16,
    /// The term under which the hub wrote the last block.
    pub term: u64,
    /// The last block.
    pub sequence: u64,
    /// Its hash.
    pub block_hash: String,
}

/// The epoch in sums. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Collected from escrows.
    pub collected: u128,
    /// Received by participants: by legs, and what the hub keeps as a payee itself.
    pub paid: u128,
    /// Kept on the hub's account because the hub is a payee itself.
    pub kept_by_hub: u128,
    /// What waits.
    pub carried: u128,
    /// Collected before a refund made it too much; later payments use it up.
    pub overpaid: u128,
    /// Authorised on all lanes since they opened.
    pub authorised: u128,
    /// Settled on all lanes since they opened, this epoch included.
    pub settled: u128,
    /// Lanes with anything proven.
    pub lanes: u64,
    /// Positions before netting.
    pub positions: u64,
    /// Their sum.
    pub gross: u128,
    /// Transfers after netting.
    pub legs: u64,
    /// Their sum.
    pub net: u128,
}

/// Everything a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The epoch.
    pub epoch: u64,
    /// Whether the ledger has closed it.
    pub closed: bool,
    /// The hub.
    pub hub: String,
    /// Its name.
    pub hub_name: String,
    /// The ledger's chain id.
    pub chain_id: u64,
    /// The ledger's contract.
    pub contract: String,
    /// The cut-off, Unix seconds.
    pub cut_off_at: u64,
    /// When the ledger closed the epoch, Unix seconds.
    pub closed_at: Option<u64>,
    /// The proposal.
    pub proposal: String,
    /// Root over the epoch's lane records.
    pub journal_root: String,
    /// How far the journal was read.
    pub cursors: Vec<CursorLine>,
    /// Sums.
    pub totals: Totals,
    /// By payer.
    pub payers: Vec<PayerLine>,
    /// By provider.
    pub providers: Vec<ProviderLine>,
    /// By service.
    pub groups: Vec<GroupLine>,
    /// Transfers.
    pub legs: Vec<LegLine>,
    /// Approvals.
    pub approvals: Vec<ApprovalLine>,
    /// Balances before and after.
    pub balances: Vec<BalanceLine>,
    /// What waits.
    pub carried: Vec<CarriedLine>,
    /// What did not hold.
    pub disputes: Vec<Dispute>,
}

/// Names of accounts: the ledger's labels first, then what the journal calls providers.
fn names(outputs: &EpochOutputs) -> BTreeMap<String, String> {
    let mut names = outputs.cut_off.providers.clone();
    let labels = outputs.cut_off.ledger.labels();
    names.extend(labels.into_iter().map(|(account, label)| (account.to_string(), label)));
    names
}

struct Names(BTreeMap<String, String>);

impl Names {
    fn of(&self, account: &str) -> String {
        self.0.get(account).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| short(account))
    }
}

/// The beginning and the end of an identity.
#[must_use]
pub fn short(identity: &str) -> String {
    match (identity.get(..8), identity.get(identity.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if identity.len() > 14 => format!("{head}…{tail}"),
        _ => identity.to_owned(),
    }
}

impl Statement {
    /// The statement of an epoch.
    #[must_use]
    pub fn of(outputs: &EpochOutputs) -> Self {
        let names = Names(names(outputs));
        let cut_off = &outputs.cut_off;
        let hub = cut_off.hub.to_string();
        let approval =
            |row: &crate::book::ApprovalRow| ApprovalLine { approver: row.approver.to_string(), at: row.at.0 };
        let cursor = |cut: &crate::stage::cut_off::ThreadCut| CursorLine {
            thread: cut.thread,
            term: cut.term,
            sequence: cut.sequence,
            block_hash: cut.block_hash.to_string(),
        };
        let mut balances = outputs.reconciliation.as_ref().map_or_else(Vec::new, |r| r.balances.clone());
        balances.sort_by_key(|line| (line.escrow, line.holder != hub));
        Self {
            epoch: cut_off.epoch,
            closed: outputs.closed.is_some(),
            hub_name: names.of(&hub),
            hub,
            chain_id: cut_off.ledger.chain_id,
            contract: cut_off.ledger.contract.to_string(),
            cut_off_at: cut_off.at,
            closed_at: outputs.closed.as_ref().map(|record| record.closed_at),
            proposal: outputs.proposal.id().to_string(),
            journal_root: cut_off.journal_root.to_string(),
            cursors: cut_off.threads.iter().map(cursor).collect(),
            totals: lines::totals(outputs),
            payers: lines::payers(outputs, &names),
            providers: lines::providers(outputs, &names),
            groups: lines::groups(outputs, &names),
            legs: lines::legs(outputs, &names),
            approvals: outputs.approvals.iter().map(approval).collect(),
            balances,
            carried: lines::carried(outputs),
            disputes: cut_off.disputes.clone(),
        }
    }

    /// The name of a holder of a balance.
    #[must_use]
    pub fn holder_name(&self, holder: &str) -> String {
        let of_leg = self.legs.iter().find(|leg| leg.to == holder).map(|leg| leg.to_name.clone());
        if holder == self.hub { self.hub_name.clone() } else { of_leg.unwrap_or_else(|| short(holder)) }
    }
}
