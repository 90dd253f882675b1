//! Three-way reconciliation: the same money as three sides tell it, each from its own source.
//!
//! | side | lane | escrow | participant |
//! | --- | --- | --- | --- |
//! | lanes | the line that was approved | what its batch was to settle | its balance in the netting |
//! | journal | its proof from the journal, every signature checked again | sum of its lanes' proofs | sum of its lanes' proofs |
//! | ledger | the total the ledger keeps | what the ledger has settled | the transfers in the ledger's log |
//!
//! An amount is what is settled since opening, for a participant what the epoch's transfers move. A proof says what is
//! payable; what a named rule holds back of it waits, so the journal's amount is the proof less refunds, less what waits,
//! and more by what was collected before a refund made it too much. What is payable is compared by itself, so every
//! figure of a line is part of some comparison.
//!
//! Rows are **matched** where all sides have the same amount, **partial** where two do, **unmatched** where none agree.
//! Besides, each side's sums are taken a second way and have to be equal: [`Conservation`].

use std::fmt::Display;

use farthing_channel::id::LaneId;
use serde::{Deserialize, Serialize};

mod collation;
mod gather;
#[cfg(test)]
mod tests;

pub use collation::{Collation, LaneSides, LineSide, ProofSide};
pub use gather::{ReconcileError, three_way};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// A lane.
    Lane,
    /// An escrow.
    Escrow,
    /// An account that transfers move money of.
    Participant,
}

impl RowKind {
    /// All kinds, in their order.
    pub const ALL: [Self; 3] = [Self::Lane, Self::Escrow, Self::Participant];

    /// For tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Escrow => "escrow",
            Self::Participant => "participant",
        }
    }
}

/// Whether the sides agree on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All do.
    Matched,
    /// Two do; or all do on what is settled, and not on what is payable.
    Partial,
    /// No two do.
    Unmatched,
}

impl Status {
    /// For tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Partial => "partial",
            Self::Unmatched => "unmatched",
        }
    }
}

/// An amount as each side has it, base units; `None` where a side has no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sides {
    /// What was approved.
    pub lanes: Option<i128>,
    /// What the proofs say.
    pub journal: Option<i128>,
    /// What the ledger says.
    pub ledger: Option<i128>,
}

impl Sides {
    fn all(&self) -> [Option<i128>; 3] {
        [self.lanes, self.journal, self.ledger]
    }

    /// Whether the sides agree.
    #[must_use]
    pub fn status(&self) -> Status {
        let agree = |one: Option<i128>, other: Option<i128>| one.is_some() && one == other;
        let [lanes, journal, ledger] = self.all();
        match (agree(lanes, journal), agree(journal, ledger), agree(lanes, ledger)) {
            (true, true, true) => Status::Matched,
            (false, false, false) => Status::Unmatched,
            _ => Status::Partial,
        }
    }

    /// The greatest amount less the least; a side without the row counts as zero.
    #[must_use]
    pub fn difference(&self) -> u128 {
        let amounts = self.all().map(Option::unwrap_or_default);
        let greatest = amounts.iter().max().copied().unwrap_or_default();
        amounts.iter().min().map_or(0, |least| greatest.abs_diff(*least))
    }

    fn add(&mut self, other: &Self) {
        let plus = |sum: &mut Option<i128>, part: Option<i128>| {
            *sum = Some(sum.unwrap_or_default().saturating_add(part.unwrap_or_default()));
        };
        plus(&mut self.lanes, other.lanes);
        plus(&mut self.journal, other.journal);
        plus(&mut self.ledger, other.ledger);
    }
}

/// One row. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What it is about.
    pub kind: RowKind,
    /// Which one.
    pub id: String,
    /// Settled since opening; for a participant what the epoch's transfers bring it, negative where it pays.
    pub settled: Sides,
    /// What is proven less refunds, of a lane; the ledger has no such figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payable: Option<Payable>,
    /// Whether the sides agree.
    pub status: Status,
    /// By how much they do not.
    pub difference: u128,
}

/// What is payable on a lane since opening, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payable {
    /// As the line says.
    pub lanes: i128,
    /// As the proofs say.
    pub journal: i128,
}

