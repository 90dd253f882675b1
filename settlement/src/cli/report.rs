//! Statements, explanations, verification and export.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use farthing_channel::codec::decode_exact;
use farthing_settlement::approval::Approvers;
use farthing_settlement::book::Book;
use farthing_settlement::explain::{Explanation, LaneExplanation, SignedBy, explain};
use farthing_settlement::export::{FileNames, epoch_folder, write_folder, write_inclusion};
use farthing_settlement::inclusion;
use farthing_settlement::night::{EpochOutputs, outputs_of};
use farthing_settlement::proofs::ProofBundle;
use farthing_settlement::statement::Statement;
use farthing_settlement::text::TokenFormat;
use farthing_settlement::verify::{verify_folder, verify_payment};
use serde::Serialize;

use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Args)]
pub(super) struct EpochArgument {
    /// The epoch; the newest where it is left out.
    #[arg(long)]
    pub(super) epoch: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(flatten)]
    epoch: EpochArgument,
    /// The folder to write; by default that of the epoch in the settlement directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The leg's number, as in legs.csv.
    leg: usize,
    /// The epoch; the newest with a proposal where it is left out.
    #[arg(long)]
    epoch: Option<u64>,
    /// Lanes to print; 0 for all of them. JSON always has all.
    #[arg(long, default_value_t = 20)]
    lanes: usize,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// The epoch's folder.
    folder: PathBuf,
    /// A receipt of the hub (CBOR), whose payment shall be in the epoch's journal root.
    #[arg(long, value_name = "FILE", requires = "inclusion")]
    receipt: Option<PathBuf>,
    /// What `prove` wrote for it.
    #[arg(long, value_name = "FILE", requires = "receipt")]
    inclusion: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ProveArguments {
    /// The hub's receipt (CBOR).
    receipt: PathBuf,
    /// The epoch; the newest with a proposal where it is left out.
    #[arg(long)]
    epoch: Option<u64>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// An epoch and its proofs.
struct Epoch {
    book: Book,
    outputs: EpochOutputs,
    approvers: Approvers,
}

impl Epoch {
    fn load(common: &Common, epoch: Option<u64>) -> anyhow::Result<Self> {
        let book = common.open_book()?;
        let newest = book.epoch_newest()?.context("no night was run here yet")?;
        let epoch = epoch.unwrap_or(newest);
        let outputs = outputs_of(&book, epoch)?.with_context(|| format!("epoch {epoch} has no proposal"))?;
        let approvers = Approvers::of(&common.open_reader()?, &outputs.proposal)?;
        Ok(Self { book, outputs, approvers })
    }
}

pub(super) fn report(common: &Common, arguments: &ReportArguments) -> anyhow::Result<Outcome> {
    let Epoch { book, outputs, approvers } = Epoch::load(common, arguments.epoch.epoch)?;
    let usual = || epoch_folder(&common.settlement_path(), outputs.cut_off.epoch);
    let folder = arguments.out.clone().unwrap_or_else(usual);
    let token = common.token();
    write_folder(&folder, &book, &outputs, &approvers, &token)?;
    let statement = Statement::of(&outputs);
    let rows: Vec<_> = statement
        .legs
        .iter()
        .map(|leg| vec![leg.leg.to_string(), leg.from_name.clone(), leg.to_name.clone(), token.amount(leg.amount)])
        .collect();
    let text = format!(
        "epoch {}: collected {}, paid {}, carried {}\n{}\n{}",
        statement.epoch,
        token.amount(statement.totals.collected),
        token.amount(statement.totals.paid),
        token.amount(statement.totals.carried),
        table(&["leg", "from", "to", "amount"], &rows),
        folder.join(FileNames::STATEMENT).display()
    );
    print(common, &statement, text)?;
    Ok(Outcome::Done)
}

/// Reads a file that holds one value in its encoding.
fn read_encoded<T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>>(path: &Path) -> anyhow::Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    decode_exact(&bytes).with_context(|| format!("{} is not what it should be", path.display()))
}

#[derive(Serialize)]
struct ProofView {
    epoch: u64,
    record: u64,
    file: String,
}

pub(super) fn prove(common: &Common, arguments: &ProveArguments) -> anyhow::Result<Outcome> {
    let receipt = read_encoded(&arguments.receipt)?;
    let Epoch { book, outputs, .. } = Epoch::load(common, arguments.epoch)?;
    let inclusion = inclusion::prove(&common.journal_path(), &book, &outputs.cut_off, &receipt)?;
    write_inclusion(&arguments.out, &inclusion)?;
    let file = arguments.out.display().to_string();
    let text = format!("record {} of epoch {}: {file}", inclusion.index, outputs.cut_off.epoch);
    print(common, &ProofView { epoch: outputs.cut_off.epoch, record: inclusion.index, file }, text)?;
    Ok(Outcome::Done)
}

