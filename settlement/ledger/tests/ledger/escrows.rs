//! The life of an escrow.

use farthing_channel::eip712::Voucher;
use farthing_channel::id::{Address, LaneId};
use farthing_channel::sign::{Signature, sign_typed};
use farthing_ledger::*;

use crate::world::*;

fn top_up(world: &World, escrow: farthing_channel::id::EscrowId, counter: u64, amount: u128) -> SignedOperation {
    SignedOperation::TopUp(world.sign(PAYER, TopUp { escrow, counter, amount }))
}

fn request_close(world: &World, escrow: farthing_channel::id::EscrowId, counter: u64) -> SignedOperation {
    SignedOperation::RequestClose(world.sign(PAYER, RequestClose { escrow, counter }))
}

fn withdraw(world: &World, escrow: farthing_channel::id::EscrowId, counter: u64) -> SignedOperation {
    SignedOperation::Withdraw(world.sign(PAYER, Withdraw { escrow, counter }))
}

#[test]
fn opens_from_the_payers_account_and_only_once() {
    let (world, escrow) = World::funded();
    assert_eq!(world.balance(PAYER), 400);
    let opened = world.escrow(&escrow);
    assert_eq!((opened.deposit, opened.settled, opened.state), (600, 0, EscrowState::Open));
    assert_eq!((opened.signer(), opened.terms()), (at(SIGNER), world.terms(PAYER, 1)));
    assert_eq!(world.open(PAYER, 1, 100), Err(LedgerRefusal::EscrowExists));
    assert_eq!(world.open(PAYER, 2, 401), Err(LedgerRefusal::InsufficientBalance));
    assert_eq!(world.open(PAYER, 2, 0), Err(LedgerRefusal::ZeroAmount));
    assert_eq!(world.open(PAYER, 2, u128::from(u64::MAX) + 1), Err(LedgerRefusal::AmountTooLarge));
    assert_eq!(world.open(OTHER_PAYER, 1, 1), Err(LedgerRefusal::InsufficientBalance));
}

#[test]
fn refuses_terms_it_cannot_keep() {
    let (world, _) = World::funded();
    let open = |signer: u8, terms| {
        let operation = OpenEscrow { terms, deposit: 10 };
        world.submit(&SignedOperation::OpenEscrow(world.sign(signer, operation)), NOW)
    };
    let terms = world.terms(PAYER, 9);
    assert_eq!(open(OTHER_PAYER, terms), Err(LedgerRefusal::WrongSigner));
    let token = farthing_channel::id::EscrowTerms { token: Address([1; 20]), ..terms };
    assert_eq!(open(PAYER, token), Err(LedgerRefusal::UnknownToken));
    let nobody = farthing_channel::id::EscrowTerms { payee: at(OTHER_PAYER), ..terms };
    assert_eq!(open(PAYER, nobody), Err(LedgerRefusal::PayeeNotAHub));
    // Or the hub's key alone could move the hub's money through an escrow of its own.
    let own = farthing_channel::id::EscrowTerms { payer: at(HUB), ..terms };
    assert_eq!(open(HUB, own), Err(LedgerRefusal::ParticipantMoney));
}

#[test]
fn nothing_signed_for_another_ledger_counts() {
    let (world, escrow) = World::funded();
    let (other, same_terms) = World::funded();
    assert_ne!(escrow, same_terms, "the ledger is part of an escrow's identity");
    let foreign = other.sign(PAYER, OpenEscrow { terms: other.terms(PAYER, 2), deposit: 10 });
    assert_eq!(world.submit(&SignedOperation::OpenEscrow(foreign), NOW), Err(LedgerRefusal::WrongSigner));
    let foreign =
        other.approve(Issue { reference: farthing_channel::id::Hash32([8; 32]), account: at(PAYER), amount: 1 });
    assert_eq!(world.submit(&SignedOperation::Issue(foreign), NOW), Err(LedgerRefusal::NotAnApprover));
}

#[test]
fn tops_up_once_per_counter() {
    let (world, escrow) = World::funded();
    let operation = top_up(&world, escrow, 1, 100);
    let topped = Event::EscrowToppedUp { escrow, amount: 100, deposit: 700 };
    assert_eq!(world.submit(&operation, NOW), Ok(vec![topped]));
    assert_eq!(world.submit(&operation, NOW), Err(LedgerRefusal::WrongCounter));
    assert_eq!(world.submit(&top_up(&world, escrow, 3, 100), NOW), Err(LedgerRefusal::WrongCounter));
    assert_eq!(world.submit(&top_up(&world, escrow, 2, 301), NOW), Err(LedgerRefusal::InsufficientBalance));
    let by_another = SignedOperation::TopUp(world.sign(OTHER_PAYER, TopUp { escrow, counter: 2, amount: 1 }));
    assert_eq!(world.submit(&by_another, NOW), Err(LedgerRefusal::WrongSigner));
}

