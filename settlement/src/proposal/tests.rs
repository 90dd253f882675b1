use farthing_channel::id::EscrowId;

use super::*;

fn proposal() -> Proposal {
    Proposal {
        hub: Address([1; 20]),
        chain_id: 7,
        contract: Address([2; 20]),
        epoch: 3,
        cut_off: Hash32([4; 32]),
        positions: Hash32([5; 32]),
        netting: Hash32([6; 32]),
        batches: vec![SettleBatch {
            escrow: EscrowId([7; 32]),
            prev_settled: 10,
            total: 25,
            root: Hash32([8; 32]),
            channels: 2,
            lanes: 3,
            journal_root: Hash32([9; 32]),
            epoch: 3,
        }],
        legs: vec![Leg { from: Address([1; 20]), to: Address([10; 20]), amount: 15 }],
        cursors: vec![JournalCursor { thread: 0, term: 13, sequence: 11, block_hash: Hash32([12; 32]) }],
        journal_root: Hash32([9; 32]),
        net_contract: None,
    }
}

/// The id is signed by people and kept by the ledger, so it must not change with the program.
#[test]
fn the_id_of_a_known_proposal_is_known() {
    let expected = "0x32ec675ed56dc8bc74f296cc51372bb9841d6637f1e715cec825dcb768789f0e";
    assert_eq!(proposal().id().to_string(), expected);
}

#[test]
fn any_change_makes_another_proposal() {
    let mut changed = proposal();
    changed.legs[0].amount = 16;
    assert_ne!(changed.id(), proposal().id());
    let mut changed = proposal();
    changed.positions = Hash32([0; 32]);
    assert_ne!(changed.id(), proposal().id());
}

#[test]
fn a_night_without_legs_only_closes() {
    let quiet = Proposal { legs: Vec::new(), ..proposal() };
    assert!(quiet.transfers().is_none());
    assert_eq!(quiet.close().proposal, Hash32::ZERO);
    assert_eq!(proposal().close().proposal, proposal().id());
    assert_eq!(proposal().collected(), 15);
}
