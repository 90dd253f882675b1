//! The rules by example; `properties` states them for all tariffs, `vectors` checks them against a
//! second implementation.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::time::UnixSeconds;

mod encoding;
mod properties;
mod vectors;

pub(super) fn price(amount: u64, per_units: u64) -> Price {
    Price::new(amount, per_units).unwrap()
}

pub(super) fn tiers(bounded: &[(u64, u64, u64)], last: (u64, u64)) -> Tiers {
    let bounded = bounded.iter().map(|&(up_to, amount, per)| Tier { up_to, price: price(amount, per) }).collect();
    Tiers::new(bounded, price(last.0, last.1)).unwrap()
}

fn span(days: Days, from_minute: u16, until_minute: u16) -> Span {
    Span::new(days, from_minute, until_minute).unwrap()
}

fn volume() -> Tariff {
    Tariff::new(1, Unit::Octets, 1, tiers(&[(10, 1, 3), (1_000, 2, 7)], (1, 11)), vec![]).unwrap()
}

/// Work days from 06:00 to 09:00 and 17:00 to 20:00 UTC are the peak; each night is cheap.
pub(super) fn peak_and_night() -> Tariff {
    let peak = vec![span(Days::WORKDAYS, 1_020, 1_200), span(Days::WORKDAYS, 360, 540)];
    let night = vec![span(Days::ALL, 0, 300), span(Days::ALL, 1_320, 1_440)];
    let windows = vec![
        Window::new(peak, tiers(&[], (25, 3_600))).unwrap(),
        Window::new(night, tiers(&[(7_200, 3, 3_600)], (2, 3_600))).unwrap(),
    ];
    Tariff::new(5, Unit::Seconds, 60, tiers(&[(3_600, 10, 3_600)], (8, 3_600)), windows).unwrap()
}

