//! Tariffs: what units cost, as a pure function of how many were used and when.
//!
//! A tariff prices one kind of unit by fractions of a base unit, in volume tiers, optionally with
//! time windows that carry price lists of their own. It is fixed by the hash of its deterministic
//! encoding; that hash is what a device signs, so a tariff is never changed for units already served.
//!
//! Charges follow three rules:
//!
//! - **Cumulative.** A charge is a function of everything used since the lane opened, never of the
//!   last portion, so splitting the same use into any number of reports costs the same.
//! - **One rounding.** Tiers and windows are summed as exact fractions over one common denominator,
//!   which [`Tariff::new`] proves to fit 64 bits, and the sum is rounded up once.
//! - **A segment counts for itself.** Each time window, and the time outside all windows, has its own
//!   count of cumulative units: tier positions and the charging increment apply to that count. What
//!   a unit costs then depends on its own window alone, and never on the order in which windows come.

mod calendar;
mod charge;
mod codec;
mod definition;
mod error;
mod limits;
mod price;
mod usage;

#[cfg(test)]
mod tests;

pub use calendar::{Days, Span};
pub use definition::{Segment, Tariff, Window};
pub use error::{ChargeError, TariffDecodeError, TariffError};
pub use limits::{ENCODED_BYTES_MAX, MINUTES_PER_DAY, SEGMENTS_MAX, SPANS_PER_WINDOW_MAX, TIERS_MAX, WINDOWS_MAX};
pub use price::{Price, Tier, Tiers, Unit};
pub use usage::{Usage, UsageBySegment};