#[test]
fn the_payer_leaves_after_the_grace_period() {
    let (world, escrow) = World::funded();
    assert_eq!(world.submit(&withdraw(&world, escrow, 1), later(99)), Err(LedgerRefusal::CloseNotRequested));
    world.settle(world.signer_batch(escrow, 0, 100), NOW).unwrap();
    let requested = Event::EscrowCloseRequested { escrow, withdrawable_at: later(24) };
    assert_eq!(world.submit(&request_close(&world, escrow, 1), NOW), Ok(vec![requested]));
    assert_eq!(world.submit(&request_close(&world, escrow, 2), NOW), Err(LedgerRefusal::CloseAlreadyRequested));
    let early = farthing_channel::time::UnixSeconds(later(24).0 - 1);
    assert_eq!(world.submit(&withdraw(&world, escrow, 2), early), Err(LedgerRefusal::GraceNotOver));
    let events = world.submit(&withdraw(&world, escrow, 2), later(24)).unwrap();
    assert_eq!(
        events,
        [
            Event::EscrowWithdrawn { escrow, payer: at(PAYER), amount: 500 },
            Event::EscrowFinalized { escrow, settled: 100, refunded: 500 },
        ]
    );
    assert_eq!((world.balance(PAYER), world.balance(HUB)), (900, 100));
    // Final is for good, for everybody.
    assert_eq!(world.submit(&withdraw(&world, escrow, 3), later(25)), Err(LedgerRefusal::EscrowFinalized));
    assert_eq!(world.submit(&top_up(&world, escrow, 3, 1), later(25)), Err(LedgerRefusal::EscrowFinalized));
    assert_eq!(world.settle(world.signer_batch(escrow, 100, 200), later(25)), Err(LedgerRefusal::EscrowFinalized));
    assert_eq!(world.open(PAYER, 1, 100), Err(LedgerRefusal::EscrowExists));
}

#[test]
fn one_more_batch_after_a_request_to_close() {
    let (world, escrow) = World::funded();
    world.submit(&request_close(&world, escrow, 1), NOW).unwrap();
    assert_eq!(world.settle(world.signer_batch(escrow, 0, 10), later(24)), Err(LedgerRefusal::GraceOver));
    world.settle(world.signer_batch(escrow, 0, 10), later(23)).unwrap();
    assert_eq!(world.settle(world.signer_batch(escrow, 10, 20), later(23)), Err(LedgerRefusal::LastBatchPosted));
    // A top-up takes the request back, and a replay of the old request does not bring it up again.
    world.submit(&top_up(&world, escrow, 2, 1), later(23)).unwrap();
    assert_eq!(world.submit(&request_close(&world, escrow, 1), later(23)), Err(LedgerRefusal::WrongCounter));
    world.settle(world.signer_batch(escrow, 10, 20), later(30)).unwrap();
    assert_eq!(world.escrow(&escrow).state, EscrowState::Open);
}

#[test]
fn the_payee_closes_with_or_without_a_last_voucher() {
    let (world, escrow) = World::funded();
    let close = |signer: u8, total: u64, voucher: Option<Signature>| {
        let close = world.sign(signer, CloseEscrow { escrow, total });
        world.submit(&SignedOperation::CloseEscrow { close, voucher }, NOW)
    };
    let voucher = |signer: u8, total: u64| {
        let typed = Voucher { lane: LaneId::of_escrow(&escrow), cumulative_amount: u128::from(total) };
        Some(sign_typed(&key(signer), &world.domain, &typed).unwrap())
    };
    world.settle(world.signer_batch(escrow, 0, 50), NOW).unwrap();
    assert_eq!(close(PAYER, 50, None), Err(LedgerRefusal::WrongSigner));
    assert_eq!(close(HUB, 49, None), Err(LedgerRefusal::TotalNotAbove));
    assert_eq!(close(HUB, 60, None), Err(LedgerRefusal::EvidenceMissing));
    assert_eq!(close(HUB, 60, voucher(SIGNER, 61)), Err(LedgerRefusal::BadEvidence));
    assert_eq!(close(HUB, 60, voucher(DEVICE, 60)), Err(LedgerRefusal::BadEvidence));
    assert_eq!(close(HUB, 601, voucher(SIGNER, 601)), Err(LedgerRefusal::TotalAboveDeposit));
    let events = close(HUB, 60, voucher(SIGNER, 60)).unwrap();
    assert_eq!(events.last(), Some(&Event::EscrowFinalized { escrow, settled: 60, refunded: 540 }));
    assert_eq!((world.balance(PAYER), world.balance(HUB)), (940, 60));
    assert_eq!(close(HUB, 60, None), Err(LedgerRefusal::EscrowFinalized));
}

#[test]
fn revocations_only_reach_further() {
    let (world, escrow) = World::funded();
    let revoke = |signer: u8, serial: u64, hours: u64| {
        let revoke = world.sign(signer, RevokeMandate { escrow, device: at(DEVICE), serial });
        world.submit(&SignedOperation::RevokeMandate(revoke), later(hours))
    };
    assert_eq!(revoke(PAYER, 3, 0), Err(LedgerRefusal::WrongSigner));
    let event = Event::MandateRevoked { escrow, device: at(DEVICE), serial: 3 };
    assert_eq!(revoke(SIGNER, 3, 0), Ok(vec![event]));
    assert_eq!(revoke(SIGNER, 3, 1), Err(LedgerRefusal::RevocationNotNewer));
    assert_eq!(revoke(SIGNER, 2, 1), Err(LedgerRefusal::RevocationNotNewer));
    revoke(SIGNER, 5, 2).unwrap();
    let listed: Vec<_> = world.ledger.revocations(&escrow).unwrap();
    let expected =
        [(3, later(0)), (5, later(2))].map(|(serial, at_)| Revocation { device: at(DEVICE), serial, at: at_ });
    assert_eq!(listed, expected);
}
