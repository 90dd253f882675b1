//! Lanes one after another, and the sums of what the journal says beside what the other sides say.

use std::collections::BTreeMap;
use std::fmt::Display;

use farthing_channel::id::{Address, EscrowId, LaneId};

use super::{KindTotals, Payable, Row, RowKind, Sides, Status, ThreeWay};

/// What the approved line of a lane says. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSide {
    /// Authorised less credited.
    pub payable: u64,
    /// Collected before and now.
    pub settled: u64,
    /// Held back by a rule.
    pub carried: u64,
    /// Collected before a refund made it too much.
    pub overpaid: u64,
}

/// What a lane's proofs from the journal come to. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofSide {
    /// Proven less refunds.
    pub payable: u64,
    /// Collected in epochs that were closed before.
    pub collected_before: u64,
}

/// One lane as each side has it.
#[derive(Debug, Clone, Copy)]
pub struct LaneSides {
    /// The lane.
    pub lane: LaneId,
    /// Its escrow.
    pub escrow: EscrowId,
    /// Whom it pays.
    pub payee: Address,
    /// Its line.
    pub line: Option<LineSide>,
    /// Its proofs.
    pub proof: Option<ProofSide>,
    /// What the ledger has settled of it.
    pub ledger: Option<u64>,
}

impl LaneSides {
    /// What the proofs say is settled: all that is payable, but what waits, and what was collected too much.
    fn settled_by_proof(&self) -> Option<i128> {
        let proof = self.proof?;
        let (carried, overpaid) = self.line.map_or((0, 0), |line| (line.carried, line.overpaid));
        Some(i128::from(proof.payable).saturating_sub(carried.into()).saturating_add(overpaid.into()))
    }

    fn row(&self) -> Row {
        let settled = Sides {
            lanes: self.line.map(|line| line.settled.into()),
            journal: self.settled_by_proof(),
            ledger: self.ledger.map(i128::from),
        };
        let payable = |amount: Option<u64>| i128::from(amount.unwrap_or_default());
        Row::of(RowKind::Lane, &self.lane, settled).with_payable(Payable {
            lanes: payable(self.line.map(|line| line.payable)),
            journal: payable(self.proof.map(|proof| proof.payable)),
        })
    }
}

/// Takes lanes one by one, so that a million of them need no second copy, and sums up what else the journal says.
#[derive(Debug)]
pub struct Collation {
    lanes: KindTotals,
    rows: Vec<Row>,
    escrows: BTreeMap<EscrowId, i128>,
    participants: BTreeMap<Address, i128>,
    hub: Address,
    lanes_beyond: u64,
}

impl Collation {
    /// Before the first lane of `hub`.
    #[must_use]
    pub fn new(hub: Address) -> Self {
        Self {
            lanes: KindTotals::none(RowKind::Lane),
            rows: Vec::new(),
            escrows: BTreeMap::new(),
            participants: BTreeMap::new(),
            hub,
            lanes_beyond: 0,
        }
    }

    /// Takes a lane.
    pub fn lane(&mut self, sides: &LaneSides) {
        let row = sides.row();
        self.lanes.add(&row);
        let settled = row.settled.journal.unwrap_or_default();
        let of_escrow = self.escrows.entry(sides.escrow).or_default();
        *of_escrow = of_escrow.saturating_add(settled);
        let before = sides.proof.map_or(0, |proof| i128::from(proof.collected_before));
        let grown = settled.saturating_sub(before);
        // The payer owes the payee what the lane grew by, and is owed it by the hub, which draws it from the deposit.
        self.owes(self.hub, sides.payee, grown);
        if row.status != Status::Matched {
            self.rows.push(row);
        }
    }

    /// Takes a lane whose escrow nothing can be collected from any more.
    pub fn lane_beyond(&mut self) {
        self.lanes_beyond = self.lanes_beyond.saturating_add(1);
    }

    /// What one participant owes another, whatever for.
    pub fn owes(&mut self, debtor: Address, creditor: Address, amount: i128) {
        let owed = self.participants.entry(creditor).or_default();
        *owed = owed.saturating_add(amount);
        let owing = self.participants.entry(debtor).or_default();
        *owing = owing.saturating_sub(amount);
    }

    /// The outcome, given what lanes and ledger say of escrows and participants.
    #[must_use]
    pub fn finish(self, escrows: BTreeMap<EscrowId, Sides>, participants: BTreeMap<Address, Sides>) -> ThreeWay {
        let of_escrows = joined(RowKind::Escrow, self.escrows, escrows);
        let mut of_participants = joined(RowKind::Participant, self.participants, participants);
        let moves = |row: &Row| [row.settled.lanes, row.settled.journal, row.settled.ledger] != [Some(0); 3];
        of_participants.retain(moves);
        let mut totals = vec![self.lanes, KindTotals::none(RowKind::Escrow), KindTotals::none(RowKind::Participant)];
        let rows: Vec<Row> = of_escrows.into_iter().chain(of_participants).chain(self.rows).collect();
        for row in &rows {
            // Lanes were counted when they came: most of them are in no row.
            if let Some(sum) = totals.iter_mut().find(|sum| sum.kind == row.kind && row.kind != RowKind::Lane) {
                sum.add(row);
            }
        }
        let mut outcome = ThreeWay { totals, rows, conservation: Vec::new(), lanes_beyond: self.lanes_beyond };
        outcome.conserve_rows();
        outcome
    }
}

/// The journal's sums beside what the other sides say. Who is missing on a side of participants moves nothing there.
fn joined<K: Ord + Display>(kind: RowKind, journal: BTreeMap<K, i128>, others: BTreeMap<K, Sides>) -> Vec<Row> {
    let mut sides = others;
    for (key, amount) in journal {
        sides.entry(key).or_default().journal = Some(amount);
    }
    let row = |(key, mut of_key): (K, Sides)| {
        if kind == RowKind::Participant {
            for side in [&mut of_key.lanes, &mut of_key.journal, &mut of_key.ledger] {
                side.get_or_insert_default();
            }
        }
        Row::of(kind, &key, of_key)
    };
    sides.into_iter().map(row).collect()
}
