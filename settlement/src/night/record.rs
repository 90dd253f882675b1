//! The end of an epoch: its record, and the book brought up to what was settled.

use farthing_channel::id::{Hash32, LaneId};
use serde::{Deserialize, Serialize};

use super::{Night, NightError, to_json};
use crate::proposal::{Proposal, channel_plans};
use crate::stage::Stage;
use crate::stage::positions::{Cover, Positions};
use crate::stage::reconcile::Reconciliation;
use crate::submit::Submitted;

/// How many operations a run carried out, and how many it found done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Submissions {
    /// Carried out by this run.
    pub now: u64,
    /// Carried out by an earlier one.
    pub before: u64,
}

impl Submissions {
    pub(super) fn count(&mut self, submitted: Submitted) {
        match submitted {
            Submitted::Now => self.now = self.now.saturating_add(1),
            Submitted::Before => self.before = self.before.saturating_add(1),
            Submitted::Undecided { .. } => {}
        }
    }
}

/// A closed epoch, in figures. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: u64,
    /// Its proposal.
    #[serde(with = "crate::text")]
    pub proposal: Hash32,
    /// Collected from escrows.
    pub collected: u128,
    /// Paid by legs.
    pub paid: u128,
    /// What waits for a later epoch.
    pub carried: u128,
    /// Escrows collected from.
    pub escrows: u64,
    /// Lanes that grew.
    pub lanes: u64,
    /// Legs.
    pub legs: u64,
    /// When the ledger closed it, Unix seconds.
    pub closed_at: u64,
}

impl Night<'_> {
    /// Brings the lanes up to what was collected and keeps the record, in one change.
    pub(super) fn keep_record(
        &self,
        proposal: &Proposal,
        positions: &Positions,
        reconciliation: &Reconciliation,
    ) -> Result<EpochRecord, NightError> {
        let grown = positions.lanes.iter().filter(|line| line.collect > 0);
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let record = EpochRecord {
            epoch: proposal.epoch,
            proposal: proposal.id(),
            collected: proposal.collected(),
            paid: proposal.paid(),
            carried: positions.lanes.iter().map(|line| u128::from(line.carried)).sum(),
            escrows: count(proposal.batches.len()),
            lanes: count(grown.count()),
            legs: count(proposal.legs.len()),
            closed_at: reconciliation.closed_at,
        };
        let writer = self.book.write()?;
        writer.settle_lanes(settled_lanes(positions).into_iter())?;
        for obligation in &positions.obligations {
            writer.settle_obligation(&obligation.id, proposal.epoch)?;
        }
        writer.put_stage(proposal.epoch, Stage::Close, &to_json(&record, Stage::Close)?)?;
        writer.commit()?;
        Ok(record)
    }
}

/// Every lane in a posted tree with its total, and the serial its channel stands under from now on.
fn settled_lanes(positions: &Positions) -> Vec<(&LaneId, u64, Option<u64>)> {
    let mut settled = Vec::new();
    for draw in &positions.draws {
        for plan in channel_plans(&positions.lanes, draw).unwrap_or_default() {
            let serial = plan.mandate.serial;
            settled.extend(plan.lanes.iter().map(|line| (&line.lane, line.total(), Some(serial))));
        }
    }
    let lone = positions.lanes.iter().filter(|line| line.cover == Cover::Lone && line.collect > 0);
    settled.extend(lone.map(|line| (&line.lane, line.total(), None)));
    settled
}

/// What does not add up, for people.
pub(super) fn differences(reconciliation: &Reconciliation) -> String {
    let mut differences = reconciliation.differences.clone();
    for line in reconciliation.balances.iter().filter(|line| !line.adds_up()) {
        differences.push(format!(
            "{} went from {} to {}, which the log does not explain",
            line.holder, line.before, line.after
        ));
    }
    if reconciliation.in_accounts.checked_add(reconciliation.in_escrows) != Some(reconciliation.issued) {
        differences.push("the ledger's accounts and escrows do not sum to what was issued".to_owned());
    }
    differences.join("; ")
}
