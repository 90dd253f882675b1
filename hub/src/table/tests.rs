use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowTerms, Hash32, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::{SignedVoucher, Verified, verify_voucher};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::record::{EscrowImage, EscrowState, LaneImage, Record};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{LibSecp, LibSecpKey, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use proptest::prelude::*;

use super::Table;
use super::commit::{Committed, commit};
use super::evidence::SpareState;
use super::unit::Walk;

pub(crate) const PAYEE: Address = Address([9; 20]);

pub(crate) fn domain() -> Domain {
    Domain::new(1, Address([1; 20]))
}

pub(crate) fn payer() -> LibSecpKey {
    LibSecpKey::from_bytes([7; 32]).unwrap()
}

pub(crate) fn device(n: u8) -> LibSecpKey {
    LibSecpKey::from_bytes([n + 10; 32]).unwrap()
}

pub(crate) fn escrow(deposit: u64) -> EscrowImage {
    let terms = EscrowTerms {
        payer: payer().address(),
        payee: Address([2; 20]),
        token: Address::ZERO,
        salt: Hash32::ZERO,
        authorized_signer: Address::ZERO,
    };
    EscrowImage {
        id: terms.id(&Address([1; 20]), 1),
        payer: terms.payer,
        payee: terms.payee,
        token: terms.token,
        salt: terms.salt,
        authorized_signer: terms.authorized_signer,
        deposit,
        settled: 0,
        state: EscrowState::Open,
    }
}

/// The records that open a lane for each device.
pub(crate) fn opening(deposit: u64, limit: u128, devices: u8) -> Vec<Record> {
    let escrow = escrow(deposit);
    let terms: Vec<_> = (0..devices)
        .map(|n| MandateTerms {
            device: device(n).address(),
            limit,
            expiry: UnixSeconds(u64::MAX),
            serial: 1,
            payees: Vec::new(),
        })
        .collect();
    let bundles = sign_mandates(&payer(), &domain(), escrow.id, &terms).unwrap();
    let mut records = vec![Record::Escrow(escrow)];
    records.extend(bundles.into_iter().map(Record::Mandates));
    records.extend((0..devices).map(|n| {
        Record::Lane(LaneImage {
            lane: lane_of(n),
            escrow: escrow.id,
            device: device(n).address(),
            payee: PAYEE,
            rating_group: RatingGroup(1),
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        })
    }));
    records
}

pub(crate) fn lane_of(n: u8) -> LaneId {
    let channel = ChannelId::derive(&escrow(0).id, &device(n).address());
    LaneId::derive(&channel, &PAYEE, RatingGroup(1))
}

pub(crate) fn table(records: &[Record]) -> Table {
    let table = Table::default();
    for record in records {
        table.apply(record).unwrap();
    }
    table
}

fn voucher(n: u8, amount: u64) -> Verified<SignedVoucher> {
    let typed = Voucher { lane: lane_of(n), cumulative_amount: u128::from(amount) };
    let signature = sign_typed(&device(n), &domain(), &typed).unwrap().into();
    let signed = SignedVoucher { amount, signature };
    verify_voucher(&LibSecp, &domain(), &lane_of(n), &device(n).address(), &signed).unwrap()
}

pub(crate) fn pay(table: &Table, n: u8, amount: u64) -> Result<Committed, Refusal> {
    let lane = table.lane(&lane_of(n)).unwrap().unwrap();
    let voucher = voucher(n, amount);
    commit(&lane, u64::MAX, &mut SpareState::default(), |state| Ok(state.propose_voucher(&voucher)))
}

fn authorised_by_lanes(table: &Table) -> u64 {
    let mut sum = 0;
    let end = table.walk(0, u32::MAX, |_, channel| {
        sum += channel.lanes().iter().map(|lane| lane.state().total().amount()).sum::<u64>();
        Walk::On
    });
    assert_eq!(end, Ok(None));
    sum
}

#[test]
fn limits_are_exact_and_a_refusal_changes_nothing() {
    let table = table(&opening(100, 60, 2));
    assert!(matches!(pay(&table, 0, 60), Ok(Committed::Changed { increase: 60, .. })));
    assert_eq!(pay(&table, 0, 61), Err(Refusal::MandateLimit));
    assert_eq!(pay(&table, 1, 41), Err(Refusal::EscrowLimit));
    let escrow = table.escrow(&escrow(0).id).unwrap();
    assert_eq!(escrow.authorised(), 60);
    assert!(matches!(pay(&table, 1, 40), Ok(Committed::Changed { .. })));
    assert_eq!(escrow.authorised(), 100);
    assert_eq!(pay(&table, 0, 60), Ok(Committed::Known));
    let lane = table.lane(&lane_of(0)).unwrap().unwrap();
    let refused = commit(&lane, 59, &mut SpareState::default(), |state| Ok(state.propose_voucher(&voucher(0, 61))));
    assert_eq!(refused, Err(Refusal::LaneLimit));
    assert_eq!(authorised_by_lanes(&table), 100);
}

#[test]
fn lanes_racing_for_the_last_base_unit_cannot_both_win() {
    for _ in 0..50 {
        let table = Arc::new(table(&opening(7, 10, 4)));
        let vouchers: Vec<Vec<_>> = (0..4).map(|n| (1..=4).map(|amount| voucher(n, amount)).collect()).collect();
        let won = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for (n, vouchers) in (0..4_u8).zip(&vouchers) {
                let (table, won) = (&table, &won);
                scope.spawn(move || {
                    let lane = table.lane(&lane_of(n)).unwrap().unwrap();
                    for voucher in vouchers {
                        match commit(&lane, u64::MAX, &mut SpareState::default(), |state| {
                            Ok(state.propose_voucher(voucher))
                        }) {
                            Ok(Committed::Changed { increase, .. }) => {
                                won.fetch_add(increase, Ordering::Relaxed);
                            }
                            Ok(Committed::Known) => {}
                            Err(refusal) => assert_eq!(refusal, Refusal::EscrowLimit),
                        }
                    }
                });
            }
        });
        let escrow = table.escrow(&escrow(0).id).unwrap();
        assert_eq!(won.load(Ordering::Relaxed), escrow.authorised());
        assert_eq!(authorised_by_lanes(&table), escrow.authorised());
        assert_eq!(escrow.authorised(), 7, "16 were wanted, so the deposit is used up exactly");
    }
}

