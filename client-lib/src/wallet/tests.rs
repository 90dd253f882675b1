//! The wallet against a model hub that is made of the channel rules.

#[path = "../../tests/fake_hub/lane_model.rs"]
mod lane_model;
mod properties;

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, LaneId, TariffHash};
use farthing_channel::lane::{Outcome, Total};
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{Answer, LaneRef, Payment};

use super::{PayMode, Reaction, TickPlan, Wallet, WalletError, Want};
use crate::key::DeviceKey;
use lane_model::LaneModel;

const LANE: LaneId = LaneId([3; 32]);
const HANDLE: LaneRef = LaneRef::Handle(7);

fn key() -> DeviceKey {
    DeviceKey::from_secret([7; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(1, Address([9; 20]))
}

fn hub(limit: u64) -> LaneModel {
    LaneModel::new(LANE, key().address(), domain(), limit)
}

fn ticks(price: (u32, u32), length: u16) -> PayMode {
    PayMode::Ticks(TickPlan { tick_amount: price.0, ticks_per_amount: price.1, length })
}

fn resumed(mode: PayMode, hub: &LaneModel) -> Wallet {
    let mut wallet = Wallet::new(LANE, mode);
    wallet.resume(&hub.view(7), None, &key(), &domain()).unwrap();
    wallet
}

fn hear(wallet: &mut Wallet, answer: &Answer) -> Option<Reaction> {
    match answer {
        Answer::Acknowledged { authorised, anchor, index, .. } => {
            assert!(wallet.acknowledge(*authorised, anchor.zip(*index)));
            None
        }
        Answer::Refused { refusal, .. } => Some(wallet.refuse(*refusal)),
    }
}

/// Proves, sends and hears until nothing is behind.
fn exchange(wallet: &mut Wallet, hub: &mut LaneModel, room: u64) -> Vec<Payment> {
    let mut sent = Vec::new();
    for _ in 0..20 {
        wallet.prove(&key(), &domain(), room).unwrap();
        for payment in wallet.messages(HANDLE) {
            let answer = hub.pay(&payment);
            hear(wallet, &answer);
            sent.push(payment);
        }
        if !wallet.is_behind() {
            return sent;
        }
    }
    panic!("does not converge: {wallet:?}");
}

#[test]
fn a_day_offline_is_one_message() {
    for mode in [PayMode::Voucher, ticks((1, 1), 1000)] {
        let mut hub = hub(u64::MAX);
        let mut wallet = resumed(mode, &hub);
        for _ in 0..10_000 {
            wallet.add(Want::whole(3)).unwrap();
        }
        assert_eq!(exchange(&mut wallet, &mut hub, u64::MAX).len(), 1);
        assert_eq!(hub.state.total(), Total::whole(30_000));
        assert_eq!(wallet.acknowledged(), Total::whole(30_000));
    }
}

#[test]
fn one_signature_serves_a_chain_of_ticks() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(ticks((1, 1), 1000), &hub);
    let mut anchors = 0;
    for paid in 1..=3000_u64 {
        wallet.add(Want::whole(1)).unwrap();
        let sent = exchange(&mut wallet, &mut hub, u64::MAX);
        assert_eq!(sent.len(), 1);
        anchors += u32::from(matches!(sent[0], Payment::Anchor { .. }));
        assert_eq!(hub.state.total(), Total::whole(paid));
    }
    assert_eq!(anchors, 3, "the base of each chain is a payment too");
}

#[test]
fn fractions_of_a_base_unit_carry_over_from_chain_to_chain() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(ticks((2, 3), 10), &hub);
    for _ in 0..100 {
        wallet.add(Want { amount: 0, ticks: 1 }).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
    }
    // 100 ticks at 2/3 are 66 and two thirds.
    assert_eq!(hub.state.total(), Total::new(66, 2, 3).unwrap());
}

#[test]
fn a_gap_is_walked_in_spans() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(ticks((1, 1), 4096), &hub);
    wallet.add(Want::whole(1)).unwrap();
    exchange(&mut wallet, &mut hub, u64::MAX);
    wallet.add(Want::whole(700)).unwrap();
    let sent = exchange(&mut wallet, &mut hub, u64::MAX);
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|p| matches!(p, Payment::Tick { .. })));
    assert_eq!(hub.state.total(), Total::whole(701));
}

