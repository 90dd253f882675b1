//! Participants with approvers of their own and caps.

use farthing_channel::eip712::TypedData;
use farthing_channel::id::{Address, Hash32};
use farthing_channel::sign::{Signature, sign_typed};
use farthing_ledger::*;
use proptest::prelude::*;

use crate::world::*;

const OWN_1: u8 = 50;
const OWN_2: u8 = 51;
const OWN_3: u8 = 52;

fn ascending(seeds: &[u8]) -> Vec<Address> {
    let mut addresses: Vec<_> = seeds.iter().copied().map(at).collect();
    addresses.sort_unstable();
    addresses
}

fn settings(account: u8, net_debit_cap: u64, approvers: &[u8], revision: u64) -> SetParticipant {
    SetParticipant { account: at(account), net_debit_cap, approvers: ascending(approvers), revision }
}

fn set(world: &World, by: [u8; 2], wanted: SetParticipant) -> Result<Vec<Event>, LedgerRefusal> {
    world.submit(&SignedOperation::SetParticipant(world.approve_by(by[0], by[1], wanted)), NOW)
}

fn pair(world: &World, operation: &impl TypedData, by: [u8; 2]) -> [Signature; 2] {
    by.map(|seed| sign_typed(&key(seed), &world.domain, operation).unwrap())
}

/// One leg from the hub, under approvals of the ledger's approvers and of `own`.
fn transfer(world: &World, proposal: u8, amount: u64, own: &[(u8, [u8; 2])]) -> Result<Vec<Event>, LedgerRefusal> {
    let legs = vec![Leg { from: at(HUB), to: at(PROVIDER), amount }];
    let batch = TransferBatch { proposal: Hash32([proposal; 32]), epoch: 1, legs };
    let approval = |&(account, by): &(u8, [u8; 2])| ParticipantApproval {
        account: at(account),
        approvals: pair(world, &batch, by),
    };
    let participants = own.iter().map(approval).collect();
    world.submit(&SignedOperation::TransferBatch { batch: world.approve(batch.clone()), participants }, NOW)
}

/// A hub with 300 in its account and approvers of its own.
fn world() -> World {
    let (world, escrow) = World::funded();
    world.settle(world.signer_batch(escrow, 0, 300), NOW).unwrap();
    set(&world, [APPROVER_1, APPROVER_2], settings(HUB, 250, &[OWN_1, OWN_2, OWN_3], 1)).unwrap();
    world
}

#[test]
fn settings_have_a_form_and_count_up() {
    let world = World::new();
    let by = [APPROVER_1, APPROVER_2];
    let unordered = |mut wanted: SetParticipant| {
        wanted.approvers.reverse();
        wanted
    };
    let zero = SetParticipant { approvers: vec![Address::ZERO, at(OWN_1)], ..settings(HUB, 1, &[], 1) };
    let many: Vec<u8> = (60..93).collect();
    let cases = [
        (settings(PAYER, 1, &[], 1), LedgerRefusal::NotAParticipant),
        (settings(HUB, 1, &[], 2), LedgerRefusal::WrongCounter),
        (settings(HUB, 1, &[OWN_1], 1), LedgerRefusal::BadApprovers),
        (settings(HUB, 1, &[OWN_1, OWN_1], 1), LedgerRefusal::BadApprovers),
        (unordered(settings(HUB, 1, &[OWN_1, OWN_2], 1)), LedgerRefusal::BadApprovers),
        (settings(HUB, 1, &many, 1), LedgerRefusal::BadApprovers),
        (zero, LedgerRefusal::BadApprovers),
        (settings(HUB, 1, &[OWN_1, PROVIDER], 1), LedgerRefusal::ApproverAsParticipant),
    ];
    for (wanted, refusal) in cases {
        assert_eq!(set(&world, by, wanted), Err(refusal));
    }
    let wanted = settings(HUB, 7, &[OWN_1, OWN_2], 1);
    let SetParticipant { account, net_debit_cap, approvers, .. } = wanted.clone();
    let event = Event::ParticipantSet { account, net_debit_cap, approvers: approvers.clone() };
    assert_eq!(set(&world, by, wanted), Ok(vec![event]));
    let kept = world.ledger.account(&at(HUB)).unwrap().settings;
    assert_eq!(kept, Some(ParticipantSettings { revision: 1, net_debit_cap: 7, approvers }));
}

