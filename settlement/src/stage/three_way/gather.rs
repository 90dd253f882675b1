//! The three sides, from where each is kept: the approved positions, the book's proofs, the ledger.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::sign::{LibSecp, verify_typed};
use farthing_ledger::{LedgerError, LedgerView};

use super::{Collation, LaneSides, LineSide, ProofSide, Sides, ThreeWay};
use crate::book::{Book, BookError, LaneRow};
use crate::evidence::{LaneKeys, worth};
use crate::netting::{Net, Netting};
use crate::stage::cut_off::CutOff;
use crate::stage::positions::{LaneLine, Positions};
use crate::stage::reconcile::Settled;

/// Lanes that the ledger is asked for at once.
const LANES_PER_READ: usize = 4_096;

/// Why the sides could not be gathered. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Gathers the sides of an epoch that the ledger has carried out and that is not closed yet: the book's proofs are those
/// of its cut-off. `transferred` is what the proposal's transfers brought each account by the ledger's log.
///
/// # Errors
/// [`ReconcileError`].
pub fn three_way(
    book: &Book,
    ledger: &dyn LedgerView,
    settled: &Settled<'_>,
    transferred: &BTreeMap<Address, i128>,
) -> Result<ThreeWay, ReconcileError> {
    let Settled { cut_off, positions, netting, .. } = *settled;
    let lines = &positions.lanes;
    let mut by_lane: Vec<usize> = (0..lines.len()).collect();
    by_lane.sort_unstable_by_key(|place| lines.get(*place).map(|line| line.lane));
    let sources =
        Sources { book, cut_off, lines, by_lane, payers: payers(ledger, cut_off)?, domain: ledger.identity().domain() };
    let (proofs, strays) = sources.proofs()?;
    let settled = lanes_settled(ledger, lines)?;
    let mut collation = Collation::new(cut_off.hub);
    for (line, (proof, ledger)) in lines.iter().zip(proofs.into_iter().zip(settled)) {
        if !cut_off.ledger.is_collectable(&line.escrow) {
            collation.lane_beyond();
            continue;
        }
        let LaneLine { lane, escrow, payee, .. } = *line;
        collation.lane(&LaneSides { lane, escrow, payee, line: Some(line_side(line)), proof, ledger: Some(ledger) });
    }
    for mut stray in strays {
        stray.ledger = Some(ledger.lane_settled(&stray.lane)?);
        collation.lane(&stray);
    }
    for obligation in &positions.obligations {
        let owed = obligation.position();
        collation.owes(owed.debtor, owed.creditor, signed(owed.amount));
    }
    Ok(collation.finish(escrows(ledger, cut_off, positions)?, participants(netting, transferred)))
}

/// Amounts are sums of 64-bit numbers, fewer than 2^63 of them.
fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap_or(i128::MAX)
}

fn line_side(line: &LaneLine) -> LineSide {
    LineSide {
        payable: line.authorised.saturating_sub(line.credited),
        settled: line.total(),
        carried: line.carried,
        overpaid: line.overpaid,
    }
}

/// Whose signature counts on the lanes of lone payers.
fn payers(ledger: &dyn LedgerView, cut_off: &CutOff) -> Result<BTreeMap<EscrowId, Address>, LedgerError> {
    let mut payers = BTreeMap::new();
    for facts in &cut_off.ledger.escrows {
        let signer = ledger.escrow(&facts.escrow)?.map_or(facts.signer, |escrow| escrow.signer());
        payers.insert(facts.escrow, signer);
    }
    Ok(payers)
}

fn lanes_settled(ledger: &dyn LedgerView, lines: &[LaneLine]) -> Result<Vec<u64>, LedgerError> {
    let mut settled = Vec::with_capacity(lines.len());
    for part in lines.chunks(LANES_PER_READ) {
        let ids: Vec<LaneId> = part.iter().map(|line| line.lane).collect();
        settled.extend(ledger.lanes_settled(&ids)?);
    }
    Ok(settled)
}

/// Every escrow with lanes that can be collected from: what was approved, and what the ledger says now.
fn escrows(
    ledger: &dyn LedgerView,
    cut_off: &CutOff,
    positions: &Positions,
) -> Result<BTreeMap<EscrowId, Sides>, LedgerError> {
    let mut sides: BTreeMap<EscrowId, Sides> = BTreeMap::new();
    for of_escrow in positions.lanes.chunk_by(|a, b| a.escrow == b.escrow) {
        let of_lane = of_escrow.first().filter(|line| cut_off.ledger.is_collectable(&line.escrow));
        let Some(facts) = of_lane.and_then(|line| cut_off.ledger.escrow(&line.escrow)) else { continue };
        let draw = positions.draws.iter().find(|draw| draw.escrow == facts.escrow);
        let approved = draw.map_or(facts.settled, |draw| draw.settled_after);
        let found = ledger.escrow(&facts.escrow)?.map(|escrow| i128::from(escrow.settled));
        sides.insert(facts.escrow, Sides { lanes: Some(approved.into()), journal: None, ledger: found });
    }
    Ok(sides)
}

