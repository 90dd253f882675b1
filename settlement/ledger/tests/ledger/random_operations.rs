//! Random operations on the ledger, and on the model beside it.

use farthing_channel::id::{EscrowId, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::*;
use proptest::prelude::*;

use crate::model::{Attempt, Model, PARTICIPANTS, PAYERS, attempts};
use crate::world::*;

struct Run {
    world: World,
    model: Model,
    ids: Vec<EscrowId>,
    sent: Vec<SignedOperation>,
    now: u64,
}

impl Run {
    /// Both payers have money and one escrow each.
    fn new() -> Self {
        let mut run = Run { world: World::new(), model: Model::default(), ids: vec![], sent: vec![], now: NOW.0 };
        for payer in 0..2 {
            run.step(&Attempt::Issue { reference: 100 + u8::try_from(payer).unwrap(), to: payer, amount: 1000 });
            run.step(&Attempt::Open { payer, salt: 0, deposit: 200 });
        }
        run
    }

    fn id(&self, attempt: &Attempt) -> EscrowId {
        match *attempt {
            Attempt::Open { payer, salt, .. } => {
                self.world.terms(PAYERS[payer], salt).id(&self.world.domain.contract(), self.world.domain.chain_id())
            }
            Attempt::TopUp { escrow, .. }
            | Attempt::RequestClose { escrow, .. }
            | Attempt::Withdraw { escrow, .. }
            | Attempt::Close { escrow }
            | Attempt::Settle { escrow, .. }
            | Attempt::SettleLane { escrow, .. } => self.ids[escrow % self.ids.len()],
            _ => EscrowId::ZERO,
        }
    }

    /// The attempt with its counter counted from where the escrow is.
    fn counted(&self, attempt: &Attempt, id: &EscrowId) -> Attempt {
        let mut attempt = attempt.clone();
        if let Attempt::TopUp { counter, .. }
        | Attempt::RequestClose { counter, .. }
        | Attempt::Withdraw { counter, .. } = &mut attempt
        {
            *counter += self.model.escrows.get(id).map_or(0, |escrow| escrow.counter);
        }
        attempt
    }

    /// The signed operation an attempt stands for.
    fn operation(&self, attempt: &Attempt, escrow: EscrowId) -> SignedOperation {
        let world = &self.world;
        let known = self.model.escrows.get(&escrow).cloned().unwrap_or_default();
        let payer = if known.payer == 0 { PAYER } else { known.payer };
        match *attempt {
            Attempt::Issue { reference, to, amount } => {
                let account = at([PAYERS.as_slice(), &PARTICIPANTS].concat()[to]);
                SignedOperation::Issue(world.approve(Issue { reference: Hash32([reference; 32]), account, amount }))
            }
            Attempt::Open { payer, salt, deposit } => {
                let operation = OpenEscrow { terms: world.terms(PAYERS[payer], salt), deposit: u128::from(deposit) };
                SignedOperation::OpenEscrow(world.sign(PAYERS[payer], operation))
            }
            Attempt::TopUp { counter, amount, .. } => {
                SignedOperation::TopUp(world.sign(payer, TopUp { escrow, counter, amount: u128::from(amount) }))
            }
            Attempt::RequestClose { counter, .. } => {
                SignedOperation::RequestClose(world.sign(payer, RequestClose { escrow, counter }))
            }
            Attempt::Withdraw { counter, .. } => {
                SignedOperation::Withdraw(world.sign(payer, Withdraw { escrow, counter }))
            }
            Attempt::Close { .. } => {
                let close = world.sign(HUB, CloseEscrow { escrow, total: known.settled });
                SignedOperation::CloseEscrow { close, voucher: None }
            }
            Attempt::Settle { prev, increase, .. } => {
                let prev = prev.unwrap_or(known.settled);
                SignedOperation::SettleBatch(Box::new(world.signer_batch(escrow, prev, prev + increase)))
            }
            Attempt::SettleLane { increase, .. } => {
                let claim = world.lane(escrow, DEVICE, PROVIDER, 0, known.lane + increase);
                let leaves = LeafSet {
                    mandates: vec![world.mandate(escrow, DEVICE, 1, 1 << 70)],
                    channels: vec![channel(DEVICE, 1, vec![claim])],
                };
                SignedOperation::SettleBatch(Box::new(world.leaf_batch(escrow, known.settled, leaves, &[])))
            }
            Attempt::Transfer { proposal, from, to, amount } => {
                let legs = vec![Leg { from: at(PARTICIPANTS[from]), to: at(PARTICIPANTS[to]), amount }];
                let batch = TransferBatch { proposal: Hash32([proposal; 32]), epoch: 1, legs };
                world.transfers(batch)
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
                    assert!(self.world.submit(operation, UnixSeconds(self.now)).is_err(), "replayed: {operation:?}");
                }
                return;
            }
            _ => {}
        }
        let id = self.id(attempt);
        let attempt = &self.counted(attempt, &id);
        let operation = self.operation(attempt, id);
        let result = self.world.submit(&operation, UnixSeconds(self.now));
        let expected = self.model.clone().after(attempt, &id, self.now);
        assert_eq!(result.is_ok(), expected.is_some(), "{attempt:?}: {result:?}");
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
            assert_eq!(self.world.balance(seed), self.model.balance(seed), "account {seed}");
        }
        for (id, expected) in &self.model.escrows {
            let escrow = self.world.escrow(id);
            assert_eq!((escrow.deposit, escrow.settled), (expected.deposit, expected.settled));
            assert_eq!(escrow.state == EscrowState::Finalized, expected.finalized);
            assert_eq!(self.world.ledger.lane_settled(&lane_id(*id, DEVICE, PROVIDER, 0)).unwrap(), expected.lane);
        }
    }
}

proptest! {
    // Every operation is committed to a real file, so a few long runs do.
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_operations_agrees_with_the_model(attempts in prop::collection::vec(attempts(), 1..60)) {
        let mut run = Run::new();
        for attempt in &attempts {
            run.step(attempt);
        }
        run.compare();
    }
}
