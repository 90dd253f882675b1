//! When lanes grew, by the time of the blocks that say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const MS_PER_HOUR: u64 = 3_600_000;
const SECONDS_PER_HOUR: u64 = 3_600;

/// By how much all lanes together grew in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourGrowth {
    /// When it begins, Unix seconds.
    pub begins_at: u64,
    /// By how much, base units.
    pub amount: u128,
}

/// Growth of lanes over an epoch. Base units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// By hour, ascending; hours without any are left out.
    pub hours: Vec<HourGrowth>,
    /// What of it was claimed by vouchers that did not hold. The hours less this are what the lanes grew by.
    pub withdrawn: u128,
}

impl Growth {
    /// Whether nothing grew.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }
}

/// Growth while the journal is read. A voucher counts when it comes, before its signature is checked, so what does not hold in
/// the end is taken back as a whole.
#[derive(Debug, Default)]
pub(super) struct Hours {
    by_hour: BTreeMap<u64, u128>,
    withdrawn: u128,
}

impl Hours {
    /// A lane went from `before` to `after` in a block of this time.
    pub(super) fn grew(&mut self, unix_ms: u64, before: u64, after: u64) {
        if after > before {
            let amount = self.by_hour.entry(unix_ms / MS_PER_HOUR).or_default();
            *amount = amount.saturating_add(after.saturating_sub(before).into());
        }
    }

    /// Takes back what did not hold.
    pub(super) fn withdraw(&mut self, amount: u64) {
        self.withdrawn = self.withdrawn.saturating_add(amount.into());
    }

    /// Adds another shard's.
    pub(super) fn add(&mut self, other: Self) {
        for (hour, amount) in other.by_hour {
            let sum = self.by_hour.entry(hour).or_default();
            *sum = sum.saturating_add(amount);
        }
        self.withdrawn = self.withdrawn.saturating_add(other.withdrawn);
    }

    pub(super) fn growth(self) -> Growth {
        let hour =
            |(hour, amount): (u64, u128)| HourGrowth { begins_at: hour.saturating_mul(SECONDS_PER_HOUR), amount };
        Growth { hours: self.by_hour.into_iter().map(hour).collect(), withdrawn: self.withdrawn }
    }
}
