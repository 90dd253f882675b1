//! Every interleaving, in every order that the memory model allows.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use farthing_cells::{Counter, Hold, HolderId, Rounds, Snapshot};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
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

const PLANE: HolderId = HolderId(0);
const CONTROL: HolderId = HolderId(1);
const CHECKPOINTER: HolderId = HolderId(2);

/// A unit: how often it was changed, with which round it was last stamped, and how many of its changes are durable.
#[derive(Default)]
struct Unit {
    hold: Hold,
    changes: AtomicU64,
    stamp: AtomicU64,
    durable: AtomicU64,
}

impl Unit {
    fn change(&self, changes: u64, round: u64) {
        self.changes.store(changes, Ordering::Relaxed);
        self.stamp.store(round, Ordering::Relaxed);
    }

    /// Once a round is answered, the checkpoint takes in what is durable by then; and what is stamped with an earlier round
    /// is let go.
    fn checkpoint(&self, round: u64) {
        let kept = self.durable.load(Ordering::Relaxed);
        if self.hold.take(CHECKPOINTER) {
            if self.stamp.load(Ordering::Relaxed) < round {
                let changes = self.changes.load(Ordering::Relaxed);
                assert!(kept >= changes, "change {changes} is let go, and the checkpoint has {kept}");
            }
            self.hold.give_back();
        }
    }
}

/// Once a data-plane thread has answered a round, what it stamped with an earlier one is durable.
#[test]
fn a_thread_answers_for_what_it_changed() {
    loom::model(|| {
        let (unit, rounds) = (Arc::new(Unit::default()), Arc::new(Rounds::default()));
        let mark = rounds.join();
        let (changed, running) = (Arc::clone(&unit), Arc::clone(&rounds));
        let plane = thread::spawn(move || {
            for change in 1..=2 {
                if changed.hold.take(PLANE) {
                    changed.change(change, running.current());
                    changed.hold.give_back();
                }
                // The turn ends: everything is submitted; then the round is looked at; then the journal is done.
                let seen = running.current();
                changed.durable.store(change, Ordering::Relaxed);
                if seen > mark.answered() {
                    mark.answer(seen);
                }
            }
        });
        for _ in 0..2 {
            let round = rounds.open();
            if rounds.is_answered(round) {
                unit.checkpoint(round);
            }
        }
        plane.join().unwrap();
    });
}

/// What the control plane applied before the checkpointer had its lock is durable, what it applies after is stamped with
/// the new round.
#[test]
fn the_control_plane_is_waited_for() {
    loom::model(|| {
        let (unit, rounds) = (Arc::new(Unit::default()), Arc::new(Rounds::default()));
        let (changed, running) = (Arc::clone(&unit), Arc::clone(&rounds));
        let control = thread::spawn(move || {
            for change in 1..=2 {
                let changing = running.changing();
                changed.durable.store(change, Ordering::Relaxed);
                if changed.hold.take(CONTROL) {
                    changed.change(change, running.current());
                    changed.hold.give_back();
                }
                drop(changing);
            }
        });
        let round = rounds.open();
        drop(rounds.changing());
        unit.checkpoint(round);
        control.join().unwrap();
    });
}
