//! How long netting takes: from positions to legs, cycles cleared, every balance checked.

use divan::{Bencher, black_box};
use farthing_channel::id::Address;
use farthing_settlement::netting::{Exact, Greedy, Position, net};

fn main() {
    divan::main();
}

fn participant(number: usize) -> Address {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Address(bytes)
}

/// Everybody owes `creditors` others, an amount that follows from both: no two debts of a participant are equal.
fn positions(participants: usize, creditors: usize) -> Vec<Position> {
    let debts = (0..participants).flat_map(|from| (1..=creditors).map(move |step| (from, step)));
    debts
        .map(|(from, step)| {
            let to = (from + step * step) % participants;
            let amount = 1 + u128::try_from((from * 7919 + to * 104_729) % 1_000_003).unwrap_or_default();
            Position { debtor: participant(from), creditor: participant(to), amount }
        })
        .filter(|position| position.debtor != position.creditor)
        .collect()
}

/// Participants, and whom each owes.
#[divan::bench(args = [(100, 20), (1000, 20), (1000, 100)], sample_count = 10)]
fn greedy(bencher: Bencher<'_, '_>, (participants, creditors): (usize, usize)) {
    let positions = positions(participants, creditors);
    bencher.bench_local(|| net(black_box(&positions), &Greedy));
}

/// The fewest legs, as far as they are sought.
#[divan::bench(args = [(8, 5), (16, 10)], sample_count = 10)]
fn exact(bencher: Bencher<'_, '_>, (participants, creditors): (usize, usize)) {
    let positions = positions(participants, creditors);
    bencher.bench_local(|| net(black_box(&positions), &Exact));
}
