//! Whatever happens in whatever order: both ledgers agree about every operation, and end in equal balances and events.

use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::scenario::{Pair, hours};
use crate::world::{Claims, HUB, PAYERS, PROVIDERS};

#[derive(Debug, Clone)]
enum Step {
    Issue(usize, u64),
    Open(usize, u64),
    TopUp(usize, u64),
    Leaves(usize, [u64; 3]),
    Agreed(usize, u64),
    RequestClose(usize),
    Withdraw(usize),
    Close(usize, u64),
    Revoke(usize, u8, u64),
    Settings(usize, u64, bool),
    Transfers([u64; 2]),
    CloseEpoch(u64),
    PayOut(u8, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let escrow = 0_usize..4;
    prop_oneof![
        2 => (0_usize..2, 1_u64..3_000).prop_map(|(payer, amount)| Step::Issue(payer, amount)),
        3 => (0_usize..2, 0_u64..2_000).prop_map(|(payer, deposit)| Step::Open(payer, deposit)),
        1 => (escrow.clone(), 0_u64..900).prop_map(|(escrow, amount)| Step::TopUp(escrow, amount)),
        5 => (escrow.clone(), prop::array::uniform3(0_u64..400)).prop_map(|(escrow, sums)| Step::Leaves(escrow, sums)),
        2 => (escrow.clone(), 1_u64..1_500).prop_map(|(escrow, total)| Step::Agreed(escrow, total)),
        2 => escrow.clone().prop_map(Step::RequestClose),
        2 => escrow.clone().prop_map(Step::Withdraw),
        1 => (escrow.clone(), 0_u64..900).prop_map(|(escrow, total)| Step::Close(escrow, total)),
        1 => (escrow, 0_u8..3, 0_u64..3).prop_map(|(escrow, device, serial)| Step::Revoke(escrow, device, serial)),
        1 => (0_usize..3, 0_u64..400, any::<bool>()).prop_map(|(account, cap, own)| Step::Settings(account, cap, own)),
        2 => prop::array::uniform2(0_u64..300).prop_map(Step::Transfers),
        1 => (1_u64..4).prop_map(Step::CloseEpoch),
        1 => (1_u8..4, 0_u64..200).prop_map(|(reference, amount)| Step::PayOut(reference, amount)),
        3 => (1_u64..60).prop_map(Step::Pass),
    ]
}

/// What a run remembers beside the ledgers.
#[derive(Default)]
struct Run {
    /// Whose each escrow is.
    payers: Vec<usize>,
    /// What each device of each escrow has paid.
    totals: Vec<[u64; 3]>,
    epoch: u64,
}

fn play(pair: &mut Pair, run: &mut Run, step: &Step) {
    let owner = |escrow: &usize| run.payers.get(*escrow).map(|payer| PAYERS[*payer]);
    match step {
        Step::Issue(payer, amount) => drop(pair.both(|side| side.issue(PAYERS[*payer], *amount))),
        Step::Open(payer, deposit) if run.payers.len() < 4 => {
            pair.both(|side| side.open(PAYERS[*payer], *deposit));
            run.payers.push(*payer);
            run.totals.push([0; 3]);
        }
        Step::Pass(span) => pair.pass(hours(*span)),
        Step::Settings(account, cap, own) => {
            let account = [HUB, PROVIDERS[0], PROVIDERS[1]][*account];
            pair.both(|side| side.set_participant(account, *cap, *own));
        }
        Step::Transfers(amounts) => {
            run.epoch += 1;
            let epoch = run.epoch;
            pair.both(|side| side.transfers(epoch, *amounts));
        }
        Step::CloseEpoch(epoch) => drop(pair.both(|side| side.close_epoch(*epoch))),
        Step::PayOut(reference, amount) => drop(pair.both(|side| side.pay_out(*reference, *amount))),
        Step::TopUp(escrow, amount) => {
            let Some(payer) = owner(escrow) else { return };
            pair.both(|side| side.top_up(*escrow, payer, *amount));
        }
        Step::RequestClose(escrow) => {
            let Some(payer) = owner(escrow) else { return };
            pair.both(|side| side.request_close(*escrow, payer));
        }
        Step::Withdraw(escrow) => {
            let Some(payer) = owner(escrow) else { return };
            pair.both(|side| side.withdraw(*escrow, payer));
        }
        Step::Close(escrow, total) => {
            let Some(payer) = owner(escrow) else { return };
            pair.both(|side| side.close(*escrow, payer, *total));
        }
        Step::Revoke(escrow, device, serial) => {
            let Some(payer) = owner(escrow) else { return };
            pair.both(|side| side.revoke(*escrow, payer, 20 + device, *serial));
        }
        Step::Agreed(escrow, total) => {
            let Some(payer) = owner(escrow) else { return };
            run.epoch += 1;
            let epoch = run.epoch;
            pair.both(|side| side.agreed(*escrow, payer, *total, epoch));
        }
        Step::Leaves(escrow, more) => {
            let Some(payer) = owner(escrow) else { return };
            let totals = &mut run.totals[*escrow];
            totals.iter_mut().zip(more).for_each(|(total, more)| *total += more);
            let claims: Claims = (20..).zip(*totals).filter(|(_, total)| *total > 0).collect();
            if claims.is_empty() {
                return;
            }
            run.epoch += 1;
            let epoch = run.epoch;
            pair.both(|side| side.leaves(*escrow, payer, &claims, epoch));
        }
        Step::Open(..) => {}
    }
}

proptest! {
    #![proptest_config(Config { cases: 6, max_shrink_iters: 30, failure_persistence: None, ..Config::default() })]

    #[test]
    fn both_ledgers_agree(steps in prop::collection::vec(step(), 12..28)) {
        let (mut pair, mut run) = (Pair::new(), Run::default());
        for step in &steps {
            play(&mut pair, &mut run, step);
        }
        pair.compare();
    }
}
