//! One night, step by step, on both ledgers.

use farthing_channel::time::UnixSeconds;
use farthing_ledger::{LedgerError, LedgerRefusal, SignedOperation};

use crate::anvil::Anvil;
use crate::world::{HUB, PAYERS, PROVIDERS, Side, at, open};

/// An hour, and so much that neither ledger's few seconds matter.
pub(crate) fn hours(hours: u64) -> u64 {
    hours * 3_600 + 600
}

/// Both ledgers, and a clock that they share.
pub(crate) struct Pair {
    pub(crate) anvil: Anvil,
    pub(crate) embedded: Side,
    pub(crate) chain: Side,
    pub(crate) config: farthing_chain::ChainConfig,
    pub(crate) now: u64,
}

/// What came of an operation, as far as both ledgers can agree about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Refused(farthing_ledger::LedgerRefusal),
}

impl Pair {
    pub(crate) fn new() -> Self {
        let anvil = Anvil::start();
        let (chain, config) = Side::chain(&anvil);
        let now = anvil.time();
        Self { embedded: Side::embedded(UnixSeconds(now)), anvil, chain, config, now }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now = self.now.max(self.anvil.time()) + seconds;
        self.anvil.pass_to(self.now);
    }

    /// Does the same on both ledgers. A batch that can be challenged waits for its window on both.
    pub(crate) fn both(&mut self, operation: impl Fn(&mut Side) -> SignedOperation) -> Verdict {
        self.now = self.now.max(self.anvil.time());
        let (here, there) = (operation(&mut self.embedded), operation(&mut self.chain));
        let embedded = verdict(self.embedded.submit(here, UnixSeconds(self.now)));
        let mut chained = self.chain.ledger.submit(&there, UnixSeconds(0));
        if let Err(LedgerError::Waiting { until }) = chained {
            self.anvil.pass_to(until.0);
            chained = self.chain.ledger.submit(&there, UnixSeconds(0));
        }
        let chained = verdict(chained);
        assert_eq!(embedded, chained, "the ledgers disagree about {there:?}");
        embedded
    }

    /// Balances and events are the same, and every token is where the books say.
    pub(crate) fn compare(&self) {
        assert_eq!(self.embedded.story(), self.chain.story());
        for seed in [HUB].into_iter().chain(PROVIDERS) {
            let balance = |side: &Side| side.ledger.account(&at(seed)).unwrap().balance;
            assert_eq!(balance(&self.embedded), balance(&self.chain), "account {seed}");
        }
        let (here, there) = (self.embedded.ledger.audit().unwrap(), self.chain.ledger.audit().unwrap());
        assert_eq!((here.escrows, here.settled), (there.escrows, there.settled));
        let files = self.chain.ledger.reader().path().parent().unwrap();
        let chain = open(files, &self.config);
        for seed in PAYERS {
            let balance = self.embedded.ledger.account(&at(seed)).unwrap().balance;
            assert_eq!(chain.wallet(&at(seed)).unwrap(), u128::from(balance), "payer {seed}");
        }
        let held = chain.wallet(&self.config.net_settlement).unwrap();
        assert_eq!(held, u128::from(there.accounts), "what participants own lies in their contract");
    }
}

fn verdict<T: std::fmt::Debug>(outcome: Result<T, LedgerError>) -> Verdict {
    match outcome {
        Ok(_) => Verdict::Done,
        Err(LedgerError::Refused(refusal)) => Verdict::Refused(refusal),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_night_ends_alike_on_both_ledgers() {
    let mut pair = Pair::new();
    let [payer, _] = PAYERS;
    let done = |verdict| assert_eq!(verdict, Verdict::Done);
    done(pair.both(|side| side.issue(payer, 5_000)));
    done(pair.both(|side| side.open(payer, 1_000)));
    done(pair.both(|side| side.top_up(0, payer, 500)));
    done(pair.both(|side| side.leaves(0, payer, &vec![(20, 300), (21, 40)], 1)));
    done(pair.both(|side| side.transfers(1, [200, 30])));
    done(pair.both(|side| side.close_epoch(1)));
    // The second night: one lane grew, one is carried.
    done(pair.both(|side| side.leaves(0, payer, &vec![(20, 450), (21, 40)], 2)));
    done(pair.both(|side| side.close_epoch(2)));
    done(pair.both(|side| side.agreed(0, payer, 600, 3)));
    done(pair.both(|side| side.revoke(0, payer, 20, 1)));
    done(pair.both(|side| side.pay_out(1, 150)));
    done(pair.both(|side| side.request_close(0, payer)));
    assert_ne!(pair.both(|side| side.withdraw(0, payer)), Verdict::Done, "the grace period is not over");
    pair.pass(hours(24));
    done(pair.both(|side| side.withdraw(0, payer)));
    assert_eq!(pair.embedded.ledger.account(&at(payer)).unwrap().balance, 5_000 - 600);
    pair.compare();
}

#[test]
fn a_hub_with_approvers_of_its_own_settles_alike_on_both_ledgers() {
    let mut pair = Pair::new();
    let [payer, _] = PAYERS;
    let done = |verdict| assert_eq!(verdict, Verdict::Done);
    done(pair.both(|side| side.issue(payer, 1_000)));
    done(pair.both(|side| side.open(payer, 1_000)));
    done(pair.both(|side| side.agreed(0, payer, 500, 1)));
    done(pair.both(|side| side.set_participant(HUB, 100, true)));
    assert_eq!(pair.both(|side| side.transfers(1, [80, 21])), Verdict::Refused(LedgerRefusal::OverCap));
    done(pair.both(|side| side.transfers(1, [80, 20])));
    done(pair.both(|side| side.close_epoch(1)));
    done(pair.both(|side| side.set_participant(PROVIDERS[0], u64::MAX, true)));
    done(pair.both(|side| side.pay_out(1, 30)));
    // Its approvers hand the hub back to the ledger's.
    done(pair.both(|side| side.set_participant(HUB, 400, false)));
    done(pair.both(|side| side.transfers(2, [300, 100])));
    done(pair.both(|side| side.close_epoch(2)));
    pair.compare();
}
