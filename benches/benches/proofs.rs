//! What proofs cost: the device to make them and the hub to verify them.

use divan::{Bencher, black_box};
use farthing_benches::{CHAIN_LENGTH, Fixture};
use farthing_channel::chain::{self, DeviceChain};
use farthing_channel::id::Preimage;
use farthing_channel::lane::{verify_anchor, verify_voucher};
use farthing_channel::sign::{LibSecp, Recover, RustCrypto, Signer as _};

fn main() {
    divan::main();
}

fn verify_one_voucher(bencher: Bencher<'_, '_>, recover: &(impl Recover + Sync)) {
    let fixture = Fixture::new();
    let device = fixture.key.address();
    let voucher = fixture.voucher(2_000_000);
    bencher.bench(|| verify_voucher(recover, &fixture.domain, &fixture.lane, &device, black_box(&voucher)));
}

#[divan::bench]
fn voucher_verify_libsecp256k1(bencher: Bencher<'_, '_>) {
    verify_one_voucher(bencher, &LibSecp);
}

#[divan::bench]
fn voucher_verify_k256(bencher: Bencher<'_, '_>) {
    verify_one_voucher(bencher, &RustCrypto);
}

#[divan::bench]
fn voucher_sign_libsecp256k1(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    bencher.bench(|| fixture.sign_total(black_box(2_000_000)));
}

#[divan::bench]
fn anchor_verify_libsecp256k1(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    let device = fixture.key.address();
    bencher.bench(|| verify_anchor(&LibSecp, &fixture.domain, &fixture.lane, &device, black_box(&fixture.anchor)));
}

/// The hashes alone; `merge` has the tick with its look-up and its new total.
#[divan::bench(args = [1, 16, 256])]
fn tick_verify_by_gap(bencher: Bencher<'_, '_>, gap: u16) {
    let fixture = Fixture::new();
    let link = fixture.link(gap);
    let tag = fixture.lane.tag();
    bencher.bench(|| {
        let root = chain::walk(black_box(&link), &tag, gap, 0);
        assert_eq!(root.0, fixture.anchor.terms.root.0);
    });
}

/// A whole chain paid in order from checkpoints; divide by its 4,096 ticks.
#[divan::bench]
fn chain_paid_in_order(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    bencher.with_inputs(|| fixture.chain.clone()).bench_refs(|chain| {
        for index in 1..=CHAIN_LENGTH {
            black_box(chain.preimage(index));
        }
    });
}

#[divan::bench]
fn chain_built(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new();
    bencher.bench(|| DeviceChain::new(&fixture.lane, black_box(Preimage([3; 32])), CHAIN_LENGTH));
}
