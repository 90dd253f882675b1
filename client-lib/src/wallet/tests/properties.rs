//! Random networks, restarts and backups: totals meet, limits hold, nothing is paid twice.

use proptest::prelude::*;

use super::*;
use crate::store::LaneRecord;

#[derive(Debug, Clone)]
enum Op {
    Pay(u64),
    PayTicks(u64),
    PayTotal(u64),
    /// Prove, record and send what is behind.
    Send,
    /// Deliver the payment at this place of those on their way (modulo their number), and keep it there or not.
    Deliver(usize, bool),
    /// The same for answers.
    Answer(usize, bool),
    Lose(usize),
    /// The device restarts with its newest record.
    Restart,
    /// The device restarts without memory.
    Forget,
    /// The hub takes a backup.
    Backup,
    /// The hub is restored from it, and the device attaches again.
    RestoreHub,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (1_u64..600).prop_map(Op::Pay),
        3 => (1_u64..5).prop_map(Op::PayTicks),
        1 => (1_u64..3000).prop_map(Op::PayTotal),
        6 => Just(Op::Send),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(at, keep)| Op::Deliver(at, keep)),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(at, keep)| Op::Answer(at, keep)),
        2 => any::<usize>().prop_map(Op::Lose),
        1 => Just(Op::Restart),
        1 => Just(Op::Forget),
        1 => Just(Op::Backup),
        1 => Just(Op::RestoreHub),
    ];
    proptest::collection::vec(op, 1..80)
}

fn modes() -> impl Strategy<Value = PayMode> {
    prop_oneof![
        Just(PayMode::Voucher),
        Just(ticks((1, 1), 50)),
        Just(ticks((1, 1), 4096)),
        Just(ticks((3, 7), 300)),
        Just(ticks((5, 2), 3)),
    ]
}

struct World {
    mode: PayMode,
    room: u64,
    wallet: Wallet,
    record: Option<LaneRecord>,
    hub: LaneModel,
    backup: LaneModel,
    payments: Vec<Payment>,
    answers: Vec<Answer>,
    /// Everything that callers asked for, base units rounded up, whether a memory of it was lost or not.
    asked: u64,
    /// Base units that rounding may have added: under one tick for each new start.
    rounding: u64,
}

impl World {
    fn new(mode: PayMode, room: u64) -> Self {
        let hub = hub(room);
        Self {
            mode,
            room,
            wallet: resumed(mode, &hub),
            record: None,
            backup: hub.clone(),
            hub,
            payments: Vec::new(),
            answers: Vec::new(),
            asked: 0,
            rounding: Self::tick(mode),
        }
    }

    fn tick(mode: PayMode) -> u64 {
        let (amount, per) = mode.price();
        u64::from(amount.div_ceil(per)) + 1
    }

    fn ask(&mut self, more: Want, at_most: u64) {
        // As callers do: nothing is asked for that would pass the limit.
        let fits = self.wallet.commitment_with(more);
        if fits.is_some_and(|total| total <= self.room) {
            self.wallet.add(more).unwrap();
            self.asked += at_most;
        }
    }

    fn attach(&mut self) {
        let view = self.hub.view(7);
        self.wallet.resume(&view, self.record.as_ref(), &key(), &domain()).unwrap();
    }

    fn send(&mut self) {
        // After a lost memory the hub's total may leave too little room for what was asked.
        if self.wallet.prove(&key(), &domain(), self.room).is_err() {
            return;
        }
        self.record = Some(self.wallet.record());
        self.payments.extend(self.wallet.messages(HANDLE));
    }

    fn deliver(&mut self, payment: &Payment) {
        self.answers.push(self.hub.pay(payment));
        assert!(self.hub.state.total().amount() <= self.room);
    }

    /// As the session does: where the hub seems to know more than the device, it is asked. That happens when a message
    /// of a device that then lost its memory arrives after its new attach.
    fn hear(&mut self, answer: &Answer) {
        let ask = match answer {
            Answer::Acknowledged { authorised, anchor, index, .. } => {
                !self.wallet.acknowledge(*authorised, anchor.zip(*index))
            }
            Answer::Refused { refusal, .. } => self.wallet.refuse(*refusal) == Reaction::Reattach,
        };
        if ask {
            self.attach();
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Pay(amount) => self.ask(Want::whole(*amount), *amount),
            Op::PayTicks(ticks) if self.mode != PayMode::Voucher => {
                let (amount, per) = self.mode.price();
                let want = Want { amount: 0, ticks: *ticks };
                self.ask(want, (ticks * u64::from(amount)).div_ceil(u64::from(per)));
            }
            Op::PayTicks(_) => {}
            Op::PayTotal(total) if *total <= self.room => {
                let before = self.wallet.commitment();
                self.wallet.raise_to(*total);
                self.asked += self.wallet.commitment() - before;
            }
            Op::PayTotal(_) => {}
            Op::Send => self.send(),
            Op::Deliver(at, keep) => {
                if let Some(payment) = pick(&mut self.payments, *at, *keep) {
                    self.deliver(&payment);
                }
            }
            Op::Answer(at, keep) => {
                if let Some(answer) = pick(&mut self.answers, *at, *keep) {
                    self.hear(&answer);
                }
            }
            Op::Lose(at) => {
                pick(&mut self.payments, *at, false);
            }
            Op::Restart => {
                self.record = Some(self.wallet.record());
                self.restart();
            }
            Op::Forget => {
                self.record = None;
                self.restart();
            }
            Op::Backup => self.backup = self.hub.clone(),
            Op::RestoreHub => {
                self.hub = self.backup.clone();
                self.reconnect();
            }
        }
    }

    /// Answers of an old connection do not reach a new one; payments may still be on their way to the hub.
    fn reconnect(&mut self) {
        self.answers.clear();
        self.attach();
    }

    fn restart(&mut self) {
        self.wallet = Wallet::new(LANE, self.mode);
        if let Some(record) = &self.record {
            self.wallet.restore(record);
        }
        self.rounding += Self::tick(self.mode);
        self.reconnect();
    }

    /// A quiet network at last.
    fn settle(&mut self) {
        for payment in std::mem::take(&mut self.payments) {
            self.deliver(&payment);
        }
        self.reconnect();
        for _ in 0..20 {
            self.send();
            for payment in std::mem::take(&mut self.payments) {
                self.deliver(&payment);
            }
            for answer in std::mem::take(&mut self.answers) {
                self.hear(&answer);
            }
        }
    }
}

fn pick<T: Clone>(items: &mut Vec<T>, at: usize, keep: bool) -> Option<T> {
    if items.is_empty() {
        return None;
    }
    let at = at % items.len();
    if keep { Some(items[at].clone()) } else { Some(items.swap_remove(at)) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn totals_meet_whatever_happens(mode in modes(), room in 200_u64..20_000, ops in ops()) {
        let mut world = World::new(mode, room);
        for op in &ops {
            world.step(op);
            prop_assert!(world.wallet.proven().amount() <= room);
        }
        world.settle();
        let hub = world.hub.state.total();
        prop_assert!(hub.amount() <= room);
        prop_assert!(hub.amount() <= world.asked + world.rounding, "paid twice: {hub:?} of {}", world.asked);
        if world.wallet.commitment() <= room {
            prop_assert!(!world.wallet.is_behind(), "{:?}", world.wallet);
            prop_assert!(hub >= world.wallet.wanted());
        }
    }
}
