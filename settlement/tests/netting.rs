//! Nights under terms: caps, collateral, obligations, defaults and disputed lanes, on a real ledger and journal.
#![allow(clippy::unwrap_used)]

mod world;

use farthing_channel::sign::Signer as _;
use farthing_ledger::LedgerView as _;
use farthing_settlement::netting::terms::ExclusionReason;
use farthing_settlement::netting::{NettingTerms, Obligation, ParticipantTerms};
use farthing_settlement::night::{EpochOutputs, NightError, Progress, RunOptions};
use farthing_settlement::stage::positions::{CarryReason, PositionError};
use farthing_settlement::verify::verify_folder;
use world::{World, day};

/// Runs a night under `terms` to its end.
fn settle_under(world: &World, terms: &NettingTerms) -> EpochOutputs {
    let book = world.book();
    let mut night = world.night(&book);
    night.terms = terms.clone();
    assert!(matches!(night.run(&RunOptions::default()).unwrap(), Progress::NeedsApprovals { .. }));
    night.approve(&world.approvers[0], None).unwrap();
    night.approve(&world.approvers[1], None).unwrap();
    let Progress::Closed { epoch, .. } = night.run(&RunOptions::default()).unwrap() else { panic!("not closed") };
    world.ledger.audit().unwrap();
    let outputs = night.outputs(epoch).unwrap().unwrap();
    let folder = world.directory.path().join("folder");
    let approvers = world.whose(&outputs);
    let token = farthing_settlement::text::TokenFormat { decimals: 6, symbol: String::new() };
    farthing_settlement::export::write_folder(&folder, &book, &outputs, &approvers, &token).unwrap();
    let verification = verify_folder(&folder).unwrap();
    assert!(verification.holds, "{:?}", verification.checks);
    outputs
}

fn owed(world: &World, id: &str, debtor: usize, creditor: usize, amount: u64) -> Obligation {
    let account = |number: usize| world.providers[number].address();
    Obligation { id: id.to_owned(), debtor: account(debtor), creditor: account(creditor), amount }
}

#[test]
fn obligations_are_netted_with_the_nights_positions_and_settled_once() {
    let mut world = World::new(2);
    day(&mut world);
    // The first provider earns 1,423 and owes the second 400 of it; its own 1,000 stand behind.
    world.issue(world.providers[0].address(), 1_000);
    let obligations = vec![owed(&world, "roaming 7", 0, 1, 400)];
    let terms = NettingTerms { obligations, ..NettingTerms::default() };
    let outputs = settle_under(&world, &terms);
    assert_eq!(outputs.netting.legs.len(), 2, "the hub pays both, and the provider pays nobody");
    let balances = [0, 1].map(|number: usize| world.balance(world.providers[number].address()));
    assert_eq!(balances, [1_000 + 1_423 - 400, 50 + 400]);
    let book = world.book();
    let mut night = world.night(&book);
    night.terms = terms;
    assert_eq!(night.run(&RunOptions::default()).unwrap(), Progress::NothingToSettle);
}

#[test]
fn who_cannot_pay_is_left_out_and_what_it_earned_waits() {
    let mut world = World::new(2);
    day(&mut world);
    // More than it earns and holds: nothing of the first provider is settled, neither half.
    let obligations = vec![owed(&world, "roaming 8", 0, 1, 5_000)];
    let terms = NettingTerms { obligations, ..NettingTerms::default() };
    let outputs = settle_under(&world, &terms);
    let first = &outputs.netting.attempts[0];
    assert_eq!(first.exclusions[0].reason, ExclusionReason::NotCovered);
    assert!(first.legs.iter().any(|leg| leg.from == world.providers[0].address()), "the first run is kept");
    assert_eq!(world.balance(world.providers[0].address()), 0);
    assert_eq!(world.balance(world.providers[1].address()), 50);
    let waiting = outputs.positions.lanes.iter().filter(|line| line.reason == Some(CarryReason::ParticipantExcluded));
    assert_eq!(waiting.map(|line| line.carried).sum::<u64>(), 1_423);
    // It paid in: the next night settles all of it, from an empty journal.
    world.issue(world.providers[0].address(), 5_000);
    let outputs = settle_under(&world, &terms);
    assert!(outputs.netting.attempts.is_empty());
    assert_eq!(world.balance(world.providers[0].address()), 5_000 + 1_423 - 5_000);
    assert_eq!(world.balance(world.providers[1].address()), 50 + 5_000);
}

#[test]
fn a_defaulter_and_a_disputed_lane_wait_until_they_are_taken_back() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    let declared =
        ParticipantTerms { account: world.providers[1].address(), net_debit_cap: None, collateral: 0, defaulted: true };
    let terms = NettingTerms {
        participants: vec![declared],
        disputed_lanes: [lanes[2].image.lane.to_string()].into(),
        ..NettingTerms::default()
    };
    let outputs = settle_under(&world, &terms);
    assert_eq!(outputs.netting.attempts[0].exclusions[0].reason, ExclusionReason::Defaulted);
    let reasons: Vec<_> = outputs.positions.lanes.iter().filter_map(|line| line.reason).collect();
    assert!(reasons.contains(&CarryReason::Disputed) && reasons.contains(&CarryReason::ParticipantExcluded));
    assert_eq!(world.balance(world.providers[0].address()), 1_300);
    assert_eq!(world.balance(world.providers[1].address()), 0);
    settle_under(&world, &NettingTerms::default());
    assert_eq!(world.balance(world.providers[0].address()), 1_423);
    assert_eq!(world.balance(world.providers[1].address()), 50);
}

#[test]
fn a_cap_on_the_hub_limits_a_run() {
    let mut world = World::new(2);
    day(&mut world);
    let cap =
        ParticipantTerms { account: world.hub.address(), net_debit_cap: Some(1_472), collateral: 0, defaulted: false };
    let book = world.book();
    let mut night = world.night(&book);
    night.terms = NettingTerms { participants: vec![cap], ..NettingTerms::default() };
    let refused = night.run(&RunOptions::default()).unwrap_err();
    let reason = ExclusionReason::OverCap;
    assert!(
        matches!(&refused, NightError::Positions(PositionError::HubHeld { amount: 1_473, reason: r }) if *r == reason),
        "{refused}"
    );
}
