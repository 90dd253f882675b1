//! Limits of a tariff. They are part of the protocol: a tariff beyond them has no encoding.

/// Tiers of one price list, the open-ended last one included. Published volume tariffs rarely have
/// more than five; eight bounds the work of a charge.
pub const TIERS_MAX: usize = 8;

/// Time windows of one tariff. Energy and parking tariffs know up to four kinds of time besides
/// the ordinary one (peak, shoulder, off-peak, super off-peak).
pub const WINDOWS_MAX: usize = 4;

/// Segments in which units are counted: every window, and the time outside all windows.
pub const SEGMENTS_MAX: usize = 5;

/// Spans of one time window: one for each day of the week, and one more for a day cut in two by
/// midnight in UTC.
pub const SPANS_PER_WINDOW_MAX: usize = 8;

/// Minutes of a UTC day; also the exclusive end of a span that lasts until midnight.
pub const MINUTES_PER_DAY: u16 = 1_440;

/// Longest encoding of a tariff in bytes. The largest tariff the other limits allow is shorter, so
/// this only lets a reader refuse early; it keeps ten thousand cached tariffs below 20 MiB.
pub const ENCODED_BYTES_MAX: usize = 2_048;

/// Bytes of the longest encodings of a tier, a price list's last price with its list head, and a span.
const TIER_BYTES_MAX: usize = 28;
const LAST_PRICE_BYTES_MAX: usize = 20;
const SPAN_BYTES_MAX: usize = 9;
const TIER_LIST_BYTES_MAX: usize = TIER_BYTES_MAX * (TIERS_MAX - 1) + LAST_PRICE_BYTES_MAX;
const SPAN_LIST_BYTES_MAX: usize = SPAN_BYTES_MAX * SPANS_PER_WINDOW_MAX + 1;

/// Map head, version, unit, increment, the keys of both lists and the windows' list head.
const FIXED_BYTES_MAX: usize = 24;

const _: () = assert!(SEGMENTS_MAX == WINDOWS_MAX + 1);
const _: () = assert!(
    FIXED_BYTES_MAX + SEGMENTS_MAX * TIER_LIST_BYTES_MAX + WINDOWS_MAX * (SPAN_LIST_BYTES_MAX + 1) <= ENCODED_BYTES_MAX
);
// Every list head fits one byte of CBOR, as the sums above assume.
const _: () = assert!(TIERS_MAX < 24 && WINDOWS_MAX < 24 && SPANS_PER_WINDOW_MAX < 24);
