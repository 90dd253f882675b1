//! When a night is run by itself: every day at the same time on the clock of a place, and again whenever something that an
//! open epoch waited for may have come.
//!
//! Nothing here reads a clock or waits: an [`Agenda`] is told the time, and says what is due and when to look again.

use farthing_channel::time::UnixSeconds;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

mod agenda;

pub use agenda::{Agenda, Task};

/// Why there is no such schedule.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Not a time of day.
    #[error("{0:?} is no time of day; write 02:00 or 02:00:00")]
    Time(String),
    /// Not a time zone.
    #[error("{0:?} is no time zone of the IANA data base, such as Europe/Berlin")]
    Zone(String),
    /// A time that calendars do not reach.
    #[error("no day follows Unix second {0}")]
    OutOfRange(u64),
}

/// A time of day at a place.
///
/// A clock that is put forward skips times, and one that is put back shows some twice (RFC 5545, section 3.3.5): a time
/// that a day skips is taken as much later as the clock was put forward, and one that a day has twice the first time. So each
/// day has it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyTime {
    time: Time,
    zone: TimeZone,
}

impl DailyTime {
    /// `time` as `HH:MM` or `HH:MM:SS`; `zone` by its name in the IANA data base. The system's data base is asked first, and
    /// the one that this program brings along where there is none.
    ///
    /// # Errors
    /// [`ScheduleError::Time`], [`ScheduleError::Zone`].
    pub fn parse(time: &str, zone: &str) -> Result<Self, ScheduleError> {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = time.split(':').collect();
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| digits(part)) {
            return Err(ScheduleError::Time(time.to_owned()));
        }
        let parsed = time.parse().map_err(|_| ScheduleError::Time(time.to_owned()))?;
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        Ok(Self { time: parsed, zone })
    }

    /// The first such time after `now`.
    ///
    /// # Errors
    /// [`ScheduleError::OutOfRange`].
    pub fn next_after(&self, now: UnixSeconds) -> Result<UnixSeconds, ScheduleError> {
        let out_of_range = |_| ScheduleError::OutOfRange(now.0);
        let today = self.local(now)?.date();
        // Where a clock is put forward at midnight, yesterday's time may still be to come; and a zone has been known to skip a
        // whole day.
        for days in -1..=3 {
            let day = today.checked_add(days.days()).map_err(out_of_range)?;
            let at = self.zone.to_ambiguous_timestamp(day.to_datetime(self.time)).compatible().map_err(out_of_range)?;
            let at = u64::try_from(at.as_second()).unwrap_or(0);
            if at > now.0 {
                return Ok(UnixSeconds(at));
            }
        }
        Err(ScheduleError::OutOfRange(now.0))
    }

    /// `at` on the clock of the place, for people.
    ///
    /// # Errors
    /// [`ScheduleError::OutOfRange`].
    pub fn local(&self, at: UnixSeconds) -> Result<Zoned, ScheduleError> {
        let seconds = i64::try_from(at.0).map_err(|_| ScheduleError::OutOfRange(at.0))?;
        let timestamp = Timestamp::from_second(seconds).map_err(|_| ScheduleError::OutOfRange(at.0))?;
        Ok(timestamp.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests;
