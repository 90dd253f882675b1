//! The statement's lines and sums, from the stages' outputs.

use std::collections::BTreeMap;

use farthing_channel::id::Address;

use super::{CarriedLine, GroupLine, LegLine, Names, PayerLine, ProviderLine, Totals};
use crate::night::EpochOutputs;
use crate::stage::positions::CarryReason;

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn totals(outputs: &EpochOutputs) -> Totals {
    let lanes = &outputs.positions.lanes;
    let positions = &outputs.positions.positions;
    let net: u128 = outputs.netting.legs.iter().map(|leg| leg.amount).sum();
    let hub = outputs.cut_off.hub;
    let own = lanes.iter().filter(|line| line.payee == hub).map(|line| u128::from(line.collect));
    let kept_by_hub: u128 = own.sum();
    Totals {
        collected: outputs.proposal.collected(),
        paid: net.saturating_add(kept_by_hub),
        kept_by_hub,
        carried: lanes.iter().map(|line| u128::from(line.carried)).sum(),
        overpaid: lanes.iter().map(|line| u128::from(line.overpaid)).sum(),
        authorised: lanes.iter().map(|line| u128::from(line.authorised)).sum(),
        settled: lanes.iter().map(|line| u128::from(line.total())).sum(),
        lanes: count(lanes.len()),
        positions: count(positions.len()),
        gross: positions.iter().map(|position| position.amount).sum(),
        legs: count(outputs.netting.legs.len()),
        net,
    }
}

pub(super) fn payers(outputs: &EpochOutputs, names: &Names) -> Vec<PayerLine> {
    let mut by_payer: BTreeMap<Address, PayerLine> = BTreeMap::new();
    for draw in &outputs.positions.draws {
        let line = by_payer.entry(draw.payer).or_default();
        line.escrows = line.escrows.saturating_add(1);
        line.collected = line.collected.saturating_add(draw.amount().into());
        line.remaining = line.remaining.saturating_add(draw.deposit.saturating_sub(draw.settled_after).into());
    }
    let named = by_payer.into_iter().map(|(payer, line)| {
        let payer = payer.to_string();
        PayerLine { name: names.of(&payer), payer, ..line }
    });
    let mut lines: Vec<_> = named.collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.collected));
    lines
}

pub(super) fn providers(outputs: &EpochOutputs, names: &Names) -> Vec<ProviderLine> {
    let mut lines = Vec::new();
    for (provider, sums) in outputs.positions.by_payee() {
        let to_it = outputs.netting.legs.iter().filter(|leg| leg.to == provider);
        let paying = outputs.positions.lanes.iter().filter(|line| line.payee == provider && line.collect > 0);
        let provider = provider.to_string();
        lines.push(ProviderLine {
            name: names.of(&provider),
            provider,
            lanes: count(paying.count()),
            earned: sums.collect,
            received: to_it.map(|leg| leg.amount).sum(),
            carried: sums.carried,
            credited: sums.credited,
        });
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.earned));
    lines
}

pub(super) fn groups(outputs: &EpochOutputs, names: &Names) -> Vec<GroupLine> {
    let mut sums: BTreeMap<(Address, u32), (u64, u128)> = BTreeMap::new();
    for line in outputs.positions.lanes.iter().filter(|line| line.collect > 0) {
        let sum = sums.entry((line.payee, line.rating_group)).or_default();
        *sum = (sum.0.saturating_add(1), sum.1.saturating_add(line.collect.into()));
    }
    let line = |((payee, rating_group), (lanes, collected)): ((Address, u32), (u64, u128))| GroupLine {
        provider: names.of(&payee.to_string()),
        rating_group,
        lanes,
        collected,
    };
    let mut lines: Vec<_> = sums.into_iter().map(line).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.collected));
    lines
}

pub(super) fn legs(outputs: &EpochOutputs, names: &Names) -> Vec<LegLine> {
    let line = |(leg, transfer): (usize, &crate::netting::Leg)| {
        let (from, to) = (transfer.from.to_string(), transfer.to.to_string());
        LegLine { leg, from_name: names.of(&from), from, to_name: names.of(&to), to, amount: transfer.amount }
    };
    outputs.netting.legs.iter().enumerate().map(line).collect()
}

pub(super) fn carried(outputs: &EpochOutputs) -> Vec<CarriedLine> {
    let mut sums: BTreeMap<CarryReason, (u64, u128)> = BTreeMap::new();
    for line in &outputs.positions.lanes {
        if let Some(reason) = line.reason {
            let sum = sums.entry(reason).or_default();
            *sum = (sum.0.saturating_add(1), sum.1.saturating_add(line.carried.into()));
        }
    }
    sums.into_iter().map(|(reason, (lanes, amount))| CarriedLine { reason, lanes, amount }).collect()
}
