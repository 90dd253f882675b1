//! Points in time, as values handed in by whoever has a clock.

use minicbor::{Decode, Encode};

/// Seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct UnixSeconds(#[n(0)] pub u64);
