//! The one encoding of a tariff: deterministic CBOR (RFC 8949, section 4.2).
//!
//! ```text
//! tariff  = { 0: version, 1: unit, 2: increment, 3: tiers, ? 4: windows }
//! version = uint .size 4
//! unit    = 1 / 2 / 3                       ; octets, seconds, events
//! tiers   = [ 0*7 tier, price ]
//! tier    = [ up-to: uint, amount: uint, per-units: uint ]
//! price   = [ amount: uint, per-units: uint ]
//! windows = [ 1*4 window ]                  ; absent when there are none
//! window  = [ spans: [ 1*8 span ], tiers ]  ; spans ascending
//! span    = [ days: 1..127, from-minute: 0..1439, until-minute: 1..1440 ]
//! ```

use alloc::vec::Vec;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use super::calendar::{Days, Span};
use super::definition::{Tariff, Window};
use super::error::{TariffDecodeError, TariffError};
use super::limits::{ENCODED_BYTES_MAX, SPANS_PER_WINDOW_MAX, TIERS_MAX, WINDOWS_MAX};
use super::price::{Price, Tier, Tiers, Unit};

const KEY_VERSION: u8 = 0;
const KEY_UNIT: u8 = 1;
const KEY_INCREMENT: u8 = 2;
const KEY_TIERS: u8 = 3;
const KEY_WINDOWS: u8 = 4;

impl Tariff {
    /// The tariff's one encoding; at most [`ENCODED_BYTES_MAX`] bytes.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory cannot fail, and no value is refused")
    }

    /// The tariff of an encoding.
    ///
    /// # Errors
    /// [`TariffDecodeError`]; also for every encoding of a valid tariff but the deterministic one.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, TariffDecodeError> {
        if bytes.len() > ENCODED_BYTES_MAX {
            return Err(TariffDecodeError::TooLong);
        }
        let tariff = read_tariff(&mut Decoder::new(bytes)).map_err(|fault| match fault {
            Fault::Shape(error) => TariffDecodeError::Malformed(error),
            Fault::Terms(error) => TariffDecodeError::Refused(error),
        })?;
        // Also refuses what follows the tariff, as its encoding is shorter then.
        if tariff.to_cbor() != bytes {
            return Err(TariffDecodeError::NotDeterministic);
        }
        Ok(tariff)
    }
}

impl<C> Encode<C> for Tariff {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.map(if self.windows().is_empty() { 4 } else { 5 })?;
        e.u8(KEY_VERSION)?.u32(self.version())?;
        e.u8(KEY_UNIT)?.u8(self.unit().code())?;
        e.u8(KEY_INCREMENT)?.u64(self.increment().get())?;
        e.u8(KEY_TIERS)?;
        write_tiers(e, self.tiers())?;
        if !self.windows().is_empty() {
            e.u8(KEY_WINDOWS)?;
            write_windows(e, self.windows())?;
        }
        Ok(())
    }
}

/// Reads a tariff inside a longer message. The message's own re-encoding check makes this
/// deterministic; bytes that stand alone go through [`Tariff::from_cbor`].
impl<'b, C> Decode<'b, C> for Tariff {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        read_tariff(d).map_err(|fault| match fault {
            Fault::Shape(error) => error,
            Fault::Terms(error) => decode::Error::custom(error),
        })
    }
}

fn write_tiers<W: Write>(e: &mut Encoder<W>, tiers: &Tiers) -> Result<(), encode::Error<W::Error>> {
    e.array(list_length(tiers.bounded().len().saturating_add(1)))?;
    for tier in tiers.bounded() {
        e.array(3)?.u64(tier.up_to)?.u64(tier.price.amount())?.u64(tier.price.per_units().get())?;
    }
    e.array(2)?.u64(tiers.last().amount())?.u64(tiers.last().per_units().get())?;
    Ok(())
}

