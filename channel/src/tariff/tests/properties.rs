//! The rules for all tariffs.

use alloc::vec::Vec;

use proptest::prelude::*;

use crate::tariff::{
    Days, Price, SEGMENTS_MAX, Segment, Span, TIERS_MAX, Tariff, Tier, Tiers, Unit, UsageBySegment, Window,
};
use crate::time::UnixSeconds;

/// Divisors of one number, so that most lists have a denominator that fits; and a few awkward ones.
fn any_price() -> impl Strategy<Value = Price> {
    let per_units =
        prop_oneof![prop::sample::select(&[1_u64, 2, 3, 7, 60, 1_000, 3_600, 1 << 20, 1_000_000][..]), 1_u64..50,];
    (prop_oneof![0_u64..2_000, any::<u64>()], per_units).prop_map(|(a, per)| Price::new(a, per).unwrap())
}

fn any_tiers() -> impl Strategy<Value = Tiers> {
    let ends = prop::collection::btree_set(prop_oneof![1_u64..10_000, 1..=u64::MAX], 0..TIERS_MAX);
    (ends, prop::collection::vec(any_price(), TIERS_MAX)).prop_map(|(ends, mut prices)| {
        let last = prices.pop().unwrap();
        let bounded = ends.into_iter().zip(prices).map(|(up_to, price)| Tier { up_to, price }).collect();
        Tiers::new(bounded, last).unwrap()
    })
}

fn any_unit() -> impl Strategy<Value = Unit> {
    prop::sample::select(&[Unit::Octets, Unit::Seconds, Unit::Events][..])
}

fn any_increment() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), 1_u64..5_000, 1..=u64::MAX]
}

fn plain_tariff() -> impl Strategy<Value = Tariff> {
    (any::<u32>(), any_unit(), any_increment(), any_tiers())
        .prop_filter_map("the denominator must fit", |(version, unit, increment, tiers)| {
            Tariff::new(version, unit, increment, tiers, Vec::new()).ok()
        })
}

/// Cuts each day at some minutes and gives every second piece to a window.
fn windowed_tariff() -> impl Strategy<Value = Tariff> {
    let window = (prop::collection::btree_set(0_u16..=360, 2..8), 1_u8..128, any_tiers());
    (any::<u32>(), any_unit(), any_increment(), any_tiers(), prop::collection::vec(window, 1..SEGMENTS_MAX))
        .prop_filter_map("the denominator must fit", |(version, unit, increment, tiers, windows)| {
            let windows = windows.into_iter().zip([0_u16, 360, 720, 1_080]);
            let windows = windows.map(|((minutes, days, tiers), start)| {
                let minutes: Vec<u16> = minutes.into_iter().collect();
                let spans = minutes
                    .chunks_exact(2)
                    .map(|pair| Span::new(Days::from_bits(days).unwrap(), start + pair[0], start + pair[1]).unwrap());
                Window::new(spans.collect(), tiers).unwrap()
            });
            Tariff::new(version, unit, increment, tiers, windows.collect()).ok()
        })
}

fn any_tariff() -> impl Strategy<Value = Tariff> {
    prop_oneof![plain_tariff(), windowed_tariff()]
}

fn any_units() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..20_000, any::<u64>()]
}