#[test]
fn nothing_is_signed_beyond_the_room() {
    let mut hub = hub(100);
    for mode in [PayMode::Voucher, ticks((7, 1), 1000)] {
        let mut wallet = resumed(mode, &hub);
        wallet.raise_to(95);
        exchange(&mut wallet, &mut hub, 100);
        assert!(wallet.proven() <= Total::whole(100));
        wallet.raise_to(100);
        exchange(&mut wallet, &mut hub, 100);
        assert_eq!(wallet.proven(), Total::whole(100));
        wallet.raise_to(101);
        let refused = wallet.prove(&key(), &domain(), 100);
        assert!(matches!(refused, Err(WalletError::Limit { total: 101 })));
        assert_eq!(wallet.proven(), Total::whole(100));
        assert!(hub.state.anchors().iter().all(|held| {
            let terms = &held.signed.terms;
            terms.total_at(terms.length).unwrap() <= Total::whole(100)
        }));
    }
}

#[test]
fn a_lost_memory_is_filled_from_the_hub() {
    for mode in [PayMode::Voucher, ticks((1, 2), 500)] {
        let mut hub = hub(u64::MAX);
        let mut wallet = resumed(mode, &hub);
        wallet.add(Want::whole(40)).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
        wallet.add(Want::whole(2)).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
        // Nothing is kept; a payment is asked for before the hub can be asked.
        let mut wallet = Wallet::new(LANE, mode);
        wallet.add(Want::whole(5)).unwrap();
        let mark = wallet.mark();
        assert_eq!(wallet.total_of(mark), None);
        wallet.resume(&hub.view(7), None, &key(), &domain()).unwrap();
        assert_eq!(wallet.total_of(mark), Some(Total::whole(47)));
        let sent = exchange(&mut wallet, &mut hub, u64::MAX);
        assert_eq!(sent.len(), 1);
        // The chain was grown again and paid along: no new signature.
        let tick = matches!(sent[0], Payment::Tick { .. });
        assert_eq!(tick, mode != PayMode::Voucher);
        assert_eq!(hub.state.total(), Total::whole(47));
    }
}

#[test]
fn a_hub_from_an_old_backup_is_healed() {
    for mode in [PayMode::Voucher, ticks((1, 1), 1000)] {
        let mut hub = hub(u64::MAX);
        let mut wallet = resumed(mode, &hub);
        wallet.add(Want::whole(10)).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
        let backup = hub.clone();
        wallet.add(Want::whole(30)).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
        for mut old in [backup, hub_from_nothing()] {
            wallet.resume(&old.view(7), None, &key(), &domain()).unwrap();
            assert!(wallet.is_behind());
            exchange(&mut wallet, &mut old, u64::MAX);
            assert_eq!(old.state.total(), Total::whole(40));
        }
        // And where the proof itself lay only in the hub's memory.
        let mut forgetful = resumed(mode, &hub);
        let mut empty = hub_from_nothing();
        forgetful.resume(&empty.view(7), None, &key(), &domain()).unwrap();
        exchange(&mut forgetful, &mut empty, u64::MAX);
        assert_eq!(empty.state.total(), Total::whole(40));
    }
}

fn hub_from_nothing() -> LaneModel {
    hub(u64::MAX)
}

#[test]
fn a_record_goes_on_where_it_ended() {
    for mode in [PayMode::Voucher, ticks((1, 4), 1000)] {
        let mut hub = hub(u64::MAX);
        let mut wallet = resumed(mode, &hub);
        wallet.add(Want::whole(10)).unwrap();
        exchange(&mut wallet, &mut hub, u64::MAX);
        // Proven and recorded, but the message is lost; and three more are wanted, not proven.
        wallet.add(Want::whole(20)).unwrap();
        wallet.prove(&key(), &domain(), u64::MAX).unwrap();
        wallet.add(Want::whole(3)).unwrap();
        let record = wallet.record();
        let mut again = Wallet::new(LANE, mode);
        again.restore(&record);
        again.add(Want::whole(100)).unwrap();
        again.resume(&hub.view(7), Some(&record), &key(), &domain()).unwrap();
        exchange(&mut again, &mut hub, u64::MAX);
        assert_eq!(hub.state.total(), Total::whole(133));
    }
}

