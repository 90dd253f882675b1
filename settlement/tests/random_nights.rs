//! Random days and nights: whatever is paid, in whatever order, and wherever nights are cut short, each provider has in
//! the end exactly what its lanes have proven, and the ledger's money is all there.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use farthing_channel::sign::Signer as _;
use farthing_ledger::LedgerView as _;
use farthing_settlement::night::{Progress, RunOptions};
use farthing_settlement::stage::Stage;
use proptest::prelude::*;
use world::{Lane, World, key};

const LANES: usize = 6;

/// One day: payments as (lane, amount), and the stage after which the night's first run dies.
fn day() -> impl Strategy<Value = (Vec<(usize, u64)>, usize)> {
    (prop::collection::vec((0..LANES, 1_u64..2_000), 0..12), 0..Stage::ALL.len())
}

fn night(world: &World, dies_after: Stage) {
    let book = world.book();
    let night = world.night(&book);
    night.run(&RunOptions { stop_after: Some(dies_after), ..RunOptions::default() }).unwrap();
    loop {
        match night.run(&RunOptions::default()).unwrap() {
            Progress::NeedsApprovals { .. } => {
                night.approve(&world.approvers[0], None).unwrap();
                night.approve(&world.approvers[1], None).unwrap();
            }
            Progress::NothingToSettle => return,
            Progress::Closed { epoch, .. } => {
                assert!(night.outputs(epoch).unwrap().unwrap().reconciliation.unwrap().adds_up());
            }
            other => panic!("the embedded ledger decides at once, and a run goes to the end: {other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn providers_get_what_is_proven(days in prop::collection::vec(day(), 1..4)) {
        let mut world = World::new(3);
        let (payers, escrows): (Vec<_>, Vec<_>) = [4, 5]
            .map(|payer| (key(payer), ()))
            .into_iter()
            .map(|(payer, ())| {
                let escrow = world.escrow(&payer, 50_000);
                (payer, escrow)
            })
            .unzip();
        let mut lanes: Vec<Lane> = Vec::new();
        let mut records = Vec::new();
        for (payer, escrow) in payers.iter().zip(&escrows) {
            records.extend(world.mandates(payer, *escrow, &[10, 11], 40_000, 1));
        }
        for number in 0..LANES {
            let device = 10 + u16::try_from(number % 2).unwrap();
            let (lane, opened) = world.lane(escrows[number / 3], device, number % 3, 1);
            lanes.push(lane);
            records.push(opened);
        }
        world.journal.write(&records);
        let mut proven: BTreeMap<usize, u64> = BTreeMap::new();
        for (payments, dies_after) in &days {
            for (lane, amount) in payments {
                let total = proven.entry(*lane).or_default();
                *total = (*total).max(*amount);
                let record = world.voucher(&lanes[*lane], *amount);
                world.journal.write(&[record]);
            }
            night(&world, Stage::ALL[*dies_after]);
            for (number, provider) in world.providers.iter().enumerate() {
                let expected: u64 = proven.iter().filter(|(lane, _)| *lane % 3 == number).map(|(_, total)| total).sum();
                prop_assert_eq!(world.balance(provider.address()), expected);
            }
            prop_assert_eq!(world.balance(world.hub.address()), 0);
            world.ledger.audit().unwrap();
        }
    }
}
