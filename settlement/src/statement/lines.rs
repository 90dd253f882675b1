//! The statement's lines and sums, from the stages' outputs.

use std::collections::BTreeMap;

use farthing_channel::id::Address;

use super::{
    CarriedLine, GroupLine, HourLine, LaneState, LaneStateLine, LegLine, Names, PayerLine, ProviderLine,
    ReconciliationSummary, Totals,
};
use crate::night::EpochOutputs;
use crate::stage::positions::CarryReason;
use crate::stage::three_way::ThreeWay;

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
    let mut paying: BTreeMap<Address, u64> = BTreeMap::new();
    for line in outputs.positions.lanes.iter().filter(|line| line.collect > 0) {
        let lanes = paying.entry(line.payee).or_default();
        *lanes = lanes.saturating_add(1);
    }
    let mut lines = Vec::new();
    for (provider, sums) in outputs.positions.by_payee() {
        let to_it = outputs.netting.legs.iter().filter(|leg| leg.to == provider);
        let lanes = paying.get(&provider).copied().unwrap_or(0);
        let provider = provider.to_string();
        lines.push(ProviderLine {
            name: names.of(&provider),
            provider,
            lanes,
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

/// Hours that a statement goes through one by one; where an epoch is longer, hours without growth are left out.
const HOURS_MAX: u64 = 24 * 31;

/// Growth by hour, with the hours between in which nothing grew.
pub(super) fn hours(outputs: &EpochOutputs) -> Vec<HourLine> {
    const HOUR: u64 = 3_600;
    let grown: BTreeMap<u64, u128> =
        outputs.cut_off.growth.hours.iter().map(|hour| (hour.begins_at, hour.amount)).collect();
    let (Some((first, _)), Some((last, _))) = (grown.first_key_value(), grown.last_key_value()) else {
        return Vec::new();
    };
    let length = last.saturating_sub(*first) / HOUR;
    if length >= HOURS_MAX {
        return grown.into_iter().map(|(begins_at, amount)| HourLine { begins_at, amount }).collect();
    }
    let hour = |number: u64| {
        let begins_at = first.saturating_add(number.saturating_mul(HOUR));
        HourLine { begins_at, amount: grown.get(&begins_at).copied().unwrap_or(0) }
    };
    (0..=length).map(hour).collect()
}

pub(super) fn lane_states(outputs: &EpochOutputs) -> Vec<LaneStateLine> {
    let none = |state| LaneStateLine { state, lanes: 0, collected: 0, carried: 0 };
    let mut lines = LaneState::ALL.map(none);
    for line in &outputs.positions.lanes {
        let state = LaneState::of(line);
        if let Some(sum) = lines.iter_mut().find(|sum| sum.state == state) {
            sum.lanes = sum.lanes.saturating_add(1);
            sum.collected = sum.collected.saturating_add(line.collect.into());
            sum.carried = sum.carried.saturating_add(line.carried.into());
        }
    }
    lines.to_vec()
}

pub(super) fn reconciliation(sides: &ThreeWay) -> ReconciliationSummary {
    ReconciliationSummary {
        holds: sides.holds(),
        totals: sides.totals.clone(),
        conservation: sides.conservation.clone(),
        exceptions: sides.exceptions().cloned().collect(),
        lanes_beyond: sides.lanes_beyond,
    }
}
