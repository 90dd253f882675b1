//! Collecting from an escrow: every leaf is checked.

use farthing_channel::eip712::Voucher;
use farthing_channel::id::{ChannelId, EscrowId, LaneId, RatingGroup};
use farthing_channel::lane::{Evidence, SignedVoucher};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::sign::{LibSecpKey, Signer as _, sign_typed};
use farthing_ledger::*;

use crate::world::*;

/// Two devices, three lanes, 60 in total.
fn first_leaves(world: &World, escrow: EscrowId) -> LeafSet {
    LeafSet {
        mandates: vec![world.mandate(escrow, DEVICE, 1, 100), world.mandate(escrow, OTHER_DEVICE, 1, 100)],
        channels: vec![
            channel(
                DEVICE,
                1,
                vec![world.lane(escrow, DEVICE, PROVIDER, 0, 10), world.lane(escrow, DEVICE, PROVIDER, 1, 20)],
            ),
            channel(OTHER_DEVICE, 1, vec![world.lane(escrow, OTHER_DEVICE, PROVIDER, 0, 30)]),
        ],
    }
}

fn without_evidence(mut leaves: LeafSet) -> LeafSet {
    leaves.mandates.clear();
    leaves.channels.iter_mut().flat_map(|channel| &mut channel.lanes).for_each(|lane| lane.evidence = None);
    leaves
}

#[test]
fn pays_what_the_leaves_sum_to_and_remembers_them() {
    let (world, escrow) = World::funded();
    let leaves = first_leaves(&world, escrow);
    let batch = world.leaf_batch(escrow, 0, leaves.clone(), &[]);
    let events = world.settle(batch.clone(), NOW).unwrap();
    let Event::EscrowSettled { prev_settled: 0, total: 60, channels: 2, lanes: 3, root, .. } = events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(root, batch.order.operation.root);
    assert_eq!((world.balance(HUB), world.escrow(&escrow).settled), (60, 60));
    assert_eq!(world.settle(batch, NOW), Err(LedgerRefusal::WrongPrevSettled), "a batch is paid once");
    let settled = [(DEVICE, 0), (DEVICE, 1), (OTHER_DEVICE, 0), (OTHER_DEVICE, 7)]
        .map(|(device, group)| lane_id(escrow, device, PROVIDER, group));
    assert_eq!(world.ledger.lanes_settled(&settled).unwrap(), [10, 20, 30, 0]);
    let mut channels = [(DEVICE, 30), (OTHER_DEVICE, 30)].map(|(device, total)| SettledChannel {
        device: at(device),
        serial: 1,
        total,
    });
    channels.sort_by_key(|channel| channel.device);
    assert_eq!(world.ledger.channels_settled(&escrow).unwrap(), channels);

    // The next night one lane grew: the others need no evidence, and no mandate is shown again.
    let mandates = leaves.mandates.clone();
    let mut next = without_evidence(leaves);
    next.channels[1].lanes[0] = world.lane(escrow, OTHER_DEVICE, PROVIDER, 0, 45);
    world.settle(world.leaf_batch(escrow, 60, next, &mandates), NOW).unwrap();
    assert_eq!(world.balance(HUB), 75);
}

#[test]
fn a_lane_that_grew_needs_evidence_worth_its_claim() {
    let (world, escrow) = World::funded();
    let refused = |change: fn(&World, EscrowId, &mut LaneClaim)| {
        let mut leaves = first_leaves(&world, escrow);
        change(&world, escrow, &mut leaves.channels[1].lanes[0]);
        world.settle(world.leaf_batch(escrow, 0, leaves, &[]), NOW).unwrap_err()
    };
    assert_eq!(refused(|_, _, lane| lane.evidence = None), LedgerRefusal::EvidenceMissing);
    assert_eq!(refused(|_, _, lane| lane.total = 31), LedgerRefusal::EvidenceTooLow);
    assert_eq!(refused(|_, _, lane| lane.total = 0), LedgerRefusal::ZeroAmount);
    let by_another_device = |world: &World, escrow: EscrowId, lane: &mut LaneClaim| {
        let id = lane_id(escrow, OTHER_DEVICE, PROVIDER, 0);
        lane.evidence = Some(world.voucher(DEVICE, id, 30));
    };
    assert_eq!(refused(by_another_device), LedgerRefusal::BadEvidence);
    let for_another_lane = |world: &World, escrow: EscrowId, lane: &mut LaneClaim| {
        let id = lane_id(escrow, OTHER_DEVICE, OTHER_PROVIDER, 0);
        lane.evidence = Some(world.voucher(OTHER_DEVICE, id, 30));
    };
    assert_eq!(refused(for_another_lane), LedgerRefusal::BadEvidence);
    let mut less = first_leaves(&world, escrow);
    less.channels[1].lanes[0].total = 29;
    assert!(world.settle(world.leaf_batch(escrow, 0, less, &[]), NOW).is_ok(), "claiming less is the payee's right");
}

