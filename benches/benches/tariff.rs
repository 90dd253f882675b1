//! What a charge costs, from one price to the largest tariff there can be.

use divan::{Bencher, black_box};
use farthing_channel::tariff::{
    Days, Price, Span, TIERS_MAX, Tariff, Tier, Tiers, Unit, UsageBySegment, WINDOWS_MAX, Window,
};
use farthing_channel::time::UnixSeconds;

fn main() {
    // Many calls for each sample, as one of them lasts little longer than the timer's tick.
    divan::Divan::default().sample_size(256).config_with_args().main();
}

fn price(amount: u64, per_units: u64) -> Price {
    Price::new(amount, per_units).expect("a price")
}

fn flat() -> Tariff {
    Tariff::flat(1, Unit::Octets, price(100, 1 << 20)).expect("a tariff")
}

/// As many tiers as there may be, a million units each.
fn tiers() -> Tiers {
    let up_to = (1..).map(|tier| tier * 1_000_000).take(TIERS_MAX - 1);
    let bounded = up_to.zip(2..).map(|(up_to, per)| Tier { up_to, price: price(1_000, per) });
    Tiers::new(bounded.collect(), price(1, 11)).expect("ascending tiers")
}

fn tiered() -> Tariff {
    Tariff::new(1, Unit::Octets, 64, tiers(), Vec::new()).expect("a tariff")
}

/// As many windows as there may be, an hour a day each, all with as many tiers as there may be.
fn windowed() -> Tariff {
    let hours = (0..).step_by(240).take(WINDOWS_MAX);
    let windows = hours.map(|start| {
        let span = Span::new(Days::ALL, start, start + 60).expect("a span");
        Window::new(vec![span], tiers()).expect("a window")
    });
    Tariff::new(1, Unit::Octets, 64, tiers(), windows.collect()).expect("a tariff")
}

fn used(tariff: &Tariff) -> UsageBySegment {
    UsageBySegment::from_units(tariff, &vec![7_500_000; tariff.segments()]).expect("one count each")
}

#[divan::bench]
fn charge_flat(bencher: Bencher<'_, '_>) {
    let tariff = flat();
    bencher.bench(|| black_box(&tariff).charge_units(black_box(7_500_000)));
}

#[divan::bench]
fn charge_8_tiers(bencher: Bencher<'_, '_>) {
    let tariff = tiered();
    bencher.bench(|| black_box(&tariff).charge_units(black_box(7_500_000)));
}

#[divan::bench]
fn charge_5_segments_of_8_tiers(bencher: Bencher<'_, '_>) {
    let tariff = windowed();
    let usage = used(&tariff);
    bencher.bench(|| black_box(&tariff).charge_segments(black_box(&usage)));
}

#[divan::bench]
fn units_for_flat(bencher: Bencher<'_, '_>) {
    let tariff = flat();
    bencher.bench(|| black_box(&tariff).units_for(black_box(1_000)));
}

#[divan::bench]
fn units_for_8_tiers(bencher: Bencher<'_, '_>) {
    let tariff = tiered();
    bencher.bench(|| black_box(&tariff).units_for(black_box(1_500_000_000)));
}

#[divan::bench]
fn usage_added_with_next_change(bencher: Bencher<'_, '_>) {
    let tariff = windowed();
    let usage = used(&tariff);
    bencher.with_inputs(|| usage).bench_refs(|usage| usage.add(&tariff, black_box(UnixSeconds(1_772_409_600)), 1));
}

#[divan::bench]
fn read_largest(bencher: Bencher<'_, '_>) {
    let bytes = windowed().to_cbor();
    bencher.bench(|| Tariff::from_cbor(black_box(&bytes)));
}

#[divan::bench]
fn hash_largest(bencher: Bencher<'_, '_>) {
    let tariff = windowed();
    bencher.bench(|| black_box(&tariff).hash());
}
