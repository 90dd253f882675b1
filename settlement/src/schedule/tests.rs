use farthing_channel::id::Hash32;
use proptest::prelude::*;

use super::*;
use crate::night::Progress;

fn daily(time: &str, zone: &str) -> DailyTime {
    DailyTime::parse(time, zone).unwrap()
}

fn at(text: &str) -> UnixSeconds {
    let timestamp: Timestamp = text.parse().unwrap();
    UnixSeconds(timestamp.as_second().try_into().unwrap())
}

/// The times after `from`, as the place's clock shows them.
fn times(daily: &DailyTime, from: &str, count: usize) -> Vec<String> {
    let mut now = at(from);
    let mut times = Vec::new();
    for _ in 0..count {
        now = daily.next_after(now).unwrap();
        times.push(daily.local(now).unwrap().strftime("%m-%d %H:%M:%S %:z").to_string());
    }
    times
}

#[test]
fn a_time_that_a_day_skips_is_taken_later() {
    // On 29 March 2026 the clocks of Berlin went from 02:00 to 03:00.
    let before = "2026-03-28T00:00:00Z";
    let two = times(&daily("02:00", "Europe/Berlin"), before, 3);
    assert_eq!(two, ["03-28 02:00:00 +01:00", "03-29 03:00:00 +02:00", "03-30 02:00:00 +02:00"]);
    let half_past = times(&daily("02:30", "Europe/Berlin"), before, 3);
    assert_eq!(half_past, ["03-28 02:30:00 +01:00", "03-29 03:30:00 +02:00", "03-30 02:30:00 +02:00"]);
}

