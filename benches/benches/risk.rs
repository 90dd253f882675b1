//! What the risk model costs a payment: the gate, the signals, the assessment. Nothing on this way allocates, which the
//! profiling allocator would show as columns of its own.

use divan::{AllocProfiler, Bencher, black_box};
use farthing_benches::clock::Stopwatch;
use farthing_channel::time::UnixSeconds;
use farthing_hub::gate::{Gate, SourceLimits};
use farthing_risk::anomaly::HalfSpaceTrees;
use farthing_risk::features::{Facts, Features, features};
use farthing_risk::file::{SHIPPED, WeightsFile};
use farthing_risk::ladder::Standing;
use farthing_risk::model::{LaneView, Model};
use farthing_risk::profile::{Learner, Profile};
use farthing_risk::signals::{Event, Signals, Sixteenths};
use farthing_risk::sketch::Sources;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::Divan::default().sample_size(1024).config_with_args().main();
}

fn model() -> Model {
    WeightsFile::parse(SHIPPED).and_then(|file| file.model()).expect("the shipped model")
}

/// A fleet's profile and a lane of it that has paid for hours.
fn usual() -> (Profile, Signals) {
    let mut learner = Learner::default();
    let mut signals = Signals::default();
    for second in 0..10_000_u32 {
        let units = 1000 + u64::from(second % 100);
        signals.observe(Event::Served { units }, Sixteenths(second * 16), &Profile::unknown());
        learner.observe(units, &signals);
    }
    (learner.profile(), signals)
}

/// Ten payments a second, so that the windows decay as they do in service.
fn tick(now: &mut u32) -> Sixteenths {
    *now = now.wrapping_add(2);
    Sixteenths(*now)
}

#[divan::bench]
fn signals_updated(bencher: Bencher<'_, '_>) {
    let (profile, mut signals) = usual();
    let mut now = 160_000;
    bencher
        .bench_local(|| signals.observe(black_box(Event::Served { units: 1024 }), tick(&mut now), black_box(&profile)));
}

#[divan::bench]
fn gate_and_signals_updated(bencher: Bencher<'_, '_>) {
    let (profile, mut signals) = usual();
    let started = Stopwatch::start().started();
    let mut gate = Gate::new(&SourceLimits::default(), started);
    let mut now = 160_000;
    bencher.bench_local(|| {
        let admitted = gate.admit_hashes(black_box(1), black_box(started));
        signals.observe(black_box(Event::Served { units: 1024 }), tick(&mut now), black_box(&profile));
        admitted
    });
}

/// Every payment assessed, though the hub need not.
#[divan::bench]
fn gate_signals_and_assessment(bencher: Bencher<'_, '_>) {
    let (profile, mut signals) = usual();
    let model = model();
    let tenant = model.tenant("default");
    let started = Stopwatch::start().started();
    let mut gate = Gate::new(&SourceLimits::default(), started);
    let mut now = 160_000;
    bencher.bench_local(|| {
        let admitted = gate.admit_hashes(black_box(1), black_box(started));
        let at = tick(&mut now);
        signals.observe(black_box(Event::Served { units: 1024 }), at, black_box(&profile));
        let standing = Standing::default();
        let view = LaneView {
            signals: &signals,
            profile: &profile,
            facts: &Facts::NOTHING,
            standing,
            tenant,
            overriding: None,
        };
        (admitted, model.assess(black_box(&view), at, UnixSeconds(1_800_000_000)).level)
    });
}

#[divan::bench]
fn source_counted(bencher: Bencher<'_, '_>) {
    let mut sources = Sources::new(16, 7);
    let mut source = 0_u64;
    bencher.bench_local(|| {
        source = source.wrapping_add(0x9e37_79b9_7f4a_7c15);
        sources.handshake(black_box(source))
    });
}

/// The side path: a sample of the lanes, not of the payments' way.
#[divan::bench(sample_size = 64)]
fn half_space_trees(bencher: Bencher<'_, '_>) {
    let (profile, signals) = usual();
    let mut forest = HalfSpaceTrees::new(256, 3);
    let sample: Features = features(&signals, &profile, &Facts::NOTHING);
    for _ in 0..512 {
        forest.observe(&sample);
    }
    bencher.bench_local(|| forest.observe(black_box(&sample)));
}