#[test]
fn a_revocation_holds_whatever_its_order() {
    let revoked =
        |serial| Record::Revoked { escrow: escrow(0).id, device: device(0).address(), serial, at: UnixSeconds(0) };
    let opening = opening(100, 60, 1);
    let mut before = opening.clone();
    before.insert(1, revoked(1));
    let mut after = opening.clone();
    after.push(revoked(1));
    let mut older = opening.clone();
    older.push(revoked(0));
    for (records, expected) in [(before, true), (after, true), (older, false), (opening, false)] {
        let table = table(&records);
        let channel = table.channel_of(&escrow(0).id, &device(0).address()).unwrap().unwrap();
        assert_eq!(channel.is_revoked(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The table after any payments is the fold of the records they left: twice the same state by two ways, and what the
    /// escrow counts is what its lanes sum to.
    #[test]
    fn the_state_is_the_fold_of_its_records(payments in prop::collection::vec((0..3_u8, 1..60_u64), 0..25)) {
        let mut records = opening(100, 50, 3);
        let live = table(&records);
        for (n, amount) in payments {
            if let Ok(Committed::Changed { change, .. }) = pay(&live, n, amount) {
                records.push(Record::of_change(lane_of(n), &change));
            }
        }
        let again = table(&records);
        let id = escrow(0).id;
        prop_assert_eq!(again.escrow(&id).unwrap().authorised(), live.escrow(&id).unwrap().authorised());
        prop_assert_eq!(authorised_by_lanes(&live), live.escrow(&id).unwrap().authorised());
        for n in 0..3 {
            let (a, b) = (again.lane(&lane_of(n)).unwrap().unwrap(), live.lane(&lane_of(n)).unwrap().unwrap());
            prop_assert_eq!(a.state(), b.state());
            prop_assert_eq!(a.channel().authorised(), b.channel().authorised());
        }
    }
}