impl Row {
    fn of(kind: RowKind, id: &impl Display, settled: Sides) -> Self {
        let (status, difference) = (settled.status(), settled.difference());
        Self { kind, id: id.to_string(), settled, payable: None, status, difference }
    }

    fn with_payable(mut self, payable: Payable) -> Self {
        let gap = payable.lanes.abs_diff(payable.journal);
        if gap > 0 && self.status == Status::Matched {
            self.status = Status::Partial;
        }
        self.difference = self.difference.max(gap);
        self.payable = Some(payable);
        self
    }

    /// The row of a lane on which everybody agrees with its line.
    #[must_use]
    pub fn matched_lane(lane: &LaneId, settled: u64, payable: u64) -> Self {
        let amount = Some(i128::from(settled));
        let sides = Sides { lanes: amount, journal: amount, ledger: amount };
        Self::of(RowKind::Lane, lane, sides).with_payable(Payable { lanes: payable.into(), journal: payable.into() })
    }
}

/// The rows of one kind together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindTotals {
    /// Of which kind.
    pub kind: RowKind,
    /// Rows.
    pub rows: u64,
    /// Those on which all sides agree.
    pub matched: u64,
    /// Those on which two do.
    pub partial: u64,
    /// Those on which none do.
    pub unmatched: u64,
    /// Sums, base units.
    pub settled: Sides,
}

impl KindTotals {
    fn none(kind: RowKind) -> Self {
        Self { kind, rows: 0, matched: 0, partial: 0, unmatched: 0, settled: Sides::default() }
    }

    fn add(&mut self, row: &Row) {
        self.rows = self.rows.saturating_add(1);
        let count = match row.status {
            Status::Matched => &mut self.matched,
            Status::Partial => &mut self.partial,
            Status::Unmatched => &mut self.unmatched,
        };
        *count = count.saturating_add(1);
        self.settled.add(&row.settled);
    }
}

/// One sum, taken two ways. Base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conservation {
    /// What it is the sum of.
    pub what: String,
    /// One way.
    pub one: i128,
    /// The other.
    pub other: i128,
}

impl Conservation {
    /// Whether both ways lead to the same.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.one == self.other
    }
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreeWay {
    /// By kind.
    pub totals: Vec<KindTotals>,
    /// Every escrow and participant, and the lanes that do not match; all other lanes match their lines.
    pub rows: Vec<Row>,
    /// The sums that were taken a second way.
    pub conservation: Vec<Conservation>,
    /// Lanes of escrows that nothing can be collected from any more; they are in no row.
    pub lanes_beyond: u64,
}

impl ThreeWay {
    /// Whether every row matches and every sum is conserved: what an exit code tells.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.totals.iter().all(|kind| kind.matched == kind.rows) && self.conservation.iter().all(Conservation::holds)
    }

    /// The rows that do not match.
    pub fn exceptions(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.status != Status::Matched)
    }

    /// The sums of one kind.
    #[must_use]
    pub fn of_kind(&self, kind: RowKind) -> KindTotals {
        self.totals.iter().find(|totals| totals.kind == kind).copied().unwrap_or_else(|| KindTotals::none(kind))
    }
}

impl ThreeWay {
    /// Lanes sum to their escrows, and transfers to nothing, on each side.
    fn conserve_rows(&mut self) {
        let [lanes, escrows, participants] = RowKind::ALL.map(|kind| self.of_kind(kind).settled.all());
        for (side, (of_lanes, of_escrows)) in ["lanes", "journal", "ledger"].iter().zip(lanes.iter().zip(&escrows)) {
            let what = format!("settled by lanes, and by their escrows ({side})");
            self.conserve(&what, of_lanes.unwrap_or_default(), of_escrows.unwrap_or_default());
        }
        for (side, moved) in ["lanes", "journal", "ledger"].iter().zip(participants) {
            let what = format!("moved by transfers in all, which is nothing ({side})");
            self.conserve(&what, moved.unwrap_or_default(), 0);
        }
    }

    /// Adds a sum that was taken two ways.
    pub fn conserve(&mut self, what: &str, one: i128, other: i128) {
        self.conservation.push(Conservation { what: what.to_owned(), one, other });
    }
}
