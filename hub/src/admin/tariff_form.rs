//! A tariff as people write it: in a TOML file, on the command line, in JSON.
//!
//! ```toml
//! version = 1
//! unit = "octets"          # or "seconds", "events"
//! increment = 1024         # each started multiple is paid in full
//! price = "3/1024"         # 3 base units for 1024 octets, after every tier
//! tiers = [{ up_to = 1048576, price = "0/1" }]
//!
//! [[windows]]              # times of the week (UTC) with prices of their own
//! spans = [{ days = ["workdays"], from = "22:00", until = "24:00" }]
//! price = "1/1024"
//! ```

use std::fmt;
use std::str::FromStr;

use farthing_channel::tariff::{Days, MINUTES_PER_DAY, Price, Span, Tariff, TariffError, Tier, Tiers, Unit, Window};
use serde::{Deserialize, Serialize};

use super::encoded::Text;

/// A tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TariffForm {
    /// The publisher's own number.
    #[serde(default = "one_version")]
    pub version: u32,
    /// What it counts.
    pub unit: UnitName,
    /// Units are priced in multiples of this.
    #[serde(default = "one_unit")]
    pub increment: u64,
    /// The price after every tier.
    pub price: Text<PriceText>,
    /// Prices up to some number of units, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierForm>,
    /// Times of the week with prices of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowForm>,
}

fn one_version() -> u32 {
    1
}

fn one_unit() -> u64 {
    1
}

/// A price for the units up to the `up_to`-th.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierForm {
    /// The last unit it applies to.
    pub up_to: u64,
    /// Its price.
    pub price: Text<PriceText>,
}

/// Times of the week with prices of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowForm {
    /// When.
    pub spans: Vec<SpanForm>,
    /// The price after every tier.
    pub price: Text<PriceText>,
    /// Prices up to some number of units, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierForm>,
}

/// A time of some days, in UTC. A night is two spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanForm {
    /// On which days.
    pub days: Vec<DayName>,
    /// The first minute inside, as `HH:MM`.
    pub from: Text<TimeOfDay>,
    /// The first minute after it, as `HH:MM`; `24:00` for midnight.
    pub until: Text<TimeOfDay>,
}

/// What a tariff counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UnitName {
    /// Bytes carried.
    Octets,
    /// Seconds of service.
    Seconds,
    /// One reading, one request, one start.
    Events,
}

impl UnitName {
    /// The name in files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Octets => "octets",
            Self::Seconds => "seconds",
            Self::Events => "events",
        }
    }
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Octets => Self::Octets,
            UnitName::Seconds => Self::Seconds,
            UnitName::Events => Self::Events,
        }
    }
}

impl From<Unit> for UnitName {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Octets => Self::Octets,
            Unit::Seconds => Self::Seconds,
            Unit::Events => Self::Events,
        }
    }
}

/// A day of the week, or several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DayName {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
    Workdays,
    Weekend,
    All,
}

const SINGLE_DAYS: [DayName; 7] =
    [DayName::Mon, DayName::Tue, DayName::Wed, DayName::Thu, DayName::Fri, DayName::Sat, DayName::Sun];

impl DayName {
    fn bits(self) -> u8 {
        match self {
            Self::Mon => 1,
            Self::Tue => 1 << 1,
            Self::Wed => 1 << 2,
            Self::Thu => 1 << 3,
            Self::Fri => 1 << 4,
            Self::Sat => 1 << 5,
            Self::Sun => 1 << 6,
            Self::Workdays => Days::WORKDAYS.bits(),
            Self::Weekend => Days::WEEKEND.bits(),
            Self::All => Days::ALL.bits(),
        }
    }

    fn names(days: Days) -> Vec<Self> {
        match days {
            Days::ALL => vec![Self::All],
            Days::WORKDAYS => vec![Self::Workdays],
            Days::WEEKEND => vec![Self::Weekend],
            other => SINGLE_DAYS.into_iter().filter(|day| other.bits() & day.bits() != 0).collect(),
        }
    }
}

