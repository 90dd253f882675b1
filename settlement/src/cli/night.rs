//! The nightly run.

use std::path::PathBuf;

use clap::Subcommand;
use farthing_channel::id::Hash32;
use farthing_settlement::approval::Approvers;
use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::{Night, Progress, RunOptions};
use farthing_settlement::stage::Stage;
use farthing_settlement::statement::Statement;
use farthing_settlement::text::utc;
use serde::Serialize;

use super::clock::now;
use super::key_file::load;
use super::netting::show;
use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum NightCommand {
    /// Go as far as possible: to the proposal, or, once it is approved, to the closed epoch.
    Run {
        /// The journal was restored from a backup (or these books were lost), and that has been looked into.
        #[arg(long)]
        confirm_restore: bool,
    },
    /// Approve the proposal with an approver's key.
    Approve {
        /// The approver's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The proposal that was read; another one is then not approved by mistake.
        #[arg(long, value_name = "ID")]
        proposal: Option<Hash32>,
    },
    /// Where the night stands.
    Status,
    /// The netting of an epoch: balances, transfers, how few there could be, and who was left out.
    Show {
        /// The epoch; the newest with a proposal where it is left out.
        #[arg(long)]
        epoch: Option<u64>,
    },
    /// Take back a proposal nothing of which is on the ledger; the next run cuts off anew.
    Discard,
}

/// What a run came to, with the figures.
#[derive(Serialize)]
struct NightView {
    state: &'static str,
    epoch: Option<u64>,
    proposal: Option<String>,
    /// When the ledger decides, Unix seconds, where it decides later.
    decided_at: Option<u64>,
    approvals: Option<usize>,
    approvals_needed: Option<usize>,
    folder: Option<String>,
    statement_html: Option<String>,
    settled_base_units: u128,
    paid_base_units: u128,
    carried_base_units: u128,
    legs: u64,
    providers: usize,
    disputes: usize,
    reconciled: bool,
}

