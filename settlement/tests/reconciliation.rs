//! A night whose lanes, journal and ledger are compared, and what is reported where one of them says something else.
#![allow(clippy::unwrap_used)]

mod world;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::LaneId;
use farthing_ledger::{LedgerError, LedgerReader, LedgerView};
use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::{EpochOutputs, RunOptions};
use farthing_settlement::stage::Stage;
use farthing_settlement::stage::reconcile::{Opening, Settled, reconcile};
use farthing_settlement::stage::three_way::{RowKind, Status, ThreeWay};
use farthing_settlement::text::TokenFormat;
use farthing_settlement::verify::verify_folder;
use world::{World, day, settle};

/// A ledger that tells another total for one lane.
#[derive(Debug)]
struct Lies {
    reader: LedgerReader,
    about: Option<(LaneId, u64)>,
}

impl LedgerView for Lies {
    fn reader(&self) -> &LedgerReader {
        &self.reader
    }

    fn lanes_settled(&self, lanes: &[LaneId]) -> Result<Vec<u64>, LedgerError> {
        let mut settled = self.reader.lanes_settled(lanes)?;
        for (lane, total) in lanes.iter().zip(&mut settled) {
            *total = self.about.filter(|(about, _)| about == lane).map_or(*total, |(_, told)| told);
        }
        Ok(settled)
    }
}

/// A night that the ledger has carried out, and that is not closed.
fn carried_out() -> (World, EpochOutputs) {
    let mut world = World::new(2);
    day(&mut world);
    let book = world.book();
    let night = world.night(&book);
    let stop = RunOptions { stop_after: Some(Stage::Reconciliation), ..RunOptions::default() };
    night.run(&stop).unwrap();
    night.approve(&world.approvers[0], None).unwrap();
    night.approve(&world.approvers[1], None).unwrap();
    night.run(&stop).unwrap();
    let outputs = night.outputs(1).unwrap().unwrap();
    drop(book);
    (world, outputs)
}

fn compare(world: &World, outputs: &EpochOutputs, about: Option<(LaneId, u64)>) -> ThreeWay {
    let book = world.book();
    let (_, bytes) = book.stage(1, Stage::Opening).unwrap().unwrap();
    let opening: Opening = serde_json::from_slice(&bytes).unwrap();
    let EpochOutputs { cut_off, positions, netting, proposal, .. } = outputs;
    let ledger = Lies { reader: world.ledger.reader().clone(), about };
    let settled = Settled { cut_off, positions, netting, proposal };
    reconcile(&book, &ledger, settled, &opening).unwrap().three_way.unwrap()
}

fn reported(sides: &ThreeWay) -> Vec<(RowKind, Status, u128)> {
    sides.exceptions().map(|row| (row.kind, row.status, row.difference)).collect()
}

#[test]
fn a_night_matches_in_every_row_and_both_ways() {
    let (world, outputs) = carried_out();
    let sides = compare(&world, &outputs, None);
    assert!(sides.holds(), "{sides:#?}");
    assert_eq!(Some(&sides), outputs.three_way(), "what was kept is the same");
    let lanes = sides.of_kind(RowKind::Lane);
    assert_eq!((lanes.rows, lanes.matched, lanes.settled.lanes), (3, 3, Some(1_473)));
    assert_eq!(sides.of_kind(RowKind::Escrow).settled.ledger, Some(1_473));
    // The hub pays two providers.
    assert_eq!(sides.of_kind(RowKind::Participant).rows, 3);
    assert!(sides.conservation.len() >= 10);
}

#[test]
fn a_lane_that_the_ledger_settled_otherwise_is_partial() {
    let (world, outputs) = carried_out();
    let lane = outputs.positions.lanes[0].lane;
    let told = outputs.positions.lanes[0].total() + 4;
    let sides = compare(&world, &outputs, Some((lane, told)));
    assert_eq!(reported(&sides), [(RowKind::Lane, Status::Partial, 4)]);
    assert_eq!(sides.exceptions().next().unwrap().id, lane.to_string());
    let broken: Vec<_> = sides.conservation.iter().filter(|sum| !sum.holds()).map(|sum| &sum.what).collect();
    assert!(matches!(broken[..], [what] if what.contains("ledger")), "{broken:?}");
}

#[test]
fn a_line_that_was_altered_or_lost_is_reported() {
    let (world, mut outputs) = carried_out();
    outputs.positions.lanes[1].collect += 1;
    let sides = compare(&world, &outputs, None);
    assert_eq!(reported(&sides), [(RowKind::Lane, Status::Partial, 1)]);
    let lost = outputs.positions.lanes.remove(1);
    let sides = compare(&world, &outputs, None);
    assert_eq!(reported(&sides)[0].0, RowKind::Lane);
    assert_eq!(sides.exceptions().next().unwrap().id, lost.lane.to_string());
    assert_eq!(sides.exceptions().next().unwrap().settled.lanes, None);
}

#[test]
fn a_proof_that_does_not_hold_any_more_is_worth_nothing() {
    let (world, outputs) = carried_out();
    let (first, second) = (outputs.positions.lanes[0].lane, outputs.positions.lanes[1].lane);
    let book = world.book();
    let mut row = book.lane(&first).unwrap().unwrap();
    row.proven = book.lane(&second).unwrap().unwrap().proven;
    let writer = book.write().unwrap();
    writer.put_encoded_lanes(&[(first, encode_to_vec(&row))]).unwrap();
    writer.commit().unwrap();
    drop(book);
    let sides = compare(&world, &outputs, None);
    let kinds: Vec<_> = reported(&sides).iter().map(|(kind, ..)| *kind).collect();
    // The lane, and what its proof is part of the sum of: its escrow, its payee, and the hub that pays.
    assert_eq!(kinds, [RowKind::Escrow, RowKind::Participant, RowKind::Participant, RowKind::Lane]);
    assert!(!sides.holds());
}

#[test]
fn the_folder_tells_every_row_and_shows_a_changed_one() {
    let mut world = World::new(2);
    day(&mut world);
    settle(&world);
    let book = world.book();
    let outputs = world.night(&book).outputs(1).unwrap().unwrap();
    let folder = epoch_folder(&world.settlement(), 1);
    let token = TokenFormat { decimals: 6, symbol: "EUR".into() };
    write_folder(&folder, &book, &outputs, &world.whose(&outputs), &token).unwrap();
    assert!(verify_folder(&folder).unwrap().holds);
    let path = folder.join(FileNames::RECONCILIATION);
    let text = std::fs::read_to_string(&path).unwrap();
    let kinds: Vec<_> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(kinds, ["escrow", "participant", "participant", "participant", "lane", "lane", "lane"]);
    assert!(text.lines().skip(1).all(|line| line.contains(",matched,")));
    std::fs::write(&path, text.replacen("1473", "1474", 1)).unwrap();
    assert!(!verify_folder(&folder).unwrap().holds);
}
