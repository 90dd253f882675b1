//! `AMOUNT/UNITS`: a fraction price on the command line.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use farthing_channel::tariff::{Price, Tariff, TariffError, Tiers, Unit};

/// `text` is not `AMOUNT/UNITS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePriceError;

impl fmt::Display for ParsePriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected AMOUNT/UNITS: whole base units for so many units, such as 3/1000")
    }
}

impl std::error::Error for ParsePriceError {}

/// So many base units for so many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceOption {
    /// Base units.
    pub amount: u64,
    /// Units.
    pub per_units: NonZeroU64,
}

impl FromStr for PriceOption {
    type Err = ParsePriceError;

    fn from_str(text: &str) -> Result<Self, ParsePriceError> {
        let (amount, per_units) = text.split_once('/').unwrap_or((text, "1"));
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| ParsePriceError);
        Ok(Self { amount: number(amount)?, per_units: NonZeroU64::new(number(per_units)?).ok_or(ParsePriceError)? })
    }
}

impl fmt::Display for PriceOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.amount, self.per_units)
    }
}

impl PriceOption {
    /// The price as a tariff; every started `increment` units count in full.
    ///
    /// # Errors
    /// [`TariffError::IncrementZero`].
    pub fn tariff(self, unit: Unit, increment: u64) -> Result<Tariff, TariffError> {
        let price = Price::new(self.amount, self.per_units.get())?;
        Tariff::new(1, unit, increment, Tiers::flat(price), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_reads_and_prints() {
        let price: PriceOption = "3/1000".parse().unwrap();
        assert_eq!((price.amount, price.per_units.get()), (3, 1000));
        assert_eq!(price.to_string(), "3/1000");
        assert_eq!("7".parse::<PriceOption>().unwrap().per_units.get(), 1);
        for text in ["", "/", "1/0", "-1/2", "1.5/2", "1/2/3"] {
            assert!(text.parse::<PriceOption>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_tariff_rounds_up_once() {
        let tariff = "3/1000".parse::<PriceOption>().unwrap().tariff(Unit::Octets, 1).unwrap();
        assert_eq!(tariff.charge_units(1).unwrap(), 1);
        assert_eq!(tariff.charge_units(2_000).unwrap(), 6);
        assert_eq!(tariff.charge_units(2_001).unwrap(), 7);
    }
}