/// A fraction price: `AMOUNT/UNITS`, or `AMOUNT` for one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceText(pub Price);

impl fmt::Display for PriceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.amount(), self.0.per_units())
    }
}

impl FromStr for PriceText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (amount, units) = text.split_once('/').unwrap_or((text, "1"));
        let number = |part: &str| {
            let part = part.trim();
            part.parse::<u64>().map_err(|_| format!("{text:?} is no price: expected AMOUNT/UNITS, whole numbers"))
        };
        Price::new(number(amount)?, number(units)?).map(Self).map_err(|error| error.to_string())
    }
}

/// Minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub u16);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2).and_then(|(hour, minute)| {
            let hour: u16 = hour.parse().ok()?;
            let minute: u16 = minute.parse().ok()?;
            (minute < 60).then(|| hour.saturating_mul(60).saturating_add(minute))
        });
        match parsed.filter(|minutes| *minutes <= MINUTES_PER_DAY) {
            Some(minutes) => Ok(Self(minutes)),
            None => Err(format!("{text:?} is no time of day: expected HH:MM, up to 24:00")),
        }
    }
}

impl SpanForm {
    fn to_span(&self) -> Result<Span, TariffError> {
        let bits = self.days.iter().fold(0, |bits, day| bits | day.bits());
        Span::new(Days::from_bits(bits)?, self.from.0.0, self.until.0.0)
    }
}

fn to_tiers(tiers: &[TierForm], last: &Text<PriceText>) -> Result<Tiers, TariffError> {
    let bounded = tiers.iter().map(|tier| Tier { up_to: tier.up_to, price: tier.price.0.0 });
    Tiers::new(bounded.collect(), last.0.0)
}

fn of_tiers(tiers: &Tiers) -> (Vec<TierForm>, Text<PriceText>) {
    let price = |price| Text(PriceText(price));
    let bounded = tiers.bounded().iter().map(|tier| TierForm { up_to: tier.up_to, price: price(tier.price) });
    (bounded.collect(), price(tiers.last()))
}

impl TariffForm {
    /// The tariff.
    ///
    /// # Errors
    /// As [`Tariff::new`] and the constructors of its parts.
    pub fn to_tariff(&self) -> Result<Tariff, TariffError> {
        let mut windows = Vec::with_capacity(self.windows.len());
        for window in &self.windows {
            let spans = window.spans.iter().map(SpanForm::to_span).collect::<Result<_, _>>()?;
            windows.push(Window::new(spans, to_tiers(&window.tiers, &window.price)?)?);
        }
        let tiers = to_tiers(&self.tiers, &self.price)?;
        Tariff::new(self.version, self.unit.into(), self.increment, tiers, windows)
    }

    /// A tariff for people.
    pub fn of_tariff(tariff: &Tariff) -> Self {
        let window = |window: &Window| {
            let (tiers, price) = of_tiers(window.tiers());
            let span = |span: &Span| SpanForm {
                days: DayName::names(span.days()),
                from: Text(TimeOfDay(span.from_minute())),
                until: Text(TimeOfDay(span.until_minute())),
            };
            WindowForm { spans: window.spans().iter().map(span).collect(), price, tiers }
        };
        let (tiers, price) = of_tiers(tariff.tiers());
        Self {
            version: tariff.version(),
            unit: tariff.unit().into(),
            increment: tariff.increment().get(),
            price,
            tiers,
            windows: tariff.windows().iter().map(window).collect(),
        }
    }

    /// The prices outside every window, one line each.
    pub fn price_lines(&self) -> Vec<String> {
        let bounded = self.tiers.iter().map(|tier| format!("up to {}: {}", tier.up_to, tier.price));
        bounded.chain(std::iter::once(self.price.to_string())).collect()
    }
}

#[cfg(test)]
mod tests;
