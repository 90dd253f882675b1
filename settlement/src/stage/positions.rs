//! Positions: what each escrow owes now, what each payee is owed, and what must wait and why.
//!
//! Pure: lanes and ledger facts in, positions out. A lane's target is what is authorised less what is credited; its
//! growth is what the target lies above what was collected before. Growth that a rule holds back is carried to the next
//! epoch with the rule's name, never dropped: authorised = collected + collect now + credited + carried, for every lane.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::allocate::allocate;
use crate::facts::{EscrowFacts, EscrowStanding, LedgerFacts, may_grow};
use crate::netting::Position;

/// A lane's mandate, as far as positions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateFacts {
    /// Its serial.
    pub serial: u64,
    /// Most the channel may owe, base units.
    pub limit: u128,
    /// From this second on nothing new is accepted.
    pub expiry: u64,
    /// Whether it allows the lane's payee.
    pub allows_payee: bool,
}

/// How a lane's money is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// The device holds a mandate.
    Mandate(MandateFacts),
    /// No valid mandate is known.
    Nothing,
    /// A lone payer pays on the escrow itself.
    Lone,
}

/// A lane as it enters the night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFacts {
    /// The lane.
    pub lane: LaneId,
    /// The escrow it draws on.
    pub escrow: EscrowId,
    /// The device that pays.
    pub device: Address,
    /// Whom it pays.
    pub payee: Address,
    /// For which service.
    pub rating_group: u32,
    /// Proven total, whole base units.
    pub authorised: u64,
    /// Refunds, base units.
    pub credited: u64,
    /// Collected in earlier epochs, base units.
    pub collected: u64,
    /// How it is covered.
    pub cover: Cover,
    /// The mandate under which its channel was last settled; the ledger remembers it.
    pub settled_under: Option<MandateFacts>,
}

/// Why growth waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarryReason {
    /// The ledger does not know the escrow, or not as this hub's.
    EscrowUnknown,
    /// The escrow is final.
    EscrowFinalized,
    /// The payer's exit leaves no further batch.
    ExitOver,
    /// The payee is not registered as a participant on the ledger.
    PayeeNotRegistered,
    /// No valid mandate is known for the device.
    MandateMissing,
    /// The mandate does not allow the payee.
    PayeeNotAllowed,
    /// The mandate ended more than 48 hours ago.
    MandateEnded,
    /// The mandate's limit is reached.
    MandateLimit,
    /// The escrow's deposit is exhausted.
    EscrowShort,
}

impl CarryReason {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::EscrowUnknown => "escrow unknown to the ledger",
            Self::EscrowFinalized => "escrow is finalised",
            Self::ExitOver => "payer's exit leaves no further batch",
            Self::PayeeNotRegistered => "payee is not registered on the ledger",
            Self::MandateMissing => "no valid mandate",
            Self::PayeeNotAllowed => "mandate does not allow this payee",
            Self::MandateEnded => "mandate ended more than 48 hours ago",
            Self::MandateLimit => "mandate limit reached",
            Self::EscrowShort => "escrow deposit exhausted",
        }
    }
}

/// One lane's line of the epoch. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneLine {
    /// The lane.
    #[serde(with = "crate::text")]
    pub lane: LaneId,
    /// The escrow it draws on.
    #[serde(with = "crate::text")]
    pub escrow: EscrowId,
    /// The device that pays.
    #[serde(with = "crate::text")]
    pub device: Address,
    /// Whom it pays.
    #[serde(with = "crate::text")]
    pub payee: Address,
    /// For which service.
    pub rating_group: u32,
    /// Proven total.
    pub authorised: u64,
    /// Refunds that count: never above what is authorised.
    pub credited: u64,
    /// Collected in earlier epochs.
    pub collected_before: u64,
    /// Collected in this one.
    pub collect: u64,
    /// What waits.
    pub carried: u64,
    /// Why it waits.
    pub reason: Option<CarryReason>,
    /// Collected before a refund made it too much; later payments use it up first.
    pub overpaid: u64,
    /// How it is covered.
    pub cover: Cover,
    /// The mandate under which its channel was last settled.
    pub settled_under: Option<MandateFacts>,
}

impl LaneLine {
    /// The lane's total after this epoch: the leaf in the escrow's tree.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.collected_before.saturating_add(self.collect)
    }
}

/// What one escrow is asked for. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// The escrow.
    #[serde(with = "crate::text")]
    pub escrow: EscrowId,
    /// Who funds it.
    #[serde(with = "crate::text")]
    pub payer: Address,
    /// Collected before.
    pub settled_before: u64,
    /// Collected after.
    pub settled_after: u64,
    /// Its deposit.
    pub deposit: u64,
    /// Lanes that grow.
    pub lanes: u64,
}

impl Draw {
    /// What it collects.
    #[must_use]
    pub fn amount(&self) -> u64 {
        self.settled_after.saturating_sub(self.settled_before)
    }
}

