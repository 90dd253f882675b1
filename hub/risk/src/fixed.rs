//! Fixed point: logarithms, decay, clamping. No operation here can overflow or panic.
//!
//! Rates and sizes span ten orders of magnitude, so they are compared as binary logarithms in 1/256 octave
//! ([`Octaves`]); a difference of 256 is a doubling.

/// A binary logarithm, or a difference of two, in 1/256 octave.
pub type Octaves = u16;

/// One doubling.
pub const OCTAVE: Octaves = 256;

/// `2^(-i/16)` in 1/65536, for `i` from 0 to 15.
const DECAY: [u32; 16] =
    [65536, 62757, 60097, 57549, 55109, 52772, 50535, 48393, 46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219];

/// `log2(value + 1)`, the fraction by linear interpolation: monotone, at most 0.09 octaves too small.
pub fn log2(value: u64) -> Octaves {
    let raised = value.saturating_add(1);
    let exponent = raised.ilog2();
    // The eight bits after the leading one.
    let fraction = if exponent >= 8 { raised >> (exponent - 8) } else { raised << (8 - exponent) } & 0xff;
    clamp16((u64::from(exponent) << 8) | fraction)
}

/// `log2(sixteenths / 16 + 1)` of a count kept in sixteenths.
pub fn log2_sixteenths(sixteenths: u64) -> Octaves {
    log2(sixteenths.saturating_add(15)).saturating_sub(4 * OCTAVE)
}

/// `value * 2^(-steps/16)`, rounded down.
pub fn decay(value: u32, steps: u32) -> u32 {
    let halvings = steps / 16;
    if halvings >= 32 {
        return 0;
    }
    let factor = DECAY[usize::try_from(steps % 16).unwrap_or(0)];
    clamp32((u64::from(value) * u64::from(factor)) >> 16 >> halvings)
}

/// The value, or the greatest `u8`.
pub(crate) fn clamp8(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// The value, or the greatest `u16`.
pub(crate) fn clamp16(value: u64) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// The value, or the greatest `u32`.
pub(crate) fn clamp32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// `from` moved towards `to` by `1 / 2^shift` of the way, but at least by one, so that it always arrives.
pub(crate) fn approach(from: u16, to: u16, shift: u32) -> u16 {
    if to >= from {
        let way = to - from;
        from + (way >> shift).max(u16::from(way > 0))
    } else {
        let way = from - to;
        from - (way >> shift).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn logarithms_of_powers_are_exact() {
        for exponent in 0..63_u32 {
            assert_eq!(u32::from(log2((1 << exponent) - 1)), exponent * 256);
        }
        assert_eq!((log2_sixteenths(0), log2_sixteenths(16), log2_sixteenths(48)), (0, 256, 512));
    }

    proptest! {
        #[test]
        fn logarithms_are_monotone(a: u64, b: u64) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(log2(low) <= log2(high));
            prop_assert!(log2_sixteenths(low) <= log2_sixteenths(high));
        }

        #[test]
        fn decay_halves_every_sixteen_steps(value: u32, steps in 0_u32..600) {
            prop_assert!(decay(value, steps) <= value);
            prop_assert!(decay(value, steps + 1) <= decay(value, steps));
            prop_assert_eq!(decay(value, steps + 16), decay(value, steps) / 2);
        }

        #[test]
        fn approaching_ends_at_the_goal(from: u16, to: u16, shift in 0_u32..8) {
            let mut at = from;
            for _ in 0..4000 {
                at = approach(at, to, shift);
            }
            prop_assert_eq!(at, to);
        }
    }
}
