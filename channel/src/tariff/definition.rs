//! A tariff and its parts, checked where they are built.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use bitcoin_hashes::{HashEngine as _, sha256};

use super::calendar::{Calendar, Span};
use super::error::TariffError;
use super::limits::{SEGMENTS_MAX, SPANS_PER_WINDOW_MAX, WINDOWS_MAX};
use super::price::{Price, Tiers, Unit};
use crate::id::TariffHash;
use crate::time::UnixSeconds;

/// Keeps a tariff's hash apart from every other SHA-256 over CBOR.
const HASH_DOMAIN: &[u8] = b"farthing/tariff/1";

/// One of the counts in which a tariff's units are kept: 0 outside every window, n for the n-th window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment(u8);

impl Segment {
    /// The time outside every window; the only segment of a tariff without windows.
    pub const OUTSIDE: Self = Self(0);

    /// The segment's place in a list of segments.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The segments of a tariff's windows, in order.
    pub(super) fn of_windows() -> impl Iterator<Item = Self> {
        (1_u8..).take(WINDOWS_MAX).map(Self)
    }
}

/// Times of the week with a price list of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    spans: Vec<Span>,
    tiers: Tiers,
}

impl Window {
    /// A window that applies in any of the `spans`, in whatever order they are given.
    ///
    /// # Errors
    /// [`TariffError::WindowEmpty`] without spans, [`TariffError::TooManySpans`] beyond
    /// [`SPANS_PER_WINDOW_MAX`].
    pub fn new(mut spans: Vec<Span>, tiers: Tiers) -> Result<Self, TariffError> {
        if spans.is_empty() {
            return Err(TariffError::WindowEmpty);
        }
        if spans.len() > SPANS_PER_WINDOW_MAX {
            return Err(TariffError::TooManySpans);
        }
        spans.sort_unstable();
        Ok(Self { spans, tiers })
    }

    /// When the window applies: ascending by days (as a number), start, end.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The window's price list.
    #[must_use]
    pub const fn tiers(&self) -> &Tiers {
        &self.tiers
    }
}

/// What units cost. Immutable, and fixed by [`Tariff::hash`].
///
/// Currency and decimals are not part of it: amounts are base units of the escrow's token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tariff {
    version: u32,
    unit: Unit,
    increment: NonZeroU64,
    tiers: Tiers,
    windows: Vec<Window>,
    /// Worked out from the windows.
    calendar: Calendar,
    /// Least common multiple of every price's `per_units`: the denominator of exact charges.
    denominator: NonZeroU64,
}

impl Tariff {
    /// A tariff of the given terms.
    ///
    /// `version` is the publisher's own numbering. Cumulative units of each segment are rounded up to a
    /// multiple of `increment` before they are priced ("per started 60 seconds" is 60). `tiers` price
    /// the time outside every window.
    ///
    /// # Errors
    /// [`TariffError::IncrementZero`], [`TariffError::TooManyWindows`], [`TariffError::SpansOverlap`]
    /// when two spans of any windows claim the same minute, [`TariffError::DenominatorTooLarge`].
    pub fn new(
        version: u32,
        unit: Unit,
        increment: u64,
        tiers: Tiers,
        windows: Vec<Window>,
    ) -> Result<Self, TariffError> {
        let increment = NonZeroU64::new(increment).ok_or(TariffError::IncrementZero)?;
        if windows.len() > WINDOWS_MAX {
            return Err(TariffError::TooManyWindows);
        }
        let calendar = Calendar::new(&windows)?;
        let mut denominator = NonZeroU64::MIN;
        for price in tiers.prices().chain(windows.iter().flat_map(|window| window.tiers.prices())) {
            denominator =
                least_common_multiple(denominator, price.per_units()).ok_or(TariffError::DenominatorTooLarge)?;
        }
        Ok(Self { version, unit, increment, tiers, windows, calendar, denominator })
    }

    /// A tariff of one price for every unit, without increment, tiers or windows.
    ///
    /// # Errors
    /// As [`Tariff::new`]; none can occur, as one price has a denominator that fits.
    pub fn flat(version: u32, unit: Unit, price: Price) -> Result<Self, TariffError> {
        Self::new(version, unit, 1, Tiers::flat(price), Vec::new())
    }

    /// The publisher's number of this tariff.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What the tariff counts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Units are priced in multiples of this, each started multiple in full.
    #[must_use]
    pub const fn increment(&self) -> NonZeroU64 {
        self.increment
    }

    /// The price list outside every window.
    #[must_use]
    pub const fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    /// The time windows, in the order of their segments.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// How many segments the tariff counts units in; at most [`SEGMENTS_MAX`].
    #[must_use]
    pub fn segments(&self) -> usize {
        self.windows.len().saturating_add(1).min(SEGMENTS_MAX)
    }

    /// The segment in which units used at an instant are counted.
    #[must_use]
    pub fn segment_at(&self, at: UnixSeconds) -> Segment {
        self.calendar.segment_at(at)
    }

    /// The first instant after `at` from which units are counted in another segment: the
    /// Tariff-Time-Change of RFC 8506. `None` when one segment applies all week.
    #[must_use]
    pub fn next_change(&self, at: UnixSeconds) -> Option<UnixSeconds> {
        self.calendar.next_change(at)
    }

    /// SHA-256 over the domain `farthing/tariff/1` and the deterministic encoding.
    #[must_use]
    pub fn hash(&self) -> TariffHash {
        let mut engine = sha256::Hash::engine();
        engine.input(HASH_DOMAIN);
        engine.input(&self.to_cbor());
        TariffHash(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// The price lists in the order of their segments.
    pub(super) fn tiers_by_segment(&self) -> impl Iterator<Item = &Tiers> {
        core::iter::once(&self.tiers).chain(self.windows.iter().map(Window::tiers))
    }

    pub(super) const fn denominator(&self) -> NonZeroU64 {
        self.denominator
    }
}

/// The least common multiple, if it fits 64 bits.
fn least_common_multiple(a: NonZeroU64, b: NonZeroU64) -> Option<NonZeroU64> {
    let (mut divisor, mut rest) = (a.get(), b.get());
    while let Some(remainder) = divisor.checked_rem(rest) {
        (divisor, rest) = (rest, remainder);
    }
    a.checked_mul(NonZeroU64::new(b.get().checked_div(divisor)?)?)
}
