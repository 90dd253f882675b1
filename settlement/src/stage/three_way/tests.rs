//! A night of random lanes that agree, and what one altered figure changes.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId, LaneId};
use proptest::prelude::*;

use super::*;

const HUB: Address = Address([1; 20]);

/// Every table of every side.
#[derive(Debug, Clone)]
struct Tables {
    lanes: Vec<LaneSides>,
    escrows: BTreeMap<EscrowId, Sides>,
    participants: BTreeMap<Address, Sides>,
}

impl Tables {
    fn outcome(&self) -> ThreeWay {
        let mut collation = Collation::new(HUB);
        self.lanes.iter().for_each(|sides| collation.lane(sides));
        collation.finish(self.escrows.clone(), self.participants.clone())
    }
}

/// One lane: escrow, payee, collected before, collected now, what waits, what is paid too much.
type Drawn = (u8, u8, u32, u32, u32, u32);

/// Tables that agree.
fn tables(drawn: &[Drawn]) -> Tables {
    let mut tables = Tables { lanes: Vec::new(), escrows: BTreeMap::new(), participants: BTreeMap::new() };
    for (number, (escrow, payee, before, now, carried, overpaid)) in drawn.iter().enumerate() {
        // A lane that was paid too much has nothing that waits and collects nothing.
        let overpaid = u64::from(*overpaid).min((*before).into());
        let (now, carried) = if overpaid > 0 { (0, 0) } else { (u64::from(*now), u64::from(*carried)) };
        let settled = u64::from(*before) + now;
        let payable = settled + carried - overpaid;
        let (escrow, payee) = (EscrowId([*escrow; 32]), Address([*payee; 20]));
        let mut lane = LaneId([0; 32]);
        lane.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
        tables.lanes.push(LaneSides {
            lane,
            escrow,
            payee,
            line: Some(LineSide { payable, settled, carried, overpaid }),
            proof: Some(ProofSide { payable, collected_before: (*before).into() }),
            ledger: Some(settled),
        });
        let add = |side: &mut Option<i128>, amount: i128| *side = Some(side.unwrap_or_default() + amount);
        let of_escrow = tables.escrows.entry(escrow).or_default();
        add(&mut of_escrow.lanes, settled.into());
        add(&mut of_escrow.ledger, settled.into());
        for (who, amount) in [(payee, i128::from(now)), (HUB, -i128::from(now))] {
            let of_participant = tables.participants.entry(who).or_default();
            add(&mut of_participant.lanes, amount);
            add(&mut of_participant.ledger, amount);
        }
    }
    tables
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let lane = (10_u8..14, 20_u8..24, 0_u32..1_000, 1_u32..1_000, 0..1_000_u32, prop_oneof![Just(0), 1..500_u32]);
    prop::collection::vec(lane, 1..20)
}

fn reported(outcome: &ThreeWay) -> Vec<(RowKind, String)> {
    outcome.exceptions().map(|row| (row.kind, row.id.clone())).collect()
}

/// Alters one figure of one side of lane `place` by `by`; the name of the side, and whether sums over proofs change too.
fn alter_lane(sides: &mut LaneSides, figure: u8, by: u64) -> bool {
    let (Some(line), Some(proof), Some(ledger)) = (&mut sides.line, &mut sides.proof, &mut sides.ledger) else {
        unreachable!("tables are full")
    };
    match figure {
        0 => line.payable += by,
        1 => line.settled += by,
        2 => line.carried += by,
        3 => line.overpaid += by,
        4 => proof.payable += by,
        5 => *ledger += by,
        6 => sides.line = None,
        7 => sides.proof = None,
        _ => sides.ledger = None,
    }
    matches!(figure, 2 | 3 | 4 | 6 | 7)
}

