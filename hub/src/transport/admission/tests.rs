use proptest::prelude::*;

use super::*;
use crate::transport::tests::now;

fn limits() -> TransportLimits {
    TransportLimits {
        connections_max: 100,
        connections_per_address_max: 10,
        handshakes_max: 40,
        handshakes_before_retry: 20,
        handshakes_per_address_max: 8,
        attempts_per_address_per_second: 10,
        attempts_per_address_burst: 20,
        ..TransportLimits::default()
    }
}

fn address(n: u8) -> AddressKey {
    AddressKey::V4([192, 0, 2, n])
}

#[test]
fn an_ipv6_address_counts_as_its_64_and_a_mapped_one_as_ipv4() {
    let key = |text: &str| AddressKey::of(text.parse().unwrap());
    assert_eq!(key("[2001:db8:1:2:3::4]:1"), key("[2001:db8:1:2:ffff::9]:2"));
    assert_ne!(key("[2001:db8:1:2::4]:1"), key("[2001:db8:1:3::4]:1"));
    assert_eq!(key("[::ffff:192.0.2.1]:5"), key("192.0.2.1:6"));
    assert_ne!(key("192.0.2.1:6"), key("192.0.2.2:6"));
}

#[test]
fn an_unvalidated_address_gets_half_and_a_validated_one_the_rest() {
    let start = now();
    let mut admission = Admission::new(&limits());
    for _ in 0..4 {
        assert_eq!(admission.admit(start, address(1), false), Verdict::Accept);
    }
    assert_eq!(admission.admit(start, address(1), false), Verdict::Retry);
    for _ in 0..4 {
        assert_eq!(admission.admit(start, address(1), true), Verdict::Accept);
    }
    assert_eq!(admission.admit(start, address(1), true), Verdict::UnansweredBusy);
    for _ in 0..8 {
        admission.handshake_completed(address(1));
    }
    assert_eq!(admission.admit(start, address(1), true), Verdict::Accept);
    assert_eq!(admission.admit(start, address(1), true), Verdict::Accept);
    assert_eq!(admission.admit(start, address(1), true), Verdict::RefuseAddress);
    assert_eq!(admission.admit(start, address(2), false), Verdict::Accept);
}

#[test]
fn under_load_every_unvalidated_address_must_prove_itself() {
    let start = now();
    let mut admission = Admission::new(&limits());
    for n in 0..20 {
        assert_eq!(admission.admit(start, address(n), false), Verdict::Accept);
    }
    assert_eq!(admission.admit(start, address(20), false), Verdict::Retry);
    for n in 20..40 {
        assert_eq!(admission.admit(start, address(n), true), Verdict::Accept);
    }
    assert_eq!(admission.admit(start, address(40), true), Verdict::UnansweredBusy);
    admission.handshake_completed(address(0));
    assert_eq!(admission.admit(start, address(40), true), Verdict::Accept);
}

#[test]
fn the_rate_of_an_address_is_a_token_bucket() {
    let mut time = now();
    let mut admission = Admission::new(&limits());
    let attempt = |time, admission: &mut Admission| {
        let verdict = admission.admit(time, address(1), true);
        if verdict == Verdict::Accept {
            admission.release(time, address(1), true);
        }
        verdict
    };
    for _ in 0..20 {
        assert_eq!(attempt(time, &mut admission), Verdict::Accept);
    }
    assert_eq!(attempt(time, &mut admission), Verdict::UnansweredRate);
    time += Duration::from_millis(100);
    assert_eq!(attempt(time, &mut admission), Verdict::Accept);
    assert_eq!(attempt(time, &mut admission), Verdict::UnansweredRate);
    time += Duration::from_secs(10);
    assert_eq!(attempt(time, &mut admission), Verdict::Accept);
}

#[test]
fn a_full_hub_refuses() {
    let start = now();
    let mut admission = Admission::new(&TransportLimits { connections_max: 3, ..limits() });
    for n in 0..3 {
        assert_eq!(admission.admit(start, address(n), true), Verdict::Accept);
    }
    assert_eq!(admission.admit(start, address(9), true), Verdict::RefuseFull);
    admission.release(start, address(0), true);
    assert_eq!(admission.admit(start, address(9), true), Verdict::Accept);
}

proptest! {
    /// Whatever comes and goes, the totals are the sums of the accounts, no limit is passed, and
    /// when all are gone nothing but unpaid rate is remembered.
    #[test]
    fn accounts_add_up(steps in prop::collection::vec((0_u8..6, any::<bool>(), 0_u8..4, 0_u64..300), 1..400)) {
        let limits = limits();
        let mut admission = Admission::new(&limits);
        let mut time = now();
        let mut open: Vec<(AddressKey, bool)> = Vec::new();
        for (n, validated, action, pause_ms) in steps {
            time += Duration::from_millis(pause_ms);
            match action {
                0 | 1 => {
                    if admission.admit(time, address(n), validated) == Verdict::Accept {
                        open.push((address(n), true));
                    }
                }
                2 => {
                    if let Some(entry) = open.iter_mut().find(|(key, handshake)| *key == address(n) && *handshake) {
                        entry.1 = false;
                        admission.handshake_completed(address(n));
                    }
                }
                _ => {
                    if let Some(at) = open.iter().position(|(key, _)| *key == address(n)) {
                        let (key, handshake) = open.swap_remove(at);
                        admission.release(time, key, handshake);
                    }
                }
            }
            let handshakes = open.iter().filter(|(_, handshake)| *handshake).count();
            prop_assert_eq!(usize::try_from(admission.connections).unwrap(), open.len());
            prop_assert_eq!(usize::try_from(admission.handshakes).unwrap(), handshakes);
            for key in (0..6).map(address) {
                let held = open.iter().filter(|(held, _)| *held == key).count();
                let account = admission.accounts.get(&key).map_or(0, |account| account.connections);
                prop_assert_eq!(usize::try_from(account).unwrap(), held);
                prop_assert!(account <= limits.connections_per_address_max);
            }
        }
        let much_later = time + Duration::from_secs(3600);
        for (key, handshake) in open.drain(..) {
            admission.release(much_later, key, handshake);
        }
        admission.accounts.retain(|_, account| !account.is_idle(much_later));
        prop_assert!(admission.accounts.is_empty());
    }
}
