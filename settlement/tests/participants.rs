//! Nights of a hub and of providers that have approvers and caps of their own on the ledger.

mod world;

use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_ledger::{BaseLedger as _, LedgerView as _, SetParticipant, SignedOperation};
use farthing_settlement::approval::ApprovalError;
use farthing_settlement::export::write_folder;
use farthing_settlement::netting::terms::ExclusionReason;
use farthing_settlement::netting::{NettingTerms, Obligation};
use farthing_settlement::night::{NightError, Progress, RunOptions};
use farthing_settlement::text::TokenFormat;
use farthing_settlement::verify::verify_folder;
use world::{NOW, World, day, key};

/// Gives an account approvers of its own and a cap.
fn set(world: &World, account: &LibSecpKey, net_debit_cap: u64, own: &[LibSecpKey]) {
    let mut approvers: Vec<_> = own.iter().map(|approver| approver.address()).collect();
    approvers.sort_unstable();
    let wanted = SetParticipant { account: account.address(), net_debit_cap, approvers, revision: 1 };
    let approved = world.approved(world.approvers.each_ref(), wanted);
    world.ledger.submit(&SignedOperation::SetParticipant(approved), NOW).expect("settings are good");
}

fn own(first: u16) -> [LibSecpKey; 2] {
    [first, first + 1].map(key)
}

#[test]
fn every_side_that_pays_approves_with_two_of_its_own() {
    let mut world = World::new(2);
    day(&mut world);
    let (of_hub, of_provider) = (own(50), own(60));
    set(&world, &world.hub, u64::MAX, &of_hub);
    set(&world, &world.providers[0], u64::MAX, &of_provider);
    // The provider's debt is above what it earns, so a leg takes money from it.
    world.issue(world.providers[0].address(), 5_000);
    let (debtor, creditor) = (world.providers[0].address(), world.providers[1].address());
    let owed = Obligation { id: "roaming".to_owned(), debtor, creditor, amount: 5_000 };
    let book = world.book();
    let mut night = world.night(&book);
    night.terms = NettingTerms { obligations: vec![owed], ..NettingTerms::default() };
    let run = || night.run(&RunOptions::default()).unwrap();
    assert!(matches!(run(), Progress::NeedsApprovals { approvals: 0, needed: 6, .. }));
    let stranger = night.approve(&key(70), None).unwrap_err();
    assert!(matches!(stranger, NightError::Approval(ApprovalError::NotAnApprover(_))), "{stranger}");
    let everybody = world.approvers.iter().chain(&of_hub).chain(&of_provider);
    for (approver, before) in everybody.zip(0..) {
        assert!(matches!(run(), Progress::NeedsApprovals { approvals, needed: 6, .. } if approvals == before));
        night.approve(approver, None).unwrap();
    }
    assert!(matches!(run(), Progress::Closed { epoch: 1, .. }));
    world.ledger.audit().unwrap();
    assert_eq!(world.balance(debtor), 5_000 + 1_423 - 5_000);
    let outputs = night.outputs(1).unwrap().unwrap();
    let folder = world.directory.path().join("folder");
    let token = TokenFormat { decimals: 6, symbol: String::new() };
    write_folder(&folder, &book, &outputs, &world.whose(&outputs), &token).unwrap();
    let verification = verify_folder(&folder).unwrap();
    assert!(verification.holds, "{:?}", verification.checks);
    // Without one side's approvals the folder proves nothing.
    let mut poorer = outputs.clone();
    poorer.approvals.retain(|row| row.approver != of_provider[0].address());
    write_folder(&folder, &book, &poorer, &world.whose(&poorer), &token).unwrap();
    assert!(!verify_folder(&folder).unwrap().holds);
}

#[test]
fn a_cap_on_the_ledger_leaves_its_participant_out() {
    let mut world = World::new(2);
    day(&mut world);
    set(&world, &world.providers[0], 3_000, &[]);
    world.issue(world.providers[0].address(), 9_000);
    let (debtor, creditor) = (world.providers[0].address(), world.providers[1].address());
    let owed = Obligation { id: "roaming".to_owned(), debtor, creditor, amount: 4_424 };
    let book = world.book();
    let mut night = world.night(&book);
    night.terms = NettingTerms { obligations: vec![owed], ..NettingTerms::default() };
    assert!(matches!(night.run(&RunOptions::default()).unwrap(), Progress::NeedsApprovals { .. }));
    let outputs = night.outputs(1).unwrap().unwrap();
    let excluded = &outputs.netting.attempts[0].exclusions[0];
    assert_eq!((excluded.participant, excluded.reason), (debtor, ExclusionReason::OverCap), "it owes 3,001 net");
}