#[test]
fn a_time_that_a_day_has_twice_is_taken_once() {
    // On 25 October 2026 they go from 03:00 back to 02:00.
    let two = times(&daily("02:00", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2);
    assert_eq!(two, ["10-25 02:00:00 +02:00", "10-26 02:00:00 +01:00"]);
    // Between the two the time has been.
    let after_the_first = times(&daily("02:30", "Europe/Berlin"), "2026-10-25T00:30:00Z", 1);
    assert_eq!(after_the_first, ["10-26 02:30:00 +01:00"]);
}

#[test]
fn a_midnight_that_is_skipped_belongs_to_its_own_day() {
    // In Beirut the clocks go from 00:00 to 01:00 on 29 March 2026.
    let midnight = times(&daily("00:00", "Asia/Beirut"), "2026-03-27T23:00:00Z", 3);
    assert_eq!(midnight, ["03-29 01:00:00 +03:00", "03-30 00:00:00 +03:00", "03-31 00:00:00 +03:00"]);
    // A whole day was skipped in Apia: 30 December 2011.
    let noon = times(&daily("12:00", "Pacific/Apia"), "2011-12-29T12:00:00Z", 3);
    assert_eq!(noon, ["12-29 12:00:00 -10:00", "12-31 12:00:00 +14:00", "01-01 12:00:00 +14:00"]);
}

#[test]
fn what_is_no_time_and_no_zone_is_refused() {
    for time in ["24:00", "2:00", "02", "02:60", "02:00:61", "noon", "02:00+01:00", "02:00:00.5", ""] {
        assert!(matches!(DailyTime::parse(time, "UTC"), Err(ScheduleError::Time(_))), "{time}");
    }
    assert!(matches!(DailyTime::parse("02:00", "Europe/Nowhere"), Err(ScheduleError::Zone(_))));
    assert_eq!(times(&daily("23:59:59", "UTC"), "2026-11-23T00:00:00Z", 1), ["11-23 23:59:59 +00:00"]);
}

proptest! {
    #[test]
    fn every_day_has_its_time_once(
        start in 1_600_000_000_u64..2_000_000_000,
        minutes in 0_u32..1_440,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC", "Asia/Beirut"]),
    ) {
        let daily = daily(&format!("{:02}:{:02}", minutes / 60, minutes % 60), zone);
        let first = daily.next_after(UnixSeconds(start)).unwrap();
        let second = daily.next_after(first).unwrap();
        prop_assert!(start < first.0 && first < second);
        let hours = (second.0 - first.0) / 3_600;
        prop_assert!((22..=26).contains(&hours), "{hours} hours");
        // One second before a time, that time is the next.
        prop_assert_eq!(daily.next_after(UnixSeconds(first.0 - 1)).unwrap(), first);
    }
}

const EPOCH: u64 = 7;
const PROPOSAL: Hash32 = Hash32([7; 32]);

fn agenda(now: &str) -> Agenda {
    let mut agenda = Agenda::new(daily("02:00", "UTC"), 15, at(now)).unwrap();
    assert_eq!(agenda.due(at(now)).unwrap(), Some(Task::GoOn), "it begins with what is open");
    agenda.came_to(at(now), &Progress::NothingToSettle);
    agenda
}

#[test]
fn a_day_of_looks_and_a_window() {
    let mut agenda = agenda("2026-11-23T12:00:00Z");
    assert_eq!((agenda.wake_at(), agenda.due(at("2026-11-24T01:59:59Z")).unwrap()), (at("2026-11-24T02:00:00Z"), None));
    let night = at("2026-11-24T02:00:00Z");
    assert_eq!(agenda.due(night).unwrap(), Some(Task::Night));
    assert_eq!(agenda.night_at(), at("2026-11-25T02:00:00Z"));
    // Nobody has approved: a look every fifteen seconds.
    let waiting = Progress::NeedsApprovals { epoch: EPOCH, proposal: PROPOSAL, approvals: 1, needed: 2 };
    agenda.came_to(night, &waiting);
    assert_eq!(agenda.wake_at().0, night.0 + 15);
    assert_eq!(agenda.due(UnixSeconds(night.0 + 14)).unwrap(), None);
    assert_eq!(agenda.due(UnixSeconds(night.0 + 15)).unwrap(), Some(Task::GoOn));
    // Posted: nothing before the ledger decides.
    let until = night.0 + 12 * 3_600;
    agenda.came_to(night, &Progress::WaitsForLedger { epoch: EPOCH, proposal: PROPOSAL, until });
    assert_eq!(agenda.wake_at().0, until);
    assert_eq!(agenda.due(UnixSeconds(until)).unwrap(), Some(Task::GoOn));
    agenda.came_to(UnixSeconds(until), &Progress::Closed { epoch: EPOCH, proposal: PROPOSAL });
    assert_eq!(agenda.wake_at(), agenda.night_at());
}

#[test]
fn a_night_that_fails_is_tried_again_ever_less_often() {
    let mut agenda = agenda("2026-11-23T12:00:00Z");
    let mut now = at("2026-11-24T02:00:00Z");
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert_eq!(agenda.due(now).unwrap(), Some(Task::Night), "it is still owed");
        let again = agenda.failed(now);
        pauses.push(again.0 - now.0);
        assert_eq!(agenda.due(UnixSeconds(again.0 - 1)).unwrap(), None);
        now = again;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
    assert_eq!(agenda.due(now).unwrap(), Some(Task::Night));
    agenda.came_to(now, &Progress::NothingToSettle);
    assert_eq!(agenda.wake_at(), at("2026-11-25T02:00:00Z"));
    assert_eq!(agenda.failed(now).0 - now.0, 10, "what went well begins anew");
}

#[test]
fn nights_that_were_slept_through_are_made_up_for_once() {
    let mut agenda = agenda("2026-11-23T12:00:00Z");
    let now = at("2026-11-27T09:00:00Z");
    assert_eq!(agenda.due(now).unwrap(), Some(Task::Night));
    agenda.came_to(now, &Progress::NothingToSettle);
    assert_eq!((agenda.due(now).unwrap(), agenda.wake_at()), (None, at("2026-11-28T02:00:00Z")));
}