/// The epoch's positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// The epoch.
    pub epoch: u64,
    /// Every lane with anything proven, by escrow, device and lane.
    pub lanes: Vec<LaneLine>,
    /// Escrows that are asked for money, ascending.
    pub draws: Vec<Draw>,
    /// Who owes whom: payers their payees, and the hub the payers whose deposits it draws. Ascending.
    pub positions: Vec<Position>,
}

/// Why there are no positions: the inputs contradict each other, which no retry cures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// What was collected from the lanes is not what the ledger settled.
    #[error("the lanes of escrow {escrow} were settled at {ours} base units in these books and at {ledgers} on the ledger")]
    BooksDiffer {
        /// The escrow.
        escrow: EscrowId,
        /// Sum over our lanes.
        ours: u128,
        /// The ledger's sum.
        ledgers: u64,
    },
    /// A bug: the lanes do not add up to the draws.
    #[error("not conserved: lanes collect {lanes}, escrows are asked for {draws}, payees receive {payees}")]
    NotConserved {
        /// Sum over lanes.
        lanes: u128,
        /// Sum over escrows.
        draws: u128,
        /// Sum over payees.
        payees: u128,
    },
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
    let mut sorted: Vec<&LaneFacts> = lanes.iter().collect();
    sorted.sort_by_key(|lane| (lane.escrow, lane.device, lane.lane));
    let mut lines = Vec::with_capacity(lanes.len());
    let mut draws = Vec::new();
    for of_escrow in sorted.chunk_by(|a, b| a.escrow == b.escrow) {
        let Some(first) = of_escrow.first() else { continue };
        let escrow = facts.escrow(&first.escrow);
        let planned = plan_escrow(escrow, facts, now, of_escrow);
        if let Some(escrow) = escrow {
            require_same_books(escrow, &planned)?;
            draws.extend(draw(escrow, &planned));
        }
        lines.extend(planned);
    }
    let positions = gross_positions(hub, facts, &lines, &draws);
    let planned = Positions { epoch, lanes: lines, draws, positions };
    require_conserved(&planned, hub)?;
    Ok(planned)
}

/// The lines of one escrow's lanes, sorted by device.
fn plan_escrow(
    escrow: Option<&EscrowFacts>,
    facts: &LedgerFacts,
    now: UnixSeconds,
    lanes: &[&LaneFacts],
) -> Vec<LaneLine> {
    let mut lines: Vec<LaneLine> = lanes.iter().map(|lane| line(lane, blocked(escrow, facts, now, lane))).collect();
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

fn require_same_books(escrow: &EscrowFacts, lines: &[LaneLine]) -> Result<(), PositionError> {
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

/// Payers owe their payees what the lanes collect; the hub owes the payers what it draws from their deposits. Netted,
/// the hub's account pays out exactly what flows into it.
fn gross_positions(hub: &Address, facts: &LedgerFacts, lines: &[LaneLine], draws: &[Draw]) -> Vec<Position> {
    let mut owed: BTreeMap<(Address, Address), u128> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.collect > 0) {
        let Some(escrow) = facts.escrow(&line.escrow) else { continue };
        let sum = owed.entry((escrow.payer, line.payee)).or_default();
        *sum = sum.saturating_add(u128::from(line.collect));
    }
    for draw in draws {
        let sum = owed.entry((*hub, draw.payer)).or_default();
        *sum = sum.saturating_add(u128::from(draw.amount()));
    }
    let between_two = owed.into_iter().filter(|((debtor, creditor), _)| debtor != creditor);
    between_two.map(|((debtor, creditor), amount)| Position { debtor, creditor, amount }).collect()
}

/// The sums taken over lanes, over escrows and over positions are one number.
fn require_conserved(planned: &Positions, hub: &Address) -> Result<(), PositionError> {
    let lanes = planned.lanes.iter().map(|line| u128::from(line.collect)).sum();
    let draws = planned.draws.iter().map(|draw| u128::from(draw.amount())).sum();
    let by_payee = planned.by_payee();
    let payees = by_payee.values().map(|line| line.collect).sum();
    let drawn_by_hub: u128 = planned.positions.iter().filter(|p| p.debtor == *hub).map(|p| p.amount).sum();
    let own: u128 = planned.draws.iter().filter(|draw| draw.payer == *hub).map(|draw| u128::from(draw.amount())).sum();
    let hub_as_payer: u128 = planned.lanes_of_payer(hub);
    let position_sum = drawn_by_hub.saturating_add(own).saturating_sub(hub_as_payer);
    if lanes == draws && draws == payees && position_sum == draws {
        Ok(())
    } else {
        Err(PositionError::NotConserved { lanes, draws, payees })
    }
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

    /// What this epoch's lanes of `payer` to others collect, base units.
    fn lanes_of_payer(&self, payer: &Address) -> u128 {
        let escrows: Vec<EscrowId> = self.draws.iter().filter(|d| d.payer == *payer).map(|d| d.escrow).collect();
        let of_payer = self.lanes.iter().filter(|line| line.payee != *payer && escrows.contains(&line.escrow));
        of_payer.map(|line| u128::from(line.collect)).sum()
    }
}

#[cfg(test)]
mod tests;
