//! Keys of simulated devices, all from one seed.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use farthing_channel::id::{Address, keccak256};
use farthing_channel::sign::LibSecpKey;
use farthing_client::DeviceKey;

/// Keeps these secrets apart from every other hash.
const DOMAIN: &[u8] = b"farthing/simulated-device";

/// Secret from which a simulated fleet's keys are derived: `keccak256(domain || seed || name)`. Simulation only: one
/// leaked seed is every device's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FleetSeed([u8; 32]);

impl FleetSeed {
    /// A new random seed.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn random() -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("the system has no randomness")?;
        Ok(Self(seed))
    }

    /// The seed named by a word; the same word is the same fleet.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        Self(keccak256(&[DOMAIN, b"/word/", word.as_bytes()]))
    }

    /// The key of the device with this name.
    ///
    /// # Errors
    /// With a chance of 2^-128 the derived secret is out of range.
    pub fn device(&self, name: &str) -> anyhow::Result<DeviceKey> {
        DeviceKey::from_secret(self.secret(name)).with_context(|| format!("device {name} has no valid key"))
    }

    /// A key of another role, such as a payer or a provider, where the site's owner does not bring one.
    ///
    /// # Errors
    /// As [`Self::device`].
    pub fn signer(&self, name: &str) -> anyhow::Result<LibSecpKey> {
        match LibSecpKey::from_bytes(self.secret(name)) {
            Ok(key) => Ok(key),
            Err(_) => bail!("{name} has no valid key"),
        }
    }

    /// The address of a device that never signs anything. No key belongs to it, so it costs a hash and no point
    /// multiplication: what a hub keeps of a million such devices is the same.
    #[must_use]
    pub fn silent(&self, name: &str) -> Address {
        let hash = keccak256(&[DOMAIN, b"/silent/", &self.0, name.as_bytes()]);
        let mut address = Address::ZERO;
        address.0.copy_from_slice(&hash[12..]);
        address
    }

    fn secret(&self, name: &str) -> [u8; 32] {
        keccak256(&[DOMAIN, &self.0, name.as_bytes()])
    }

    /// 64 hexadecimal digits, for a fleet's description.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

impl FromStr for FleetSeed {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut seed = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut seed)?;
        Ok(Self(seed))
    }
}

impl fmt::Debug for FleetSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetSeed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_always_the_same_key() {
        let seed = FleetSeed::of_word("bicycles");
        let again: FleetSeed = seed.to_hex().parse().unwrap();
        assert_eq!(seed.device("a").unwrap().address(), again.device("a").unwrap().address());
        assert_ne!(seed.device("a").unwrap().address(), seed.device("b").unwrap().address());
        assert_ne!(seed, FleetSeed::random().unwrap());
        assert_eq!(seed.silent("a"), again.silent("a"));
        assert_ne!(seed.silent("a"), seed.device("a").unwrap().address());
        assert!(!format!("{seed:?}").contains(&seed.to_hex()));
    }
}
