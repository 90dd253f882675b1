//! Very many devices of which a few are real: the others only make the crowd, and no key belongs to their addresses.

use std::time::Duration;

use anyhow::ensure;
use farthing_channel::id::Address;
use farthing_client::PayMode;
use indicatif::ProgressBar;

use super::{Crowd, Fleet, Recruit};

/// Real devices among the others.
const REAL: usize = 100;

/// How long anything a real device waits for may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A crowd of so many devices, with the real ones all over it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    devices: usize,
}

impl Sample {
    /// What each device may owe, base units.
    pub const LIMIT: u64 = 1_000_000;

    /// What the real devices may owe together, base units.
    pub const DEPOSIT: u64 = Self::LIMIT * REAL as u64;

    /// A sample among `devices`.
    #[must_use]
    pub fn of(devices: usize) -> Self {
        Self { devices }
    }

    fn distance(self) -> usize {
        (self.devices / REAL).max(1)
    }

    /// Whether the device at this place is real.
    #[must_use]
    pub fn is_real(self, place: usize) -> bool {
        place.is_multiple_of(self.distance()) && place / self.distance() < REAL
    }

    /// The address of the device at this place.
    ///
    /// # Errors
    /// Where a key cannot be derived.
    pub fn address(self, fleet: &Fleet, place: usize) -> anyhow::Result<Address> {
        let name = name(place);
        if self.is_real(place) { Ok(fleet.seed.device(&name)?.address()) } else { Ok(fleet.seed.silent(&name)) }
    }

    /// Lets the real devices attach and pay one base unit each. Returns how many they are.
    ///
    /// # Errors
    /// Where one is not let in, or owes anything else then.
    pub async fn pay(self, fleet: &Fleet) -> anyhow::Result<usize> {
        let connector = fleet.contact.connector(DEADLINE)?;
        let recruits: Vec<_> = (0..self.devices)
            .filter(|place| self.is_real(*place))
            .map(|place| Recruit { name: name(place), limit: Self::LIMIT, mode: PayMode::Voucher })
            .collect();
        let crowd = Crowd::gather(fleet, &connector, &recruits, 10, Duration::ZERO, &ProgressBar::hidden()).await?;
        for member in &crowd.members {
            let paid = member.lane.pay(1).await?;
            ensure!(paid.authorised == 1, "device {} paid 1 and owes {}", member.name, paid.authorised);
        }
        Ok(crowd.members.len())
    }
}

fn name(place: usize) -> String {
    format!("device-{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_ones_are_a_hundred_or_all() {
        for (devices, real) in [(1, 1), (99, 99), (100, 100), (101, 100), (199, 100), (1_500, 100), (12_345, 100)] {
            let sample = Sample::of(devices);
            assert_eq!((0..devices).filter(|place| sample.is_real(*place)).count(), real, "{devices} devices");
        }
    }
}
