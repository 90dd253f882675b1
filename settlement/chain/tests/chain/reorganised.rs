//! The chain goes another way: what was not final is not credited, what was sent is sent again.

use std::thread;
use std::time::Duration;

use farthing_chain::Finality;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{BaseLedger as _, LedgerView as _};
use serde_json::json;

use crate::anvil::Anvil;
use crate::world::{PAYERS, SENDER, Side, at, on_chain, open};

#[test]
fn a_deposit_that_is_not_final_is_not_credited_and_comes_back_once() {
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
    let mut side = Side::over(open(folder.path(), &config));
    let issue = side.issue(PAYERS[0], 1_000);
    side.submit(issue, UnixSeconds(0)).unwrap();
    let opening = side.open(PAYERS[0], 400);

    let config = farthing_chain::ChainConfig { finality: Finality::Depth(3), ..config };
    anvil.mine(4);
    let watcher = open(folder.path(), &config);
    watcher.catch_up().unwrap();
    let escrow = side.escrows[0];
    let finals = watcher.heads().unwrap().finalized;
    let payer = thread::spawn({
        let ledger = open(folder.path(), &config);
        move || ledger.submit(&opening, UnixSeconds(0))
    });
    // The allowance must be final before the deposit is sent; then nothing more is mined.
    while watcher.heads().unwrap().head == finals {
        watcher.catch_up().unwrap();
        if watcher.heads().unwrap().head == finals && !allowed_and_waiting(&anvil) {
            anvil.mine(1);
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(watcher.escrow(&escrow).unwrap().is_none(), "seen, and not credited");

    anvil.ask("anvil_reorg", json!([1, []]));
    watcher.catch_up().unwrap();
    assert!(watcher.escrow(&escrow).unwrap().is_none(), "gone, and never credited");
    while !payer.is_finished() {
        anvil.mine(1);
        thread::sleep(Duration::from_millis(20));
    }
    payer.join().unwrap().unwrap();
    watcher.catch_up().unwrap();
    assert_eq!(watcher.escrow(&escrow).unwrap().unwrap().deposit, 400);
    assert_eq!(watcher.wallet(&at(PAYERS[0])).unwrap(), 600, "paid in once");
    assert_ne!(at(SENDER), at(PAYERS[0]));
    watcher.audit().unwrap();
}

/// Whether a transaction waits for a block, which automatic mining will make by itself.
fn allowed_and_waiting(anvil: &Anvil) -> bool {
    anvil.ask("txpool_status", json!([]))["pending"] != "0x0"
}
