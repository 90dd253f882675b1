//! What the netting of an epoch came to.

use anyhow::Context as _;
use farthing_settlement::netting::{Clearing, LegCounts, Net, NettedAttempt};
use farthing_settlement::night::Night;
use serde::Serialize;

use super::Common;
use super::output::{print, table};

#[derive(Serialize)]
struct NettingView<'a> {
    epoch: u64,
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

pub(super) fn show(common: &Common, night: &Night<'_>, epoch: Option<u64>) -> anyhow::Result<()> {
    let newest = night.book.epoch_newest()?.context("no night was run here yet")?;
    let epoch = epoch.unwrap_or(newest);
    let outputs = night.outputs(epoch)?.with_context(|| format!("epoch {epoch} has no proposal"))?;
    let netting = &outputs.netting;
    let LegCounts { greedy, exact } = netting.counts;
    let view = NettingView {
        epoch,
        participants: netting.nets.uneven().count(),
        positions: netting.bilateral.len(),
        legs: netting.legs.len(),
        legs_greedy: greedy,
        legs_fewest: exact,
        gap: netting.counts.gap(),
        obligations: outputs.positions.obligations.iter().map(|owed| owed.id.as_str()).collect(),
        clearing: &netting.clearing,
        attempts: &netting.attempts,
    };
    let token = common.token();
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
    let mut lines = vec![
        table(&["participant", "", "net"], &rows),
        format!("transfers: {} proposed; greedy {greedy}, fewest {fewest}", netting.legs.len()),
        format!(
            "with counterparties kept: {} debts left of {}, {} cleared along {} cycles",
            netting.clearing.remaining.len(),
            netting.bilateral.len(),
            token.amount(netting.clearing.cleared),
            netting.clearing.cycles
        ),
    ];
    for (number, attempt) in netting.attempts.iter().enumerate() {
        for out in &attempt.exclusions {
            lines.push(format!(
                "left out after run {}: {} ({:?})",
                number.saturating_add(1),
                out.participant,
                out.reason
            ));
        }
    }
    print(common, &view, lines.join("\n"))
}
