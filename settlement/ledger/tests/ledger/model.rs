//! Random operations against a plain model of the rules.

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::id::{EscrowId, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::*;
use proptest::prelude::*;

use crate::world::*;

/// What somebody tries. Small numbers, so that operations meet each other.
#[derive(Debug, Clone)]
enum Attempt {
    Issue {
        reference: u8,
        to: usize,
        amount: u64,
    },
    Open {
        payer: usize,
        salt: u8,
        deposit: u64,
    },
    TopUp {
        escrow: usize,
        counter: u64,
        amount: u64,
    },
    RequestClose {
        escrow: usize,
        counter: u64,
    },
    Withdraw {
        escrow: usize,
        counter: u64,
    },
    Close {
        escrow: usize,
    },
    Settle {
        escrow: usize,
        prev: Option<u64>,
        increase: u64,
    },
    SettleLane {
        escrow: usize,
        increase: u64,
    },
    Transfer {
        proposal: u8,
        from: usize,
        to: usize,
        amount: u64,
    },
    Replay {
        back: usize,
    },
    Wait {
        hours: u64,
    },
}

const PAYERS: [u8; 2] = [PAYER, OTHER_PAYER];
const PARTICIPANTS: [u8; 3] = [HUB, PROVIDER, OTHER_PROVIDER];

fn attempts() -> impl Strategy<Value = Attempt> {
    let (escrow, counter, amount) = (0..3_usize, 1..4_u64, 0..60_u64);
    prop_oneof![
        3 => (0..6_u8, 0..5_usize, 0..300_u64).prop_map(|(reference, to, amount)| Attempt::Issue { reference, to, amount }),
        3 => (0..2_usize, 0..2_u8, 0..120_u64).prop_map(|(payer, salt, deposit)| Attempt::Open { payer, salt, deposit }),
        2 => (escrow.clone(), counter.clone(), amount.clone())
            .prop_map(|(escrow, counter, amount)| Attempt::TopUp { escrow, counter, amount }),
        1 => (escrow.clone(), counter.clone()).prop_map(|(escrow, counter)| Attempt::RequestClose { escrow, counter }),
        1 => (escrow.clone(), counter).prop_map(|(escrow, counter)| Attempt::Withdraw { escrow, counter }),
        1 => escrow.clone().prop_map(|escrow| Attempt::Close { escrow }),
        4 => (escrow.clone(), prop::option::weighted(0.2, 0..50_u64), 0..50_u64)
            .prop_map(|(escrow, prev, increase)| Attempt::Settle { escrow, prev, increase }),
        3 => (escrow, 0..50_u64).prop_map(|(escrow, increase)| Attempt::SettleLane { escrow, increase }),
        3 => (0..6_u8, 0..3_usize, 0..3_usize, amount)
            .prop_map(|(proposal, from, to, amount)| Attempt::Transfer { proposal, from, to, amount }),
        2 => (0..8_usize).prop_map(|back| Attempt::Replay { back }),
        1 => (1..30_u64).prop_map(|hours| Attempt::Wait { hours }),
    ]
}

#[derive(Debug, Clone, Default)]
struct ModelEscrow {
    payer: u8,
    deposit: u64,
    settled: u64,
    lane: u64,
    counter: u64,
    /// Seconds of the request, and batches left.
    exit: Option<(u64, u8)>,
    finalized: bool,
}

#[derive(Debug, Clone, Default)]
struct Model {
    balances: BTreeMap<u8, u64>,
    escrows: BTreeMap<EscrowId, ModelEscrow>,
    references: BTreeSet<u8>,
    proposals: BTreeSet<u8>,
    issued: u64,
}

impl Model {
    fn balance(&self, seed: u8) -> u64 {
        self.balances.get(&seed).copied().unwrap_or(0)
    }

    fn shift(&mut self, seed: u8, out: u64, into: u64) -> Option<()> {
        let balance = self.balance(seed).checked_sub(out)? + into;
        self.balances.insert(seed, balance);
        Some(())
    }

    /// A batch that raises what is settled of an escrow to `total`.
    fn settle(&mut self, id: &EscrowId, prev: u64, total: u64, now: u64) -> Option<()> {
        let escrow = self.escrows.get_mut(id)?;
        if escrow.finalized || prev != escrow.settled || total <= prev || total > escrow.deposit {
            return None;
        }
        if let Some((since, left)) = &mut escrow.exit {
            *left = left.checked_sub(1).filter(|_| now < *since + 24 * HOUR)?;
        }
        escrow.settled = total;
        self.shift(HUB, 0, total - prev)
    }

    fn finalize(&mut self, id: &EscrowId) -> Option<()> {
        let escrow = self.escrows.get_mut(id)?;
        escrow.finalized = true;
        let (payer, rest) = (escrow.payer, escrow.deposit - escrow.settled);
        self.shift(payer, 0, rest)
    }

    fn payer_operation(&mut self, id: &EscrowId, counter: u64) -> Option<&mut ModelEscrow> {
        let escrow = self
            .escrows
            .get_mut(id)
            .filter(|escrow| !escrow.finalized && escrow.counter + 1 == counter)?;
        escrow.counter = counter;
        Some(escrow)
    }

    /// The state after `attempt` on escrow `id`; `None` where it is refused.
    fn after(mut self, attempt: &Attempt, id: &EscrowId, now: u64) -> Option<Self> {
        match *attempt {
            Attempt::Issue {
                reference,
                to,
                amount,
            } => {
                let to = [PAYERS.as_slice(), &PARTICIPANTS].concat()[to];
                (amount > 0 && self.references.insert(reference)).then_some(())?;
                self.issued += amount;
                self.shift(to, 0, amount)?;
            }
            Attempt::Open { payer, deposit, .. } => {
                (deposit > 0 && !self.escrows.contains_key(id)).then_some(())?;
                self.shift(PAYERS[payer], deposit, 0)?;
                self.escrows.insert(
                    *id,
                    ModelEscrow {
                        payer: PAYERS[payer],
                        deposit,
                        ..ModelEscrow::default()
                    },
                );
            }
            Attempt::TopUp {
                counter, amount, ..
            } => {
                let escrow = self.payer_operation(id, counter).filter(|_| amount > 0)?;
                escrow.deposit += amount;
                escrow.exit = None;
                let payer = escrow.payer;
                self.shift(payer, amount, 0)?;
            }
            Attempt::RequestClose { counter, .. } => {
                let escrow = self
                    .payer_operation(id, counter)
                    .filter(|escrow| escrow.exit.is_none())?;
                escrow.exit = Some((now, 1));
            }
            Attempt::Withdraw { counter, .. } => {
                let (since, _) = self.payer_operation(id, counter)?.exit?;
                (now >= since + 24 * HOUR).then_some(())?;
                self.finalize(id)?;
            }
            Attempt::Close { .. } => {
                self.escrows.get(id).filter(|escrow| !escrow.finalized)?;
                self.finalize(id)?;
            }
            Attempt::Settle { prev, increase, .. } => {
                let prev = prev.unwrap_or(self.escrows.get(id)?.settled);
                self.settle(id, prev, prev + increase, now)?;
            }
            Attempt::SettleLane { increase, .. } => {
                let (settled, total) = self
                    .escrows
                    .get(id)
                    .map(|escrow| (escrow.settled, escrow.lane + increase))?;
                (total > 0).then_some(())?;
                self.settle(id, settled, total, now)?;
                self.escrows.get_mut(id)?.lane = total;
            }
            Attempt::Transfer {
                proposal,
                from,
                to,
                amount,
            } => {
                (amount > 0 && from != to && self.proposals.insert(proposal)).then_some(())?;
                self.shift(PARTICIPANTS[from], amount, 0)?;
                self.shift(PARTICIPANTS[to], 0, amount)?;
            }
            Attempt::Replay { .. } | Attempt::Wait { .. } => {}
        }
        Some(self)
    }
}

struct Run {
    world: World,
    model: Model,
    ids: Vec<EscrowId>,
    sent: Vec<SignedOperation>,
    now: u64,
}

impl Run {
    fn id(&self, attempt: &Attempt) -> EscrowId {
        match *attempt {
            Attempt::Open { payer, salt, .. } => self
                .world
                .terms(PAYERS[payer], salt)
                .id(&self.world.domain.contract(), self.world.domain.chain_id()),
            Attempt::TopUp { escrow, .. }
            | Attempt::RequestClose { escrow, .. }
            | Attempt::Withdraw { escrow, .. }
            | Attempt::Close { escrow }
            | Attempt::Settle { escrow, .. }
            | Attempt::SettleLane { escrow, .. } => {
                self.ids.get(escrow).copied().unwrap_or(EscrowId([9; 32]))
            }
            _ => EscrowId::ZERO,
        }
    }

    /// The signed operation an attempt stands for.
    fn operation(&self, attempt: &Attempt, escrow: EscrowId) -> SignedOperation {
        let world = &self.world;
        let known = self.model.escrows.get(&escrow).cloned().unwrap_or_default();
        let payer = if known.payer == 0 { PAYER } else { known.payer };
        match *attempt {
            Attempt::Issue {
                reference,
                to,
                amount,
            } => {
                let account = at([PAYERS.as_slice(), &PARTICIPANTS].concat()[to]);
                SignedOperation::Issue(world.approve(Issue {
                    reference: Hash32([reference; 32]),
                    account,
                    amount,
                }))
            }
            Attempt::Open {
                payer,
                salt,
                deposit,
            } => {
                let operation = OpenEscrow {
                    terms: world.terms(PAYERS[payer], salt),
                    deposit: u128::from(deposit),
                };
                SignedOperation::OpenEscrow(world.sign(PAYERS[payer], operation))
            }
            Attempt::TopUp {
                counter, amount, ..
            } => SignedOperation::TopUp(world.sign(
                payer,
                TopUp {
                    escrow,
                    counter,
                    amount: u128::from(amount),
                },
            )),
            Attempt::RequestClose { counter, .. } => {
                SignedOperation::RequestClose(world.sign(payer, RequestClose { escrow, counter }))
            }
            Attempt::Withdraw { counter, .. } => {
                SignedOperation::Withdraw(world.sign(payer, Withdraw { escrow, counter }))
            }
            Attempt::Close { .. } => {
                let close = world.sign(
                    HUB,
                    CloseEscrow {
                        escrow,
                        total: known.settled,
                    },
                );
                SignedOperation::CloseEscrow {
                    close,
                    voucher: None,
                }
            }
            Attempt::Settle { prev, increase, .. } => {
                let prev = prev.unwrap_or(known.settled);
                SignedOperation::SettleBatch(Box::new(world.signer_batch(
                    escrow,
                    prev,
                    prev + increase,
                )))
            }
            Attempt::SettleLane { increase, .. } => {
                let claim = world.lane(escrow, DEVICE, PROVIDER, 0, known.lane + increase);
                let leaves = LeafSet {
                    mandates: vec![world.mandate(escrow, DEVICE, 1, 1 << 70)],
                    channels: vec![channel(DEVICE, 1, vec![claim])],
                };
                SignedOperation::SettleBatch(Box::new(world.leaf_batch(
                    escrow,
                    known.settled,
                    leaves,
                    &[],
                )))
            }
            Attempt::Transfer {
                proposal,
                from,
                to,
                amount,
            } => {
                let legs = vec![Leg {
                    from: at(PARTICIPANTS[from]),
                    to: at(PARTICIPANTS[to]),
                    amount,
                }];
                let batch = TransferBatch {
                    proposal: Hash32([proposal; 32]),
                    epoch: 1,
                    legs,
                };
                SignedOperation::TransferBatch(world.approve(batch))
            }
            Attempt::Replay { .. } | Attempt::Wait { .. } => unreachable!("handled before"),
        }
    }

    fn step(&mut self, attempt: &Attempt) {
        match *attempt {
            Attempt::Wait { hours } => {
                self.now += hours * HOUR;
                return;
            }
            Attempt::Replay { back } => {
                // Whatever was carried out once is refused for good.
                let place = self.sent.len().checked_sub(back + 1);
                if let Some(operation) = place.and_then(|place| self.sent.get(place)) {
                    assert!(
                        self.world.submit(operation, UnixSeconds(self.now)).is_err(),
                        "replayed: {operation:?}"
                    );
                }
                return;
            }
            _ => {}
        }
        let id = self.id(attempt);
        let operation = self.operation(attempt, id);
        let result = self.world.submit(&operation, UnixSeconds(self.now));
        let expected = self.model.clone().after(attempt, &id, self.now);
        assert_eq!(
            result.is_ok(),
            expected.is_some(),
            "{attempt:?}: {result:?}"
        );
        if let Some(after) = expected {
            self.model = after;
            self.sent.push(operation);
            if matches!(attempt, Attempt::Open { .. }) {
                self.ids.push(id);
            }
        }
    }

    fn compare(&self) {
        let audit = self.world.ledger.audit().unwrap();
        assert_eq!(audit.issued, self.model.issued);
        for seed in [PAYERS.as_slice(), &PARTICIPANTS].concat() {
            assert_eq!(
                self.world.balance(seed),
                self.model.balance(seed),
                "account {seed}"
            );
        }
        for (id, expected) in &self.model.escrows {
            let escrow = self.world.escrow(id);
            assert_eq!(
                (escrow.deposit, escrow.settled),
                (expected.deposit, expected.settled)
            );
            assert_eq!(escrow.state == EscrowState::Finalized, expected.finalized);
            assert_eq!(
                self.world
                    .ledger
                    .lane_settled(&lane_id(*id, DEVICE, PROVIDER, 0))
                    .unwrap(),
                expected.lane
            );
        }
    }
}

proptest! {
    // Every operation is committed to a real file, so a few long runs do.
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_operations_agrees_with_the_model(attempts in prop::collection::vec(attempts(), 1..50)) {
        let mut run = Run { world: World::new(), model: Model::default(), ids: vec![], sent: vec![], now: NOW.0 };
        for attempt in &attempts {
            run.step(attempt);
        }
        run.compare();
    }
}