#[test]
fn what_was_settled_neither_shrinks_nor_goes_missing() {
    let (world, escrow) = World::funded();
    let leaves = first_leaves(&world, escrow);
    let mandates = leaves.mandates.clone();
    world.settle(world.leaf_batch(escrow, 0, leaves.clone(), &[]), NOW).unwrap();
    let grown = |total| world.lane(escrow, OTHER_DEVICE, PROVIDER, 0, total);
    let mut missing = leaves.clone();
    missing.channels[0].lanes.pop();
    missing.channels[1].lanes[0] = grown(80);
    assert_eq!(world.settle(world.leaf_batch(escrow, 60, missing, &mandates), NOW), Err(LedgerRefusal::LaneMissing));
    let mut shrinking = leaves.clone();
    shrinking.channels[0].lanes[0].total = 9;
    shrinking.channels[1].lanes[0] = grown(80);
    assert_eq!(world.settle(world.leaf_batch(escrow, 60, shrinking, &mandates), NOW), Err(LedgerRefusal::LaneShrinks));
    let same = without_evidence(leaves);
    assert_eq!(world.settle(world.leaf_batch(escrow, 60, same, &mandates), NOW), Err(LedgerRefusal::TotalNotAbove));
}

#[test]
fn the_order_must_fit_its_leaves() {
    let (world, escrow) = World::funded();
    let refused = |change: fn(&mut SettleBatch, &mut LeafSet)| {
        let batch = world.leaf_batch(escrow, 0, first_leaves(&world, escrow), &[]);
        let (mut order, BatchProof::Leaves(mut leaves)) = (batch.order.operation, batch.proof) else { panic!() };
        change(&mut order, &mut leaves);
        let order = world.sign(HUB, order);
        world.settle(SettlementBatch { order, proof: BatchProof::Leaves(leaves) }, NOW).unwrap_err()
    };
    assert_eq!(refused(|order, _| order.total = 61), LedgerRefusal::SumMismatch);
    assert_eq!(refused(|order, _| order.total = 59), LedgerRefusal::SumMismatch);
    assert_eq!(refused(|order, _| order.root.0[0] ^= 1), LedgerRefusal::RootMismatch);
    assert_eq!(refused(|order, _| order.channels = 3), LedgerRefusal::CountMismatch);
    assert_eq!(refused(|order, _| order.lanes = 2), LedgerRefusal::CountMismatch);
    assert_eq!(refused(|order, _| order.prev_settled = 1), LedgerRefusal::WrongPrevSettled);
    assert_eq!(refused(|_, leaves| leaves.channels.reverse()), LedgerRefusal::ChannelsOutOfOrder);
    let reverse_lanes = |_: &mut SettleBatch, leaves: &mut LeafSet| {
        leaves.channels.iter_mut().for_each(|channel| channel.lanes.reverse());
    };
    assert_eq!(refused(reverse_lanes), LedgerRefusal::LanesOutOfOrder);
    assert_eq!(refused(|_, leaves| leaves.mandates.clear()), LedgerRefusal::MandateMissing);
    assert_eq!(refused(|_, leaves| leaves.mandates[0].mandates[0].limit += 1), LedgerRefusal::BadMandate);
    assert_eq!(refused(|_, leaves| leaves.mandates[0].escrow = EscrowId([1; 32])), LedgerRefusal::BadMandate);
    let unknown = SettleBatch { escrow: EscrowId([1; 32]), ..world.signer_batch(escrow, 0, 1).order.operation };
    let batch = SettlementBatch { order: world.sign(HUB, unknown), ..world.signer_batch(escrow, 0, 1) };
    assert_eq!(world.settle(batch, NOW), Err(LedgerRefusal::UnknownEscrow));
    let by_payer = world.signer_batch(escrow, 0, 1).order.operation;
    let batch = SettlementBatch { order: world.sign(PAYER, by_payer), ..world.signer_batch(escrow, 0, 1) };
    assert_eq!(world.settle(batch, NOW), Err(LedgerRefusal::WrongSigner));
}

