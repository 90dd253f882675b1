//! A whole site in a folder, made and run with the real programs.
//!
//! | in the folder | is |
//! | --- | --- |
//! | `ledger.redb` | the base ledger: the embedded one, or the mirror of one on a chain (`chain.toml` says where) |
//! | `hub/` | the hub: configuration, key, certificate, journal |
//! | `settlement/` | what finance keeps, the statements among it |
//! | `keys/` | approvers, providers and payers |
//! | `mandates/` | mandates as they were imported |
//! | `fleets/` | descriptions of the fleets, for `--fleet` |
//! | `hub.log` | what the hub said |

mod binaries;
mod chain;
mod command;
mod finance;
mod folder;
mod hub;
mod port;
mod process;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use farthing_channel::codec::encode_into;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, RatingGroup};
use farthing_channel::mandate::{MandateBundle, sign_mandates};
use farthing_channel::wire::LaneOffer;
use farthing_client::{DeviceKey, FileKey};

pub use binaries::{Binaries, FOLDER_VARIABLE};
pub use chain::{ANVIL_VARIABLE, LedgerKind};
pub use finance::Night;
pub use folder::SiteFolder;
pub use hub::HubStatus;
pub use process::Process;

use crate::fleet::{Fleet, FleetDescription, FleetSeed, HubContact};
use command::{Tool, number, text};

/// How the site is made where the defaults do not fit.
#[derive(Debug, Clone, Default)]
pub struct SiteOptions {
    /// Environment of the hub's process, such as `FARTHING_HUB__JOURNAL__SEGMENT_MIB`.
    pub hub_environment: Vec<(String, String)>,
    /// A program and its first arguments that start the hub's process, whose own command line follows them.
    pub hub_launcher: Vec<String>,
    /// Longest wait for the hub to serve, where a minute is too short.
    pub start_deadline: Option<std::time::Duration>,
    /// Play money, and a clock of the hub's that this file sets (eight bytes, milliseconds since 1970, least significant
    /// first).
    pub rehearsal_clock: Option<PathBuf>,
    /// Where its money really moves.
    pub ledger: LedgerKind,
}

/// A provider of the site.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: DeviceKey,
}

/// A site. Dropping it kills its hub and leaves its folder.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    hub: hub::Hub,
    /// `farthing-settle` on this site.
    settle: Tool,
    contact: HubContact,
    payers: HashMap<EscrowId, DeviceKey>,
    /// Every escrow with the file of its payer's key, in the order in which they were opened.
    escrows: Vec<(EscrowId, PathBuf)>,
    /// The chain its ledger is on, if it is on one.
    chain: Option<chain::Chain>,
}

/// A name as a file name: only letters, digits and dashes stay.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

