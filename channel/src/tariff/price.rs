//! Units, fraction prices and volume tiers.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use super::error::TariffError;
use super::limits::TIERS_MAX;

/// What a tariff counts. The codes are those of the encoding; new kinds are only ever appended, and
/// zero stays unused, so that a cleared field is no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unit {
    /// Bytes carried, in both directions.
    Octets = 1,
    /// Seconds of service.
    Seconds = 2,
    /// Service-specific units: one reading, one request, one start.
    Events = 3,
}

impl Unit {
    /// The unit's code in the encoding.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The unit of a code.
    ///
    /// # Errors
    /// [`TariffError::UnitUnknown`] for a code that no unit has.
    pub const fn from_code(code: u8) -> Result<Self, TariffError> {
        match code {
            1 => Ok(Self::Octets),
            2 => Ok(Self::Seconds),
            3 => Ok(Self::Events),
            _ => Err(TariffError::UnitUnknown),
        }
    }
}

/// A fraction price: `amount` base units for every `per_units` units.
///
/// It is kept as published and not reduced: 10 per 1,000 and 1 per 100 cost the same and are two
/// texts, so tariffs that differ in this have different hashes. An amount of zero is a free tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Price {
    amount: u64,
    per_units: NonZeroU64,
}

impl Price {
    /// `amount` base units for every `per_units` units.
    ///
    /// # Errors
    /// [`TariffError::PricePerZeroUnits`] when `per_units` is zero.
    pub const fn new(amount: u64, per_units: u64) -> Result<Self, TariffError> {
        match NonZeroU64::new(per_units) {
            Some(per_units) => Ok(Self { amount, per_units }),
            None => Err(TariffError::PricePerZeroUnits),
        }
    }

    /// Base units for [`Self::per_units`] units.
    #[must_use]
    pub const fn amount(self) -> u64 {
        self.amount
    }

    /// How many units [`Self::amount`] pays for.
    #[must_use]
    pub const fn per_units(self) -> NonZeroU64 {
        self.per_units
    }
}

/// A price for the units up to and including the `up_to`-th, counted from the lane's opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tier {
    /// The last cumulative unit this price applies to.
    pub up_to: u64,
    /// The price of the units in this tier.
    pub price: Price,
}

/// A price list: tiers in ascending order and the open-ended price after them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tiers {
    bounded: Vec<Tier>,
    last: Price,
}

impl Tiers {
    /// One price for every unit.
    #[must_use]
    pub const fn flat(price: Price) -> Self {
        Self { bounded: Vec::new(), last: price }
    }

    /// `bounded` tiers, then `last` for every unit after them.
    ///
    /// # Errors
    /// [`TariffError::TooManyTiers`] beyond [`TIERS_MAX`] with the last one,
    /// [`TariffError::TiersNotAscending`] when a tier would hold no unit.
    pub fn new(bounded: Vec<Tier>, last: Price) -> Result<Self, TariffError> {
        if bounded.len() >= TIERS_MAX {
            return Err(TariffError::TooManyTiers);
        }
        let mut before = 0;
        for tier in &bounded {
            if tier.up_to <= before {
                return Err(TariffError::TiersNotAscending);
            }
            before = tier.up_to;
        }
        Ok(Self { bounded, last })
    }

    /// The tiers with an upper end, ascending.
    #[must_use]
    pub fn bounded(&self) -> &[Tier] {
        &self.bounded
    }

    /// The price of the units after every bounded tier.
    #[must_use]
    pub const fn last(&self) -> Price {
        self.last
    }

    /// Every price of the list, in order.
    pub(super) fn prices(&self) -> impl Iterator<Item = Price> + '_ {
        self.bounded.iter().map(|tier| tier.price).chain(core::iter::once(self.last))
    }
}
