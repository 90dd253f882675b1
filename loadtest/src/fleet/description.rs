//! A fleet on paper: what a load generator must know of a site that others run.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, Hash32, RatingGroup};
use farthing_channel::wire::LaneOffer;
use farthing_client::FileKey;
use serde::{Deserialize, Serialize};

use super::{Fleet, FleetSeed, HubContact};

/// A fleet's description, as JSON. Identities are `0x` and hexadecimal digits.
///
/// ```json
/// {
///   "hub": "127.0.0.1:4433",
///   "pin": "0x…",
///   "hub_address": "0x…",
///   "chain_id": 439988040808,
///   "contract": "0x…",
///   "escrow": "0x…",
///   "payer_key_file": "payer.key",
///   "seed": "…",
///   "payee": "0x…",
///   "rating_group": 1
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetDescription {
    /// Where the hub listens, `host:port`; `--hub` names another.
    pub hub: String,
    /// SHA-256 of the hub's certificate, as `farthing-hub pin` prints it.
    pub pin: String,
    /// The hub's address.
    pub hub_address: String,
    /// The ledger's chain id.
    pub chain_id: u64,
    /// The ledger's verifying contract.
    pub contract: String,
    /// The escrow that pays.
    pub escrow: String,
    /// The key of the escrow's signer, in a file beside the description. With it every device brings a mandate of its
    /// own; without it the hub must hold the mandates already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer_key_file: Option<PathBuf>,
    /// 64 hexadecimal digits from which the devices' keys are derived by their names.
    pub seed: String,
    /// Whom the devices pay.
    pub payee: String,
    /// For which of its services.
    pub rating_group: u32,
}

impl FleetDescription {
    /// Reads a description and the key it names.
    ///
    /// # Errors
    /// Where a file cannot be read, or does not hold what it should.
    pub fn load(path: &Path, hub: Option<&str>) -> anyhow::Result<Fleet> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let description: Self = serde_json::from_str(&text).with_context(|| format!("{shown} is no fleet"))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        description.resolve(folder, hub).with_context(|| format!("{shown} is no fleet"))
    }

    /// The description of a fleet, its payer's key in this file.
    #[must_use]
    pub fn of(fleet: &Fleet, payer_key_file: Option<PathBuf>) -> Self {
        let contact = &fleet.contact;
        Self {
            hub: contact.hub.to_string(),
            pin: contact.pin.to_string(),
            hub_address: contact.address.to_string(),
            chain_id: contact.ledger.chain_id(),
            contract: contact.ledger.contract().to_string(),
            escrow: fleet.escrow.to_string(),
            payer_key_file,
            seed: fleet.seed.to_hex(),
            payee: fleet.lane.payee.to_string(),
            rating_group: fleet.lane.rating_group.0,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn resolve(&self, folder: &Path, hub: Option<&str>) -> anyhow::Result<Fleet> {
        let payer = match &self.payer_key_file {
            Some(file) => Some(FileKey::load(folder.join(file))?.into()),
            None => None,
        };
        let pin: Hash32 = self.pin.parse().context("pin")?;
        let ledger = Domain::new(self.chain_id, self.contract.parse().context("contract")?);
        let payee: Address = self.payee.parse().context("payee")?;
        let escrow: EscrowId = self.escrow.parse().context("escrow")?;
        Ok(Fleet {
            contact: HubContact {
                hub: hub.unwrap_or(&self.hub).into(),
                pin,
                address: self.hub_address.parse().context("hub_address")?,
                ledger,
            },
            seed: self.seed.parse::<FleetSeed>().context("seed")?,
            escrow,
            payer,
            lane: LaneOffer { payee, rating_group: RatingGroup(self.rating_group) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let payer = FileKey::create(dir.path().join("payer.key")).unwrap();
        let seed = FleetSeed::of_word("test");
        let written = FleetDescription {
            hub: "127.0.0.1:4433".into(),
            pin: Hash32([1; 32]).to_string(),
            hub_address: Address([2; 20]).to_string(),
            chain_id: 5,
            contract: Address([3; 20]).to_string(),
            escrow: EscrowId([4; 32]).to_string(),
            payer_key_file: Some("payer.key".into()),
            seed: seed.to_hex(),
            payee: Address([6; 20]).to_string(),
            rating_group: 7,
        };
        let path = dir.path().join("fleet.json");
        std::fs::write(&path, serde_json::to_string(&written).unwrap()).unwrap();
        let fleet = FleetDescription::load(&path, Some("localhost:1")).unwrap();
        assert_eq!(&*fleet.contact.hub, "localhost:1");
        assert_eq!(fleet.payer.unwrap().address(), payer.address());
        assert_eq!((fleet.seed, fleet.lane.rating_group), (seed, RatingGroup(7)));
        std::fs::write(&path, "{}").unwrap();
        assert!(FleetDescription::load(&path, None).is_err());
    }
}
