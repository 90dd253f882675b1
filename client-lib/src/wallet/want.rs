//! How much a lane is to have paid: whole base units, and ticks beyond them.

use farthing_channel::lane::Total;
use farthing_channel::limits::CHAIN_LENGTH_MAX;

use crate::error::ClientError;

/// How a lane pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayMode {
    /// Each payment is a signed total: one signature each, any amount.
    Voucher,
    /// Payments are preimages of hash chains: one signature per chain, a hash per tick.
    Ticks(TickPlan),
}

/// The price of a tick and the length of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickPlan {
    /// Base units per `ticks_per_amount` ticks; at least 1.
    pub tick_amount: u32,
    /// Ticks that cost `tick_amount`; at least 1.
    pub ticks_per_amount: u32,
    /// Preimages per chain, 1..=4096. A chain's top value is what a thief of the device's memory could spend.
    pub length: u16,
}

impl PayMode {
    /// Ticks of `tick_amount` base units each.
    #[must_use]
    pub const fn ticks(tick_amount: u32, length: u16) -> Self {
        Self::Ticks(TickPlan { tick_amount, ticks_per_amount: 1, length })
    }

    /// Whether the terms are within the protocol's limits.
    ///
    /// # Errors
    /// [`ClientError::Config`].
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        match self {
            Self::Voucher => Ok(()),
            Self::Ticks(plan)
                if plan.tick_amount > 0
                    && plan.ticks_per_amount > 0
                    && (1..=CHAIN_LENGTH_MAX).contains(&plan.length) =>
            {
                Ok(())
            }
            Self::Ticks(_) => {
                Err(ClientError::config("a tick plan needs amounts above zero and a length of 1 to 4096"))
            }
        }
    }

    /// The price of a tick, as base units per so many ticks.
    pub(crate) fn price(&self) -> (u32, u32) {
        match self {
            Self::Voucher => (1, 1),
            Self::Ticks(plan) => (plan.tick_amount, plan.ticks_per_amount),
        }
    }
}

/// `amount + ticks * price` base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Want {
    pub(crate) amount: u64,
    pub(crate) ticks: u64,
}

impl Want {
    pub(crate) const ZERO: Self = Self { amount: 0, ticks: 0 };

    pub(crate) const fn whole(amount: u64) -> Self {
        Self { amount, ticks: 0 }
    }

    /// The same value with fewer ticks than make a whole amount; `None` past 64 bits.
    pub(crate) fn normal(self, price: (u32, u32)) -> Option<Self> {
        let (tick_amount, per) = (u64::from(price.0), u64::from(price.1));
        let rounds = self.ticks.checked_div(per)?;
        Some(Self {
            amount: self.amount.checked_add(rounds.checked_mul(tick_amount)?)?,
            ticks: self.ticks.checked_rem(per)?,
        })
    }

    /// The exact total; `None` past 64 bits.
    pub(crate) fn total(self, price: (u32, u32)) -> Option<Total> {
        let normal = self.normal(price)?;
        let (tick_amount, per) = (u64::from(price.0), u64::from(price.1));
        // Both factors are below 2^32 after normalising.
        let product = normal.ticks.checked_mul(tick_amount)?;
        let amount = normal.amount.checked_add(product.checked_div(per)?)?;
        let remainder = u32::try_from(product.checked_rem(per)?).ok()?;
        Total::new(amount, remainder, price.1)
    }

    pub(crate) fn plus(self, other: Self, price: (u32, u32)) -> Option<Self> {
        Self { amount: self.amount.checked_add(other.amount)?, ticks: self.ticks.checked_add(other.ticks)? }
            .normal(price)
    }
}

/// A total in whole base units, rounded up.
pub(crate) fn ceil(total: &Total) -> Option<u64> {
    total.amount().checked_add(u64::from(total.fraction().0 > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_amounts_without_loss() {
        let want = Want { amount: 10, ticks: 7 };
        assert_eq!(want.total((3, 2)), Total::new(20, 1, 2));
        assert_eq!(want.normal((3, 2)), Some(Want { amount: 19, ticks: 1 }));
        assert_eq!(ceil(&want.total((3, 2)).unwrap()), Some(21));
        assert_eq!(Want::whole(u64::MAX).plus(Want::whole(1), (1, 1)), None);
        assert!(PayMode::ticks(0, 1).check().is_err());
        assert!(PayMode::ticks(1, 4097).check().is_err());
        assert!(PayMode::ticks(1, 4096).check().is_ok());
    }
}
