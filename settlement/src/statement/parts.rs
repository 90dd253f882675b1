//! The parts of a statement. Amounts are base units.

use serde::Serialize;

use crate::stage::positions::{CarryReason, LaneLine};
use crate::stage::three_way::{Conservation, KindTotals, Row};

/// What one payer pays. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PayerLine {
    /// The payer.
    pub payer: String,
    /// What people call it.
    pub name: String,
    /// Its escrows that are collected from.
    pub escrows: u64,
    /// Collected in this epoch.
    pub collected: u128,
    /// Left in these escrows afterwards.
    pub remaining: u128,
}

/// What one provider receives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProviderLine {
    /// The provider.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// Lanes that pay it now.
    pub lanes: u64,
    /// What these lanes collect.
    pub earned: u128,
    /// What it receives after netting.
    pub received: u128,
    /// What waits.
    pub carried: u128,
    /// Refunds it has given since the lanes opened.
    pub credited: u128,
}

/// One provider's service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GroupLine {
    /// The provider's name.
    pub provider: String,
    /// The rating group.
    pub rating_group: u32,
    /// Lanes that pay for it now.
    pub lanes: u64,
    /// What they collect.
    pub collected: u128,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegLine {
    /// Its number, from 0.
    pub leg: usize,
    /// Who pays.
    pub from: String,
    /// Its name.
    pub from_name: String,
    /// Who is paid.
    pub to: String,
    /// Its name.
    pub to_name: String,
    /// How much.
    pub amount: u128,
}

/// Who approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalLine {
    /// The approver's key.
    pub approver: String,
    /// What people call it.
    pub name: String,
    /// When, Unix seconds.
    pub at: u64,
}

/// What waits, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CarriedLine {
    /// The reason.
    pub reason: CarryReason,
    /// Lanes.
    pub lanes: u64,
    /// How much.
    pub amount: u128,
}

/// How far a journal thread was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CursorLine {
    /// The thread.
    pub thread: u16,
    /// The term under which the hub wrote the last block.
    pub term: u64,
    /// The last block.
    pub sequence: u64,
    /// Its hash.
    pub block_hash: String,
}

/// The epoch in sums. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Collected from escrows.
    pub collected: u128,
    /// Received by participants: by legs, and what the hub keeps as a payee itself.
    pub paid: u128,
    /// Kept on the hub's account because the hub is a payee itself.
    pub kept_by_hub: u128,
    /// What waits.
    pub carried: u128,
    /// Collected before a refund made it too much; later payments use it up.
    pub overpaid: u128,
    /// Authorised on all lanes since they opened.
    pub authorised: u128,
    /// Settled on all lanes since they opened, this epoch included.
    pub settled: u128,
    /// Lanes with anything proven.
    pub lanes: u64,
    /// Positions before netting.
    pub positions: u64,
    /// Their sum.
    pub gross: u128,
    /// Transfers after netting.
    pub legs: u64,
    /// Their sum.
    pub net: u128,
}

/// What was proven in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HourLine {
    /// When it begins, Unix seconds.
    pub begins_at: u64,
    /// By how much all lanes together grew in it.
    pub amount: u128,
}

/// Where a lane stands after the night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// Everything that is payable is collected now.
    Collected,
    /// Some of it is, and some waits.
    CollectedInPart,
    /// All of it waits.
    Waits,
    /// Nothing was payable since the last epoch.
    AtRest,
    /// More was collected than is payable after a refund.
    Overpaid,
}

impl LaneState {
    /// All states, in the order of a statement.
    pub const ALL: [Self; 5] = [Self::Collected, Self::CollectedInPart, Self::Waits, Self::AtRest, Self::Overpaid];

    /// Where a lane with this line stands.
    #[must_use]
    pub const fn of(line: &LaneLine) -> Self {
        match (line.overpaid > 0, line.collect > 0, line.carried > 0) {
            (true, ..) => Self::Overpaid,
            (false, true, false) => Self::Collected,
            (false, true, true) => Self::CollectedInPart,
            (false, false, true) => Self::Waits,
            (false, false, false) => Self::AtRest,
        }
    }

    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Collected => "collected in full",
            Self::CollectedInPart => "collected in part",
            Self::Waits => "waiting",
            Self::AtRest => "at rest",
            Self::Overpaid => "overpaid, refund to use up",
        }
    }
}

/// Lanes in one state. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneStateLine {
    /// The state.
    pub state: LaneState,
    /// Lanes in it.
    pub lanes: u64,
    /// What they collect.
    pub collected: u128,
    /// What waits of them.
    pub carried: u128,
}

/// The three-way reconciliation in sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReconciliationSummary {
    /// Whether every row matches and every sum is conserved.
    pub holds: bool,
    /// By kind of row.
    pub totals: Vec<KindTotals>,
    /// Sums that were taken two ways.
    pub conservation: Vec<Conservation>,
    /// Rows that do not match.
    pub exceptions: Vec<Row>,
    /// Lanes of escrows that nothing can be collected from any more; they are in no row.
    pub lanes_beyond: u64,
}

impl std::fmt::Display for ReconciliationSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lanes, journal and ledger:")?;
        for KindTotals { kind, rows, matched, partial, unmatched, .. } in &self.totals {
            write!(f, " {matched} of {rows} {}s matched", kind.name())?;
            if partial.saturating_add(*unmatched) > 0 {
                write!(f, " ({partial} partial, {unmatched} unmatched)")?;
            }
            f.write_str(",")?;
        }
        let broken = self.conservation.iter().filter(|sum| !sum.holds()).count();
        write!(f, " {} of {} sums conserved", self.conservation.len().saturating_sub(broken), self.conservation.len())
    }
}
