//! What a verified payment costs the lane: propose, then commit.

use divan::{Bencher, black_box};
use farthing_benches::Fixture;
use farthing_channel::lane::{LaneState, Outcome, Verified};

fn main() {
    // Many calls for each sample, as one of them lasts little longer than the timer's tick.
    divan::Divan::default().sample_size(256).config_with_args().main();
}

fn commit(state: LaneState, outcome: &Outcome) -> LaneState {
    match outcome {
        Outcome::Advance(proposal) => state.commit(proposal),
        Outcome::Known => state,
    }
}

#[divan::bench]
fn voucher_that_advances(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    let voucher = Verified::from_own_journal(fixture.voucher(2_000_000));
    let state = fixture.anchored();
    bencher.with_inputs(|| state.clone()).bench_values(|state| {
        let outcome = state.propose_voucher(black_box(&voucher));
        commit(state, &outcome)
    });
}

/// The cheap answer that comes before any signature is looked at.
#[divan::bench]
fn voucher_that_is_no_news(bencher: Bencher<'_, '_>) {
    let state = Fixture::new().anchored();
    bencher.bench(|| black_box(&state).voucher_is_news(black_box(1_000_000)));
}

/// Hashes included, as proposing a tick verifies it.
#[divan::bench(args = [1, 16, 256])]
fn tick_that_advances_by_gap(bencher: Bencher<'_, '_>, gap: u16) {
    let fixture = Fixture::new();
    let state = fixture.anchored();
    let link = fixture.link(gap);
    bencher.with_inputs(|| state.clone()).bench_values(|state| {
        let outcome = state.propose_tick(gap, black_box(&link)).expect("the chain's own link");
        commit(state, &outcome)
    });
}

#[divan::bench]
fn tick_repeated(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    let link = fixture.link(1);
    let state = fixture.anchored();
    let outcome = state.propose_tick(1, &link).expect("the chain's own link");
    let state = commit(state, &outcome);
    bencher.bench(|| black_box(&state).propose_tick(1, black_box(&link)));
}

/// What a forger makes the hub do: one hash, and no change.
#[divan::bench]
fn tick_that_is_wrong(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    let link = fixture.link(2);
    let state = fixture.anchored();
    bencher.bench(|| black_box(&state).propose_tick(1, black_box(&link)));
}