#[test]
fn the_signers_own_proof_covers_everything() {
    let (world, escrow) = World::funded();
    let batch = |total: u64, evidence: Evidence| {
        let order = world.signer_batch(escrow, world.escrow(&escrow).settled, total).order;
        world.settle(SettlementBatch { order, proof: BatchProof::Signer(evidence) }, NOW)
    };
    let lone = LaneId::of_escrow(&escrow);
    assert_eq!(batch(10, world.countersign(&escrow, 9)), Err(LedgerRefusal::EvidenceTooLow));
    assert_eq!(batch(10, world.voucher(PAYER, lone, 10)), Err(LedgerRefusal::BadEvidence));
    assert_eq!(batch(10, world.voucher(SIGNER, LaneId([1; 32]), 10)), Err(LedgerRefusal::BadEvidence));
    assert!(batch(10, world.countersign(&escrow, 10)).is_ok());
    assert_eq!(world.ledger.lane_settled(&lone).unwrap(), 10);
    let mut with_root = world.signer_batch(escrow, 10, 20);
    with_root.order = world.sign(HUB, SettleBatch { lanes: 1, ..with_root.order.operation });
    assert_eq!(world.settle(with_root, NOW), Err(LedgerRefusal::LeavesNotGiven));
}

#[test]
fn leaves_after_a_countersigned_batch_pay_only_the_difference() {
    let (world, escrow) = World::funded();
    world.settle(world.signer_batch(escrow, 0, 50), NOW).unwrap();
    let batch = world.leaf_batch(escrow, 50, first_leaves(&world, escrow), &[]);
    world.settle(batch, NOW).unwrap();
    assert_eq!((world.balance(HUB), world.escrow(&escrow).lanes_total), (60, 60));
    world.settle(world.signer_batch(escrow, 60, 90), NOW).unwrap();
    assert_eq!((world.balance(HUB), world.escrow(&escrow).lanes_total), (90, 60));
}

#[test]
fn one_bad_leaf_among_many_refuses_the_batch() {
    let (world, escrow) = World::funded();
    let device = |number: u16| {
        let mut secret = [0xd0; 32];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        LibSecpKey::from_bytes(secret).unwrap()
    };
    let keys: Vec<_> = (0..600).map(device).collect();
    let terms = |key: &LibSecpKey| MandateTerms {
        device: key.address(),
        limit: 1,
        expiry: later(9),
        serial: 1,
        payees: vec![],
    };
    let terms: Vec<_> = keys.iter().map(terms).collect();
    let mandates = sign_mandates(&key(SIGNER), &world.domain, escrow, &terms).unwrap();
    let claim = |key: &LibSecpKey| {
        let lane = LaneId::derive(&ChannelId::derive(&escrow, &key.address()), &at(PROVIDER), RatingGroup(0));
        let typed = Voucher { lane, cumulative_amount: 1 };
        let signature = sign_typed(key, &world.domain, &typed).unwrap().into();
        let evidence = Some(Evidence::Voucher(SignedVoucher { amount: 1, signature }));
        let lane = LaneClaim { payee: at(PROVIDER), rating_group: RatingGroup(0), total: 1, evidence };
        ChannelClaim { device: key.address(), serial: 1, lanes: vec![lane] }
    };
    let leaves = LeafSet { mandates, channels: keys.iter().map(claim).collect() };
    for bad in [0, 255, 256, 599] {
        let mut leaves = leaves.clone();
        leaves.channels.sort_by_key(|channel| channel.device);
        leaves.channels[bad].lanes[0].evidence = leaves.channels[bad ^ 1].lanes[0].evidence;
        let batch = world.leaf_batch(escrow, 0, leaves, &[]);
        assert_eq!(world.settle(batch, NOW), Err(LedgerRefusal::BadEvidence), "{bad}");
    }
    world.settle(world.leaf_batch(escrow, 0, leaves, &[]), NOW).unwrap();
    assert_eq!(world.balance(HUB), 600);
}
