//! When a time window applies: spans of the UTC week, and the instants at which the tariff changes.

use alloc::vec::Vec;

use super::definition::{Segment, Window};
use super::error::TariffError;
use super::limits::MINUTES_PER_DAY;
use crate::time::UnixSeconds;

const SECONDS_PER_MINUTE: u64 = 60;
const MINUTES_PER_WEEK: u64 = 7 * 1_440;
/// Unix time starts on a Thursday, three days after the Monday that starts a week here.
const EPOCH_MINUTE_OF_WEEK: u64 = 3 * 1_440;

/// Days of the week as a set: bit 0 is Monday, bit 6 Sunday. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(u8);

impl Days {
    /// Monday to Friday.
    pub const WORKDAYS: Self = Self(0b001_1111);
    /// Saturday and Sunday.
    pub const WEEKEND: Self = Self(0b110_0000);
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Days from their bits.
    ///
    /// # Errors
    /// [`TariffError::DaysInvalid`] when no bit or an eighth bit is set.
    pub const fn from_bits(bits: u8) -> Result<Self, TariffError> {
        if bits == 0 || bits > Self::ALL.0 {
            return Err(TariffError::DaysInvalid);
        }
        Ok(Self(bits))
    }

    /// The bits: bit 0 is Monday, bit 6 Sunday.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// Minutes of some days of the week, in UTC: from `from_minute` up to, not including, `until_minute`.
/// A span ends by midnight; a night is two spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    days: Days,
    from_minute: u16,
    until_minute: u16,
}

impl Span {
    /// The minutes `from_minute..until_minute` of each of the `days`.
    ///
    /// # Errors
    /// [`TariffError::SpanInvalid`] unless `from_minute < until_minute <= 1440`.
    pub const fn new(days: Days, from_minute: u16, until_minute: u16) -> Result<Self, TariffError> {
        if from_minute >= until_minute || until_minute > MINUTES_PER_DAY {
            return Err(TariffError::SpanInvalid);
        }
        Ok(Self { days, from_minute, until_minute })
    }

    /// The days on which the span applies.
    #[must_use]
    pub const fn days(self) -> Days {
        self.days
    }

    /// The first minute of the day inside the span.
    #[must_use]
    pub const fn from_minute(self) -> u16 {
        self.from_minute
    }

    /// The first minute of the day after the span.
    #[must_use]
    pub const fn until_minute(self) -> u16 {
        self.until_minute
    }

    /// The span as minutes of the week, one pair for each of its days.
    fn minutes_of_week(self) -> impl Iterator<Item = (u16, u16)> {
        (0..7_u16).filter(move |day| self.days.0 & (1 << day) != 0).map(move |day| {
            // At most 6 * 1440 + 1440, so neither product nor sum can saturate.
            let midnight = day.saturating_mul(MINUTES_PER_DAY);
            (midnight.saturating_add(self.from_minute), midnight.saturating_add(self.until_minute))
        })
    }
}

/// Minute of the week at which a segment starts to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Change {
    minute: u16,
    segment: Segment,
}

/// The week as a list of changes, worked out once from the windows.
///
/// It starts with a change at minute 0, ascends, and neighbours in the list differ in their segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Calendar(Vec<Change>);

impl Calendar {
    pub(super) fn new(windows: &[Window]) -> Result<Self, TariffError> {
        let mut claimed = Vec::new();
        for (window, segment) in windows.iter().zip(Segment::of_windows()) {
            for span in window.spans() {
                claimed.extend(span.minutes_of_week().map(|(from, until)| (from, until, segment)));
            }
        }
        claimed.sort_unstable_by_key(|&(from, _, _)| from);

        let mut calendar = Self(Vec::new());
        let mut free_from = 0;
        for (from, until, segment) in claimed {
            if from < free_from {
                return Err(TariffError::SpansOverlap);
            }
            if from > free_from {
                calendar.push(free_from, Segment::OUTSIDE);
            }
            calendar.push(from, segment);
            free_from = until;
        }
        if u64::from(free_from) < MINUTES_PER_WEEK {
            calendar.push(free_from, Segment::OUTSIDE);
        }
        Ok(calendar)
    }

    fn push(&mut self, minute: u16, segment: Segment) {
        if self.0.last().is_none_or(|last| last.segment != segment) {
            self.0.push(Change { minute, segment });
        }
    }

    /// How many changes lie at or before a minute of the week; at least one, as minute 0 has one.
    fn changes_until(&self, minute: u64) -> usize {
        self.0.partition_point(|change| u64::from(change.minute) <= minute)
    }

    pub(super) fn segment_at(&self, at: UnixSeconds) -> Segment {
        let passed = self.changes_until(minute_of_week(at));
        passed.checked_sub(1).and_then(|index| self.0.get(index)).map_or(Segment::OUTSIDE, |c| c.segment)
    }

    /// The first instant after `at` from which another segment applies. `None` when the same segment
    /// applies all week, or when the instant lies beyond 64 bits.
    pub(super) fn next_change(&self, at: UnixSeconds) -> Option<UnixSeconds> {
        let now = minute_of_week(at);
        let segment = self.segment_at(at);
        let later = self.0.iter().skip(self.changes_until(now)).map(|change| (change, 0));
        let next_week = self.0.iter().map(|change| (change, MINUTES_PER_WEEK));
        let (change, weeks) = later.chain(next_week).find(|(change, _)| change.segment != segment)?;
        let minutes = u64::from(change.minute).checked_add(weeks)?.checked_sub(now)?;
        let minute_start = at.0.checked_sub(at.0 % SECONDS_PER_MINUTE)?;
        minute_start.checked_add(minutes.checked_mul(SECONDS_PER_MINUTE)?).map(UnixSeconds)
    }
}

fn minute_of_week(at: UnixSeconds) -> u64 {
    let minute = at.0 / SECONDS_PER_MINUTE;
    // A u64 of seconds divided by 60 is far enough from its limit for the sum not to saturate.
    minute.saturating_add(EPOCH_MINUTE_OF_WEEK) % MINUTES_PER_WEEK
}
