use farthing_channel::id::EscrowId;
use proptest::prelude::*;

use super::*;
use crate::facts::{AccountFacts, RevocationFacts};
use crate::netting::{Greedy, net};

const HUB: Address = Address([0xaa; 20]);
const NOW: UnixSeconds = UnixSeconds(10_000_000);

fn escrow(number: u8, deposit: u64, settled: u64, lanes_total: u64) -> EscrowFacts {
    EscrowFacts {
        escrow: EscrowId([number; 32]),
        payer: Address([0x40 + number; 20]),
        signer: Address([0x40 + number; 20]),
        deposit,
        settled,
        lanes_total,
        standing: EscrowStanding::Collectable,
        revocations: Vec::new(),
    }
}

fn facts(escrows: Vec<EscrowFacts>, participants: &[Address]) -> LedgerFacts {
    let account =
        |account: &Address| AccountFacts { account: *account, label: String::new(), participant: true, balance: 0 };
    let mut accounts: Vec<_> = participants.iter().chain([&HUB]).map(account).collect();
    accounts.sort_by_key(|account| account.account);
    LedgerFacts { chain_id: 1, contract: Address([1; 20]), net_contract: None, event: 0, escrows, accounts }
}

fn mandate(limit: u128) -> Cover {
    Cover::Mandate(MandateFacts { serial: 1, limit, expiry: NOW.0 + 100, allows_payee: true })
}

fn lane(number: u8, escrow: u8, device: u8, payee: Address, authorised: u64, collected: u64) -> LaneFacts {
    LaneFacts {
        lane: LaneId([number; 32]),
        escrow: EscrowId([escrow; 32]),
        device: Address([device; 20]),
        payee,
        rating_group: 1,
        authorised,
        credited: 0,
        collected,
        cover: mandate(u128::MAX),
        settled_under: None,
    }
}

const PAYEE: Address = Address([9; 20]);

fn planned(escrow: EscrowFacts, lanes: &[LaneFacts]) -> Positions {
    plan(1, &HUB, &facts(vec![escrow], &[PAYEE]), NOW, lanes).unwrap()
}

#[test]
fn growth_is_what_is_authorised_beyond_refunds_and_earlier_epochs() {
    let mut facts = lane(1, 1, 1, PAYEE, 100, 30);
    facts.credited = 10;
    let positions = planned(escrow(1, 1_000, 30, 30), &[facts]);
    assert_eq!((positions.lanes[0].collect, positions.lanes[0].carried), (60, 0));
    assert_eq!(positions.draws[0].settled_after, 90);
    assert_eq!(positions.positions.len(), 2);
}

#[test]
fn a_refund_of_collected_money_waits_for_later_payments() {
    let mut facts = lane(1, 1, 1, PAYEE, 100, 100);
    facts.credited = 25;
    let positions = planned(escrow(1, 1_000, 100, 100), &[facts.clone()]);
    assert_eq!((positions.lanes[0].collect, positions.lanes[0].overpaid), (0, 25));
    assert!(positions.draws.is_empty());
    facts.authorised = 140;
    let positions = planned(escrow(1, 1_000, 100, 100), &[facts]);
    assert_eq!((positions.lanes[0].collect, positions.lanes[0].overpaid), (15, 0));
}

#[test]
fn each_rule_holds_back_with_its_own_name() {
    type Spoil = fn(&mut EscrowFacts, &mut LaneFacts);
    let cases: [(CarryReason, Spoil); 9] = [
        (CarryReason::EscrowUnknown, |_, lane| lane.escrow = EscrowId([7; 32])),
        (CarryReason::EscrowFinalized, |escrow, _| escrow.standing = EscrowStanding::Finalized),
        (CarryReason::ExitOver, |escrow, _| escrow.standing = EscrowStanding::ExitOver),
        (CarryReason::PayeeNotRegistered, |_, lane| lane.payee = Address([8; 20])),
        (CarryReason::MandateMissing, |_, lane| lane.cover = Cover::Nothing),
        (CarryReason::PayeeNotAllowed, |_, lane| {
            lane.cover =
                Cover::Mandate(MandateFacts { serial: 1, limit: 1_000, expiry: NOW.0 + 1, allows_payee: false });
        }),
        (CarryReason::MandateEnded, |escrow, _| {
            escrow.revocations = vec![RevocationFacts { device: Address([1; 20]), serial: 1, at: NOW.0 - 48 * 3600 }];
        }),
        (CarryReason::MandateLimit, |_, lane| lane.cover = mandate(0)),
        (CarryReason::EscrowShort, |escrow, _| escrow.deposit = 0),
    ];
    for (reason, spoil) in cases {
        let (mut escrow, mut lane) = (escrow(1, 1_000, 0, 0), lane(1, 1, 1, PAYEE, 50, 0));
        spoil(&mut escrow, &mut lane);
        let positions = planned(escrow, &[lane]);
        let line = &positions.lanes[0];
        assert_eq!((line.collect, line.carried, line.reason), (0, 50, Some(reason)));
    }
}

