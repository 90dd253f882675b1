//! The process dies: at whatever point, the next one goes on with the same transaction.

use farthing_chain::{ChainConfig, Finality};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{BaseLedger as _, LedgerError};

use crate::anvil::Anvil;
use crate::world::{PAYERS, PROVIDERS, Side, at, on_chain, open};

/// With no patience at all a call ends right after its transaction was written down, before the node heard of it; with one
/// look, after the node heard of it, before anything is final.
#[test]
fn an_operation_that_was_interrupted_happens_once() {
    for patience_polls in [0, 1] {
        let anvil = Anvil::start();
        let folder = tempfile::tempdir().unwrap();
        let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
        let hasty = ChainConfig { patience_polls, ..config.clone() };
        let mut side = Side::over(open(folder.path(), &config));
        for amount in [1_000, 500] {
            let issue = side.issue(PAYERS[0], amount);
            open(folder.path(), &hasty).submit(&issue, UnixSeconds(0)).unwrap_err();
            side.submit(issue, UnixSeconds(0)).unwrap();
        }
        assert_eq!(open(folder.path(), &config).wallet(&at(PAYERS[0])).unwrap(), 1_500);
        let opening = side.open(PAYERS[0], 700);
        // Allowance and deposit are two transactions; each is interrupted in its turn.
        for _ in 0..2 {
            open(folder.path(), &hasty).submit(&opening, UnixSeconds(0)).unwrap_err();
        }
        side.submit(opening, UnixSeconds(0)).unwrap();
        assert_eq!(side.ledger.escrow(&side.escrows[0]).unwrap().unwrap().deposit, 700);
        assert_eq!(open(folder.path(), &config).wallet(&at(PAYERS[0])).unwrap(), 800);
    }
}

/// What was written down and never sent holds a nonce; what comes after it does not wait for ever.
#[test]
fn a_later_operation_takes_an_interrupted_one_along() {
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
    let hasty = ChainConfig { patience_polls: 0, ..config.clone() };
    let mut side = Side::over(open(folder.path(), &config));
    let (first, second) = (side.issue(PAYERS[0], 100), side.issue(PAYERS[1], 200));
    open(folder.path(), &hasty).submit(&first, UnixSeconds(0)).unwrap_err();
    side.submit(second, UnixSeconds(0)).unwrap();
    side.submit(first, UnixSeconds(0)).unwrap();
    let ledger = open(folder.path(), &config);
    assert_eq!((ledger.wallet(&at(PAYERS[0])).unwrap(), ledger.wallet(&at(PAYERS[1])).unwrap()), (100, 200));
}

/// Whoever has nothing to pay for gas with is told so at once, by name, whether or not its transaction was written down
/// already; once it has, the same operation goes on.
#[test]
fn a_sender_without_gas_is_named_and_goes_on_once_it_has_some() {
    for begun in [false, true] {
        let anvil = Anvil::start();
        let folder = tempfile::tempdir().unwrap();
        let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
        let mut side = Side::over(open(folder.path(), &config));
        let issue = side.issue(PAYERS[0], 1_000);
        side.submit(issue, UnixSeconds(0)).unwrap();
        let opening = side.open(PAYERS[0], 700);
        if begun {
            let hasty = ChainConfig { patience_polls: 0, ..config.clone() };
            open(folder.path(), &hasty).submit(&opening, UnixSeconds(0)).unwrap_err();
        }
        anvil.drain(&at(PAYERS[0]));
        for _ in 0..2 {
            match side.submit(opening.clone(), UnixSeconds(0)) {
                Err(LedgerError::Rejected(why)) => assert!(why.contains(&at(PAYERS[0]).to_string()), "{why}"),
                outcome => panic!("{outcome:?}"),
            }
        }
        anvil.fund(&at(PAYERS[0]));
        side.submit(opening, UnixSeconds(0)).unwrap();
        assert_eq!(side.ledger.escrow(&side.escrows[0]).unwrap().unwrap().deposit, 700);
        assert_eq!(open(folder.path(), &config).wallet(&at(PAYERS[0])).unwrap(), 300);
    }
}

/// A crash right after the last look: the books know it, so nobody sends it again.
#[test]
fn what_is_done_is_refused_like_on_the_embedded_ledger() {
    let anvil = Anvil::start();
    let (mut side, _) = Side::chain(&anvil);
    let issue = side.issue(PAYERS[0], 1_000);
    side.submit(issue, UnixSeconds(0)).unwrap();
    let opening = side.open(PAYERS[0], 700);
    side.submit(opening.clone(), UnixSeconds(0)).unwrap();
    let refusal = side.submit(opening, UnixSeconds(0)).unwrap_err().refusal();
    assert_eq!(refusal, Some(farthing_ledger::LedgerRefusal::EscrowExists));
}

/// Takings that come to the same as those of a day before are fetched like any others.
#[test]
fn two_nights_that_bring_the_same_are_both_fetched() {
    let anvil = Anvil::start();
    let (mut side, _) = Side::chain(&anvil);
    let [payer, _] = PAYERS;
    for operation in [side.issue(payer, 2_000), side.open(payer, 1_000)] {
        side.submit(operation, UnixSeconds(0)).unwrap();
    }
    for night in 1..=3 {
        let batch = side.agreed(0, payer, 100 * night, night);
        side.submit(batch, UnixSeconds(0)).unwrap();
        let legs = side.transfers(night, [60, 40]);
        side.submit(legs, UnixSeconds(0)).unwrap();
    }
    assert_eq!(side.ledger.account(&at(PROVIDERS[0])).unwrap().balance, 180);
    side.ledger.audit().unwrap();
}
