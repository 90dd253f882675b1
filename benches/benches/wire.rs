//! What the payment messages cost to read and to write. Reading includes the proof that the encoding
//! is the deterministic one.

use divan::Bencher;
use divan::counter::BytesCount;
use farthing_benches::Fixture;
use farthing_channel::codec::{decode_exact, encode_into, encode_to_vec};
use farthing_channel::wire::{Answer, LaneRef, Payment, Payments};

fn main() {
    // Many calls for each sample, as one of them lasts little longer than the timer's tick.
    divan::Divan::default().sample_size(256).config_with_args().main();
}

const HANDLE: LaneRef = LaneRef::Handle(300);

fn tick(index: u16) -> Payment {
    Payment::Tick { lane: HANDLE, index, link: Fixture::new().link(index) }
}

fn voucher(lane: LaneRef) -> Payment {
    Payment::Voucher { lane, voucher: Fixture::new().voucher(2_000_000) }
}

fn read(bencher: Bencher<'_, '_>, payment: &Payment) {
    let bytes = encode_to_vec(payment);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| decode_exact::<Payment>(divan::black_box(&bytes)));
}

#[divan::bench]
fn tick_read(bencher: Bencher<'_, '_>) {
    read(bencher, &tick(1_000));
}

#[divan::bench]
fn voucher_read(bencher: Bencher<'_, '_>) {
    read(bencher, &voucher(HANDLE));
}

#[divan::bench]
fn voucher_before_attach_read(bencher: Bencher<'_, '_>) {
    read(bencher, &voucher(LaneRef::Id(Fixture::new().lane)));
}

#[divan::bench]
fn anchor_read(bencher: Bencher<'_, '_>) {
    read(bencher, &Payment::Anchor { lane: HANDLE, anchor: Fixture::new().anchor });
}

/// Ticks of twenty lanes that a gateway put into one datagram.
#[divan::bench]
fn datagram_of_20_ticks_read(bencher: Bencher<'_, '_>) {
    let mut datagram = Vec::new();
    for index in 1..=20 {
        encode_into(&tick(index), &mut datagram);
    }
    bencher
        .counter(BytesCount::new(datagram.len()))
        .bench(|| Payments::new(divan::black_box(&datagram)).filter(Result::is_ok).count());
}

/// A tick cut short: what a truncated frame costs before it is dropped.
#[divan::bench]
fn tick_cut_short(bencher: Bencher<'_, '_>) {
    let bytes = encode_to_vec(&tick(1_000));
    let cut = &bytes[..bytes.len() - 1];
    bencher.bench(|| decode_exact::<Payment>(divan::black_box(cut)));
}

#[divan::bench]
fn tick_written(bencher: Bencher<'_, '_>) {
    let payment = tick(1_000);
    bencher.with_inputs(|| Vec::with_capacity(64)).bench_refs(|out| encode_into(&payment, out));
}

#[divan::bench]
fn acknowledgement_written(bencher: Bencher<'_, '_>) {
    let answer = Answer::Acknowledged {
        lane: HANDLE,
        authorised: 2_000_000,
        anchor: Some(0x0123_4567_89ab_cdef),
        index: Some(1_000),
        grant: None,
    };
    bencher.with_inputs(|| Vec::with_capacity(64)).bench_refs(|out| encode_into(&answer, out));
}
