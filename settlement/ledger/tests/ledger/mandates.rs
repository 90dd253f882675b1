//! What a mandate lets a batch collect.

use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::*;

use crate::world::*;

#[test]
fn limits_hold_for_channel_and_escrow() {
    let (world, escrow) = World::funded();
    let batch = |limit: u128, total: u64| {
        let leaves = LeafSet {
            mandates: vec![world.mandate(escrow, DEVICE, 1, limit)],
            channels: vec![channel(DEVICE, 1, vec![world.lane(escrow, DEVICE, PROVIDER, 0, total)])],
        };
        world.settle(world.leaf_batch(escrow, 0, leaves, &[]), NOW)
    };
    assert_eq!(batch(99, 100), Err(LedgerRefusal::MandateLimit));
    assert_eq!(batch(1 << 90, 601), Err(LedgerRefusal::TotalAboveDeposit));
    assert!(batch(1 << 90, 600).is_ok());
}

#[test]
fn a_mandate_may_bind_payees_and_come_out_of_a_tree() {
    let (world, escrow) = World::funded();
    let terms = |device: u8| MandateTerms {
        device: at(device),
        limit: 100,
        expiry: later(1000),
        serial: 4,
        payees: vec![at(PROVIDER)],
    };
    let mandates = sign_mandates(&key(SIGNER), &world.domain, escrow, &[terms(DEVICE), terms(OTHER_DEVICE)]).unwrap();
    let batch = |payee: u8| {
        let channels = vec![channel(DEVICE, 4, vec![world.lane(escrow, DEVICE, payee, 0, 5)])];
        let leaves = LeafSet { mandates: mandates.clone(), channels };
        world.settle(world.leaf_batch(escrow, 0, leaves, &[]), NOW)
    };
    assert_eq!(batch(OTHER_PROVIDER), Err(LedgerRefusal::PayeeNotAllowed));
    assert!(batch(PROVIDER).is_ok());
}

#[test]
fn totals_grow_for_48_hours_after_a_revocation_and_then_stand() {
    let (world, escrow) = World::funded();
    let first = world.mandate(escrow, DEVICE, 1, 100);
    let second = world.mandate(escrow, DEVICE, 2, 50);
    let batch = |prev: u64, serial: u64, total: u64, now: UnixSeconds| {
        let mandates = vec![first.clone(), second.clone()];
        let channels = vec![channel(DEVICE, serial, vec![world.lane(escrow, DEVICE, PROVIDER, 0, total)])];
        world.settle(world.leaf_batch(escrow, prev, LeafSet { mandates, channels }, &[]), now)
    };
    batch(0, 1, 20, later(0)).unwrap();
    let revoke = world.sign(SIGNER, RevokeMandate { escrow, device: at(DEVICE), serial: 1 });
    world.submit(&SignedOperation::RevokeMandate(revoke), later(1)).unwrap();
    batch(20, 1, 30, UnixSeconds(later(49).0 - 1)).unwrap();
    assert_eq!(batch(30, 1, 31, later(49)), Err(LedgerRefusal::MandateEnded));
    // A later revocation that reaches further does not lengthen the time of the first.
    let revoke = world.sign(SIGNER, RevokeMandate { escrow, device: at(DEVICE), serial: 7 });
    world.submit(&SignedOperation::RevokeMandate(revoke), later(50)).unwrap();
    assert_eq!(batch(30, 1, 31, later(51)), Err(LedgerRefusal::MandateEnded));
    batch(30, 2, 40, later(97)).unwrap();
    assert_eq!(batch(40, 2, 41, later(98)), Err(LedgerRefusal::MandateEnded));
}

#[test]
fn an_expired_mandate_stands_without_stopping_the_rest() {
    let (world, escrow) = World::funded();
    let expiring = MandateTerms { device: at(DEVICE), limit: 100, expiry: later(1), serial: 1, payees: vec![] };
    let mandates = vec![world.mandate_for(escrow, expiring), world.mandate(escrow, OTHER_DEVICE, 1, 100)];
    let batch = |prev: u64, totals: [u64; 2], now: UnixSeconds| {
        let channels = [DEVICE, OTHER_DEVICE].into_iter().zip(totals);
        let channels =
            channels.map(|(device, total)| channel(device, 1, vec![world.lane(escrow, device, PROVIDER, 0, total)]));
        let leaves = LeafSet { mandates: mandates.clone(), channels: channels.collect() };
        world.settle(world.leaf_batch(escrow, prev, leaves, &[]), now)
    };
    batch(0, [10, 10], later(48)).unwrap();
    assert_eq!(batch(20, [11, 10], later(49)), Err(LedgerRefusal::MandateEnded));
    batch(20, [10, 15], later(49)).unwrap();
    assert_eq!(world.balance(HUB), 25);
}