/// 2026-03-02 was a Monday.
const MONDAY: u64 = 1_772_409_600;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[test]
fn a_fraction_is_rounded_up_once() {
    let tariff = Tariff::flat(1, Unit::Events, price(1, 3)).unwrap();
    let charges: Vec<_> = (0..=6).map(|units| tariff.charge_units(units).unwrap()).collect();
    assert_eq!(charges, [0, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn tiers_add_up_as_fractions() {
    // 10/3 + 990 * 2/7 + 11 * 1/11 = 287.19...: rounded tier by tier it would be 4 + 283 + 1.
    assert_eq!(volume().charge_units(1_011), Ok(288));
    // 10/3 + 1 * 2/7 = 3.62: rounded tier by tier it would be 5.
    assert_eq!(volume().charge_units(11), Ok(4));
}

#[test]
fn started_increments_are_charged_in_full() {
    let tariff = Tariff::new(1, Unit::Seconds, 60, tiers(&[], (1, 60)), vec![]).unwrap();
    for (units, charge) in [(0, 0), (1, 1), (60, 1), (61, 2), (120, 2)] {
        assert_eq!(tariff.charge_units(units), Ok(charge), "{units} s");
    }
    assert_eq!(tariff.units_for(1), 60);
}

#[test]
fn an_increment_may_reach_past_a_tier_and_past_64_bits() {
    let tariff = Tariff::new(1, Unit::Octets, 100, tiers(&[(150, 1, 1)], (10, 1)), vec![]).unwrap();
    assert_eq!(tariff.charge_units(101), Ok(150 + 50 * 10));

    let tariff = Tariff::new(1, Unit::Octets, u64::MAX - 1, tiers(&[], (1, 1 << 40)), vec![]).unwrap();
    // Rounded up to 2^65 - 4 units; 2^25 - 2^-38 base units.
    assert_eq!(tariff.charge_units(u64::MAX), Ok(1 << 25));
    assert_eq!(tariff.units_for(1 << 25), u64::MAX);
    assert_eq!(tariff.units_for(1 << 24), u64::MAX - 1);
}

#[test]
fn overflow_is_an_error_and_the_largest_charge_is_not() {
    let tariff = Tariff::flat(1, Unit::Octets, price(u64::MAX, u64::MAX)).unwrap();
    assert_eq!(tariff.charge_units(u64::MAX), Ok(u64::MAX));
    let tariff = Tariff::flat(1, Unit::Octets, price(u64::MAX, u64::MAX - 1)).unwrap();
    assert_eq!(tariff.charge_units(u64::MAX), Err(ChargeError::Overflow));
    assert_eq!(tariff.units_for(u64::MAX), u64::MAX - 1);
    let tariff = Tariff::flat(1, Unit::Octets, price(u64::MAX, 1)).unwrap();
    assert_eq!(tariff.charge_units(2), Err(ChargeError::Overflow));
    assert_eq!(tariff.units_for(u64::MAX), 1);
}

#[test]
fn free_units_cost_nothing_and_never_run_out() {
    let free = Tariff::flat(1, Unit::Events, price(0, 1)).unwrap();
    assert_eq!(free.charge_units(u64::MAX), Ok(0));
    assert_eq!(free.units_for(0), u64::MAX);

    let allowance = Tariff::new(1, Unit::Events, 1, tiers(&[(100, 0, 1)], (1, 1)), vec![]).unwrap();
    assert_eq!(allowance.units_for(0), 100);
    assert_eq!(allowance.units_for(5), 105);
}

#[test]
fn parts_are_refused_with_their_reason() {
    let flat = || tiers(&[], (1, 1));
    let tier = |up_to| Tier { up_to, price: price(1, 1) };
    let all_day = |from, until| Window::new(vec![span(Days::ALL, from, until)], flat()).unwrap();
    let tariff = |increment, tiers, windows| Tariff::new(1, Unit::Octets, increment, tiers, windows);

    assert_eq!(Price::new(1, 0), Err(TariffError::PricePerZeroUnits));
    assert_eq!(Unit::from_code(0), Err(TariffError::UnitUnknown));
    assert_eq!(Unit::from_code(4), Err(TariffError::UnitUnknown));
    for ends in [&[0][..], &[5, 5], &[5, 4]] {
        let bounded = ends.iter().copied().map(tier).collect();
        assert_eq!(Tiers::new(bounded, price(1, 1)), Err(TariffError::TiersNotAscending));
    }
    let bounded = (1..=8).map(tier).collect();
    assert_eq!(Tiers::new(bounded, price(1, 1)), Err(TariffError::TooManyTiers));
    assert_eq!(Days::from_bits(0), Err(TariffError::DaysInvalid));
    assert_eq!(Days::from_bits(128), Err(TariffError::DaysInvalid));
    for (from, until) in [(0, 0), (60, 59), (0, 1_441)] {
        assert_eq!(Span::new(Days::ALL, from, until), Err(TariffError::SpanInvalid));
    }
    assert_eq!(Window::new(vec![], flat()), Err(TariffError::WindowEmpty));
    let spans = (0..9).map(|minute| span(Days::ALL, minute, minute + 1)).collect();
    assert_eq!(Window::new(spans, flat()), Err(TariffError::TooManySpans));
    assert_eq!(tariff(0, flat(), vec![]), Err(TariffError::IncrementZero));
    let windows = (0..5).map(|minute| all_day(minute, minute + 1)).collect();
    assert_eq!(tariff(1, flat(), windows), Err(TariffError::TooManyWindows));
    let windows = vec![all_day(0, 60), all_day(59, 61)];
    assert_eq!(tariff(1, flat(), windows), Err(TariffError::SpansOverlap));
    let coprime = tiers(&[(1, 1, u64::MAX)], (1, 2));
    assert_eq!(tariff(1, coprime, vec![]), Err(TariffError::DenominatorTooLarge));
}

#[test]
fn each_minute_of_the_week_has_its_segment() {
    let tariff = peak_and_night();
    let index_at = |seconds| tariff.segment_at(UnixSeconds(MONDAY + seconds)).index();
    assert_eq!(index_at(0), 2);
    assert_eq!(index_at(5 * HOUR - 1), 2);
    assert_eq!(index_at(5 * HOUR), 0);
    assert_eq!(index_at(6 * HOUR), 1);
    assert_eq!(index_at(9 * HOUR), 0);
    assert_eq!(index_at(17 * HOUR), 1);
    assert_eq!(index_at(22 * HOUR), 2);
    assert_eq!(index_at(5 * DAY + 7 * HOUR), 0, "Saturday has no peak");
    assert_eq!(index_at(7 * DAY + 7 * HOUR), 1, "the next Monday has");
    // Unix time started on a Thursday, at midnight.
    assert_eq!(tariff.segment_at(UnixSeconds(0)).index(), 2);
    assert_eq!(tariff.segment_at(UnixSeconds(7 * HOUR)).index(), 1);
}

#[test]
fn the_next_change_is_where_another_segment_starts() {
    let tariff = peak_and_night();
    let next_after = |seconds| tariff.next_change(UnixSeconds(MONDAY + seconds)).unwrap().0 - MONDAY;
    assert_eq!(next_after(0), 5 * HOUR);
    assert_eq!(next_after(5 * HOUR - 1), 5 * HOUR);
    assert_eq!(next_after(5 * HOUR), 6 * HOUR);
    assert_eq!(next_after(6 * HOUR + 59), 9 * HOUR);
    // The night goes on past midnight, also past the end of the week.
    assert_eq!(next_after(22 * HOUR), DAY + 5 * HOUR);
    assert_eq!(next_after(6 * DAY + 23 * HOUR), 7 * DAY + 5 * HOUR);
    assert_eq!(tariff.next_change(UnixSeconds(u64::MAX)), None);
}

#[test]
fn a_tariff_that_never_changes_has_no_next_change() {
    assert_eq!(volume().next_change(UnixSeconds(MONDAY)), None);
    let always = Window::new(vec![span(Days::ALL, 0, 1_440)], tiers(&[], (1, 1))).unwrap();
    let tariff = Tariff::new(1, Unit::Events, 1, tiers(&[], (9, 1)), vec![always]).unwrap();
    assert_eq!(tariff.segment_at(UnixSeconds(MONDAY)).index(), 1);
    assert_eq!(tariff.next_change(UnixSeconds(MONDAY)), None);
}

#[test]
fn units_are_priced_by_when_they_were_used() {
    let tariff = peak_and_night();
    let mut usage = UsageBySegment::new(&tariff);
    let change = usage.add(&tariff, UnixSeconds(MONDAY + 8 * HOUR), HOUR).unwrap();
    assert_eq!(change, Some(UnixSeconds(MONDAY + 9 * HOUR)));
    usage.add(&tariff, UnixSeconds(MONDAY + 9 * HOUR), HOUR).unwrap();
    usage.add(&tariff, UnixSeconds(MONDAY + DAY), HOUR).unwrap();
    assert_eq!(usage.units(), [HOUR, HOUR, HOUR]);
    assert_eq!(usage.total(), u128::from(3 * HOUR));
    assert_eq!(tariff.charge(&Usage::BySegment(usage)), Ok(25 + 10 + 3));

    let peak = tariff.segment_at(UnixSeconds(MONDAY + 8 * HOUR));
    assert_eq!(tariff.units_for_segment(&usage, peak, 38), Ok(HOUR));
    assert_eq!(tariff.units_for_segment(&usage, peak, 63), Ok(2 * HOUR));
    assert_eq!(tariff.units_for_segment(&usage, peak, 12), Ok(0));
}

#[test]
fn usage_and_tariff_must_fit_each_other() {
    let (windowed, plain) = (peak_and_night(), volume());
    assert_eq!(windowed.charge(&Usage::Units(1)), Err(ChargeError::SegmentsNeeded));
    assert_eq!(windowed.charge(&Usage::Units(0)), Ok(0));
    assert_eq!(windowed.units_for(1_000), 0);

    let mut usage = UsageBySegment::from_units(&plain, &[u64::MAX]).unwrap();
    assert_eq!(windowed.charge_segments(&usage), Err(ChargeError::SegmentsDiffer));
    assert_eq!(usage.add(&windowed, UnixSeconds(0), 1), Err(ChargeError::SegmentsDiffer));
    assert_eq!(usage.add(&plain, UnixSeconds(0), 1), Err(ChargeError::Overflow));
    assert_eq!(usage.units(), [u64::MAX]);
    assert_eq!(UsageBySegment::from_units(&windowed, &[1, 2]), Err(ChargeError::SegmentsDiffer));
    let segment = windowed.segment_at(UnixSeconds(MONDAY));
    assert_eq!(plain.units_for_segment(&usage, segment, 1), Err(ChargeError::SegmentsDiffer));
}
