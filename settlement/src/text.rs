//! How identities and amounts are written for people and in JSON.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Serialises anything that prints, such as an identity, as its text.
///
/// # Errors
/// As the serialiser.
pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads back what [`serialize`] wrote.
///
/// # Errors
/// As the deserialiser, and where the text is not a `T`.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: Display,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The same for what may be missing.
pub mod optional {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};

    /// Serialises what is there as its text.
    ///
    /// # Errors
    /// As the serialiser.
    #[allow(clippy::ref_option)]
    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads back what [`serialize`] wrote.
    ///
    /// # Errors
    /// As the deserialiser, and where the text is not a `T`.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// How base units become the token's own unit in print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFormat {
    /// Digits after the decimal point; one token is `10^decimals` base units.
    pub decimals: u8,
    /// The token's name, printed after the amount.
    pub symbol: String,
}

impl TokenFormat {
    /// `base_units` as a decimal number for programs: a point, no groups, no symbol.
    #[must_use]
    pub fn plain(&self, base_units: u128) -> String {
        let decimals = usize::from(self.decimals);
        let digits = format!("{base_units:0>width$}", width = decimals.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
        if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }

    /// `base_units` as a decimal number with thousands separated by thin groups, without the symbol.
    #[must_use]
    pub fn number(&self, base_units: u128) -> String {
        let plain = self.plain(base_units);
        let whole = plain.find('.').unwrap_or(plain.len());
        let mut grouped = String::with_capacity(plain.len().saturating_mul(2));
        for (index, digit) in plain.chars().enumerate() {
            if index > 0 && index < whole && whole.saturating_sub(index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    }

    /// As [`Self::number`], followed by the symbol.
    #[must_use]
    pub fn amount(&self, base_units: u128) -> String {
        if self.symbol.is_empty() {
            self.number(base_units)
        } else {
            format!("{} {}", self.number(base_units), self.symbol)
        }
    }

    /// Reads an amount: base units as a whole number, or tokens as a decimal number with a point.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<u128> {
        let clean = text.replace(['_', ','], "");
        let Some((whole, fraction)) = clean.split_once('.') else {
            return clean.parse().ok();
        };
        let decimals = usize::from(self.decimals);
        if fraction.len() > decimals || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let padded = format!("{fraction:0<decimals$}");
        let scale = 10_u128.checked_pow(u32::from(self.decimals))?;
        let whole: u128 = whole.parse().ok()?;
        let fraction: u128 = if padded.is_empty() { 0 } else { padded.parse().ok()? };
        whole.checked_mul(scale)?.checked_add(fraction)
    }
}

/// `seconds` since 1970 as `YYYY-MM-DD HH:MM:SS UTC` (days to civil date after Howard Hinnant's algorithm).
#[must_use]
pub fn utc(seconds: u64) -> String {
    const DAY: u64 = 86_400;
    let time = seconds % DAY;
    let days = seconds / DAY + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", time / 3600, time / 60 % 60, time % 60)
}

/// The day of [`utc`], `YYYY-MM-DD`.
#[must_use]
pub fn utc_day(seconds: u64) -> String {
    utc(seconds).chars().take_while(|letter| *letter != ' ').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_and_padded() {
        let token = TokenFormat { decimals: 6, symbol: "USDC".into() };
        assert_eq!(token.amount(0), "0.000000 USDC");
        assert_eq!(token.amount(1), "0.000001 USDC");
        assert_eq!(token.amount(1_234_567_890_123), "1,234,567.890123 USDC");
        assert_eq!(token.plain(1_234_567_890_123), "1234567.890123");
        assert_eq!(TokenFormat { decimals: 0, symbol: String::new() }.amount(1000), "1,000");
        assert_eq!(TokenFormat { decimals: 0, symbol: String::new() }.plain(1000), "1000");
    }

    #[test]
    fn amounts_are_read_as_base_units_or_tokens() {
        let token = TokenFormat { decimals: 6, symbol: String::new() };
        assert_eq!(token.parse("1500"), Some(1500));
        assert_eq!(token.parse("1.5"), Some(1_500_000));
        assert_eq!(token.parse("1_000.000001"), Some(1_000_000_001));
        assert_eq!(token.parse("0.0000001"), None);
        assert_eq!(token.parse("-1"), None);
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_827_696), "2000-02-29 12:34:56 UTC");
        assert_eq!(utc(1_795_354_675), "2026-11-22 13:37:55 UTC");
    }
}
