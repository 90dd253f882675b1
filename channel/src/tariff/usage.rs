//! How many units were used, and when.

use super::definition::Tariff;
use super::error::ChargeError;
use super::limits::SEGMENTS_MAX;
use crate::time::UnixSeconds;

/// A cumulative use, as a charge is computed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Units since the lane opened, under a tariff without time windows.
    Units(u64),
    /// Units since the lane opened by segment, under any tariff.
    BySegment(UsageBySegment),
}

/// Cumulative units in each segment of a tariff.
///
/// It belongs to the tariff it was made for; charging under one with another number of segments is an
/// error. It holds no time: each portion is counted in the segment of the instant it was used at, so a
/// meter that must not mix segments reports at [`Tariff::next_change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageBySegment {
    units: [u64; SEGMENTS_MAX],
    segments: usize,
}

impl UsageBySegment {
    /// Nothing used yet under a tariff.
    #[must_use]
    pub fn new(tariff: &Tariff) -> Self {
        Self { units: [0; SEGMENTS_MAX], segments: tariff.segments() }
    }

    /// The cumulative units of every segment of a tariff, as [`Self::units`] returned them.
    ///
    /// # Errors
    /// [`ChargeError::SegmentsDiffer`] unless there is one number for each segment of the tariff.
    pub fn from_units(tariff: &Tariff, units: &[u64]) -> Result<Self, ChargeError> {
        let mut usage = Self::new(tariff);
        if units.len() != usage.segments {
            return Err(ChargeError::SegmentsDiffer);
        }
        usage.units.iter_mut().zip(units).for_each(|(slot, units)| *slot = *units);
        Ok(usage)
    }

    /// Counts `units` used at an instant, and returns the next tariff-time change after it.
    ///
    /// # Errors
    /// [`ChargeError::SegmentsDiffer`] when the tariff has another number of segments than the one this
    /// was made for, [`ChargeError::Overflow`] when a count exceeds 64 bits. Nothing is counted then.
    pub fn add(&mut self, tariff: &Tariff, at: UnixSeconds, units: u64) -> Result<Option<UnixSeconds>, ChargeError> {
        if self.segments != tariff.segments() {
            return Err(ChargeError::SegmentsDiffer);
        }
        let slot = self.units.get_mut(tariff.segment_at(at).index()).ok_or(ChargeError::SegmentsDiffer)?;
        *slot = slot.checked_add(units).ok_or(ChargeError::Overflow)?;
        Ok(tariff.next_change(at))
    }

    /// The cumulative units of every segment, in order.
    #[must_use]
    pub fn units(&self) -> &[u64] {
        self.units.get(..self.segments).unwrap_or_default()
    }

    /// The cumulative units of all segments together; 128 bits, so that the sum always fits.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.units().iter().fold(0, |sum: u128, units| sum.saturating_add(u128::from(*units)))
    }
}
