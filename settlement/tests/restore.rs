//! Nights after a loss: the hub's journal or settlement's books come from a backup, or are gone.
#![allow(clippy::unwrap_used)]

mod world;

use farthing_channel::record::Record;
use farthing_channel::sign::Signer as _;
use farthing_ledger::LedgerView as _;
use farthing_settlement::ingest::IngestError;
use farthing_settlement::journal_reader::JournalError;
use farthing_settlement::night::{NightError, Progress, RunOptions};
use world::{Journal, NOW, World, day, settle, settle_with};

const CONFIRMED: RunOptions = RunOptions { confirm_restore: true, stop_after: None };

/// Why a run does not settle from the journal.
fn refused(world: &World, options: &RunOptions) -> JournalError {
    let book = world.book();
    match world.night(&book).run(options) {
        Err(NightError::Ingest(IngestError::Journal(error))) => error,
        other => panic!("a refused journal was expected: {other:?}"),
    }
}

fn balances(world: &World) -> [u64; 2] {
    [0, 1].map(|provider| world.balance(world.providers[provider].address()))
}

/// Term and sequence of the block up to which the ledger has settled.
fn settled_to(world: &World) -> (u64, u64) {
    let closed = world.ledger.epoch_last(&world.hub.address()).unwrap().unwrap();
    (closed.cursors[0].term, closed.cursors[0].sequence)
}

#[test]
fn a_shorter_journal_is_settled_again_under_a_higher_term() {
    let mut world = World::new(2);
    let early = world.journal.copy();
    let lanes = day(&mut world);
    let backup = world.journal.copy();
    world.journal.write(&[world.voucher(&lanes[0], 1_600)]);
    world.journal.write(&[world.voucher(&lanes[0], 1_700)]);
    settle(&world);
    assert_eq!((settled_to(&world), balances(&world)), ((1, 5), [1_700 - 200 + 123, 50]));
    // An older copy is put back; nobody has started the hub on it, so a confirmation alone is not enough.
    world.journal.put_back(&backup);
    assert!(matches!(refused(&world, &RunOptions::default()), JournalError::Restored { sequence: 5, .. }));
    assert!(matches!(refused(&world, &CONFIRMED), JournalError::Behind { term: 1, sequence: 5, .. }));
    // The hub takes it over; one device shows again what it had paid, one has paid on meanwhile.
    world.journal.begin_term(2);
    assert!(matches!(refused(&world, &RunOptions::default()), JournalError::Restored { sequence: 5, .. }));
    world.journal.write(&[world.voucher(&lanes[0], 1_700), world.voucher(&lanes[1], 90)]);
    assert_eq!(settle_with(&world, &CONFIRMED), 2);
    assert_eq!((settled_to(&world), balances(&world)), ((2, 5), [1_700 - 200 + 123, 90]));
    // From then on nights are as before, until it happens again with a still older copy.
    world.journal.write(&[world.voucher(&lanes[0], 1_750)]);
    assert_eq!(settle(&world), 3);
    assert_eq!((settled_to(&world), balances(&world)), ((2, 6), [1_750 - 200 + 123, 90]));
    world.journal.put_back(&early);
    world.journal.begin_term(3);
    assert!(matches!(refused(&world, &RunOptions::default()), JournalError::Restored { sequence: 6, .. }));
    let opening: Vec<_> = lanes.iter().map(|lane| Record::Lane(lane.image)).collect();
    world.journal.write(&opening);
    world.journal.write(&[world.voucher(&lanes[0], 1_000), world.voucher(&lanes[1], 100)]);
    assert_eq!(settle_with(&world, &CONFIRMED), 4);
    assert_eq!((settled_to(&world), balances(&world)), ((3, 3), [1_750 - 200 + 123, 100]));
    assert_eq!(world.balance(world.hub.address()), 0);
    world.ledger.audit().unwrap();
}

#[test]
fn a_restore_is_confirmed_once_even_when_nothing_is_to_be_paid() {
    let mut world = World::new(2);
    let early = world.journal.copy();
    let lanes = day(&mut world);
    settle(&world);
    world.journal.put_back(&early);
    world.journal.begin_term(2);
    {
        let book = world.book();
        let night = world.night(&book);
        assert_eq!(night.run(&CONFIRMED).unwrap(), Progress::NothingToSettle);
        assert_eq!(night.run(&RunOptions::default()).unwrap(), Progress::NothingToSettle);
    }
    world.journal.write(&[Record::Lane(lanes[0].image), world.voucher(&lanes[0], 1_500)]);
    world.journal.write(&[world.voucher(&lanes[0], 1_501)]);
    assert_eq!(settle(&world), 2);
    assert_eq!((settled_to(&world), balances(&world)), ((2, 3), [1_501 - 200 + 123, 50]));
}