pub(super) fn run(common: &Common, command: &NightCommand) -> anyhow::Result<Outcome> {
    let ledger = common.open_ledger(Vec::new())?;
    let book = common.open_book()?;
    let hub_key = common.load_hub_key()?;
    let hub = common.hub_account(ledger.reader())?;
    let night = Night {
        book: &book,
        ledger: &*ledger,
        hub,
        journal: common.journal_path(),
        hub_key: hub_key.as_ref(),
        now: now(),
        terms: common.netting_terms()?,
    };
    match command {
        NightCommand::Run { confirm_restore } => {
            let options = RunOptions { confirm_restore: *confirm_restore, stop_after: None };
            let progress = night.run(&options)?;
            report(common, &night, &progress)?;
        }
        NightCommand::Approve { key, proposal } => {
            let progress = night.approve(&load(key)?, *proposal)?;
            report(common, &night, &progress)?;
        }
        NightCommand::Status => status(common, &night)?,
        NightCommand::Show { epoch } => show(common, &night, *epoch)?,
        NightCommand::Discard => {
            let epoch = night.discard()?;
            print(common, &DiscardView { discarded: epoch }, format!("the proposal of epoch {epoch} is taken back"))?;
        }
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct DiscardView {
    discarded: u64,
}

/// Writes the epoch's folder and tells where the night stands.
fn report(common: &Common, night: &Night<'_>, progress: &Progress) -> anyhow::Result<()> {
    let (state, epoch, approvals) = match progress {
        Progress::NothingToSettle => ("nothing_to_settle", None, None),
        Progress::NeedsApprovals { epoch, approvals, needed, .. } => {
            ("needs_approvals", Some(*epoch), Some((*approvals, *needed)))
        }
        Progress::WaitsForLedger { epoch, .. } => ("waits_for_ledger", Some(*epoch), None),
        Progress::Closed { epoch, .. } => ("closed", Some(*epoch), None),
    };
    let outputs = epoch.map(|epoch| night.outputs(epoch)).transpose()?.flatten();
    let Some(outputs) = outputs else {
        let view = NightView::empty(state);
        return print(common, &view, "nothing to settle");
    };
    let folder = epoch_folder(&common.settlement_path(), outputs.cut_off.epoch);
    let approvers = Approvers::of(night.ledger, &outputs.proposal)?;
    write_folder(&folder, night.book, &outputs, &approvers, &common.token())?;
    let statement = Statement::of(&outputs);
    let page = folder.join(FileNames::STATEMENT);
    let view = NightView {
        state,
        epoch,
        proposal: Some(statement.proposal.clone()),
        decided_at: match progress {
            Progress::WaitsForLedger { until, .. } => Some(*until),
            _ => None,
        },
        approvals: approvals.map(|(there, _)| there),
        approvals_needed: approvals.map(|(_, needed)| needed),
        folder: Some(folder.display().to_string()),
        statement_html: Some(page.display().to_string()),
        settled_base_units: statement.totals.collected,
        paid_base_units: statement.totals.paid,
        carried_base_units: statement.totals.carried,
        legs: statement.totals.legs,
        providers: statement.providers.len(),
        disputes: statement.disputes.len(),
        reconciled: outputs.reconciliation.as_ref().is_some_and(|reconciliation| reconciliation.adds_up()),
    };
    let token = common.token();
    let text = format!(
        "epoch {}: {}\nproposal {}\ncollected {}, paid {} in {} legs, carried {}, disputes {}\n{}",
        statement.epoch,
        standing(progress),
        statement.proposal,
        token.amount(statement.totals.collected),
        token.amount(statement.totals.paid),
        statement.totals.legs,
        token.amount(statement.totals.carried),
        statement.disputes.len(),
        page.display()
    );
    print(common, &view, text)
}

fn standing(progress: &Progress) -> String {
    match progress {
        Progress::NothingToSettle => "nothing to settle".to_owned(),
        Progress::NeedsApprovals { approvals, needed, .. } if approvals >= needed => {
            "approved; run the night again to settle it".to_owned()
        }
        Progress::NeedsApprovals { approvals, needed, .. } => format!("needs approvals ({approvals} of {needed})"),
        Progress::WaitsForLedger { until, .. } => {
            format!("posted; the ledger decides at {}, run the night again then", utc(*until))
        }
        Progress::Closed { .. } => "settled, reconciled and closed".to_owned(),
    }
}

impl NightView {
    fn empty(state: &'static str) -> Self {
        Self {
            state,
            epoch: None,
            proposal: None,
            decided_at: None,
            approvals: None,
            approvals_needed: None,
            folder: None,
            statement_html: None,
            settled_base_units: 0,
            paid_base_units: 0,
            carried_base_units: 0,
            legs: 0,
            providers: 0,
            disputes: 0,
            reconciled: false,
        }
    }
}

#[derive(Serialize)]
struct StatusView {
    hub: String,
    epoch: u64,
    proposal: Option<String>,
    approvers: Vec<String>,
    stages: Vec<StageView>,
}

#[derive(Serialize)]
struct StageView {
    stage: &'static str,
    output: Option<String>,
}

fn status(common: &Common, night: &Night<'_>) -> anyhow::Result<()> {
    let epoch = night.epoch()?;
    let mut stages = Vec::new();
    for stage in Stage::ALL {
        let output = night.book.stage(epoch, stage)?.map(|(hash, _)| hash.to_string());
        stages.push(StageView { stage: stage.name(), output });
    }
    let outputs = night.outputs(epoch)?;
    let approvals = night.book.approvals(epoch)?;
    let view = StatusView {
        hub: night.hub.to_string(),
        epoch,
        proposal: outputs.map(|outputs| outputs.proposal.id().to_string()),
        approvers: approvals.iter().map(|row| row.approver.to_string()).collect(),
        stages,
    };
    let mut rows: Vec<_> = view
        .stages
        .iter()
        .filter(|view| view.stage != Stage::Approvals.name())
        .map(|view| vec![view.stage.to_owned(), view.output.clone().unwrap_or_else(|| "–".to_owned())])
        .collect();
    rows.push(vec!["approved by".into(), view.approvers.join(" ")]);
    print(common, &view, table(&["epoch", &epoch.to_string()], &rows))
}
