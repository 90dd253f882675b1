//! Positions: what each escrow owes now, what each payee is owed, and what must wait and why.
//!
//! Pure: lanes and ledger facts in, positions out. A lane's target is what is authorised less what is credited; its
//! growth is what the target lies above what was collected before. Growth that a rule holds back is carried to the next
//! epoch with the rule's name, never dropped: authorised = collected + collect now + credited + carried, for every lane.

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::id::{Address, LaneId};
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::allocate::allocate;
use crate::facts::{EscrowFacts, EscrowStanding, LedgerFacts, may_grow};
use crate::netting::{Attempt, Obligation, Position};

mod error;
mod gross;

pub use super::lane_line::{CarryReason, Cover, Draw, LaneFacts, LaneLine, MandateFacts};
pub use error::PositionError;
use gross::{gross_positions, require_conserved};

/// The epoch's positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Positions {
    /// The epoch.
    #[n(0)]
    pub epoch: u64,
    /// Every lane with anything proven, by escrow, device and lane.
    #[n(1)]
    pub lanes: Vec<LaneLine>,
    /// Escrows that are asked for money, ascending.
    #[n(2)]
    pub draws: Vec<Draw>,
    /// Who owes whom: payers their payees, and the hub the payers whose deposits it draws. Ascending.
    #[n(3)]
    pub positions: Vec<Position>,
    /// What participants owe each other besides, and settle in this epoch.
    #[n(4)]
    pub obligations: Vec<Obligation>,
    /// Runs that came before this one, each of which some participant could not be part of.
    #[n(5)]
    pub attempts: Vec<Attempt>,
}

/// What the operator or an earlier run keeps out of an epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Lanes under dispute.
    pub disputed: BTreeSet<LaneId>,
    /// Participants that are left out: neither what they pay nor what they are paid is collected.
    pub excluded: BTreeSet<Address>,
}

/// Computes the positions of `epoch`. `lanes` in any order; `hub` is the account that escrows pay into.
///
/// # Errors
/// Any [`PositionError`].
pub fn plan(
    epoch: u64,
    hub: &Address,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lanes: &[LaneFacts],
) -> Result<Positions, PositionError> {
    plan_holding(epoch, hub, facts, now, lanes, &Held::default())
}

/// The same, with something kept out.
///
/// # Errors
/// Any [`PositionError`].
pub fn plan_holding(
    epoch: u64,
    hub: &Address,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lanes: &[LaneFacts],
    held: &Held,
) -> Result<Positions, PositionError> {
    let mut sorted: Vec<&LaneFacts> = lanes.iter().collect();
    sorted.sort_by_key(|lane| (lane.escrow, lane.device, lane.lane));
    let mut lines: Vec<LaneLine> = Vec::new();
    let mut draws = Vec::new();
    for of_escrow in sorted.chunk_by(|a, b| a.escrow == b.escrow) {
        let Some(first) = of_escrow.first() else { continue };
        let escrow = facts.escrow(&first.escrow);
        let planned = plan_escrow(escrow, facts, now, of_escrow, held);
        if let Some(escrow) = escrow {
            require_same_books(escrow, &planned)?;
            draws.extend(draw(escrow, &planned));
        }
        // A large escrow's lines are taken as they are: a copy of them would be the most that a night ever holds.
        if lines.is_empty() {
            lines = planned;
        } else {
            lines.extend(planned);
        }
    }
    let positions = gross_positions(hub, facts, &lines, &draws);
    let planned = Positions { epoch, lanes: lines, draws, positions, obligations: Vec::new(), attempts: Vec::new() };
    require_conserved(&planned, hub)?;
    Ok(planned)
}

/// The lines of one escrow's lanes, sorted by device.
fn plan_escrow(
    escrow: Option<&EscrowFacts>,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lanes: &[&LaneFacts],
    held: &Held,
) -> Vec<LaneLine> {
    let held_back = |lane: &LaneFacts| blocked(escrow, facts, now, lane).or_else(|| held.reason(escrow, lane));
    let mut lines: Vec<LaneLine> = lanes.iter().map(|lane| line(lane, held_back(lane))).collect();
    for channel in lines.chunk_by_mut(|a, b| a.device == b.device) {
        let limit = channel.iter().find_map(|line| match line.cover {
            Cover::Mandate(mandate) => Some(mandate.limit),
            _ => None,
        });
        if let Some(limit) = limit {
            let collected: u128 = channel.iter().map(|line| u128::from(line.collected_before)).sum();
            let available = u64::try_from(limit.saturating_sub(collected)).unwrap_or(u64::MAX);
            cap(channel, available, CarryReason::MandateLimit);
        }
    }
    if let Some(escrow) = escrow {
        cap(&mut lines, escrow.deposit.saturating_sub(escrow.settled), CarryReason::EscrowShort);
    }
    lines
}

impl Held {
    fn reason(&self, escrow: Option<&EscrowFacts>, lane: &LaneFacts) -> Option<CarryReason> {
        if self.disputed.contains(&lane.lane) {
            return Some(CarryReason::Disputed);
        }
        let out = self.excluded.contains(&lane.payee) || escrow.is_some_and(|e| self.excluded.contains(&e.payer));
        out.then_some(CarryReason::ParticipantExcluded)
    }
}