impl Site {
    /// Makes a site in `folder`, with two approvers and a hub that is not running yet. Keys are drawn.
    ///
    /// # Errors
    /// Where a program is missing or fails.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        Self::create_with(folder, &SiteOptions::default())
    }

    /// As [`Self::create`], with options.
    ///
    /// # Errors
    /// As there.
    pub fn create_with(folder: &Path, options: &SiteOptions) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        for part in ["keys", "mandates", "fleets"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        let options_of_settle: [OsString; 2] = ["--site".into(), folder.into()];
        let settle = Tool::new(binaries.settle, options_of_settle);
        let (hub, made) = hub::Hub::init(binaries.hub, folder, options)?;
        let address: Address = text(&made, "hub")?.parse()?;
        let chain = match options.ledger {
            LedgerKind::Embedded => None,
            LedgerKind::Evm => Some(chain::Chain::start(folder)?),
        };
        let mut site = Self {
            escrows: Vec::new(),
            chain,
            contact: HubContact {
                hub: hub.address().to_string().into(),
                pin: text(&made, "certificate_pin")?.parse().context("the hub's pin")?,
                address,
                ledger: Domain::new(0, Address::ZERO),
            },
            folder: folder.to_path_buf(),
            hub,
            settle,
            payers: HashMap::new(),
        };
        site.contact.ledger = site.init_ledger(&address, options.rehearsal_clock.is_some())?;
        Ok(site)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How devices and providers reach its hub.
    #[must_use]
    pub fn contact(&self) -> &HubContact {
        &self.contact
    }

    fn key_file(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(plain(name)).with_extension("key")
    }

    fn new_key(&self, name: &str) -> anyhow::Result<DeviceKey> {
        Ok(FileKey::create(self.key_file(name))?.into())
    }

    /// A new provider: on the ledger, and at the hub, which must run.
    ///
    /// # Errors
    /// Where a program fails.
    pub fn add_provider(&self, name: &str) -> anyhow::Result<Provider> {
        let key = self.new_key(name)?;
        let address = key.address().to_string();
        self.register(&address, "provider", name)?;
        self.hub.ask(["provider", "add", &address, "--name", name])?;
        Ok(Provider { name: name.to_owned(), key })
    }

    /// The price of a provider's service. The hub must run.
    ///
    /// # Errors
    /// Where a program fails, or the hub makes another tariff of it.
    pub fn set_tariff(
        &self,
        provider: &Provider,
        rating_group: u32,
        tariff: &farthing_channel::tariff::Tariff,
    ) -> anyhow::Result<()> {
        use farthing_channel::tariff::Unit;
        ensure!(
            tariff.tiers().bounded().is_empty() && tariff.windows().is_empty(),
            "a tariff with tiers or windows is set by a file"
        );
        let unit = match tariff.unit() {
            Unit::Octets => "octets",
            Unit::Seconds => "seconds",
            Unit::Events => "events",
        };
        let price = tariff.tiers().last();
        let price = format!("{}/{}", price.amount(), price.per_units());
        let (payee, group) = (provider.key.address().to_string(), rating_group.to_string());
        let (increment, version) = (tariff.increment().to_string(), tariff.version().to_string());
        let arguments = ["tariff", "add", "--payee", &payee, "--rating-group", &group, "--unit", unit];
        let terms = ["--price", &price, "--increment", &increment, "--number", &version];
        let set = self.hub.ask(arguments.into_iter().chain(terms))?;
        let hash = tariff.hash().to_string();
        ensure!(text(&set, "tariff")? == hash, "the hub's tariff is not the one that was meant: {set}");
        Ok(())
    }

    /// A new payer with money, and an escrow of `deposit` base units in favour of the hub, which must run.
    ///
    /// # Errors
    /// Where a program fails.
    pub fn open_fleet(
        &mut self,
        name: &str,
        deposit: u64,
        provider: &Provider,
        rating_group: u32,
    ) -> anyhow::Result<Fleet> {
        let payer = self.new_key(&format!("payer-{name}"))?;
        if let Some(chain) = &self.chain {
            chain.fund(&payer.address())?;
        }
        self.register(&payer.address().to_string(), "payer", name)?;
        self.issue(&payer.address().to_string(), deposit)?;
        let file = self.key_file(&format!("payer-{name}"));
        let escrow = self.open_escrow(&file, deposit)?;
        self.hub.wait_for_escrow(&escrow)?;
        self.payers.insert(escrow, payer);
        self.escrows.push((escrow, file.clone()));
        let fleet = Fleet {
            contact: self.contact.clone(),
            seed: FleetSeed::random()?,
            escrow,
            payer: None,
            lane: LaneOffer { payee: provider.key.address(), rating_group: RatingGroup(rating_group) },
        };
        FleetDescription::of(&fleet, Some(file))
            .save(&self.folder.join("fleets").join(plain(name)).with_extension("json"))?;
        Ok(fleet)
    }

    /// The key of an escrow's payer.
    ///
    /// # Errors
    /// Where this site did not open it.
    pub fn payer(&self, escrow: &EscrowId) -> anyhow::Result<&DeviceKey> {
        self.payers.get(escrow).context("the escrow is not of this site")
    }

    /// Mandates for the named devices of a fleet with their limits in base units, under one signature, taken up by the
    /// hub, which must run.
    ///
    /// # Errors
    /// Where a program fails, or the hub does not take all of them.
    pub fn import_mandates(&self, fleet: &Fleet, devices: &[(String, u64)]) -> anyhow::Result<()> {
        let terms = devices.iter().map(|(name, limit)| fleet.terms(name, *limit));
        let terms: Vec<_> = terms.collect::<anyhow::Result<_>>()?;
        let payer = self.payer(&fleet.escrow)?;
        let bundles = sign_mandates(payer, &self.contact.ledger, fleet.escrow, &terms)?;
        let accepted = self.import_bundles(&bundles)?;
        let asked = u64::try_from(devices.len())?;
        ensure!(accepted == asked, "the hub took up {accepted} of {asked} mandates");
        Ok(())
    }

    /// Has the hub take up these bundles. Returns how many mandates were news to it.
    ///
    /// # Errors
    /// Where the file cannot be written or the hub refuses.
    pub fn import_bundles(&self, bundles: &[MandateBundle]) -> anyhow::Result<u64> {
        let name = bundles.first().map_or_else(|| "none".to_owned(), |bundle| bundle.escrow.to_string());
        let path = self.folder.join("mandates").join(name).with_extension("cbor");
        let mut bytes = Vec::new();
        bundles.iter().for_each(|bundle| encode_into(bundle, &mut bytes));
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        let arguments: [OsString; 3] = ["channel".into(), "import".into(), path.into()];
        number(&self.hub.ask(arguments)?, "accepted")
    }

    /// Commands for someone who wants to look around in the site.
    #[must_use]
    pub fn how_to_look_around(&self) -> String {
        [
            format!("  {} &", self.hub.shown("run")),
            format!("  {}", self.hub.shown("status")),
            format!("  {}", self.hub.shown("channel list --limit 5")),
            format!("  {}", self.settle.shown("report")),
            format!("  {}", self.settle.shown("explain 1")),
            format!("  {}", self.settle.shown("ledger audit")),
        ]
        .join("\n")
    }

    /// Stops the hub in good order, if it runs.
    ///
    /// # Errors
    /// Where it does not end as it should.
    pub fn finish(mut self) -> anyhow::Result<()> {
        if self.hub.is_started() { self.stop_hub() } else { Ok(()) }
    }
}
