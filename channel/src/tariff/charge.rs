//! Units to base units, and back.

use core::num::{NonZeroU64, NonZeroU128};

use super::definition::{Segment, Tariff};
use super::error::ChargeError;
use super::price::{Price, Tiers};
use super::usage::{Usage, UsageBySegment};

/// An exact sum of money: `whole` base units and `parts` of the tariff's common denominator.
///
/// The sum of the parts of every tier of every segment stays far below 128 bits, as each summand is
/// below the denominator, which has 64.
#[derive(Clone, Copy, Debug, Default)]
struct Exact {
    whole: u128,
    parts: u128,
}

impl Exact {
    /// Adds `units` at a price. `units` may exceed 64 bits by one increment.
    ///
    /// A product beyond 128 bits means a charge beyond 64 bits, as it is divided by 64 bits at most;
    /// so refusing it refuses no charge that could be paid.
    fn add(self, units: u128, price: Price, denominator: NonZeroU64) -> Result<Self, ChargeError> {
        let per_units = NonZeroU128::from(price.per_units());
        let product = units.checked_mul(u128::from(price.amount())).ok_or(ChargeError::Overflow)?;
        let parts = (product % per_units)
            .checked_mul(parts_per_fraction(price, denominator))
            .and_then(|parts| parts.checked_add(self.parts));
        let whole = self.whole.checked_add(product / per_units);
        Ok(Self { whole: whole.ok_or(ChargeError::Overflow)?, parts: parts.ok_or(ChargeError::Overflow)? })
    }

    /// The sum in base units, rounded up.
    fn ceil(self, denominator: NonZeroU64) -> Result<u64, ChargeError> {
        let sum = self.whole.checked_add(self.parts.div_ceil(u128::from(denominator.get())));
        sum.and_then(|sum| u64::try_from(sum).ok()).ok_or(ChargeError::Overflow)
    }

    /// What is left of `budget` base units, in parts of the denominator; `None` when this is more.
    fn left_of(self, budget: u64, denominator: NonZeroU64) -> Option<u128> {
        let whole = u128::from(budget).checked_sub(self.whole)?;
        whole.checked_mul(u128::from(denominator.get()))?.checked_sub(self.parts)
    }
}

/// How many parts of the common denominator one `per_units`-th is. Divides without remainder.
fn parts_per_fraction(price: Price, denominator: NonZeroU64) -> u128 {
    u128::from(denominator.get() / price.per_units())
}

impl Tariff {
    /// What a use costs in base units, rounded up once.
    ///
    /// # Errors
    /// As [`Tariff::charge_units`] and [`Tariff::charge_segments`].
    pub fn charge(&self, usage: &Usage) -> Result<u64, ChargeError> {
        match usage {
            Usage::Units(units) => self.charge_units(*units),
            Usage::BySegment(usage) => self.charge_segments(usage),
        }
    }

    /// What `units` cumulative units cost under a tariff without time windows. No units cost nothing
    /// under any tariff.
    ///
    /// # Errors
    /// [`ChargeError::SegmentsNeeded`] under a tariff with windows, [`ChargeError::Overflow`] when the
    /// charge exceeds 64 bits.
    pub fn charge_units(&self, units: u64) -> Result<u64, ChargeError> {
        if units > 0 && !self.windows().is_empty() {
            return Err(ChargeError::SegmentsNeeded);
        }
        self.price_list(Exact::default(), self.tiers(), units)?.ceil(self.denominator())
    }

    /// What the cumulative units of every segment cost together.
    ///
    /// # Errors
    /// [`ChargeError::SegmentsDiffer`] when `usage` was counted under a tariff with another number of
    /// segments, [`ChargeError::Overflow`] when the charge exceeds 64 bits.
    pub fn charge_segments(&self, usage: &UsageBySegment) -> Result<u64, ChargeError> {
        self.exact_sum(usage, None)?.ceil(self.denominator())
    }

    /// The greatest number of cumulative units with `charge_units(units) <= amount`.
    ///
    /// [`u64::MAX`] when the amount pays for any number. Zero under a tariff with time windows: what
    /// units cost there depends on when they are used; see [`Tariff::units_for_segment`].
    #[must_use]
    pub fn units_for(&self, amount: u64) -> u64 {
        if self.windows().is_empty() { self.greatest_units(self.tiers(), Exact::default(), amount) } else { 0 }
    }

