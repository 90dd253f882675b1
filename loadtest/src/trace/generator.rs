//! Traces out of nothing, for machines without recorded ones.

use farthing_channel::id::keccak256;
use farthing_channel::tariff::Unit;

use super::{Row, Trace};

/// Where generated traces begin: 2024-01-01.
const BEGIN_US: u64 = 1_704_067_200_000_000;

/// Mean seconds between two rows of one device.
const GAP_SECONDS_MEAN: u64 = 600;

/// A reproducible trace: `devices` devices with `rows_per_device` uses each, at irregular times over hours.
///
/// Quantities are skewed as real ones are: many small, few large.
#[must_use]
pub fn generate(unit: Unit, devices: usize, rows_per_device: usize, seed: u64) -> Trace {
    let names = match unit {
        Unit::Octets => "sensor",
        Unit::Seconds => "bicycle",
        Unit::Events => "meter",
    };
    let mut rows = Vec::with_capacity(devices.saturating_mul(rows_per_device));
    for device in 0..devices {
        let mut at_us = BEGIN_US;
        for row in 0..rows_per_device {
            let [gap, size] = draw(seed, unit, device, row);
            at_us = at_us.saturating_add((gap % (2 * GAP_SECONDS_MEAN * 1_000_000)).max(1));
            rows.push(Row { at_us, device, units: quantity(unit, size) });
        }
    }
    rows.sort_by_key(|row| row.at_us);
    Trace { unit, devices: (0..devices).map(|device| format!("{names}-{device:04}")).collect(), rows }
}

fn draw(seed: u64, unit: Unit, device: usize, row: usize) -> [u64; 2] {
    let text = format!("{seed}/{}/{device}/{row}", unit.code());
    let hash = keccak256(&[b"farthing/generated-trace", text.as_bytes()]);
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hash[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    [word(0), word(8)]
}

/// A size between one and a largest, small ones likelier: the product of two even draws.
fn quantity(unit: Unit, random: u64) -> u64 {
    let most = match unit {
        Unit::Octets => 1_400,
        Unit::Seconds => 3_600,
        Unit::Events => 12,
    };
    let (a, b) = ((random >> 32) % most + 1, (random & 0xffff_ffff) % most + 1);
    (a * b).div_ceil(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_trace_again() {
        let trace = generate(Unit::Seconds, 5, 20, 7);
        assert_eq!(trace, generate(Unit::Seconds, 5, 20, 7));
        assert_ne!(trace.rows, generate(Unit::Seconds, 5, 20, 8).rows);
        assert_eq!((trace.devices.len(), trace.rows.len()), (5, 100));
        assert!(trace.rows.is_sorted_by_key(|row| row.at_us));
        assert!(trace.rows.iter().all(|row| (1..=3_600).contains(&row.units)));
    }
}
