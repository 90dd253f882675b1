//! Demands for leaves are answered, grown and carried lanes alike, and the batch is paid.

use alloy_primitives::{Address as ChainAddress, Bytes, U64};
use alloy_sol_types::{SolCall as _, sol};
use farthing_chain::Finality;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{LedgerError, PendingBatch};
use serde_json::json;

use crate::anvil::Anvil;
use crate::world::{HUB, PAYERS, Side, at, on_chain, open};

sol! {
    struct Batch {
        bytes32 escrowId; uint128 prevSettled; uint128 total; bytes32 root;
        uint32 channels; uint32 lanes; bytes32 journalRoot; uint64 epoch;
    }
    function demandIndex(Batch batch, uint32 channelIndex, uint32 laneIndex) external payable;
    function demandOffset(Batch batch, uint128 offset) external payable;
}

/// The payer demands a leaf, as a wallet would.
fn demand(anvil: &Anvil, escrow_contract: ChainAddress, data: Vec<u8>) {
    let payer = ChainAddress::new(at(PAYERS[0]).0);
    anvil.ask("anvil_impersonateAccount", json!([payer]));
    let value = U64::from(10_000_000_000_000_000_u64);
    let call =
        json!({"from": payer, "to": escrow_contract, "value": value, "data": Bytes::from(data), "gas": "0x4c4b40"});
    let hash = anvil.ask("eth_sendTransaction", json!([call]));
    let receipt = loop {
        let receipt = anvil.ask("eth_getTransactionReceipt", json!([hash]));
        if !receipt.is_null() {
            break receipt;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

fn batch(pending: &PendingBatch) -> Batch {
    let batch = &pending.batch;
    Batch {
        escrowId: batch.escrow.0.into(),
        prevSettled: batch.prev_settled.into(),
        total: batch.total.into(),
        root: batch.root.0.into(),
        channels: batch.channels,
        lanes: batch.lanes,
        journalRoot: batch.journal_root.0.into(),
        epoch: batch.epoch,
    }
}

#[test]
fn an_honest_hub_answers_and_is_paid() {
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
    let mut side = Side::over(open(folder.path(), &config));
    let [payer, _] = PAYERS;
    for operation in [side.issue(payer, 2_000), side.open(payer, 1_000)] {
        side.submit(operation, UnixSeconds(0)).unwrap();
    }
    let nights = [vec![(20, 100), (21, 50)], vec![(20, 180), (21, 50)]];
    for (night, epoch) in nights.iter().zip(1..) {
        let posting = side.leaves(0, payer, night, epoch);
        let Err(LedgerError::Waiting { until }) = side.submit(posting.clone(), UnixSeconds(0)) else {
            panic!("a batch waits for its window");
        };
        let pending = side.ledger.escrow(&side.escrows[0]).unwrap().unwrap().pending.unwrap();
        let contract = ChainAddress::new(config.escrow.0);
        for channel in 0..2 {
            let call = demandIndexCall { batch: batch(&pending), channelIndex: channel, laneIndex: 7 };
            demand(&anvil, contract, call.abi_encode());
        }
        let call = demandOffsetCall { batch: batch(&pending), offset: u128::from(pending.batch.total - 1) };
        demand(&anvil, contract, call.abi_encode());
        open(folder.path(), &config).attend(Some(&at(HUB))).unwrap();
        anvil.pass_to(until.0);
        side.submit(posting, UnixSeconds(0)).unwrap();
    }
    assert_eq!(side.ledger.account(&at(HUB)).unwrap().balance, 230);
    side.ledger.audit().unwrap();
}