#[test]
fn a_proof_the_device_did_not_sign_is_not_believed() {
    let stranger = DeviceKey::from_secret([8; 32]).unwrap();
    let mut forged = LaneModel::new(LANE, stranger.address(), domain(), u64::MAX);
    let mut wallet = Wallet::new(LANE, PayMode::Voucher);
    wallet.resumed = true;
    wallet.add(Want::whole(1000)).unwrap();
    wallet.prove(&stranger, &domain(), u64::MAX).unwrap();
    for payment in wallet.messages(HANDLE) {
        forged.pay(&payment);
    }
    let mut honest = Wallet::new(LANE, PayMode::Voucher);
    let refused = honest.resume(&forged.view(7), None, &key(), &domain());
    assert_eq!(refused, Err(Refusal::WrongSigner));
    assert_eq!(honest.wanted(), Total::ZERO);
    // Nor is a number without a proof.
    let mut view = hub(u64::MAX).view(7);
    view.authorised = 1000;
    honest.resume(&view, None, &key(), &domain()).unwrap();
    assert_eq!(honest.wanted(), Total::ZERO);
    assert!(!honest.acknowledge(1000, None));
    assert_eq!(honest.acknowledged(), Total::ZERO);
}

#[test]
fn a_tick_that_overtakes_its_anchor_is_repeated_with_it() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(ticks((1, 1), 100), &hub);
    wallet.add(Want::whole(1)).unwrap();
    wallet.prove(&key(), &domain(), u64::MAX).unwrap();
    wallet.add(Want::whole(1)).unwrap();
    wallet.prove(&key(), &domain(), u64::MAX).unwrap();
    let messages = wallet.messages(HANDLE);
    assert_eq!(messages.len(), 2);
    let answer = hub.pay(&messages[1]);
    assert_eq!(hear(&mut wallet, &answer), Some(Reaction::Resend));
    exchange(&mut wallet, &mut hub, u64::MAX);
    assert_eq!(hub.state.total(), Total::whole(2));
}

#[test]
fn another_tariff_needs_another_anchor() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(ticks((1, 1), 100), &hub);
    wallet.add(Want::whole(5)).unwrap();
    exchange(&mut wallet, &mut hub, u64::MAX);
    hub.tariff = TariffHash([5; 32]);
    assert_eq!(wallet.refuse(Refusal::WrongTariff), Reaction::Ignore);
    wallet.add(Want::whole(5)).unwrap();
    wallet.resume(&hub.view(7), None, &key(), &domain()).unwrap();
    let sent = exchange(&mut wallet, &mut hub, u64::MAX);
    assert!(matches!(sent[..], [Payment::Anchor { .. }]));
    assert_eq!(hub.state.total(), Total::whole(10));
}

#[test]
fn refusals_are_sorted_by_what_helps() {
    let hub = hub(u64::MAX);
    let mut wallet = resumed(PayMode::Voucher, &hub);
    assert_eq!(wallet.refuse(Refusal::MandateLimit), Reaction::Ignore);
    wallet.add(Want::whole(1)).unwrap();
    for (refusal, reaction) in [
        (Refusal::RateLimited, Reaction::Later),
        (Refusal::NotServing, Reaction::Later),
        (Refusal::UnknownLane, Reaction::Reattach),
        (Refusal::WrongTariff, Reaction::Reattach),
        (Refusal::MandateExpired, Reaction::Fail),
        (Refusal::EscrowLimit, Reaction::Fail),
        (Refusal::BadSignature, Reaction::Fail),
        (Refusal::NoAnchor, Reaction::Resend),
    ] {
        assert_eq!(wallet.refuse(refusal), reaction, "{refusal}");
    }
}

#[test]
fn a_total_named_outright_and_sums_mix() {
    let mut wallet = Wallet::new(LANE, PayMode::Voucher);
    wallet.add(Want::whole(5)).unwrap();
    assert_eq!(wallet.raise_to(20), Total::whole(20));
    assert_eq!(wallet.add(Want::whole(5)), Some(Total::whole(25)));
    assert_eq!(wallet.raise_to(10), Total::whole(25));
    assert_eq!(wallet.add(Want::whole(u64::MAX)), None);
    assert_eq!(wallet.wanted(), Total::whole(25));
}

#[test]
fn an_acknowledgement_of_the_past_takes_nothing_back() {
    let mut hub = hub(u64::MAX);
    let mut wallet = resumed(PayMode::Voucher, &hub);
    wallet.raise_to(10);
    exchange(&mut wallet, &mut hub, u64::MAX);
    assert!(wallet.acknowledge(4, None));
    assert_eq!(wallet.acknowledged(), Total::whole(10));
    // A repeated payment is known, and acknowledged again.
    let voucher = hub.state.evidence();
    assert!(voucher.is_some());
    assert!(matches!(
        hub.state.propose_tick(1, &farthing_channel::id::Preimage([0; 32])),
        Err(Refusal::NoAnchor) | Ok(Outcome::Known)
    ));
}
