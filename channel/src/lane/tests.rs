use super::*;
use crate::chain::{ChainPurpose, DeviceChain};
use crate::eip712::{Domain, Voucher};
use crate::id::Address;
use crate::sign::{
    KnownKey as _, LibSecp, LibSecpKey, LibSecpPublicKey, Recover as _, Signer as _, UncheckedSignature, sign_typed,
};
use proptest::prelude::*;

const LANE: LaneId = LaneId([3; 32]);

fn device() -> LibSecpKey {
    LibSecpKey::from_bytes([7; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(1, Address([9; 20]))
}

fn voucher(amount: u64) -> Verified<SignedVoucher> {
    let typed = Voucher { lane: LANE, cumulative_amount: u128::from(amount) };
    let signature = sign_typed(&device(), &domain(), &typed).unwrap().into();
    verify_voucher(&LibSecp, &domain(), &LANE, &device().address(), &SignedVoucher { amount, signature }).unwrap()
}

fn chain(base: u64, ticks: u64, price: (u32, u32), length: u16, seed: u8) -> (DeviceChain, Verified<SignedAnchor>) {
    let purpose = ChainPurpose {
        lane: LANE,
        base_amount: base,
        base_ticks: ticks,
        tick_amount: price.0,
        ticks_per_amount: price.1,
        length,
        tariff: TariffHash::ZERO,
    };
    let chain = DeviceChain::new(&LANE, Preimage([seed; 32]), length).unwrap();
    let terms = AnchorTerms::of_chain(&purpose, chain.root());
    let signature = sign_typed(&device(), &domain(), &terms.typed(&LANE)).unwrap().into();
    let signed = SignedAnchor { terms, signature };
    let verified = verify_anchor(&LibSecp, &domain(), &LANE, &device().address(), &signed).unwrap();
    (chain, verified)
}

fn apply(state: LaneState, outcome: Outcome) -> LaneState {
    match outcome {
        Outcome::Advance(proposal) => {
            let before = state.total();
            let after = state.commit(&proposal);
            assert_eq!(after.total(), proposal.total());
            assert_eq!(after.total().amount() - before.amount(), proposal.increase());
            after
        }
        Outcome::Known => state,
    }
}

fn check_evidence(state: &LaneState) {
    if let Some(evidence) = state.evidence() {
        let total = verify_evidence(&LibSecp, &domain(), &LANE, &device().address(), &evidence);
        assert_eq!(total, Ok(state.total()));
    }
    let restored = state.to_changes().iter().fold(LaneState::new(LANE), |lane, change| lane.restore(change));
    assert_eq!(restored.total(), state.total());
    assert_eq!(restored.evidence().map(|e| e.claimed()), state.evidence().map(|e| e.claimed()));
    assert_eq!(restored.anchors(), state.anchors());
}

#[test]
fn vouchers_and_ticks_raise_one_total() {
    let mut state = LaneState::new(LANE);
    state = apply(state.clone(), state.propose_voucher(&voucher(100)));
    let (mut links, anchor) = chain(100, 0, (3, 2), 400, 1);
    state = apply(state.clone(), state.propose_anchor(&anchor).unwrap());
    assert_eq!(state.total(), Total::whole(100));
    let link = links.preimage(1).unwrap().0;
    state = apply(state.clone(), state.propose_tick(1, &link).unwrap());
    assert_eq!(state.total(), Total::new(101, 1, 2).unwrap());
    check_evidence(&state);
    // A skip of a span is walked, and the same tick again is known.
    let link = links.preimage(200).unwrap().0;
    state = apply(state.clone(), state.propose_tick(200, &link).unwrap());
    assert_eq!(state.total(), Total::whole(400));
    assert_eq!(state.propose_tick(200, &link), Ok(Outcome::Known));
    assert_eq!(state.propose_voucher(&voucher(400)), Outcome::Known);
    check_evidence(&state);
    state = apply(state.clone(), state.propose_voucher(&voucher(401)));
    check_evidence(&state);
}

#[test]
fn each_wrong_payment_has_its_refusal() {
    let state = LaneState::new(LANE);
    let (mut links, anchor) = chain(0, 0, (1, 1), 400, 1);
    let link = |links: &mut DeviceChain, index| links.preimage(index).unwrap().0;
    assert_eq!(state.voucher_is_news(0), Err(Refusal::ZeroAmount));
    assert_eq!(state.propose_tick(1, &Preimage([0; 32])), Err(Refusal::NoAnchor));
    let state = apply(state.clone(), state.propose_anchor(&anchor).unwrap());
    assert_eq!(state.propose_tick(401, &Preimage([0; 32])), Err(Refusal::IndexOutOfRange));
    assert_eq!(state.propose_tick(257, &link(&mut links, 257)), Err(Refusal::TickGap));
    assert_eq!(state.propose_tick(1, &link(&mut links, 2)), Err(Refusal::WrongTick));
    assert_eq!(state.propose_tick(0, &Preimage([1; 32])), Err(Refusal::IndexOutOfRange));
    assert_eq!(state.propose_anchor(&anchor), Ok(Outcome::Known));
    let terms = anchor.get().terms;
    let checks = [
        (AnchorTerms { tick_amount: 0, ..terms }, Refusal::BadAnchorTerms),
        (AnchorTerms { ticks_per_amount: 0, ..terms }, Refusal::BadAnchorTerms),
        (AnchorTerms { length: 0, ..terms }, Refusal::BadAnchorTerms),
        (AnchorTerms { length: 4097, ..terms }, Refusal::BadAnchorTerms),
        (AnchorTerms { base_amount: u64::MAX, ..terms }, Refusal::Overflow),
        (AnchorTerms { base_ticks: u64::MAX, tick_amount: u32::MAX, ..terms }, Refusal::Overflow),
        (AnchorTerms { tariff: TariffHash([1; 32]), ..terms }, Refusal::WrongTariff),
        (AnchorTerms { length: 399, ..terms }, Refusal::AnchorConflict),
    ];
    for (terms, refusal) in checks {
        assert_eq!(state.anchor_is_news(&terms, &TariffHash::ZERO), Err(refusal));
    }
    let rich = apply(state.clone(), state.propose_voucher(&voucher(400)));
    let (_, spent) = chain(0, 0, (1, 1), 400, 2);
    assert_eq!(rich.propose_anchor(&spent), Err(Refusal::AnchorSpent));
}

fn public_key(key: &LibSecpKey) -> LibSecpPublicKey {
    let digest = crate::id::Digest([1; 32]);
    let Ok(signature) = key.sign(&digest);
    LibSecpPublicKey::recover(&digest, &signature).unwrap()
}

#[test]
fn a_voucher_of_a_known_key_holds_with_either_parity_and_is_restored_to_the_right_one() {
    let (right, key) = (voucher(5).into_inner(), public_key(&device()));
    assert_eq!(key.address(), device().address());
    let signature = right.signature.check().unwrap().with_other_parity();
    let wrong = SignedVoucher { signature: signature.into(), ..right };
    for voucher in [right, wrong] {
        assert!(verify_voucher_by(&key, &domain(), &LANE, &voucher).is_ok());
        let restored = restore_voucher(&LibSecp, &domain(), &LANE, &device().address(), &voucher).unwrap();
        assert_eq!(restored.into_inner(), right);
    }
    assert!(verify_voucher(&LibSecp, &domain(), &LANE, &device().address(), &wrong).is_err());
    // Another amount, another lane, another key: nothing holds.
    let more = SignedVoucher { amount: 6, ..right };
    let stranger = public_key(&LibSecpKey::from_bytes([8; 32]).unwrap());
    assert_eq!(verify_voucher_by(&key, &domain(), &LANE, &more), Err(Refusal::WrongSigner));
    assert_eq!(verify_voucher_by(&key, &domain(), &LaneId([4; 32]), &right), Err(Refusal::WrongSigner));
    assert_eq!(verify_voucher_by(&stranger, &domain(), &LANE, &right), Err(Refusal::WrongSigner));
    let refused = restore_voucher(&LibSecp, &domain(), &LANE, &device().address(), &more);
    assert_eq!(refused, Err(Refusal::WrongSigner));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A known key accepts a signature exactly if one of its two parities recovers the key.
    #[test]
    fn a_known_key_accepts_what_can_be_restored(
        secret in 1_u8..=3, signer in 1_u8..=3, amount in 0_u64..4, claimed in 0_u64..4, flip: bool, byte in 0_usize..640,
    ) {
        let (holder, signer) = (LibSecpKey::from_bytes([secret; 32]).unwrap(), LibSecpKey::from_bytes([signer; 32]).unwrap());
        let Ok(signature) =
            sign_typed(&signer, &domain(), &Voucher { lane: LANE, cumulative_amount: u128::from(amount) });
        let mut compact = *signature.as_compact();
        compact[32] ^= u8::from(flip) << 7;
        if let Some(byte) = compact.get_mut(byte) {
            *byte ^= 1;
        }
        let voucher = SignedVoucher { amount: claimed, signature: UncheckedSignature(compact) };
        let known = verify_voucher_by(&public_key(&holder), &domain(), &LANE, &voucher);
        let restored = restore_voucher(&LibSecp, &domain(), &LANE, &holder.address(), &voucher);
        prop_assert_eq!(known.is_ok(), restored.is_ok());
        if let Ok(restored) = restored {
            let digest = domain().digest(&Voucher { lane: LANE, cumulative_amount: u128::from(claimed) });
            let signature = restored.into_inner().signature.check().unwrap();
            prop_assert_eq!(LibSecp.recover(&digest, &signature), Ok(holder.address()));
        }
    }
}

#[test]
fn a_proof_for_one_lane_is_worth_nothing_on_another() {
    let (mut links, anchor) = chain(0, 0, (1, 1), 10, 1);
    let other = LaneId([4; 32]);
    let refused = verify_anchor(&LibSecp, &domain(), &other, &device().address(), anchor.get());
    assert_eq!(refused, Err(Refusal::WrongSigner));
    let refused = verify_voucher(&LibSecp, &domain(), &other, &device().address(), voucher(5).get());
    assert_eq!(refused, Err(Refusal::WrongSigner));
    let elsewhere = Domain::new(2, Address([9; 20]));
    let refused = verify_voucher(&LibSecp, &elsewhere, &LANE, &device().address(), voucher(5).get());
    assert_eq!(refused, Err(Refusal::WrongSigner));
    let mut state = LaneState::new(other);
    let forced = Verified::from_own_journal(*anchor.get());
    state = apply(state.clone(), state.propose_anchor(&forced).unwrap());
    assert_eq!(state.propose_tick(1, &links.preimage(1).unwrap().0), Err(Refusal::WrongTick));
}

#[test]
fn the_anchor_that_proves_the_total_is_never_dropped() {
    let mut state = LaneState::new(LANE);
    let (mut links, first) = chain(0, 0, (10, 1), 10, 1);
    state = apply(state.clone(), state.propose_anchor(&first).unwrap());
    state = apply(state.clone(), state.propose_tick(1, &links.preimage(1).unwrap().0).unwrap());
    for seed in 2..12 {
        let (_, anchor) = chain(0, 0, (10, 1), 100 + u16::from(seed), seed);
        state = apply(state.clone(), state.propose_anchor(&anchor).unwrap());
        assert!(state.anchors().len() <= ANCHORS_PER_LANE_MAX);
        check_evidence(&state);
    }
}

#[test]
fn a_checkpoint_holds_the_same_anchors_in_the_same_order() {
    let mut state = LaneState::new(LANE);
    state = apply(state.clone(), state.propose_voucher(&voucher(1000)));
    let restored = |state: &LaneState| state.to_changes().iter().fold(LaneState::new(LANE), LaneState::restore);
    // Bases equal to the total, tops that fall and rise: nothing but the order of acceptance decides who stays.
    for (seed, length) in [(1, 50), (2, 40), (3, 90), (4, 10), (5, 70), (1, 50), (6, 20)] {
        let (mut links, anchor) = chain(1000, 0, (10, 1), length, seed);
        state = apply(state.clone(), state.propose_anchor(&anchor).unwrap());
        assert_eq!(restored(&state), state);
        if seed == 1 {
            let index = state.newest_anchor().unwrap().1 + 1;
            let tick = state.propose_tick(index, &links.preimage(index).unwrap().0);
            state = apply(state.clone(), tick.unwrap());
            assert_eq!(restored(&state), state);
        }
        let shown = state.proofs().into_iter().map(|proof| Evidence::Tick(proof).claimed().unwrap()).max();
        assert_eq!(shown, Some(state.total()), "a device that lost its memory is shown a proof of the total");
        check_evidence(&state);
    }
}

#[derive(Debug, Clone)]
enum Payment {
    Voucher(u64),
    Anchor(usize),
    Tick(usize, u16),
}

fn payments() -> impl Strategy<Value = Vec<Payment>> {
    let payment = prop_oneof![
        (1..3000_u64).prop_map(Payment::Voucher),
        (0..3_usize).prop_map(Payment::Anchor),
        (0..3_usize, 1..300_u16).prop_map(|(chain, index)| Payment::Tick(chain, index)),
    ];
    prop::collection::vec(payment, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever arrives in whatever order, the total never shrinks, is what the greatest accepted payment says, and is
    /// proven by its evidence; repeating everything changes nothing.
    #[test]
    fn a_lane_is_a_maximum(payments in payments()) {
        let mut chains = [chain(0, 0, (3, 1), 300, 1), chain(500, 7, (1, 3), 300, 2), chain(100, 0, (7, 2), 250, 3)];
        let mut state = LaneState::new(LANE);
        let mut greatest = Total::ZERO;
        for round in 0..2 {
            let settled = state.total();
            for payment in &payments {
                let before = state.clone();
                let (outcome, worth) = match *payment {
                    Payment::Voucher(amount) => (Ok(state.propose_voucher(&voucher(amount))), Total::whole(amount)),
                    Payment::Anchor(n) => {
                        (state.propose_anchor(&chains[n].1), chains[n].1.get().terms.total_at(0).unwrap())
                    }
                    Payment::Tick(n, index) => match chains[n].0.preimage(index) {
                        Some((link, _)) => {
                            (state.propose_tick(index, &link), chains[n].1.get().terms.total_at(index).unwrap())
                        }
                        None => continue,
                    },
                };
                if let Ok(outcome) = outcome {
                    if matches!(outcome, Outcome::Advance(_)) {
                        greatest = greatest.max(worth);
                    }
                    state = apply(state, outcome);
                }
                prop_assert!(state.total() >= before.total());
                prop_assert_eq!(state.total(), greatest);
            }
            check_evidence(&state);
            if round == 1 && payments.iter().all(|payment| matches!(payment, Payment::Voucher(_))) {
                prop_assert_eq!(state.total(), settled);
            }
        }
    }
}
