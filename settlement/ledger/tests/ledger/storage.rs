//! The file: genesis, permissions, several holders, crashes, damage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use farthing_channel::id::Hash32;
use farthing_ledger::*;

use crate::world::*;

#[test]
fn genesis_makes_a_ledger_of_its_own_and_never_overwrites() {
    let world = World::new();
    let path = world.ledger.reader().path().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(world.directory.path()).unwrap().count(), 1, "no draft is left behind");
    let approvers = [APPROVER_1, APPROVER_2].map(at);
    let before = fs::read(&path).unwrap();
    assert!(matches!(EmbeddedLedger::genesis(&path, &approvers, &[], NOW), Err(LedgerError::Storage(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    let reopened = EmbeddedLedger::open(&path).unwrap();
    assert_eq!(reopened.identity(), world.ledger.identity());
    let other = World::new().ledger.identity().clone();
    assert_ne!(other.contract, reopened.identity().contract);
    assert_eq!(reopened.accounts().unwrap().len(), 3);
    assert_eq!(reopened.heads().unwrap(), LedgerHeads { head: 3, finalized: 3 });
}

#[test]
fn nothing_signed_for_a_rehearsal_is_valid_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let made = EmbeddedLedger::rehearsal(&path, &[APPROVER_1, APPROVER_2].map(at), &accounts(), NOW).unwrap();
    let (rehearsal, real) = (made.identity(), World::new().ledger.identity().clone());
    assert_ne!(rehearsal.chain_id, real.chain_id);
    assert_eq!(EmbeddedLedger::open(&path).unwrap().identity(), rehearsal);
}

#[test]
fn genesis_refuses_what_makes_no_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let genesis = |approvers: &[u8], accounts: &[GenesisAccount]| {
        let approvers: Vec<_> = approvers.iter().map(|seed| at(*seed)).collect();
        EmbeddedLedger::genesis(directory.path().join("ledger"), &approvers, accounts, NOW)
    };
    let refused = |result| matches!(result, Err(LedgerError::Genesis(_)));
    assert!(refused(genesis(&[APPROVER_1], &[])));
    assert!(refused(genesis(&[APPROVER_1, APPROVER_1], &[])));
    assert!(refused(genesis(&[APPROVER_1, HUB], &accounts())), "a hub may not approve its own money");
    let twice = [accounts(), accounts()].concat();
    assert!(refused(genesis(&[APPROVER_1, APPROVER_2], &twice)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_ledger_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    assert!(matches!(EmbeddedLedger::open(&path), Err(LedgerError::Storage(_))));
    fs::write(&path, b"something else").unwrap();
    assert!(EmbeddedLedger::open(&path).is_err());
}

#[test]
fn several_holders_take_turns() {
    let world = World::new();
    let path = world.ledger.reader().path();
    thread::scope(|scope| {
        for holder in 0..4_u8 {
            let world = &world;
            scope.spawn(move || {
                let ledger = EmbeddedLedger::open(path).unwrap();
                for round in 0..5_u8 {
                    let issue = Issue { reference: Hash32([holder * 16 + round; 32]), account: at(PAYER), amount: 1 };
                    ledger.submit(&SignedOperation::Issue(world.approve(issue)), NOW).unwrap();
                    ledger.account(&at(PAYER)).unwrap();
                }
            });
        }
    });
    assert_eq!(world.balance(PAYER), 20);
    assert_eq!(world.ledger.audit().unwrap().issued, 20);
}

#[test]
fn a_follower_sees_every_commit_and_only_commits() {
    let world = World::new();
    let mut cursor = 0;
    let mut mark = world.ledger.mark().unwrap();
    for reference in 0..20 {
        assert_eq!(world.ledger.mark().unwrap(), mark);
        world.issue(reference, PAYER, 1).unwrap();
        assert_ne!(world.ledger.mark().unwrap(), mark);
        mark = world.ledger.mark().unwrap();
        let news = world.ledger.events(cursor, 100).unwrap();
        cursor = news.last().unwrap().cursor;
        assert!(
            matches!(news.last().unwrap().event, Event::Issued { reference: r, .. } if r == Hash32([reference; 32]))
        );
    }
    assert_eq!(world.ledger.events(cursor, 100).unwrap(), []);
    assert_eq!(world.ledger.events(u64::MAX, 100).unwrap(), []);
    assert_eq!(world.ledger.events(2, 3).unwrap().iter().map(|event| event.cursor).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn a_file_left_open_by_a_crash_is_repaired_by_whoever_comes() {
    let (world, escrow) = World::funded();
    let crashed = world.directory.path().join("crashed.redb");
    {
        // A copy taken while a writer holds the file is what a crash leaves behind.
        let database = redb::Database::open(world.ledger.reader().path()).unwrap();
        let mut transaction = database.begin_write().unwrap();
        transaction.set_quick_repair(true);
        transaction.commit().unwrap();
        fs::copy(world.ledger.reader().path(), &crashed).unwrap();
    }
    let ledger = EmbeddedLedger::open(&crashed).unwrap();
    assert_eq!(ledger.escrow(&escrow).unwrap(), world.ledger.escrow(&escrow).unwrap());
    assert_eq!(ledger.audit().unwrap(), world.ledger.audit().unwrap());
}