pub(super) fn verify(common: &Common, arguments: &VerifyArguments) -> anyhow::Result<Outcome> {
    let verification = match (&arguments.receipt, &arguments.inclusion) {
        (Some(receipt), Some(inclusion)) => {
            verify_payment(&arguments.folder, &read_encoded(receipt)?, &read_encoded(inclusion)?)?
        }
        _ => verify_folder(&arguments.folder)?,
    };
    let row = |check: &farthing_settlement::verify::Check| {
        let mark = if check.holds { "holds" } else { "FAILS" };
        vec![mark.to_owned(), check.what.clone(), check.detail.clone()]
    };
    let rows: Vec<_> = verification.checks.iter().map(row).collect();
    let verdict = if verification.holds { "everything holds" } else { "it does not hold" };
    let text = format!(
        "{}\nepoch {}, proposal {}: {verdict}",
        table(&["", "check", "detail"], &rows),
        verification.epoch,
        verification.proposal
    );
    print(common, &verification, text)?;
    Ok(if verification.holds { Outcome::Done } else { Outcome::DoesNotHold })
}

pub(super) fn explain_leg(common: &Common, arguments: &ExplainArguments) -> anyhow::Result<Outcome> {
    let epoch = Epoch::load(common, arguments.epoch)?;
    let bundle = ProofBundle::gather(&epoch.book, &epoch.outputs, &epoch.approvers)?;
    let explanation = explain(&epoch.outputs, &bundle, arguments.leg)
        .with_context(|| format!("epoch {} has no leg {}", epoch.outputs.cut_off.epoch, arguments.leg))?;
    let text = narrate(&explanation, &common.token(), arguments.lanes);
    print(common, &explanation, text)?;
    Ok(Outcome::Done)
}

fn narrate(explanation: &Explanation, token: &TokenFormat, lanes_max: usize) -> String {
    let mut lines = vec![format!(
        "epoch {}, leg {}: {} from {} to {}",
        explanation.epoch,
        explanation.leg,
        token.amount(explanation.amount),
        explanation.from,
        explanation.to
    )];
    for (debtor, amount) in &explanation.owed_to_receiver {
        lines.push(format!("  + {} owed by {debtor}", token.amount(*amount)));
    }
    for (creditor, amount) in &explanation.owed_by_receiver {
        lines.push(format!("  - {} owed to {creditor}", token.amount(*amount)));
    }
    lines.push(format!("  approved by {}", explanation.approvers.join(" ")));
    lines.push(format!(
        "  {} lanes collect {} for it:",
        explanation.lanes.len(),
        token.amount(explanation.lanes_collected)
    ));
    let shown = if lanes_max == 0 { explanation.lanes.len() } else { lanes_max };
    for lane in explanation.lanes.iter().take(shown) {
        narrate_lane(lane, token, &mut lines);
    }
    if explanation.lanes.len() > shown {
        lines
            .push(format!("  and {} lanes more (--lanes 0 prints all)", explanation.lanes.len().saturating_sub(shown)));
    }
    lines.join("\n")
}

fn narrate_lane(lane: &LaneExplanation, token: &TokenFormat, lines: &mut Vec<String>) {
    lines.push(format!("  lane {} (device {}, group {})", lane.lane, lane.device, lane.rating_group));
    lines.push(format!(
        "    {} now, {} before; proven {}, refunded {}",
        token.amount(lane.collected.into()),
        token.number(lane.before.into()),
        token.number(lane.authorised.into()),
        token.number(lane.credited.into())
    ));
    if let Some(proof) = &lane.proof {
        narrate_signature(proof, lines);
    }
    if let Some(tick) = &lane.tick {
        lines.push(format!(
            "    tick {} {} of chain {}{}",
            tick.index,
            tick.preimage,
            tick.root,
            if tick.leads_to_root { "" } else { " DOES NOT LEAD TO ITS ROOT" }
        ));
    }
    if let Some(mandate) = &lane.mandate {
        narrate_signature(mandate, lines);
    }
    if let (Some(root), Some(in_tree)) = (&lane.tree_root, lane.in_tree) {
        let verdict = if in_tree { "leads to" } else { "DOES NOT LEAD to" };
        lines.push(format!("    its leaf {verdict} root {root} of escrow {}", lane.escrow));
    }
}

fn narrate_signature(signed: &SignedBy, lines: &mut Vec<String>) {
    let signer = signed.signer.as_deref().unwrap_or("nobody");
    let verdict = if signed.holds() { "signed by" } else { "NOT signed by its owner but by" };
    lines.push(format!("    {}: {verdict} {signer}", signed.what));
    lines.push(format!("      digest {} signature {}", signed.digest, signed.signature));
}