    /// The greatest number of cumulative units of `segment` whose charge, together with what `usage`
    /// holds in the other segments, is at most `amount`. A hub grants the difference to the units
    /// already used in the segment, until [`Tariff::next_change`].
    ///
    /// Zero also when the other segments alone cost more.
    ///
    /// # Errors
    /// [`ChargeError::SegmentsDiffer`] when `usage` or `segment` belong to a tariff with more or fewer
    /// segments.
    pub fn units_for_segment(&self, usage: &UsageBySegment, segment: Segment, amount: u64) -> Result<u64, ChargeError> {
        let tiers = self.tiers_by_segment().nth(segment.index()).ok_or(ChargeError::SegmentsDiffer)?;
        match self.exact_sum(usage, Some(segment)) {
            Ok(others) => Ok(self.greatest_units(tiers, others, amount)),
            Err(ChargeError::Overflow) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The exact sum of every segment but the one left out.
    fn exact_sum(&self, usage: &UsageBySegment, left_out: Option<Segment>) -> Result<Exact, ChargeError> {
        if usage.units().len() != self.segments() {
            return Err(ChargeError::SegmentsDiffer);
        }
        let mut sum = Exact::default();
        for (index, (tiers, units)) in self.tiers_by_segment().zip(usage.units()).enumerate() {
            if left_out.is_none_or(|segment| segment.index() != index) {
                sum = self.price_list(sum, tiers, *units)?;
            }
        }
        Ok(sum)
    }

    /// Adds the cost of one segment's cumulative units.
    fn price_list(&self, mut sum: Exact, tiers: &Tiers, units: u64) -> Result<Exact, ChargeError> {
        let units = u128::from(units).checked_next_multiple_of(u128::from(self.increment().get()));
        let units = units.ok_or(ChargeError::Overflow)?;
        let mut from = 0_u128;
        for tier in tiers.bounded() {
            let until = units.min(u128::from(tier.up_to));
            sum = sum.add(until.saturating_sub(from), tier.price, self.denominator())?;
            from = until;
        }
        sum.add(units.saturating_sub(from), tiers.last(), self.denominator())
    }

    /// Walks the price list as far as the budget goes. One step for each tier: within a tier the number
    /// of affordable units is a single division, since "rounded up, at most the budget" and "exactly,
    /// at most the budget" say the same of a whole budget.
    fn greatest_units(&self, tiers: &Tiers, mut spent: Exact, budget: u64) -> u64 {
        let mut from = 0_u128;
        for tier in tiers.bounded() {
            let until = u128::from(tier.up_to);
            let filled = spent.add(until.saturating_sub(from), tier.price, self.denominator());
            match filled.ok().filter(|filled| filled.left_of(budget, self.denominator()).is_some()) {
                Some(filled) => (spent, from) = (filled, until),
                None => {
                    return self.whole_increments(from, self.affordable(tier.price, spent, budget));
                }
            }
        }
        self.whole_increments(from, self.affordable(tiers.last(), spent, budget))
    }

    /// How many units at one price the rest of the budget pays for.
    fn affordable(&self, price: Price, spent: Exact, budget: u64) -> u128 {
        let left = spent.left_of(budget, self.denominator()).unwrap_or(0);
        // Below 2^128: both factors have 64 bits.
        let parts_per_unit = u128::from(price.amount()).saturating_mul(parts_per_fraction(price, self.denominator()));
        match left.checked_div(parts_per_unit) {
            Some(units) => units,
            // A free price, which nevertheless buys nothing once the budget is overspent.
            None if spent.left_of(budget, self.denominator()).is_some() => u128::MAX,
            None => 0,
        }
    }

    /// The units that are served in full when `from + more` priced units are paid: whole increments.
    fn whole_increments(&self, from: u128, more: u128) -> u64 {
        let paid = from.saturating_add(more);
        let started = paid % NonZeroU128::from(self.increment());
        u64::try_from(paid.saturating_sub(started)).unwrap_or(u64::MAX)
    }
}
