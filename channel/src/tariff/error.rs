//! What can be wrong with a tariff, with its bytes, and with a charge.

use core::fmt;

/// Why a tariff, or a part of one, cannot be built. Retrying does not help: the terms must change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TariffError {
    /// No unit has this code.
    UnitUnknown,
    /// A price is given per zero units.
    PricePerZeroUnits,
    /// The charging increment is zero.
    IncrementZero,
    /// A price list is longer than the limit.
    TooManyTiers,
    /// A tier ends where the one before it ends, or earlier.
    TiersNotAscending,
    /// There are more time windows than the limit.
    TooManyWindows,
    /// A time window has no span.
    WindowEmpty,
    /// A time window has more spans than the limit.
    TooManySpans,
    /// A span names no day, or a day that no week has.
    DaysInvalid,
    /// A span ends before it starts, or after midnight.
    SpanInvalid,
    /// Two spans claim the same minute.
    SpansOverlap,
    /// The least common multiple of all `per_units` exceeds 64 bits, so charges have no common fraction.
    DenominatorTooLarge,
}

impl fmt::Display for TariffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnitUnknown => "no unit has this code",
            Self::PricePerZeroUnits => "a price is given per zero units",
            Self::IncrementZero => "the charging increment is zero",
            Self::TooManyTiers => "a price list has too many tiers",
            Self::TiersNotAscending => "the ends of the tiers do not ascend",
            Self::TooManyWindows => "there are too many time windows",
            Self::WindowEmpty => "a time window has no span",
            Self::TooManySpans => "a time window has too many spans",
            Self::DaysInvalid => "a span names no day of the week, or a day that does not exist",
            Self::SpanInvalid => "a span must start before it ends, and end by minute 1440",
            Self::SpansOverlap => "two spans claim the same minute",
            Self::DenominatorTooLarge => "the least common multiple of the prices' unit counts exceeds 64 bits",
        })
    }
}

impl core::error::Error for TariffError {}

/// Why bytes are no tariff.
#[derive(Debug)]
#[non_exhaustive]
pub enum TariffDecodeError {
    /// The bytes are longer than any tariff.
    TooLong,
    /// The bytes are not CBOR of a tariff's shape.
    Malformed(minicbor::decode::Error),
    /// The shape is right and the terms are not.
    Refused(TariffError),
    /// The bytes say a tariff in another way than its one deterministic encoding.
    NotDeterministic,
}

impl fmt::Display for TariffDecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the encoded tariff is too long"),
            Self::Malformed(error) => write!(f, "not the encoding of a tariff: {error}"),
            Self::Refused(error) => write!(f, "the tariff is refused: {error}"),
            Self::NotDeterministic => f.write_str("the tariff's encoding is not deterministic"),
        }
    }
}

impl core::error::Error for TariffDecodeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::TooLong | Self::NotDeterministic => None,
        }
    }
}

/// Why a use has no charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChargeError {
    /// The charge, or a count of units, exceeds 64 bits.
    Overflow,
    /// The tariff has time windows, so a bare count of units does not say what they cost.
    SegmentsNeeded,
    /// The use was counted under a tariff with another number of segments.
    SegmentsDiffer,
}

impl fmt::Display for ChargeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "the charge exceeds 64 bits",
            Self::SegmentsNeeded => "a tariff with time windows needs the units of each window",
            Self::SegmentsDiffer => "the use was counted under a tariff with other windows",
        })
    }
}

impl core::error::Error for ChargeError {}
