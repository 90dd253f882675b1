//! The statement of an epoch: what finance, payers and providers read. Built from the stages' outputs alone.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dispute::Dispute;
use crate::night::EpochOutputs;
use crate::stage::reconcile::BalanceLine;

mod charts;
mod csv;
mod html;
mod lines;
mod parquet;
mod parts;
mod workbook;

pub use csv::{CsvError, lanes_csv, legs_csv, positions_csv, reconciliation_csv, reconciliation_rows};
pub use html::render;
pub use parquet::{ParquetError, lanes_parquet, positions_parquet};
pub use parts::{
    ApprovalLine, CarriedLine, CursorLine, GroupLine, HourLine, LaneState, LaneStateLine, LegLine, PayerLine,
    ProviderLine, ReconciliationSummary, Totals,
};
pub use workbook::{SHEET_ROWS_MAX, WorkbookError, workbook};

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
    /// What was proven hour by hour, without gaps; empty for an epoch in which nothing was.
    pub hours: Vec<HourLine>,
    /// What of these hours was claimed by vouchers that did not hold.
    pub withdrawn: u128,
    /// Lanes by state; every state, also where no lane is in it.
    pub lane_states: Vec<LaneStateLine>,
    /// Approvals.
    pub approvals: Vec<ApprovalLine>,
    /// Lanes, journal and ledger beside each other, once the ledger has carried the epoch out.
    pub reconciliation: Option<ReconciliationSummary>,
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
        let approval = |row: &crate::book::ApprovalRow| {
            let approver = row.approver.to_string();
            ApprovalLine { name: names.of(&approver), approver, at: row.at.0 }
        };
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
            hours: lines::hours(outputs),
            withdrawn: cut_off.growth.withdrawn,
            lane_states: lines::lane_states(outputs),
            approvals: outputs.approvals.iter().map(approval).collect(),
            reconciliation: outputs.three_way().map(lines::reconciliation),
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