fn write_windows<W: Write>(e: &mut Encoder<W>, windows: &[Window]) -> Result<(), encode::Error<W::Error>> {
    e.array(list_length(windows.len()))?;
    for window in windows {
        e.array(2)?.array(list_length(window.spans().len()))?;
        for span in window.spans() {
            e.array(3)?.u8(span.days().bits())?.u16(span.from_minute())?.u16(span.until_minute())?;
        }
        write_tiers(e, window.tiers())?;
    }
    Ok(())
}

/// Lists of a tariff are short by construction.
fn list_length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What can be wrong while reading: the bytes, or what they say.
#[derive(Debug)]
enum Fault {
    Shape(decode::Error),
    Terms(TariffError),
}

impl From<decode::Error> for Fault {
    fn from(error: decode::Error) -> Self {
        Self::Shape(error)
    }
}

impl From<TariffError> for Fault {
    fn from(error: TariffError) -> Self {
        Self::Terms(error)
    }
}

fn read_tariff(d: &mut Decoder<'_>) -> Result<Tariff, Fault> {
    let entries = d.map()?;
    if !matches!(entries, Some(4 | 5)) {
        return Err(decode::Error::message("a tariff has four or five entries").into());
    }
    read_key(d, KEY_VERSION)?;
    let version = d.u32()?;
    read_key(d, KEY_UNIT)?;
    let unit = Unit::from_code(d.u8()?)?;
    read_key(d, KEY_INCREMENT)?;
    let increment = d.u64()?;
    read_key(d, KEY_TIERS)?;
    let tiers = read_tiers(d)?;
    let mut windows = Vec::new();
    if entries == Some(5) {
        read_key(d, KEY_WINDOWS)?;
        for _ in 0..read_list(d, WINDOWS_MAX, TariffError::TooManyWindows)? {
            windows.push(read_window(d)?);
        }
    }
    Ok(Tariff::new(version, unit, increment, tiers, windows)?)
}

fn read_window(d: &mut Decoder<'_>) -> Result<Window, Fault> {
    read_tuple(d, 2)?;
    let mut spans = Vec::new();
    for _ in 0..read_list(d, SPANS_PER_WINDOW_MAX, TariffError::TooManySpans)? {
        read_tuple(d, 3)?;
        spans.push(Span::new(Days::from_bits(d.u8()?)?, d.u16()?, d.u16()?)?);
    }
    Ok(Window::new(spans, read_tiers(d)?)?)
}

fn read_tiers(d: &mut Decoder<'_>) -> Result<Tiers, Fault> {
    let length = read_list(d, TIERS_MAX, TariffError::TooManyTiers)?;
    let mut bounded = Vec::new();
    for _ in 1..length {
        read_tuple(d, 3)?;
        bounded.push(Tier { up_to: d.u64()?, price: read_price(d)? });
    }
    read_tuple(d, 2)?;
    Ok(Tiers::new(bounded, read_price(d)?)?)
}

fn read_price(d: &mut Decoder<'_>) -> Result<Price, Fault> {
    Ok(Price::new(d.u64()?, d.u64()?)?)
}

fn read_key(d: &mut Decoder<'_>, key: u8) -> Result<(), Fault> {
    if d.u8()? == key { Ok(()) } else { Err(decode::Error::message("unexpected key").into()) }
}

fn read_tuple(d: &mut Decoder<'_>, length: u64) -> Result<(), Fault> {
    if d.array()? == Some(length) { Ok(()) } else { Err(decode::Error::message("a list has the wrong length").into()) }
}

/// The head of a list of one to `longest` items; bounds what is read before anything is allocated.
fn read_list(d: &mut Decoder<'_>, longest: usize, too_long: TariffError) -> Result<usize, Fault> {
    let Some(length @ 1..) = d.array()? else {
        return Err(decode::Error::message("a list is empty or has no length").into());
    };
    usize::try_from(length).ok().filter(|length| *length <= longest).ok_or(Fault::Terms(too_long))
}