proptest! {
    #[test]
    fn a_charge_never_falls_as_units_grow(tariff in plain_tariff(), a in any_units(), b in any_units()) {
        let (less, more) = (a.min(b), a.max(b));
        if let Ok(charge) = tariff.charge_units(more) {
            prop_assert!(tariff.charge_units(less).unwrap() <= charge);
        }
    }

    #[test]
    fn two_parts_never_cost_less_than_the_whole_at_a_falling_price(
        mut prices in prop::collection::vec((0_u64..2_000, prop::sample::select(&[1_u64, 3, 60, 1_000][..])), 3),
        increment in 1_u64..500, a in 0_u64..100_000, b in 0_u64..100_000,
    ) {
        // Falling prices: by a/p against c/q as a*q against c*p.
        prices.sort_by(|x, y| (y.0 * x.1).cmp(&(x.0 * y.1)));
        let price = |i: usize| Price::new(prices[i].0, prices[i].1).unwrap();
        let bounded = Vec::from([
            Tier { up_to: 1_000, price: price(0) },
            Tier { up_to: 50_000, price: price(1) },
        ]);
        let tiers = Tiers::new(bounded, price(2)).unwrap();
        let tariff = Tariff::new(1, Unit::Octets, increment, tiers, Vec::new()).unwrap();
        let charge = |units| tariff.charge_units(units).unwrap();
        prop_assert!(charge(a + b) <= charge(a) + charge(b));
    }

    /// What is paid in steps, each the growth of the cumulative charge, is what is paid at once.
    #[test]
    fn rounding_never_drifts(
        tariff in plain_tariff(),
        portions in prop::collection::vec(0_u64..3_000, 0..40),
    ) {
        let (mut units, mut paid) = (0_u64, 0_u64);
        for portion in portions {
            units += portion;
            let Ok(charge) = tariff.charge_units(units) else { return Ok(()) };
            let growth = charge.checked_sub(paid);
            prop_assert!(growth.is_some(), "a later charge is lower");
            paid += growth.unwrap_or_default();
        }
        prop_assert_eq!(Ok(paid), tariff.charge_units(units));
    }

    /// Checked against a sum over every single unit, in parts of a denominator known beforehand.
    #[test]
    fn a_charge_is_the_exact_sum_rounded_up_once(
        ends in prop::collection::btree_set(1_u64..3_000, 0..4),
        prices in prop::collection::vec(
            (0_u64..5_000, prop::sample::select(&[1_u64, 2, 3, 7, 60, 1_000, 3_600][..])),
            5,
        ),
        increment in 1_u64..100,
        units in 0_u64..3_000,
    ) {
        const PARTS: u64 = 126_000;
        let price = |index: usize| Price::new(prices[index].0, prices[index].1).unwrap();
        let ends: Vec<u64> = ends.into_iter().collect();
        let tier = |(index, up_to): (usize, &u64)| Tier { up_to: *up_to, price: price(index) };
        let bounded = ends.iter().enumerate().map(tier).collect();
        let tiers = Tiers::new(bounded, price(ends.len())).unwrap();
        let tariff = Tariff::new(1, Unit::Octets, increment, tiers, Vec::new()).unwrap();

        let priced = units.next_multiple_of(increment);
        let parts: u64 = (1..=priced)
            .map(|unit| prices[ends.partition_point(|end| *end < unit)])
            .map(|(amount, per_units)| amount * (PARTS / per_units))
            .sum();
        prop_assert_eq!(tariff.charge_units(units), Ok(parts.div_ceil(PARTS)));
    }

    #[test]
    fn affordable_units_are_affordable_and_one_more_is_not(tariff in plain_tariff(), amount in any_units()) {
        let units = tariff.units_for(amount);
        prop_assert!(tariff.charge_units(units).unwrap() <= amount);
        if let Some(more) = units.checked_add(1) {
            prop_assert!(tariff.charge_units(more).map_or(true, |charge| charge > amount));
        }
    }

    #[test]
    fn what_was_charged_pays_for_what_was_used(tariff in plain_tariff(), units in any_units()) {
        if let Ok(charge) = tariff.charge_units(units) {
            prop_assert!(tariff.units_for(charge) >= units);
        }
    }

    #[test]
    fn the_same_holds_within_a_segment(
        tariff in windowed_tariff(),
        units in prop::collection::vec(0_u64..100_000, SEGMENTS_MAX),
        at in 0_u64..2_000_000_000,
        amount in any_units(),
    ) {
        let segment = tariff.segment_at(UnixSeconds(at));
        let units = &units[..tariff.segments()];
        let usage = |segment_units: u64| {
            let mut units = Vec::from(units);
            units[segment.index()] = segment_units;
            UsageBySegment::from_units(&tariff, &units).unwrap()
        };
        let affordable = tariff.units_for_segment(&usage(0), segment, amount).unwrap();
        match tariff.charge_segments(&usage(affordable)) {
            Ok(charge) if charge <= amount => {}
            _ => prop_assert_eq!(affordable, 0),
        }
        if let Some(more) = affordable.checked_add(1) {
            prop_assert!(tariff.charge_segments(&usage(more)).map_or(true, |charge| charge > amount));
        }
    }

    /// The order in which segments come does not matter, and neither does the size of the reports.
    #[test]
    fn use_is_counted_where_it_happened(
        tariff in any_tariff(),
        reports in prop::collection::vec((0_u64..2_000_000_000, 0_u64..1_000_000), 0..30),
    ) {
        let count = |reports: &[(u64, u64)]| {
            let mut usage = UsageBySegment::new(&tariff);
            for &(at, units) in reports {
                usage.add(&tariff, UnixSeconds(at), units / 2).unwrap();
                usage.add(&tariff, UnixSeconds(at), units - units / 2).unwrap();
            }
            usage
        };
        let backwards: Vec<_> = reports.iter().rev().copied().collect();
        let usage = count(&reports);
        prop_assert_eq!(usage, count(&backwards));
        prop_assert_eq!(usage.total(), reports.iter().map(|report| u128::from(report.1)).sum::<u128>());
        prop_assert_eq!(UsageBySegment::from_units(&tariff, usage.units()), Ok(usage));
    }

    /// Checked against a search minute by minute.
    #[test]
    fn the_next_change_is_the_first_instant_of_another_segment(tariff in any_tariff(), at in 0_u64..2_000_000_000) {
        let segment_at = |seconds| tariff.segment_at(UnixSeconds(seconds));
        let minutes = (1..=7 * 1_440).map(|minute| at - at % 60 + minute * 60);
        let expected = minutes.into_iter().find(|seconds| segment_at(*seconds) != segment_at(at));
        prop_assert_eq!(tariff.next_change(UnixSeconds(at)), expected.map(UnixSeconds));
    }

    /// Checked against the spans themselves.
    #[test]
    fn the_segment_is_the_window_whose_span_holds_the_minute(tariff in any_tariff(), at in 0_u64..2_000_000_000) {
        let (day, minute) = ((at / 86_400 + 3) % 7, at / 60 % 1_440);
        let holds = |window: &Window| window.spans().iter().any(|span| {
            u64::from(span.days().bits()) >> day & 1 == 1
                && (u64::from(span.from_minute())..u64::from(span.until_minute())).contains(&minute)
        });
        let expected = tariff.windows().iter().position(holds).map_or(0, |index| index + 1);
        prop_assert_eq!(tariff.segment_at(UnixSeconds(at)).index(), expected);
        prop_assert!(expected == 0 || tariff.segment_at(UnixSeconds(at)) != Segment::OUTSIDE);
    }

    #[test]
    fn what_is_written_reads_back(tariff in any_tariff()) {
        let bytes = tariff.to_cbor();
        let read = Tariff::from_cbor(&bytes).unwrap();
        prop_assert_eq!(read.hash(), tariff.hash());
        prop_assert_eq!(read, tariff);
    }

    /// Flipping one byte gives another tariff or none, never this one again.
    #[test]
    fn no_two_texts_say_the_same(tariff in any_tariff(), place in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let mut bytes = tariff.to_cbor();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(read) = Tariff::from_cbor(&bytes) {
            prop_assert_eq!(read.to_cbor(), bytes);
            prop_assert_ne!(read, tariff);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(tariff) = Tariff::from_cbor(&bytes) {
            prop_assert_eq!(tariff.to_cbor(), bytes);
        }
    }
}