#[test]
fn a_revocation_leaves_the_night_after_it() {
    let mut revoked = escrow(1, 1_000, 0, 0);
    revoked.revocations = vec![RevocationFacts { device: Address([1; 20]), serial: 1, at: NOW.0 - 48 * 3600 + 1 }];
    assert_eq!(planned(revoked, &[lane(1, 1, 1, PAYEE, 50, 0)]).lanes[0].collect, 50);
}

#[test]
fn books_that_differ_from_the_ledger_stop_the_night() {
    let facts = facts(vec![escrow(1, 1_000, 40, 40)], &[PAYEE]);
    let planned = plan(1, &HUB, &facts, NOW, &[lane(1, 1, 1, PAYEE, 100, 30)]);
    assert!(matches!(planned, Err(PositionError::BooksDiffer { ours: 30, ledgers: 40, .. })));
}

/// Escrow, device, payee, authorised, credited, collected, limit.
type Row = (u8, u8, u8, u64, u64, u64, u128);

fn lanes() -> impl Strategy<Value = Vec<LaneFacts>> {
    let one = (1_u8..4, 1_u8..5, 1_u8..6, 0_u64..500, 0_u64..200, 0_u64..300, 0_u128..900);
    prop::collection::vec(one, 0..40).prop_map(|rows| {
        let lane_of = |(number, row): (usize, Row)| {
            let (escrow, device, payee, authorised, credited, collected, limit) = row;
            // A payer may be a payee too: 0x41.. are the escrows' payers.
            let payee = if payee == 5 { Address([0x41; 20]) } else { Address([payee; 20]) };
            let number = u8::try_from(number).unwrap();
            LaneFacts {
                credited,
                // Limits belong to devices.
                cover: mandate(limit + u128::from(device) * 100),
                ..lane(number, escrow, device, payee, authorised, collected.min(authorised))
            }
        };
        rows.into_iter().enumerate().map(lane_of).collect()
    })
}

proptest! {
    #[test]
    fn every_base_unit_is_somewhere(lanes in lanes(), deposit in 0_u64..3_000) {
        let escrows = (1..4)
            .map(|number| {
                let of_escrow = lanes.iter().filter(|lane| lane.escrow == EscrowId([number; 32]));
                let settled: u64 = of_escrow.map(|lane| lane.collected).sum();
                escrow(number, settled + deposit / u64::from(number), settled, settled)
            })
            .collect();
        let payees: Vec<_> = (1..5).map(|n| Address([n; 20])).chain([Address([0x41; 20])]).collect();
        let facts = facts(escrows, &payees);
        let positions = plan(1, &HUB, &facts, NOW, &lanes).unwrap();
        for line in &positions.lanes {
            prop_assert_eq!(
                line.authorised + line.overpaid,
                line.credited + line.collected_before + line.collect + line.carried
            );
            prop_assert_eq!(line.carried > 0, line.reason.is_some());
        }
        for draw in &positions.draws {
            prop_assert!(draw.settled_after <= draw.deposit);
        }
        for channel in positions.lanes.chunk_by(|a, b| (a.escrow, a.device) == (b.escrow, b.device)) {
            let total: u128 = channel.iter().map(|line| u128::from(line.total())).sum();
            let grows = channel.iter().any(|line| line.collect > 0);
            let Cover::Mandate(mandate) = channel[0].cover else { unreachable!() };
            prop_assert!(!grows || total <= mandate.limit);
        }
        // After the netting the hub pays out exactly what it draws, and every payee gets what its lanes collect.
        let netting = net(&positions.positions, &Greedy).unwrap();
        let collected: u128 = positions.draws.iter().map(|draw| u128::from(draw.amount())).sum();
        let paid: u128 = netting.legs.iter().map(|leg| leg.amount).sum();
        prop_assert_eq!(collected, paid);
        prop_assert!(netting.legs.iter().all(|leg| leg.from == HUB));
        for (payee, sums) in positions.by_payee() {
            let received: u128 = netting.legs.iter().filter(|leg| leg.to == payee).map(|leg| leg.amount).sum();
            prop_assert_eq!(received, sums.collect);
        }
        // The order of the book does not show.
        let mut reversed = lanes;
        reversed.reverse();
        prop_assert_eq!(plan(1, &HUB, &facts, NOW, &reversed).unwrap(), positions);
    }
}
