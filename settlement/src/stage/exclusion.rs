//! Positions under what participants agreed on: planned again without whoever cannot be part of them.

use std::collections::BTreeSet;

use farthing_channel::id::{Address, LaneId};
use farthing_channel::time::UnixSeconds;

use super::positions::{Held, LaneFacts, PositionError, Positions, plan_holding};
use crate::facts::LedgerFacts;
use crate::netting::{Attempt, Net, NettingTerms, net_all};

/// Computes the positions of `epoch`, obligations included. Where a participant is in default, over its cap or not covered,
/// that run is kept as an attempt, and the positions are computed again without it: lanes that pay it, or that it pays
/// for, are carried. Each run leaves out at least one more, so there are no more runs than participants.
///
/// # Errors
/// Any [`PositionError`].
pub fn plan_under(
    epoch: u64,
    hub: &Address,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lanes: &[LaneFacts],
    terms: &NettingTerms,
) -> Result<Positions, PositionError> {
    let lane = |text: &String| text.parse::<LaneId>().map_err(|_| PositionError::NoLane(text.clone()));
    let disputed = terms.disputed_lanes.iter().map(lane).collect::<Result<_, _>>()?;
    let mut held = Held { disputed, excluded: BTreeSet::new() };
    let balances = facts.balances();
    let mut attempts = Vec::new();
    loop {
        let mut planned = plan_holding(epoch, hub, facts, now, lanes, &held)?;
        planned.obligations = terms.obligations_without(&held.excluded).1;
        let all = planned.all();
        let exclusions = terms.exclusions(&all, &balances, hub)?;
        if let Some(of_hub) = exclusions.iter().find(|exclusion| exclusion.participant == *hub) {
            let net = net_all(&all)?.0.get(hub).copied();
            let amount = if let Some(Net::Owes(amount)) = net { amount } else { 0 };
            return Err(PositionError::HubHeld { amount, reason: of_hub.reason });
        }
        if exclusions.is_empty() {
            planned.attempts = attempts;
            return Ok(planned);
        }
        held.excluded.extend(exclusions.iter().map(|exclusion| exclusion.participant));
        attempts.push(Attempt { positions: all, exclusions });
    }
}