#[test]
fn own_approvers_take_the_place_of_the_ledgers() {
    let world = world();
    let (ledgers, own) = ([APPROVER_1, APPROVER_2], [OWN_3, OWN_1]);
    assert_eq!(set(&world, ledgers, settings(HUB, 300, &[], 2)), Err(LedgerRefusal::NotAnApprover));
    assert_eq!(set(&world, [OWN_1, OWN_1], settings(HUB, 300, &[], 2)), Err(LedgerRefusal::SameApprover));
    let payout = |by: [u8; 2]| {
        let payout = Payout { reference: Hash32([1; 32]), account: at(HUB), amount: 10 };
        world.submit(&SignedOperation::Payout(world.approve_by(by[0], by[1], payout)), NOW)
    };
    assert_eq!(payout(ledgers), Err(LedgerRefusal::NotAnApprover));
    assert!(payout(own).is_ok());
    let close = |by: [u8; 2]| {
        let cursor = JournalCursor { thread: 0, term: 1, sequence: 1, block_hash: Hash32([1; 32]) };
        let proposal = Hash32::ZERO;
        let close = CloseEpoch { hub: at(HUB), epoch: 1, proposal, cursors: vec![cursor], journal_root: Hash32::ZERO };
        world.submit(&SignedOperation::CloseEpoch(world.approve_by(by[0], by[1], close)), NOW)
    };
    assert_eq!(close(ledgers), Err(LedgerRefusal::NotAnApprover));
    assert!(close(own).is_ok());
    // Money in is the ledger's business, and other participants' money is not the hub's.
    let issue = Issue { reference: Hash32([2; 32]), account: at(HUB), amount: 1 };
    let issued = world.submit(&SignedOperation::Issue(world.approve_by(OWN_1, OWN_2, issue)), NOW);
    assert_eq!(issued, Err(LedgerRefusal::NotAnApprover));
    assert_eq!(set(&world, own, settings(PROVIDER, 1, &[], 1)), Err(LedgerRefusal::NotAnApprover));
    // Without approvers of its own, the ledger's approve again.
    assert!(set(&world, own, settings(HUB, 300, &[], 2)).is_ok());
    assert!(set(&world, ledgers, settings(HUB, 200, &[], 3)).is_ok());
}

#[test]
fn a_payers_own_approvers_and_the_ledgers_must_both_approve_a_batch() {
    let world = world();
    let good = (HUB, [OWN_1, OWN_2]);
    assert_eq!(transfer(&world, 1, 10, &[]), Err(LedgerRefusal::ApprovalMissing));
    assert_eq!(transfer(&world, 1, 10, &[(HUB, [OWN_1, OWN_1])]), Err(LedgerRefusal::SameApprover));
    assert_eq!(transfer(&world, 1, 10, &[(HUB, [APPROVER_1, OWN_1])]), Err(LedgerRefusal::NotAnApprover));
    assert_eq!(transfer(&world, 1, 10, &[(PROVIDER, [OWN_1, OWN_2])]), Err(LedgerRefusal::NotAnApprover));
    assert_eq!(transfer(&world, 1, 10, &[good, (PROVIDER, [OWN_1, OWN_2])]), Err(LedgerRefusal::NotAnApprover));
    let legs = vec![Leg { from: at(HUB), to: at(PROVIDER), amount: 10 }];
    let batch = TransferBatch { proposal: Hash32([1; 32]), epoch: 1, legs };
    let participants = vec![ParticipantApproval { account: at(HUB), approvals: pair(&world, &batch, good.1) }];
    let batch = world.approve_by(OWN_1, OWN_2, batch);
    let own_alone = world.submit(&SignedOperation::TransferBatch { batch, participants }, NOW);
    assert_eq!(own_alone, Err(LedgerRefusal::NotAnApprover), "a batch's id is not used up by one operator alone");
    assert_eq!(transfer(&world, 1, 251, &[good]), Err(LedgerRefusal::OverCap));
    assert!(transfer(&world, 1, 250, &[good]).is_ok());
    assert_eq!(transfer(&world, 2, 51, &[good]), Err(LedgerRefusal::InsufficientBalance));
}

#[test]
fn an_approver_never_becomes_a_participant() {
    let world = world();
    let register = |account: u8| {
        let wanted =
            RegisterAccount { account: at(account), kind: AccountKind::Provider, label: "Me".to_owned(), revision: 1 };
        world.submit(&SignedOperation::RegisterAccount(world.approve(wanted)), NOW)
    };
    assert_eq!(register(OWN_2), Err(LedgerRefusal::ApproverAsParticipant));
    set(&world, [OWN_1, OWN_2], settings(HUB, 250, &[OWN_1, OWN_3], 2)).unwrap();
    assert!(register(OWN_2).is_ok(), "it approves for nobody any more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever legs a batch has: what a capped account owes net is at most its cap, or the batch changes nothing.
    #[test]
    fn a_batch_never_takes_more_net_than_the_cap(
        amounts in prop::collection::vec((any::<bool>(), 1_u64..60), 1..8),
        cap in 0_u64..200,
    ) {
        let world = World::new();
        world.issue(1, HUB, 300).unwrap();
        world.issue(2, PROVIDER, 300).unwrap();
        set(&world, [APPROVER_1, APPROVER_2], settings(HUB, cap, &[], 1)).unwrap();
        let leg = |&(out, amount): &(bool, u64)| {
            let (from, to) = if out { (at(HUB), at(PROVIDER)) } else { (at(PROVIDER), at(HUB)) };
            Leg { from, to, amount }
        };
        let batch = TransferBatch { proposal: Hash32([1; 32]), epoch: 1, legs: amounts.iter().map(leg).collect() };
        let result = world.submit(&world.transfers(batch), NOW);
        let sum = |out: bool| amounts.iter().filter(|leg| leg.0 == out).map(|leg| leg.1).sum::<u64>();
        let owed = sum(true).saturating_sub(sum(false));
        if owed > cap {
            prop_assert_eq!(result, Err(LedgerRefusal::OverCap));
        } else if owed <= 300 && sum(false).saturating_sub(sum(true)) <= 300 {
            prop_assert!(result.is_ok());
            prop_assert_eq!(world.balance(HUB) + sum(true), 300 + sum(false));
        } else {
            prop_assert_eq!(result, Err(LedgerRefusal::InsufficientBalance));
        }
    }
}
