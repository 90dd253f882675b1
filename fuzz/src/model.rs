//! What the totals must be, worked out apart from the rules: plain fractions, and a list of what devices sent.

use core::cmp::Ordering;

/// `numerator / denominator` base units, exactly. Every value on the wire fits: 64-bit base, 32-bit denominator.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    numerator: u128,
    denominator: u128,
}

impl Value {
    pub const ZERO: Self = Self::whole(0);

    /// A whole number of base units.
    #[must_use]
    pub const fn whole(amount: u64) -> Self {
        Self { numerator: amount as u128, denominator: 1 }
    }

    /// `base + ticks * amount / per`; `None` where `per` is zero.
    #[must_use]
    pub fn of_ticks(base: u64, ticks: u128, amount: u32, per: u32) -> Option<Self> {
        let numerator = u128::from(base) * u128::from(per) + ticks * u128::from(amount);
        (per > 0).then_some(Self { numerator, denominator: u128::from(per) })
    }

    /// Whole base units, what is left rounded down.
    #[must_use]
    pub fn floor(self) -> u128 {
        self.numerator / self.denominator
    }

    /// Whether the whole base units fit the wire's 64 bits.
    #[must_use]
    pub fn fits(self) -> bool {
        self.floor() <= u128::from(u64::MAX)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        // The whole parts are taken off first: the cross product of what remains fits by far.
        let rest = |value: &Self| value.numerator % value.denominator;
        self.floor()
            .cmp(&other.floor())
            .then_with(|| (rest(self) * other.denominator).cmp(&(rest(other) * self.denominator)))
    }
}