/// The rule that holds back all of a lane's growth, if one does.
fn blocked(
    escrow: Option<&EscrowFacts>,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lane: &LaneFacts,
) -> Option<CarryReason> {
    let Some(escrow) = escrow else { return Some(CarryReason::EscrowUnknown) };
    match escrow.standing {
        EscrowStanding::Collectable => {}
        EscrowStanding::ExitOver => return Some(CarryReason::ExitOver),
        EscrowStanding::Finalized => return Some(CarryReason::EscrowFinalized),
    }
    if !facts.is_participant(&lane.payee) {
        return Some(CarryReason::PayeeNotRegistered);
    }
    match lane.cover {
        Cover::Lone => None,
        Cover::Nothing => Some(CarryReason::MandateMissing),
        Cover::Mandate(mandate) if !mandate.allows_payee => Some(CarryReason::PayeeNotAllowed),
        Cover::Mandate(mandate) => {
            let end = escrow.mandate_end(&lane.device, mandate.serial, UnixSeconds(mandate.expiry));
            (!may_grow(end, now)).then_some(CarryReason::MandateEnded)
        }
    }
}

fn line(lane: &LaneFacts, blocked: Option<CarryReason>) -> LaneLine {
    let credited = lane.credited.min(lane.authorised);
    let target = lane.authorised.saturating_sub(credited);
    let growth = target.saturating_sub(lane.collected);
    let (collect, carried) = if blocked.is_some() { (0, growth) } else { (growth, 0) };
    LaneLine {
        lane: lane.lane,
        escrow: lane.escrow,
        device: lane.device,
        payee: lane.payee,
        rating_group: lane.rating_group,
        authorised: lane.authorised,
        credited,
        collected_before: lane.collected,
        collect,
        carried,
        reason: blocked.filter(|_| carried > 0),
        overpaid: lane.collected.saturating_sub(target),
        cover: lane.cover,
        settled_under: lane.settled_under,
    }
}

/// Holds the growth of `lines` together within `available`, in proportion.
fn cap(lines: &mut [LaneLine], available: u64, reason: CarryReason) {
    let wants: Vec<u64> = lines.iter().map(|line| line.collect).collect();
    for (line, share) in lines.iter_mut().zip(allocate(&wants, available)) {
        if share < line.collect {
            line.carried = line.carried.saturating_add(line.collect.saturating_sub(share));
            line.collect = share;
            line.reason = Some(reason);
        }
    }
}

/// What these books say was collected is what the ledger says was settled: by batches of leaves, or, where a lone payer
/// pays on the escrow itself, in all.
fn require_same_books(escrow: &EscrowFacts, lines: &[LaneLine]) -> Result<(), PositionError> {
    if let Some(lone) = lines.iter().find(|line| line.cover == Cover::Lone)
        && escrow.standing == EscrowStanding::Collectable
        && lone.collected_before != escrow.settled
    {
        let ours = lone.collected_before.into();
        return Err(PositionError::BooksDiffer { escrow: escrow.escrow, ours, ledgers: escrow.settled });
    }
    let of_leaves = lines.iter().filter(|line| line.cover != Cover::Lone);
    let ours: u128 = of_leaves.map(|line| u128::from(line.collected_before)).sum();
    if ours == u128::from(escrow.lanes_total) {
        return Ok(());
    }
    Err(PositionError::BooksDiffer { escrow: escrow.escrow, ours, ledgers: escrow.lanes_total })
}

fn draw(escrow: &EscrowFacts, lines: &[LaneLine]) -> Option<Draw> {
    let amount = lines.iter().fold(0_u64, |sum, line| sum.saturating_add(line.collect));
    let growing = lines.iter().filter(|line| line.collect > 0).count();
    (amount > 0).then(|| Draw {
        escrow: escrow.escrow,
        payer: escrow.payer,
        settled_before: escrow.settled,
        settled_after: escrow.settled.saturating_add(amount),
        deposit: escrow.deposit,
        lanes: u64::try_from(growing).unwrap_or(u64::MAX),
    })
}

/// Sums over the lanes of one payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PayeeSums {
    /// Collected in this epoch, base units.
    pub collect: u128,
    /// Collected in earlier epochs.
    pub collected_before: u128,
    /// What waits.
    pub carried: u128,
    /// Refunds.
    pub credited: u128,
    /// Lanes with anything proven.
    pub lanes: u64,
}

impl Positions {
    /// Everything that is netted: what lanes and escrows come to, and the obligations.
    #[must_use]
    pub fn all(&self) -> Vec<Position> {
        self.positions.iter().copied().chain(self.obligations.iter().map(Obligation::position)).collect()
    }

    /// Sums by payee, ascending.
    #[must_use]
    pub fn by_payee(&self) -> BTreeMap<Address, PayeeSums> {
        let mut sums: BTreeMap<Address, PayeeSums> = BTreeMap::new();
        for line in &self.lanes {
            let sum = sums.entry(line.payee).or_default();
            // 64-bit amounts of fewer than 2^64 lanes fit 128 bits.
            sum.collect = sum.collect.saturating_add(line.collect.into());
            sum.collected_before = sum.collected_before.saturating_add(line.collected_before.into());
            sum.carried = sum.carried.saturating_add(line.carried.into());
            sum.credited = sum.credited.saturating_add(line.credited.into());
            sum.lanes = sum.lanes.saturating_add(1);
        }
        sums
    }
}

#[cfg(test)]
mod tests;
