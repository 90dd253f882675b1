//! A lane's exact total: whole base units and the fraction that carries over.

use core::cmp::Ordering;

/// `amount + remainder / per` base units, with `remainder < per`. Ordered by value.
#[derive(Debug, Clone, Copy)]
pub struct Total {
    amount: u64,
    remainder: u32,
    per: u32,
}

impl Total {
    /// Nothing.
    pub const ZERO: Self = Self { amount: 0, remainder: 0, per: 1 };

    /// A whole number of base units.
    #[must_use]
    pub const fn whole(amount: u64) -> Self {
        Self { amount, remainder: 0, per: 1 }
    }

    /// `amount + remainder / per`; `None` unless `remainder < per`.
    #[must_use]
    pub fn new(amount: u64, remainder: u32, per: u32) -> Option<Self> {
        (remainder < per).then_some(Self { amount, remainder, per })
    }

    /// Whole base units: what settles.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// The fraction as (numerator, denominator): what stays in the lane.
    #[must_use]
    pub const fn fraction(&self) -> (u32, u32) {
        (self.remainder, self.per)
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.cmp(&other.amount).then_with(|| {
            // 32 by 32 bits fit 64, so the fractions compare exactly.
            let left = u64::from(self.remainder).saturating_mul(u64::from(other.per));
            let right = u64::from(other.remainder).saturating_mul(u64::from(self.per));
            left.cmp(&right)
        })
    }
}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Total {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Total {}
