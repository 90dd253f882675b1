//! Every interleaving, in every order that the memory model allows.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use farthing_cells::{Counter, Hold, HolderId, Snapshot};
use loom::sync::Arc;
use loom::thread;

/// A reader sees the words of one write, never a mixture, and never goes back.
#[test]
fn a_snapshot_is_never_torn() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let snapshot = Arc::new(Snapshot::new([0, 0]));
        let writer = Arc::clone(&snapshot);
        let writing = thread::spawn(move || {
            writer.write(&[1, 1]);
            writer.write(&[2, 2]);
        });
        let [a, b] = snapshot.read();
        assert_eq!(a, b);
        let [c, d] = snapshot.read();
        assert_eq!(c, d);
        assert!(c >= a);
        writing.join().unwrap();
        assert_eq!(snapshot.read(), [2, 2]);
    });
}

/// Three takings of two from a bound of five: two succeed, whatever the order, and one that is given back makes room.
#[test]
fn a_bound_is_never_passed() {
    loom::model(|| {
        let counter = Arc::new(Counter::new(0));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    let taken = counter.take(2, 5).is_ok();
                    assert!(counter.get() <= 5);
                    taken
                })
            })
            .collect();
        let taken = counter.take(2, 5).is_ok();
        let succeeded = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|taken| *taken).count();
        assert_eq!(succeeded + usize::from(taken), 2);
        assert_eq!(counter.get(), 4);
        counter.give_back(2);
        assert_eq!(counter.take(3, 5), Ok(()));
    });
}

/// What two holders do under a hold never interleaves, and the second sees what the first wrote.
#[test]
fn a_hold_orders_its_holders() {
    loom::model(|| {
        let hold = Arc::new(Hold::new());
        let words = Arc::new(Snapshot::new([0, 0]));
        let holders: Vec<_> = (0..2_u16)
            .map(|n| {
                let (hold, words) = (Arc::clone(&hold), Arc::clone(&words));
                thread::spawn(move || {
                    if !hold.take(HolderId(n)) {
                        return 0;
                    }
                    let [a, b] = words.read_own();
                    assert_eq!(a, b);
                    words.write(&[a + 1, b + 1]);
                    hold.give_back();
                    1
                })
            })
            .collect();
        let done: u64 = holders.into_iter().map(|holder| holder.join().unwrap()).sum();
        assert!(done >= 1 && !hold.is_taken());
        assert!(hold.take(HolderId(9)));
        assert_eq!(words.read_own(), [done, done]);
    });
}