#[test]
fn older_books_learn_what_later_nights_collected() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    settle(&world);
    let book = std::fs::read(farthing_settlement::night::book_path(&world.settlement())).unwrap();
    world.journal.write(&[world.voucher(&lanes[0], 1_600)]);
    settle(&world);
    std::fs::write(farthing_settlement::night::book_path(&world.settlement()), book).unwrap();
    world.journal.write(&[world.voucher(&lanes[0], 1_610)]);
    assert!(matches!(refused(&world, &RunOptions::default()), JournalError::BooksLost { epoch: 2 }));
    assert_eq!(settle_with(&world, &CONFIRMED), 3);
    assert_eq!(balances(&world), [1_610 - 200 + 123, 50]);
    world.ledger.audit().unwrap();
}

#[test]
fn another_journal_is_refused_until_confirmed_and_lowers_nothing() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    settle(&world);
    // The backup: the same site with a journal that took another way after its first block.
    let path = world.journal.directory.clone();
    std::fs::remove_dir_all(&path).unwrap();
    world.journal = Journal::new(&path, world.hub.address());
    let opening: Vec<_> = lanes.iter().map(|lane| Record::Lane(lane.image)).collect();
    world.journal.write(&opening);
    world.journal.write(&[world.voucher(&lanes[0], 1_000)]);
    world.journal.write(&[world.voucher(&lanes[0], 1_700)]);
    {
        let book = world.book();
        let confirmed = RunOptions { confirm_restore: true, ..RunOptions::default() };
        let refused = world.night(&book).run(&confirmed);
        let Err(NightError::Ingest(IngestError::Journal(error))) = refused else { panic!("{refused:?}") };
        let behind = matches!(error, JournalError::Behind { term: 1, sequence: 3, .. });
        assert!(behind, "within a term the ledger's cursors never go back: {error}");
    }
    world.journal.write(&[world.voucher(&lanes[0], 1_650)]);
    {
        let book = world.book();
        let refused = world.night(&book).run(&RunOptions::default());
        let Err(NightError::Ingest(IngestError::Journal(error))) = refused else { panic!("{refused:?}") };
        assert!(matches!(error, JournalError::Restored { sequence: 3, .. }));
        let confirmed = RunOptions { confirm_restore: true, ..RunOptions::default() };
        let progress = world.night(&book).run(&confirmed).unwrap();
        assert!(matches!(progress, Progress::NeedsApprovals { epoch: 2, .. }));
        world.night(&book).approve(&world.approvers[0], None).unwrap();
        world.night(&book).approve(&world.approvers[1], None).unwrap();
        world.night(&book).run(&RunOptions::default()).unwrap();
    }
    assert_eq!(world.balance(world.providers[0].address()), 1_700 - 200 + 123);
    assert_eq!(world.balance(world.providers[1].address()), 50);
}

#[test]
fn lost_books_learn_from_the_ledger_what_was_collected() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    settle(&world);
    std::fs::remove_dir_all(world.settlement()).unwrap();
    world.journal.write(&[world.voucher(&lanes[0], 1_800)]);
    let book = world.book();
    let night = world.night(&book);
    let refused = night.run(&RunOptions::default());
    assert!(matches!(refused, Err(NightError::Ingest(IngestError::Journal(JournalError::BooksLost { epoch: 1 })))));
    let confirmed = RunOptions { confirm_restore: true, ..RunOptions::default() };
    assert!(matches!(night.run(&confirmed).unwrap(), Progress::NeedsApprovals { epoch: 2, .. }));
    let outputs = night.outputs(2).unwrap().unwrap();
    assert_eq!(outputs.proposal.collected(), 300);
}

#[test]
fn books_lost_in_the_middle_of_a_night_pay_nothing_again() {
    let mut world = World::new(2);
    day(&mut world);
    {
        let book = world.book();
        let night = world.night(&book);
        night.run(&RunOptions::default()).unwrap();
        let outputs = night.outputs(1).unwrap().unwrap();
        let submission = farthing_settlement::submit::Submission {
            book: &book,
            ledger: &world.ledger,
            hub_key: &world.hub,
            proposal: &outputs.proposal,
            positions: &outputs.positions,
            now: NOW,
        };
        submission.batch(0).unwrap();
    }
    std::fs::remove_dir_all(world.settlement()).unwrap();
    let book = world.book();
    let night = world.night(&book);
    assert!(matches!(night.run(&RunOptions::default()), Err(NightError::Positions(_))));
    let confirmed = RunOptions { confirm_restore: true, ..RunOptions::default() };
    assert!(matches!(night.run(&confirmed), Err(NightError::HalfSettled(1))));
}