proptest! {
    #[test]
    fn sides_that_agree_match_in_every_row_and_sum(drawn in drawn()) {
        let outcome = tables(&drawn).outcome();
        prop_assert!(outcome.holds(), "{outcome:#?}");
        prop_assert_eq!(outcome.exceptions().count(), 0);
        prop_assert_eq!(outcome.of_kind(RowKind::Lane).rows, drawn.len() as u64);
    }

    #[test]
    fn one_altered_figure_of_a_lane_is_reported_there_and_in_its_sums_alone(
        drawn in drawn(), place in any::<prop::sample::Index>(), figure in 0_u8..9, by in 1_u64..1_000,
    ) {
        let mut tables = tables(&drawn);
        let place = place.index(tables.lanes.len());
        let cascades = alter_lane(&mut tables.lanes[place], figure, by);
        let LaneSides { lane, escrow, payee, .. } = tables.lanes[place];
        let outcome = tables.outcome();
        let found = reported(&outcome);
        prop_assert!(found.contains(&(RowKind::Lane, lane.to_string())), "{figure}: {outcome:#?}");
        prop_assert!(!outcome.holds());
        let mut allowed = vec![(RowKind::Lane, lane.to_string())];
        if cascades {
            allowed.push((RowKind::Escrow, escrow.to_string()));
            allowed.extend([payee, HUB].map(|who| (RowKind::Participant, who.to_string())));
        }
        prop_assert!(found.iter().all(|row| allowed.contains(row)), "{figure}: {found:?}");
    }

    #[test]
    fn one_altered_or_missing_sum_is_reported_alone(
        drawn in drawn(), place in any::<prop::sample::Index>(), of_ledger in any::<bool>(), missing in any::<bool>(),
        escrow in any::<bool>(), by in 1_i128..1_000,
    ) {
        let mut tables = tables(&drawn);
        let alter = |sides: &mut Sides| {
            let side = if of_ledger { &mut sides.ledger } else { &mut sides.lanes };
            let before = side.unwrap_or_default();
            *side = if missing { None } else { Some(before + by) };
            !missing || before != 0
        };
        let (id, shows) = if escrow {
            let id = *tables.escrows.keys().nth(place.index(tables.escrows.len())).unwrap();
            let shows = alter(tables.escrows.get_mut(&id).unwrap());
            ((RowKind::Escrow, id.to_string()), shows || missing)
        } else {
            let id = *tables.participants.keys().nth(place.index(tables.participants.len())).unwrap();
            // Nothing moved is no row, and a row of nothing is the same.
            let shows = alter(tables.participants.get_mut(&id).unwrap());
            ((RowKind::Participant, id.to_string()), shows)
        };
        let outcome = tables.outcome();
        let expected = if shows { vec![id] } else { vec![] };
        prop_assert_eq!(reported(&outcome), expected);
        prop_assert_eq!(outcome.holds(), !shows);
    }
}

#[test]
fn a_row_on_one_side_alone_is_unmatched() {
    let mut tables = tables(&[(10, 20, 0, 5, 0, 0)]);
    let sides = &mut tables.lanes[0];
    (sides.line, sides.ledger) = (None, None);
    let outcome = tables.outcome();
    let row = outcome.exceptions().find(|row| row.kind == RowKind::Lane).unwrap();
    assert_eq!((row.status, row.difference), (Status::Unmatched, 5));
    assert_eq!(row.settled, Sides { lanes: None, journal: Some(5), ledger: None });
}

#[test]
fn two_that_agree_are_partial_and_tell_by_how_much() {
    let mut tables = tables(&[(10, 20, 7, 5, 0, 0)]);
    tables.lanes[0].ledger = Some(9);
    let outcome = tables.outcome();
    let row = outcome.exceptions().next().unwrap();
    assert_eq!((row.status, row.difference), (Status::Partial, 3));
    let totals = outcome.of_kind(RowKind::Lane);
    assert_eq!((totals.rows, totals.partial), (1, 1));
    assert_eq!(totals.settled, Sides { lanes: Some(12), journal: Some(12), ledger: Some(9) });
    let broken: Vec<_> = outcome.conservation.iter().filter(|sum| !sum.holds()).collect();
    assert!(matches!(broken[..], [sum] if sum.what.contains("ledger") && (sum.one, sum.other) == (9, 12)));
}
