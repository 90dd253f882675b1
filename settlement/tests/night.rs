//! Whole nights over a real journal and a real ledger.
#![allow(clippy::unwrap_used)]

mod world;

use farthing_channel::record::Record;
use farthing_channel::sign::Signer as _;
use farthing_ledger::LedgerView as _;
use farthing_settlement::explain::explain;
use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::{NightError, Progress, RunOptions};
use farthing_settlement::proofs::ProofBundle;
use farthing_settlement::stage::Stage;
use farthing_settlement::stage::positions::CarryReason;
use farthing_settlement::text::TokenFormat;
use farthing_settlement::verify::verify_folder;
use world::{World, day, key, settle};

#[test]
fn a_night_pays_exactly_what_is_proven_and_only_once() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    assert_eq!(settle(&world), 1);
    let providers: Vec<_> = world.providers.iter().map(|provider| provider.address()).collect();
    assert_eq!(world.balance(providers[0]), 1_500 - 200 + 123);
    assert_eq!(world.balance(providers[1]), 50);
    assert_eq!(world.balance(world.hub.address()), 0);
    world.ledger.audit().unwrap();
    // Again, at once: nothing.
    let book = world.book();
    assert_eq!(world.night(&book).run(&RunOptions::default()).unwrap(), Progress::NothingToSettle);
    drop(book);
    // The next day pays the difference only, a refund of paid money counts against it.
    world.journal.roll();
    world.journal.write(&[world.voucher(&lanes[0], 1_600), world.report(&lanes[0], 0, 2, 250)]);
    world.journal.write(&[world.voucher(&lanes[1], 60), world.voucher(&lanes[1], 55)]);
    assert_eq!(settle(&world), 2);
    assert_eq!(world.balance(providers[0]), 1_600 - 250 + 123);
    assert_eq!(world.balance(providers[1]), 60);
    assert_eq!(world.ledger.epoch_last(&world.hub.address()).unwrap().unwrap().epoch, 2);
    world.ledger.audit().unwrap();
}

