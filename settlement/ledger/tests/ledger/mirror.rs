//! A chain's log in a file: what is final stands in the books, what is not stands beside them.

use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::*;
use tempfile::TempDir;

use crate::world::at;

const ESCROW: EscrowId = EscrowId([7; 32]);

fn block(number: u64) -> BlockPlace {
    BlockPlace { number, hash: Hash32([u8::try_from(number).unwrap(); 32]) }
}

fn mirror() -> (LedgerMirror, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let identity = LedgerIdentity {
        chain_id: 31_337,
        contract: Address([1; 20]),
        approvers: vec![Address([2; 20]), Address([3; 20])],
        chain: Some(ChainContracts { net_settlement: Address([4; 20]), token: Address([5; 20]) }),
    };
    (LedgerMirror::create(folder.path().join("ledger.redb"), &identity, block(1)).unwrap(), folder)
}

fn events(list: Vec<Event>) -> Vec<MirroredEvent> {
    list.into_iter().map(|event| MirroredEvent { at: UnixSeconds(100), event }).collect()
}

fn step(from: u64, to: u64, finals: Vec<Event>, tail: Vec<Event>) -> Advance {
    Advance { from: block(from), to: block(to), finals: events(finals), tail: events(tail) }
}

/// Money comes in and is deposited.
fn opening() -> Vec<Event> {
    vec![
        Event::AccountRegistered { account: at(1), kind: AccountKind::Hub, label: "hub".into() },
        Event::Issued { reference: Hash32([1; 32]), account: at(4), amount: 500 },
        Event::EscrowOpened {
            escrow: ESCROW,
            payer: at(4),
            payee: at(1),
            token: Address([5; 20]),
            salt: Hash32([6; 32]),
            authorized_signer: Address::ZERO,
            deposit: 500,
        },
    ]
}

fn exit() -> Event {
    Event::EscrowCloseRequested { escrow: ESCROW, withdrawable_at: UnixSeconds(100 + 24 * 3_600) }
}

#[test]
fn a_deposit_beyond_finality_is_seen_and_not_credited() {
    let (mirror, _folder) = mirror();
    assert!(mirror.advance(step(1, 2, vec![], opening())).unwrap());
    assert_eq!(mirror.heads().unwrap(), LedgerHeads { head: 3, finalized: 0 });
    assert_eq!(mirror.events(1, 10).unwrap().len(), 2);
    assert_eq!(mirror.escrow(&ESCROW).unwrap(), None);
    // The chain goes another way: it is gone, and nothing had to be undone.
    assert!(mirror.advance(step(2, 3, vec![], vec![])).unwrap());
    assert_eq!(mirror.heads().unwrap(), LedgerHeads { head: 0, finalized: 0 });
    assert!(mirror.advance(step(3, 4, opening(), vec![])).unwrap());
    assert_eq!(mirror.escrow(&ESCROW).unwrap().unwrap().held(), 500);
    assert_eq!(mirror.audit().unwrap().issued, 500);
}

#[test]
fn an_exit_beyond_finality_is_expected_of_an_escrow() {
    let (mirror, _folder) = mirror();
    mirror.advance(step(1, 2, opening(), vec![exit()])).unwrap();
    let mut escrow = mirror.escrow(&ESCROW).unwrap().unwrap();
    assert_eq!(escrow.state, EscrowState::Open);
    escrow.expect(&mirror.events(3, 10).unwrap()[0].event);
    assert_eq!(escrow.withdrawable_at(), Some(UnixSeconds(100 + 24 * 3_600)));
    // More money waits for finality.
    escrow.expect(&Event::EscrowToppedUp { escrow: ESCROW, amount: 5, deposit: 505 });
    assert_eq!(escrow.deposit, 500);
}

#[test]
fn of_two_followers_one_writes() {
    let (mirror, _folder) = mirror();
    assert!(mirror.advance(step(1, 2, opening(), vec![])).unwrap());
    assert!(!mirror.advance(step(1, 2, opening(), vec![])).unwrap());
    assert_eq!(mirror.heads().unwrap().head, 3);
    assert_eq!(mirror.block().unwrap(), block(2));
}

#[test]
fn money_that_leaves_leaves_the_books() {
    let (mirror, _folder) = mirror();
    mirror.advance(step(1, 2, opening(), vec![])).unwrap();
    let settled = Event::EscrowSettled {
        escrow: ESCROW,
        payee: at(1),
        prev_settled: 0,
        total: 200,
        root: Hash32::ZERO,
        channels: 0,
        lanes: 0,
        journal_root: Hash32::ZERO,
        epoch: 0,
    };
    let end = vec![
        settled,
        exit(),
        Event::EscrowWithdrawn { escrow: ESCROW, payer: at(4), amount: 300 },
        Event::EscrowFinalized { escrow: ESCROW, settled: 200, refunded: 300 },
        Event::PaidOut { reference: Hash32([8; 32]), account: at(4), to: at(4), amount: 300 },
    ];
    mirror.advance(step(2, 3, end, vec![])).unwrap();
    assert_eq!(mirror.audit().unwrap(), Audit { issued: 200, accounts: 200, escrows: 0, settled: 200 });
    let unknown = Event::PaidOut { reference: Hash32([8; 32]), account: at(4), to: at(4), amount: 1 };
    mirror.advance(step(3, 4, vec![unknown], vec![])).unwrap_err();
}

#[test]
fn neither_ledger_is_taken_for_the_other() {
    let (mirror, folder) = mirror();
    assert!(matches!(EmbeddedLedger::open(mirror.reader().path()), Err(LedgerError::Damaged(_))));
    let world = crate::world::World::new();
    assert!(matches!(LedgerMirror::open(world.ledger.reader().path()), Err(LedgerError::Damaged(_))));
    assert!(LedgerReader::open(folder.path().join("ledger.redb")).unwrap().identity().chain.is_some());
}
