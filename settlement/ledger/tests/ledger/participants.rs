//! Money of hubs and providers: approvals, transfers, payouts, epochs.

use farthing_channel::id::{Address, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::LEGS_MAX;
use farthing_ledger::*;

use crate::world::*;

const PROPOSAL: Hash32 = Hash32([0x99; 32]);

fn leg(from: u8, to: u8, amount: u64) -> Leg {
    Leg { from: at(from), to: at(to), amount }
}

fn batch(proposal: Hash32, legs: Vec<Leg>) -> TransferBatch {
    TransferBatch { proposal, epoch: 1, legs }
}

/// A hub with 300 in its account.
fn world() -> World {
    let (world, escrow) = World::funded();
    world.settle(world.signer_batch(escrow, 0, 300), NOW).unwrap();
    world
}

fn transfer(world: &World, proposal: u8, legs: Vec<Leg>) -> Result<Vec<Event>, LedgerRefusal> {
    let batch = batch(Hash32([proposal; 32]), legs);
    world.submit(&world.transfers(batch), NOW)
}

#[test]
fn money_in_needs_two_approvers_and_a_fresh_reference() {
    let world = World::new();
    let issue = Issue { reference: Hash32([1; 32]), account: at(PAYER), amount: 5 };
    let submit =
        |first, second| world.submit(&SignedOperation::Issue(world.approve_by(first, second, issue.clone())), NOW);
    assert_eq!(submit(APPROVER_1, APPROVER_1), Err(LedgerRefusal::SameApprover));
    assert_eq!(submit(APPROVER_1, HUB), Err(LedgerRefusal::NotAnApprover));
    assert_eq!(submit(PAYER, APPROVER_1), Err(LedgerRefusal::NotAnApprover));
    assert!(submit(APPROVER_3, APPROVER_2).is_ok());
    assert_eq!(submit(APPROVER_1, APPROVER_2), Err(LedgerRefusal::ReferenceUsed));
    assert_eq!(world.issue(2, PAYER, 0), Err(LedgerRefusal::ZeroAmount));
    assert_eq!(world.issue(2, PAYER, u64::MAX), Err(LedgerRefusal::AmountTooLarge));
    assert_eq!(world.issue(2, OTHER_PAYER, u64::MAX - 4), Err(LedgerRefusal::AmountTooLarge));
    assert!(world.issue(2, OTHER_PAYER, u64::MAX - 5).is_ok(), "all that was issued fits 64 bits");
}

#[test]
fn approvals_are_for_the_very_batch() {
    let world = world();
    let mut altered = world.approve(batch(PROPOSAL, vec![leg(HUB, PROVIDER, 100)]));
    altered.operation.legs[0].amount = 101;
    let operation = SignedOperation::TransferBatch { batch: altered, participants: Vec::new() };
    assert_eq!(world.submit(&operation, NOW), Err(LedgerRefusal::NotAnApprover));
}

#[test]
fn legs_happen_together_and_once() {
    let world = world();
    // The provider passes on what the same batch brings it.
    let legs = vec![leg(HUB, PROVIDER, 200), leg(PROVIDER, OTHER_PROVIDER, 150)];
    let operation = world.transfers(batch(PROPOSAL, legs.clone()));
    assert!(!world.ledger.proposal_executed(&PROPOSAL).unwrap());
    let events = world.submit(&operation, NOW).unwrap();
    let second = Event::Transferred {
        proposal: PROPOSAL,
        epoch: 1,
        leg: 1,
        from: at(PROVIDER),
        to: at(OTHER_PROVIDER),
        credited: at(OTHER_PROVIDER),
        amount: 150,
    };
    assert_eq!((events.len(), &events[1]), (2, &second));
    assert_eq!([HUB, PROVIDER, OTHER_PROVIDER].map(|seed| world.balance(seed)), [100, 50, 150]);
    assert!(world.ledger.proposal_executed(&PROPOSAL).unwrap());
    assert_eq!(world.submit(&operation, NOW), Err(LedgerRefusal::ProposalExecuted));
    let more = world.transfers(batch(PROPOSAL, vec![leg(HUB, PROVIDER, 1)]));
    assert_eq!(world.submit(&more, NOW), Err(LedgerRefusal::ProposalExecuted));
}

#[test]
fn a_batch_of_transfers_is_refused_whole() {
    let world = world();
    let cases = [
        (vec![], LedgerRefusal::LegCount),
        (vec![leg(HUB, PROVIDER, 1); LEGS_MAX + 1], LedgerRefusal::LegCount),
        (vec![leg(HUB, PROVIDER, 1), leg(HUB, PROVIDER, 0)], LedgerRefusal::ZeroAmount),
        (vec![leg(HUB, HUB, 1)], LedgerRefusal::SelfTransfer),
        (vec![leg(PAYER, PROVIDER, 1)], LedgerRefusal::NotAParticipant),
        (vec![leg(HUB, PAYER, 1)], LedgerRefusal::NotAParticipant),
        (vec![leg(HUB, PROVIDER, 200), leg(HUB, OTHER_PROVIDER, 101)], LedgerRefusal::InsufficientBalance),
        (vec![leg(HUB, PROVIDER, u64::MAX), leg(HUB, PROVIDER, 1)], LedgerRefusal::AmountTooLarge),
    ];
    for (legs, refusal) in cases {
        assert_eq!(transfer(&world, 1, legs), Err(refusal));
    }
    assert!(transfer(&world, 1, vec![leg(HUB, PROVIDER, 300)]).is_ok(), "a refused proposal is not used up");
}

#[test]
fn a_new_payout_address_waits_and_needs_the_providers_key() {
    let world = world();
    let new_home = Address([0x77; 20]);
    let set = |signer: u8, account: u8, payout: Address, revision: u64, hours: u64| {
        let set = world.sign(signer, SetPayout { account: at(account), payout, revision });
        world.submit(&SignedOperation::SetPayout(set), later(hours))
    };
    assert_eq!(set(HUB, PROVIDER, new_home, 1, 0), Err(LedgerRefusal::WrongSigner));
    assert_eq!(set(HUB, HUB, new_home, 1, 0), Err(LedgerRefusal::NotAProvider));
    assert_eq!(set(PROVIDER, PROVIDER, Address::ZERO, 1, 0), Err(LedgerRefusal::ZeroAddress));
    assert_eq!(set(PROVIDER, PROVIDER, new_home, 2, 0), Err(LedgerRefusal::WrongCounter));
    let changed = Event::PayoutChanged { account: at(PROVIDER), payout: new_home, effective: later(48) };
    assert_eq!(set(PROVIDER, PROVIDER, new_home, 1, 0), Ok(vec![changed]));
    assert_eq!(set(PROVIDER, PROVIDER, new_home, 1, 0), Err(LedgerRefusal::WrongCounter));
    let pay = |proposal: u8, now: UnixSeconds| {
        let batch = batch(Hash32([proposal; 32]), vec![leg(HUB, PROVIDER, 10)]);
        world.submit(&world.transfers(batch), now).unwrap();
        (world.balance(PROVIDER), world.ledger.account(&new_home).unwrap().balance)
    };
    assert_eq!(pay(1, UnixSeconds(later(48).0 - 1)), (10, 0));
    assert_eq!(pay(2, later(48)), (10, 10));
    // A further change waits again, and until then the last one holds.
    set(PROVIDER, PROVIDER, at(PROVIDER), 2, 50).unwrap();
    assert_eq!(pay(3, later(51)), (10, 20));
    assert_eq!(pay(4, later(98)), (20, 20));
}

#[test]
fn registration_counts_up_and_never_frees_a_participant() {
    let world = World::new();
    let register = |account: u8, kind: AccountKind, label: &str, revision: u64| {
        let operation = RegisterAccount { account: at(account), kind, label: label.to_owned(), revision };
        world.submit(&SignedOperation::RegisterAccount(world.approve(operation)), NOW)
    };
    let provider = AccountKind::Provider;
    assert_eq!(register(PAYER, AccountKind::Payer, "", 1), Err(LedgerRefusal::BadLabel));
    assert_eq!(register(PAYER, AccountKind::Payer, "a\nb", 1), Err(LedgerRefusal::BadLabel));
    assert_eq!(register(PAYER, AccountKind::Payer, &"x".repeat(65), 1), Err(LedgerRefusal::BadLabel));
    assert_eq!(register(PAYER, AccountKind::Payer, "Bicycles", 0), Err(LedgerRefusal::WrongCounter));
    assert!(register(PAYER, AccountKind::Payer, "Bicycles", 1).is_ok());
    assert_eq!(register(PAYER, AccountKind::Payer, "Bicycles", 1), Err(LedgerRefusal::WrongCounter));
    assert!(register(PAYER, provider, "Rent a bike", 2).is_ok());
    assert_eq!(register(PAYER, AccountKind::Payer, "Bicycles", 3), Err(LedgerRefusal::ParticipantForGood));
    let account = world.ledger.account(&at(PAYER)).unwrap();
    assert_eq!((account.label.as_str(), account.kind, account.registrations), ("Rent a bike", provider, 2));
    assert_eq!(register(APPROVER_1, provider, "Me", 1), Err(LedgerRefusal::ApproverAsParticipant));
    // Known from the genesis, so this is its second registration.
    assert_eq!(register(PROVIDER, provider, "Grid", 1), Err(LedgerRefusal::WrongCounter));
    assert!(register(PROVIDER, provider, "Power grid", 2).is_ok());
}

fn close_epoch(
    world: &World,
    epoch: u64,
    proposal: Hash32,
    cursors: &[(u16, u64, u64, u8)],
) -> Result<Vec<Event>, LedgerRefusal> {
    let cursor = |&(thread, term, sequence, hash): &(u16, u64, u64, u8)| {
        let block_hash = Hash32([hash; 32]);
        JournalCursor { thread, term, sequence, block_hash }
    };
    let cursors = cursors.iter().map(cursor).collect();
    let close = CloseEpoch { hub: at(HUB), epoch, proposal, cursors, journal_root: Hash32([5; 32]) };
    world.submit(&SignedOperation::CloseEpoch(world.approve(close)), NOW)
}

#[test]
fn epochs_follow_each_other_and_never_go_back_in_the_journal() {
    let world = world();
    let none = Hash32::ZERO;
    assert_eq!(world.ledger.epoch_last(&at(HUB)).unwrap(), None);
    assert_eq!(close_epoch(&world, 2, none, &[(0, 3, 10, 1)]), Err(LedgerRefusal::WrongEpoch));
    assert_eq!(close_epoch(&world, 1, PROPOSAL, &[(0, 3, 10, 1)]), Err(LedgerRefusal::ProposalUnknown));
    assert_eq!(close_epoch(&world, 1, none, &[]), Err(LedgerRefusal::BadCursors));
    assert_eq!(close_epoch(&world, 1, none, &[(1, 3, 10, 1), (0, 3, 10, 1)]), Err(LedgerRefusal::BadCursors));
    close_epoch(&world, 1, none, &[(0, 3, 10, 1), (1, 3, 4, 2)]).unwrap();
    transfer(&world, 0x99, vec![leg(HUB, PROVIDER, 1)]).unwrap();
    assert_eq!(close_epoch(&world, 1, none, &[(0, 3, 11, 1), (1, 3, 5, 2)]), Err(LedgerRefusal::WrongEpoch));
    let back = [
        vec![(0, 3, 9, 1), (1, 3, 5, 2)],
        vec![(0, 3, 10, 7), (1, 3, 5, 2)],
        vec![(0, 2, 99, 1), (1, 3, 5, 2)],
        vec![(0, 4, 11, 1), (1, 3, 3, 2)],
        vec![(0, 3, 11, 1)],
    ];
    for cursors in back {
        assert_eq!(close_epoch(&world, 2, PROPOSAL, &cursors), Err(LedgerRefusal::BadCursors));
    }
    close_epoch(&world, 2, PROPOSAL, &[(0, 3, 11, 3), (1, 3, 4, 2), (2, 3, 1, 1)]).unwrap();
    let last = world.ledger.epoch_last(&at(HUB)).unwrap().unwrap();
    assert_eq!((last.epoch, last.proposal, last.cursors.len(), last.at), (2, PROPOSAL, 3, NOW));
}

#[test]
fn a_restored_journal_goes_on_from_a_lower_block_under_a_higher_term() {
    let world = world();
    let none = Hash32::ZERO;
    close_epoch(&world, 1, none, &[(0, 3, 100, 1)]).unwrap();
    assert_eq!(close_epoch(&world, 2, none, &[(0, 3, 60, 2)]), Err(LedgerRefusal::BadCursors));
    close_epoch(&world, 2, none, &[(0, 4, 60, 2)]).unwrap();
    // Nothing of the history that was lost comes after it.
    assert_eq!(close_epoch(&world, 3, none, &[(0, 3, 101, 3)]), Err(LedgerRefusal::BadCursors));
    close_epoch(&world, 3, none, &[(0, 4, 61, 3)]).unwrap();
}