#[test]
fn a_night_that_is_cut_short_anywhere_ends_the_same() {
    let mut proposals = Vec::new();
    for stop_after in Stage::ALL {
        let mut world = World::new(2);
        day(&mut world);
        {
            let book = world.book();
            let night = world.night(&book);
            let options = RunOptions { stop_after: Some(stop_after), ..RunOptions::default() };
            night.run(&options).unwrap();
            if stop_after > Stage::Netting {
                night.approve(&world.approvers[0], None).unwrap();
                night.approve(&world.approvers[1], None).unwrap();
                night.run(&options).unwrap();
            }
        }
        let book = world.book();
        let night = world.night(&book);
        let first = night.run(&RunOptions::default()).unwrap();
        if matches!(first, Progress::NeedsApprovals { .. }) {
            night.approve(&world.approvers[0], None).unwrap();
            night.approve(&world.approvers[1], None).unwrap();
            night.run(&RunOptions::default()).unwrap();
        }
        let outputs = night.outputs(1).unwrap().unwrap();
        assert!(outputs.reconciliation.unwrap().adds_up(), "stopped after {stop_after:?}");
        assert_eq!(world.balance(world.providers[0].address()), 1_423, "stopped after {stop_after:?}");
        assert_eq!(world.balance(world.providers[1].address()), 50);
        // Each world's ledger has its own genesis, so only what does not depend on it can be compared.
        proposals.push(outputs.netting.legs.iter().map(|leg| leg.amount).collect::<Vec<_>>());
        world.ledger.audit().unwrap();
    }
    assert!(proposals.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_was_submitted_before_a_crash_is_not_submitted_again() {
    let mut world = World::new(2);
    day(&mut world);
    let second = key(5);
    let escrow = world.escrow(&second, 500);
    let mut records = world.mandates(&second, escrow, &[20], 5_000, 1);
    let (lane, record) = world.lane(escrow, 20, 1, 7);
    records.extend([record, world.voucher(&lane, 300)]);
    world.journal.write(&records);
    let book = world.book();
    let night = world.night(&book);
    night.run(&RunOptions::default()).unwrap();
    let proposal = night.outputs(1).unwrap().unwrap().proposal;
    night.approve(&world.approvers[0], None).unwrap();
    night.approve(&world.approvers[1], None).unwrap();
    let stop = RunOptions { stop_after: Some(Stage::Opening), ..RunOptions::default() };
    night.run(&stop).unwrap();
    // As if the run had died between two submissions: each prefix of them is on the ledger, and nothing is noted.
    let outputs = night.outputs(1).unwrap().unwrap();
    let approved =
        farthing_settlement::approval::assemble(&proposal, &world.whose(&outputs), &outputs.approvals).unwrap();
    let submission = farthing_settlement::submit::Submission {
        book: &book,
        ledger: &world.ledger,
        hub_key: &world.hub,
        proposal: &proposal,
        positions: &outputs.positions,
        now: world::NOW,
    };
    submission.batch(0).unwrap();
    assert!(matches!(night.discard(), Err(NightError::AlreadySubmitted(1))));
    submission.batch(1).unwrap();
    submission.transfers(&approved).unwrap();
    assert!(matches!(night.run(&RunOptions::default()).unwrap(), Progress::Closed { epoch: 1, .. }));
    assert_eq!(world.balance(world.providers[1].address()), 350);
    assert_eq!(world.balance(world.hub.address()), 0);
    assert!(night.outputs(1).unwrap().unwrap().reconciliation.unwrap().adds_up());
}

#[test]
fn false_proofs_are_disputed_and_never_paid() {
    let mut world = World::new(1);
    let payer = key(4);
    let escrow = world.escrow(&payer, 10_000);
    let mut records = world.mandates(&payer, escrow, &[10], 5_000, 1);
    // A mandate by a stranger, for a device that then pays well.
    records.extend(world.mandates(&key(6), escrow, &[12], 5_000, 1));
    let (lane, record) = world.lane(escrow, 10, 0, 1);
    let (unmandated, unmandated_record) = world.lane(escrow, 12, 0, 1);
    records.extend([record, unmandated_record]);
    world.journal.write(&records);
    // A voucher that somebody else signed, above a true one.
    let forged = world::Lane { image: lane.image, device: key(13) };
    let [anchor, tick] = world.ticks(&lane, 0, 7);
    let Record::Tick { lane: id, anchor: tag, index, mut link } = tick else { unreachable!() };
    link.0[0] ^= 1;
    let wrong_tick = Record::Tick { lane: id, anchor: tag, index, link };
    world.journal.write(&[world.voucher(&lane, 400), world.voucher(&forged, 4_000), anchor, wrong_tick]);
    world.journal.write(&[world.voucher(&unmandated, 900)]);
    settle(&world);
    assert_eq!(world.balance(world.providers[0].address()), 400);
    let book = world.book();
    let outputs = world.night(&book).outputs(1).unwrap().unwrap();
    let mut reasons: Vec<_> = outputs.cut_off.disputes.iter().map(|dispute| dispute.kind.text()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["mandate", "tick", "voucher"]);
    let carried = outputs.positions.lanes.iter().find(|line| line.carried > 0).unwrap();
    assert_eq!((carried.carried, carried.reason), (900, Some(CarryReason::MandateMissing)));
}

#[test]
fn what_an_escrow_cannot_pay_waits_until_it_can() {
    let mut world = World::new(2);
    let payer = key(4);
    let escrow = world.escrow(&payer, 1_000);
    let mut records = world.mandates(&payer, escrow, &[10, 11], 900, 1);
    let (a, open_a) = world.lane(escrow, 10, 0, 1);
    let (b, open_b) = world.lane(escrow, 11, 1, 1);
    records.extend([open_a, open_b, world.voucher(&a, 1_000), world.voucher(&b, 600)]);
    world.journal.write(&records);
    settle(&world);
    // 900 of the first by its mandate, 600 of the second, 1000 in the escrow: shared in proportion.
    assert_eq!(world.balance(world.providers[0].address()), 600);
    assert_eq!(world.balance(world.providers[1].address()), 400);
    let book = world.book();
    let outputs = world.night(&book).outputs(1).unwrap().unwrap();
    let carried: u64 = outputs.positions.lanes.iter().map(|line| line.carried).sum();
    assert_eq!(carried, 600);
}

#[test]
fn a_lone_payer_settles_with_its_own_proof() {
    let mut world = World::new(1);
    let payer = key(4);
    let escrow = world.escrow(&payer, 1_000);
    let (mut lane, _) = world.lane(escrow, 4, 0, 1);
    lane.image.lane = farthing_channel::id::LaneId::of_escrow(&escrow);
    world.journal.write(&[Record::Lane(lane.image), world.voucher(&lane, 250)]);
    settle(&world);
    assert_eq!(world.balance(world.providers[0].address()), 250);
    world.journal.write(&[world.voucher(&lane, 400)]);
    assert_eq!(settle(&world), 2);
    assert_eq!(world.balance(world.providers[0].address()), 400);
}

#[test]
fn a_proposal_can_be_discarded_before_it_is_submitted() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    {
        let book = world.book();
        let night = world.night(&book);
        night.run(&RunOptions::default()).unwrap();
        let first = night.outputs(1).unwrap().unwrap().cut_off;
        assert_eq!(night.discard().unwrap(), 1);
        night.run(&RunOptions::default()).unwrap();
        let again = night.outputs(1).unwrap().unwrap().cut_off;
        assert_eq!((again.journal_root, again.records), (first.journal_root, first.records));
        night.discard().unwrap();
    }
    world.journal.write(&[world.voucher(&lanes[1], 75)]);
    assert_eq!(settle(&world), 1);
    assert_eq!(world.balance(world.providers[0].address()), 1_423);
    assert_eq!(world.balance(world.providers[1].address()), 75);
}

#[test]
fn strangers_do_not_approve() {
    let mut world = World::new(2);
    day(&mut world);
    let book = world.book();
    let night = world.night(&book);
    assert!(matches!(night.approve(&world.approvers[0], None), Err(NightError::NotYet { word: "approve", .. })));
    night.run(&RunOptions::default()).unwrap();
    assert!(matches!(night.approve(&key(9), None), Err(NightError::Approval(_))));
    night.approve(&world.approvers[0], None).unwrap();
    night.approve(&world.approvers[0], None).unwrap();
    let progress = night.run(&RunOptions::default()).unwrap();
    assert!(matches!(progress, Progress::NeedsApprovals { approvals: 1, .. }), "one person counts once");
}

#[test]
fn an_epochs_folder_verifies_alone_and_shows_every_change() {
    let mut world = World::new(2);
    day(&mut world);
    settle(&world);
    let book = world.book();
    let outputs = world.night(&book).outputs(1).unwrap().unwrap();
    let approvers = world.whose(&outputs);
    let folder = epoch_folder(&world.settlement(), 1);
    let token = TokenFormat { decimals: 6, symbol: "EUR".into() };
    write_folder(&folder, &book, &outputs, &approvers, &token).unwrap();
    let verification = verify_folder(&folder).unwrap();
    assert!(verification.holds, "{verification:#?}");
    assert_eq!(verification.proposal, outputs.proposal.id().to_string());
    let page = std::fs::read_to_string(folder.join(FileNames::STATEMENT)).unwrap();
    assert!(page.contains("Settled and reconciled") && page.contains("0.001423"));
    // A table that says something else, and proofs with a voucher of another lane.
    let legs = folder.join(FileNames::LEGS);
    let text = std::fs::read_to_string(&legs).unwrap();
    std::fs::write(&legs, text.replace("1423", "1424")).unwrap();
    assert!(!verify_folder(&folder).unwrap().holds);
    std::fs::write(&legs, text).unwrap();
    let mut bundle = ProofBundle::gather(&book, &outputs, &approvers).unwrap();
    let [first, second, ..] = bundle.lanes.as_mut_slice() else { panic!("three lanes were settled") };
    std::mem::swap(&mut first.evidence, &mut second.evidence);
    std::fs::write(folder.join(FileNames::PROOFS), farthing_channel::codec::encode_to_vec(&bundle)).unwrap();
    let verification = verify_folder(&folder).unwrap();
    assert!(!verification.holds);
    assert!(verification.checks.iter().any(|check| !check.holds && check.what.contains("proven by its device")));
}

#[test]
fn a_leg_is_explained_down_to_its_signatures() {
    let mut world = World::new(2);
    day(&mut world);
    settle(&world);
    let book = world.book();
    let outputs = world.night(&book).outputs(1).unwrap().unwrap();
    let approvers = world.whose(&outputs);
    let bundle = ProofBundle::gather(&book, &outputs, &approvers).unwrap();
    let explanation = explain(&outputs, &bundle, 0).unwrap();
    assert_eq!(explanation.amount, 1_423);
    assert_eq!(explanation.lanes_collected, 1_423);
    assert_eq!(explanation.lanes.len(), 2);
    for lane in &explanation.lanes {
        assert!(lane.proof.as_ref().unwrap().holds(), "{lane:?}");
        assert!(lane.mandate.as_ref().unwrap().holds(), "{lane:?}");
        assert_eq!(lane.in_tree, Some(true));
    }
    assert!(explanation.lanes.iter().any(|lane| lane.tick.as_ref().is_some_and(|tick| tick.leads_to_root)));
    assert!(explain(&outputs, &bundle, 99).is_none());
}

#[test]
fn a_participant_may_pay_and_be_paid() {
    let mut world = World::new(2);
    day(&mut world);
    // A second payer pays the hub itself and both providers.
    let payer = key(7);
    let escrow = world.escrow(&payer, 1_000);
    let mut records = world.mandates(&payer, escrow, &[30], 1_000, 1);
    let (mut to_hub, _) = world.lane(escrow, 30, 0, 9);
    to_hub.image.payee = world.hub.address();
    let channel = farthing_channel::id::ChannelId::derive(&escrow, &to_hub.image.device);
    let group = farthing_channel::id::RatingGroup(9);
    to_hub.image.lane = farthing_channel::id::LaneId::derive(&channel, &world.hub.address(), group);
    let (to_provider, opened) = world.lane(escrow, 30, 1, 9);
    records.extend([Record::Lane(to_hub.image), opened]);
    records.extend([world.voucher(&to_hub, 300), world.voucher(&to_provider, 11)]);
    world.journal.write(&records);
    settle(&world);
    assert_eq!(world.balance(world.hub.address()), 300, "what the hub earned stays on its account");
    assert_eq!(world.balance(world.providers[1].address()), 61);
    world.ledger.audit().unwrap();
}

#[test]
fn a_raised_mandate_lets_a_channel_go_on() {
    let mut world = World::new(1);
    let payer = key(4);
    let escrow = world.escrow(&payer, 10_000);
    let (lane, opened) = world.lane(escrow, 10, 0, 1);
    let mut records = world.mandates(&payer, escrow, &[10], 100, 1);
    records.extend([opened, world.voucher(&lane, 150)]);
    world.journal.write(&records);
    settle(&world);
    assert_eq!(world.balance(world.providers[0].address()), 100);
    world.journal.write(&world.mandates(&payer, escrow, &[10], 1_000, 2));
    settle(&world);
    assert_eq!(world.balance(world.providers[0].address()), 150);
    // A device that rests keeps its place in the tree under the mandate the ledger remembers.
    let (other, opened) = world.lane(escrow, 11, 0, 1);
    let mut records = world.mandates(&payer, escrow, &[10, 11], 2_000, 3);
    records.extend([opened, world.voucher(&other, 5)]);
    world.journal.write(&records);
    settle(&world);
    assert_eq!(world.balance(world.providers[0].address()), 155);
}
