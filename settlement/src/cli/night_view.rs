//! Where a night stands, with its figures, as text and JSON.

use std::path::Path;

use farthing_settlement::approval::Approvers;
use farthing_settlement::export::{FileNames, write_folder};
use farthing_settlement::night::{EpochOutputs, Night, Progress};
use farthing_settlement::statement::Statement;
use serde::Serialize;

use super::Common;
use super::output::{print, print_line};

/// Where a night stands, with the figures.
#[derive(Debug, Default, Serialize)]
pub(super) struct NightView {
    state: &'static str,
    epoch: Option<u64>,
    proposal: Option<String>,
    /// Whether nothing of this was kept.
    dry_run: bool,
    /// The time that the plan was made as of, Unix seconds.
    planned_at: Option<u64>,
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
    /// Whether the ledger has carried it out, and lanes, journal and ledger do not agree.
    #[serde(skip)]
    pub(super) differs: bool,
    #[serde(skip)]
    text: String,
}

impl NightView {
    /// Writes the epoch's folder where one is named, and takes down where the night stands.
    pub(super) fn of(
        common: &Common,
        night: &Night<'_>,
        progress: &Progress,
        folder: impl FnOnce(u64) -> Option<std::path::PathBuf>,
    ) -> anyhow::Result<Self> {
        let outputs = progress.epoch().map(|epoch| night.outputs(epoch)).transpose()?.flatten();
        let Some(outputs) = outputs else {
            let (epoch, text) = (progress.epoch(), progress.to_string());
            return Ok(Self { state: progress.name(), epoch, text, ..Self::default() });
        };
        let folder = folder(outputs.cut_off.epoch);
        if let Some(folder) = &folder {
            let approvers = Approvers::of(night.ledger, &outputs.proposal)?;
            write_folder(folder, night.book, &outputs, &approvers, &common.token())?;
        }
        Ok(Self::of_outputs(common, progress, &outputs, folder.as_deref()))
    }

    fn of_outputs(common: &Common, progress: &Progress, outputs: &EpochOutputs, folder: Option<&Path>) -> Self {
        let statement = Statement::of(outputs);
        let page = folder.map(|folder| folder.join(FileNames::STATEMENT).display().to_string());
        let token = common.token();
        let text = format!(
            "{progress}\nproposal {}\ncollected {}, paid {} in {} legs, carried {}, disputes {}{}{}{}",
            statement.proposal,
            token.amount(statement.totals.collected),
            token.amount(statement.totals.paid),
            statement.totals.legs,
            token.amount(statement.totals.carried),
            statement.disputes.len(),
            statement.reconciliation.as_ref().map(|sides| format!("\n{sides}")).unwrap_or_default(),
            if page.is_some() { "\n" } else { "" },
            page.as_deref().unwrap_or_default()
        );
        let approvals = match progress {
            Progress::NeedsApprovals { approvals, needed, .. } => Some((*approvals, *needed)),
            _ => None,
        };
        Self {
            state: progress.name(),
            epoch: progress.epoch(),
            proposal: Some(statement.proposal.clone()),
            dry_run: false,
            planned_at: Some(outputs.cut_off.at),
            decided_at: match progress {
                Progress::WaitsForLedger { until, .. } => Some(*until),
                _ => None,
            },
            approvals: approvals.map(|(there, _)| there),
            approvals_needed: approvals.map(|(_, needed)| needed),
            folder: folder.map(|folder| folder.display().to_string()),
            statement_html: page,
            settled_base_units: statement.totals.collected,
            paid_base_units: statement.totals.paid,
            carried_base_units: statement.totals.carried,
            legs: statement.totals.legs,
            providers: statement.providers.len(),
            disputes: statement.disputes.len(),
            reconciled: outputs.reconciliation.as_ref().is_some_and(|reconciliation| reconciliation.matches()),
            differs: outputs.reconciliation.as_ref().is_some_and(|reconciliation| !reconciliation.matches()),
            text,
        }
    }

    /// The same, told apart.
    pub(super) fn of_a_dry_run(mut self) -> Self {
        self.dry_run = true;
        if let Some(at) = self.planned_at {
            self.text.push_str(&format!("\na dry run: nothing was kept; `plan --as-of {at}` proposes the same"));
        }
        self
    }

    /// As one of many.
    pub(super) fn print_line(&self, common: &Common) -> anyhow::Result<()> {
        print_line(common, self, &self.text)
    }

    pub(super) fn print(&self, common: &Common) -> anyhow::Result<()> {
        print(common, self, &self.text)
    }
}
