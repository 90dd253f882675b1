//! Where an epoch stands, and what its netting came to.

use anyhow::ensure;
use farthing_settlement::netting::{Clearing, LegCounts, Net, NettedAttempt};
use farthing_settlement::night::{EpochOutputs, Night, Progress};
use farthing_settlement::stage::Stage;
use farthing_settlement::text::TokenFormat;
use serde::Serialize;

use super::clock::now;
use super::desk::Desk;
use super::output::{print, table};
use super::report::EpochArgument;
use super::{Common, Outcome};

#[derive(Serialize)]
struct ShowView<'a> {
    hub: String,
    epoch: Option<u64>,
    /// Of the newest epoch only; an older one is closed.
    standing: Progress,
    proposal: Option<String>,
    approvers: Vec<String>,
    stages: Vec<StageView>,
    netting: Option<NettingView<'a>>,
}

#[derive(Serialize)]
struct StageView {
    stage: &'static str,
    output: Option<String>,
}

#[derive(Serialize)]
struct NettingView<'a> {
    participants: usize,
    positions: usize,
    legs: usize,
    legs_greedy: usize,
    /// The fewest there can be, up to 16 participants.
    legs_fewest: Option<usize>,
    gap: Option<usize>,
    obligations: Vec<&'a str>,
    clearing: &'a Clearing,
    attempts: &'a [NettedAttempt],
}

impl<'a> NettingView<'a> {
    fn of(outputs: &'a EpochOutputs) -> Self {
        let netting = &outputs.netting;
        let LegCounts { greedy, exact } = netting.counts;
        Self {
            participants: netting.nets.uneven().count(),
            positions: netting.bilateral.len(),
            legs: netting.legs.len(),
            legs_greedy: greedy,
            legs_fewest: exact,
            gap: netting.counts.gap(),
            obligations: outputs.positions.obligations.iter().map(|owed| owed.id.as_str()).collect(),
            clearing: &netting.clearing,
            attempts: &netting.attempts,
        }
    }
}

pub(super) fn run(common: &Common, arguments: &EpochArgument) -> anyhow::Result<Outcome> {
    let desk = Desk::open(common)?;
    show(common, &desk.night(now()), arguments.epoch)?;
    Ok(Outcome::Done)
}

fn show(common: &Common, night: &Night<'_>, asked: Option<u64>) -> anyhow::Result<()> {
    let newest = night.book.epoch_newest()?;
    if let Some(epoch) = asked {
        ensure!((1..=newest.unwrap_or(0)).contains(&epoch), "there is no epoch {epoch} in these books");
    }
    let epoch = asked.or(newest);
    let mut view = ShowView {
        hub: night.hub.to_string(),
        epoch,
        standing: night.standing_at(epoch)?,
        proposal: None,
        approvers: Vec::new(),
        stages: Vec::new(),
        netting: None,
    };
    let mut lines = vec![view.standing.to_string()];
    let Some(epoch) = epoch else { return print(common, &view, lines.join("\n")) };
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Approvals) {
        let output = night.book.stage_hash(epoch, stage)?.map(|hash| hash.to_string());
        view.stages.push(StageView { stage: stage.name(), output });
    }
    view.approvers = night.book.approvals(epoch)?.iter().map(|row| row.approver.to_string()).collect();
    let outputs = night.outputs(epoch)?;
    view.proposal = outputs.as_ref().map(|outputs| outputs.proposal.id().to_string());
    view.netting = outputs.as_ref().map(NettingView::of);
    lines.extend(view.proposal.iter().map(|proposal| format!("proposal {proposal}")));
    let output = |view: &StageView| view.output.clone().unwrap_or_else(|| "–".to_owned());
    let mut rows: Vec<_> = view.stages.iter().map(|view| vec![view.stage.to_owned(), output(view)]).collect();
    rows.push(vec!["approved by".into(), view.approvers.join(" ")]);
    lines.push(table(&["stage", "its output's hash"], &rows));
    if let Some(outputs) = &outputs {
        narrate(outputs, &common.token(), &mut lines);
    }
    print(common, &view, lines.join("\n"))
}

/// The netting in words.
fn narrate(outputs: &EpochOutputs, token: &TokenFormat, lines: &mut Vec<String>) {
    let netting = &outputs.netting;
    let LegCounts { greedy, exact } = netting.counts;
    let balance = |(who, net): (&_, &Net)| {
        let (word, amount) = match net {
            Net::Owes(amount) => ("pays", *amount),
            Net::IsOwed(amount) => ("receives", *amount),
            Net::Even => ("is even", 0),
        };
        vec![format!("{who}"), word.to_owned(), token.amount(amount)]
    };
    let rows: Vec<_> = netting.nets.uneven().map(balance).collect();
    let fewest = exact.map_or_else(|| "not sought beyond 16 participants".to_owned(), |count| count.to_string());
    lines.push(String::new());
    lines.push(table(&["participant", "", "net"], &rows));
    lines.push(format!("transfers: {} proposed; greedy {greedy}, fewest {fewest}", netting.legs.len()));
    lines.push(format!(
        "with counterparties kept: {} debts left of {}, {} cleared along {} cycles",
        netting.clearing.remaining.len(),
        netting.bilateral.len(),
        token.amount(netting.clearing.cleared),
        netting.clearing.cycles
    ));
    for (number, attempt) in netting.attempts.iter().enumerate() {
        for out in &attempt.exclusions {
            let run = number.saturating_add(1);
            lines.push(format!("left out after run {run}: {} ({:?})", out.participant, out.reason));
        }
    }
}
