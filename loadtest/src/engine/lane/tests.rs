use std::time::Duration;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::Address;
use farthing_channel::lane::{LaneState, Outcome, verify_anchor, verify_voucher};
use farthing_channel::sign::{LibSecp, Signer as _};
use farthing_channel::wire::Payments;

use super::*;
use crate::clock;

fn domain() -> Domain {
    Domain::new(5, Address([9; 20]))
}

fn lane(means: Means, chain_length: u16) -> Lane {
    Lane::new(LibSecpKey::from_bytes([7; 32]).unwrap(), LaneId([3; 32]), means, chain_length)
}

/// What a hub makes of these messages; refusals are left out.
fn take(state: &mut LaneState, device: &Address, bytes: &[u8]) {
    let commit = |state: &mut LaneState, outcome| {
        if let Ok(Outcome::Advance(proposal)) = outcome {
            *state = state.clone().commit(&proposal);
        }
    };
    for payment in Payments::new(bytes) {
        match payment.unwrap() {
            Payment::Tick { index, link, .. } => {
                let outcome = state.propose_tick(index, &link);
                commit(state, outcome);
            }
            Payment::Voucher { voucher, .. } => {
                let verified = verify_voucher(&LibSecp, &domain(), state.lane(), device, &voucher).unwrap();
                let outcome = Ok(state.propose_voucher(&verified));
                commit(state, outcome);
            }
            Payment::Anchor { anchor, .. } => {
                let verified = verify_anchor(&LibSecp, &domain(), state.lane(), device, &anchor).unwrap();
                let outcome = state.propose_anchor(&verified);
                commit(state, outcome);
            }
        }
    }
}

#[test]
fn ticks_are_written_as_the_codec_writes_them() {
    for handle in [0, 23, 24, 255, 256, 65_535, 65_536, u32::MAX] {
        for index in [1_u16, 23, 24, 255, 256, 4096] {
            let link = Preimage([8; 32]);
            let mut written = Vec::new();
            write_tick(&mut written, handle, index, &link);
            let lane = LaneRef::Handle(handle);
            assert_eq!(written, encode_to_vec(&Payment::Tick { lane, index, link }));
            assert!(written.len() <= TICK_BYTES_MAX);
        }
    }
}

#[test]
fn every_payment_raises_the_total_by_one_over_many_chains() {
    for means in [Means::Ticks, Means::Vouchers] {
        let mut lane = lane(means, 10);
        let device = lane.key().address();
        let mut state = LaneState::new(lane.id());
        let now = clock::now();
        for number in 1..=25 {
            let mut out = Vec::new();
            assert!(lane.promise(&domain(), &mut out, 1162, now, 0));
            take(&mut state, &device, &out);
            assert_eq!(state.total().amount(), number, "{means:?}");
        }
        let mut covered = 0;
        lane.acknowledge(20, |_| covered += 1);
        assert_eq!((covered, lane.is_waiting(), lane.acknowledged()), (20, true, 20));
        lane.acknowledge(19, |_| covered += 1);
        lane.acknowledge(25, |_| covered += 1);
        assert_eq!((covered, lane.is_waiting()), (25, false));
    }
}

#[test]
fn what_was_lost_is_made_up_for_by_a_repeat() {
    for means in [Means::Ticks, Means::Vouchers] {
        let mut lane = lane(means, 2000);
        let device = lane.key().address();
        let mut state = LaneState::new(lane.id());
        let now = clock::now();
        for _ in 0..1500 {
            assert!(lane.promise(&domain(), &mut Vec::new(), 1162, now, 0));
        }
        let later = now + Duration::from_secs(2);
        assert!(lane.is_silent_since(later) && !lane.is_silent_since(now - Duration::from_secs(1)));
        let repeat = lane.repeat(&domain(), later);
        assert!(!lane.is_silent_since(now + Duration::from_secs(1)));
        take(&mut state, &device, &repeat);
        assert_eq!(state.total().amount(), 1500, "{means:?}");
    }
}

#[test]
fn a_full_packet_takes_no_further_payment() {
    let mut lane = lane(Means::Ticks, 100);
    let (mut out, now) = (Vec::new(), clock::now());
    let mut count = 0;
    while lane.promise(&domain(), &mut out, 1162, now, 0) {
        count += 1;
    }
    assert!(out.len() <= 1162 && out.len() > 1162 - TICK_BYTES_MAX, "{} bytes", out.len());
    assert_eq!(lane.promised(), count);
}

#[test]
fn a_hub_that_forgot_what_it_acknowledged_is_noticed() {
    let mut lane = lane(Means::Ticks, 100);
    lane.promise(&domain(), &mut Vec::new(), 1162, clock::now(), 0);
    lane.acknowledge(1, |_| ());
    assert!(lane.resume(4, 1));
    assert!(!lane.resume(4, 0));
}