fn participants(netting: &Netting, transferred: &BTreeMap<Address, i128>) -> BTreeMap<Address, Sides> {
    let mut sides: BTreeMap<Address, Sides> = BTreeMap::new();
    for (who, net) in &netting.nets.0 {
        let amount = match net {
            Net::Owes(amount) => signed(*amount).saturating_neg(),
            Net::IsOwed(amount) => signed(*amount),
            Net::Even => 0,
        };
        sides.entry(*who).or_default().lanes = Some(amount);
    }
    for (who, amount) in transferred {
        sides.entry(*who).or_default().ledger = Some(*amount);
    }
    sides
}

/// Each line's proof, in the order of the lines, and lanes of the book that have no line.
type Proofs = (Vec<Option<ProofSide>>, Vec<LaneSides>);

struct Sources<'a> {
    book: &'a Book,
    cut_off: &'a CutOff,
    lines: &'a [LaneLine],
    /// Places of lines by lane.
    by_lane: Vec<usize>,
    payers: BTreeMap<EscrowId, Address>,
    domain: Domain,
}

impl Sources<'_> {
    fn place(&self, lane: &LaneId) -> Option<usize> {
        let line = |place: &usize| self.lines.get(*place).map(|line| line.lane);
        let found = self.by_lane.binary_search_by(|place| line(place).cmp(&Some(*lane))).ok()?;
        self.by_lane.get(found).copied()
    }

    /// Checks every proof of the book again, on all processors.
    fn proofs(&self) -> Result<Proofs, BookError> {
        type Part = (Vec<(usize, ProofSide)>, Vec<LaneSides>);
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let firsts: Vec<u8> = (0..=u8::MAX).collect();
        let read = |bytes: &[u8]| -> Result<Part, BookError> {
            let (mut found, mut strays) = Part::default();
            if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
                self.book.each_lane_between(*first, *last, |row| {
                    let proof = self.prove(&row);
                    match self.place(&row.image.lane) {
                        Some(place) => found.push((place, proof)),
                        None => strays.extend(self.stray(&row, proof)),
                    }
                    Ok(())
                })?;
            }
            Ok((found, strays))
        };
        thread::scope(|scope| {
            let share = firsts.len().div_ceil(workers);
            let parts: Vec<_> = firsts.chunks(share).map(|bytes| scope.spawn(move || read(bytes))).collect();
            let (mut proofs, mut strays) = (vec![None; self.lines.len()], Vec::new());
            for part in parts {
                let (found, of_part) = part.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                for (place, proof) in found {
                    if let Some(slot) = proofs.get_mut(place) {
                        *slot = Some(proof);
                    }
                }
                strays.extend(of_part);
            }
            Ok((proofs, strays))
        })
    }

    /// What a lane's proofs are worth. One that does not hold is worth nothing.
    fn prove(&self, row: &LaneRow) -> ProofSide {
        let (image, domain) = (&row.image, &self.domain);
        let lone = image.lane == LaneId::of_escrow(&image.escrow);
        // The zero address has no key, so nothing holds on the lane of an escrow that nobody knows.
        let payer = if lone { self.payers.get(&image.escrow).copied().unwrap_or(Address::ZERO) } else { image.device };
        let keys = LaneKeys { domain, payer };
        let proven = row.proven.as_ref().and_then(|proof| worth(&keys, &LibSecp, &image.lane, proof).ok());
        let proven = proven.map_or(0, |total| total.amount());
        let credited = row.report.as_ref().filter(|report| {
            let signature = report.signature.check();
            signature.is_ok_and(|s| verify_typed(&LibSecp, domain, &report.typed(), &s, &image.payee).is_ok())
        });
        let credited = credited.map_or(0, |report| report.credited);
        ProofSide { payable: proven.saturating_sub(credited), collected_before: row.collected }
    }

    /// A lane of the book that has no line and should have one: something is proven on it, or was collected.
    fn stray(&self, row: &LaneRow, proof: ProofSide) -> Option<LaneSides> {
        let claimed = row.to_proof().total().amount();
        let LaneRow { image, collected, .. } = row;
        let counts = (claimed > 0 || *collected > 0) && self.cut_off.ledger.is_collectable(&image.escrow);
        counts.then_some(LaneSides {
            lane: image.lane,
            escrow: image.escrow,
            payee: image.payee,
            line: None,
            proof: Some(proof),
            ledger: None,
        })
    }
}
