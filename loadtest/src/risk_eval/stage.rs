//! The hub of a fold: a site of its own, with play money and a clock that is set from here.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use farthing_channel::id::{ChannelId, EscrowId, LaneId, RatingGroup};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::sign::Signer as _;
use farthing_channel::tariff::Unit as TariffUnit;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::LaneOffer;
use farthing_risk::file::Unit;

use super::cast::Fold;
use super::learn::Learned;
use super::player::{Payer, Player, Purse};
use super::timeline::{Timeline, rating_group};
use crate::clock;
use crate::quic::{Client, ClientSettings, Trust, config};
use crate::site::{Provider, Site, SiteOptions};
use crate::trace::PriceOption;

/// The play's time begins at a multiple of this many seconds, which is whole in hours and in windows of 64 seconds.
const GRID_SECONDS: u64 = 57_600;

/// How long mandates are good for, seconds of the play: longer than any trace.
const MANDATE_SECONDS: u64 = 20 * 366 * 86_400;

/// Mandates and escrows are so many times what is used of them: a mandate that ends with the trace would be a sign of its own.
const ROOM: u64 = 100;

/// A connection may be silent for so long while its devices wait for their turn.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The hub's clock: a file.
#[derive(Debug)]
struct HubClock {
    file: File,
    /// Milliseconds since 1970 that are nought in the play.
    origin_ms: u64,
}

impl HubClock {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let origin = clock::unix_seconds().next_multiple_of(GRID_SECONDS);
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let made = Self { file, origin_ms: origin * 1000 };
        made.set(0)?;
        Ok(made)
    }

    /// Sets it to sixteenths of a second since the play's beginning.
    fn set(&self, sixteenths: u64) -> anyhow::Result<()> {
        let milliseconds = self.origin_ms + sixteenths * 1000 / 16;
        self.file.write_all_at(&milliseconds.to_le_bytes(), 0).context("cannot set the hub's clock")
    }
}

/// A hub on which a fold is played.
#[derive(Debug)]
pub struct Stage {
    site: Site,
    clock: HubClock,
    folder: PathBuf,
}

/// What a play left behind.
#[derive(Debug, Clone)]
pub struct Played {
    /// The hub's own scores.
    pub scores: PathBuf,
    /// Seconds since 1970, of the hub's clock, that are nought in the play.
    pub origin_seconds: u64,
    /// The address of each actor's device, as the hub writes it.
    pub devices: Vec<String>,
    /// Payments acknowledged.
    pub payments: u64,
    /// Seconds that the play took, of real time.
    pub seconds: f64,
}

/// Limits that would rightly stop so many devices of one address, and none of which is judged here.
fn settings(folder: &Path) -> Vec<(String, String)> {
    let many = "1000000".to_owned();
    let path = |name: &str| folder.join(name).display().to_string();
    let settings = [
        ("SOURCE__HASHES_PER_SECOND", many.clone()),
        ("SOURCE__HASHES_BURST", many.clone()),
        ("SOURCE__SIGNATURES_PER_SECOND", many.clone()),
        ("SOURCE__SIGNATURES_BURST", many.clone()),
        ("SOURCE__CHANNELS_PER_CONNECTION_MAX", many),
        ("DATA_PLANE__THREADS", "1".to_owned()),
        ("TABLE__IDLE_SECONDS", "86400".to_owned()),
        ("LOG__FILTER", "warn".to_owned()),
        ("RISK_MODEL__MODE", "shadow".to_owned()),
        ("RISK_MODEL__WEIGHTS", path("weights.toml")),
        ("REHEARSAL__SCORE_LOG", path("scores.csv")),
    ];
    settings.map(|(name, value)| (format!("FARTHING_HUB__{name}"), value)).into()
}

/// Tells the hub the names of its fleets.
fn configure<'a>(folder: &Path, fleets: impl Iterator<Item = (EscrowId, &'a str)>) -> anyhow::Result<()> {
    let mut text = "\n[risk_model.fleets]\n".to_owned();
    for (escrow, name) in fleets {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "\"{escrow}\" = {name:?}");
    }
    let path = folder.join("site").join("hub").join("farthing-hub.toml");
    let context = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().append(true).open(&path).with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)
}

impl Stage {
    /// Sets up a hub with what a fold learned, in a folder that exists and is empty.
    ///
    /// # Errors
    /// Where a program fails.
    pub fn set_up(folder: &Path, learned: &Learned) -> anyhow::Result<Self> {
        let weights = folder.join("weights.toml");
        std::fs::write(&weights, learned.file.text()).with_context(|| format!("cannot write {}", weights.display()))?;
        let clock_file = folder.join("clock");
        let clock = HubClock::create(&clock_file)?;
        let options = SiteOptions {
            hub_environment: settings(folder),
            rehearsal_clock: Some(clock_file),
            ..SiteOptions::default()
        };
        let mut site = Site::create_with(&folder.join("site"), &options)?;
        site.start_hub()?;
        Ok(Self { site, clock, folder: folder.to_path_buf() })
    }

    /// Plays a fold's events.
    ///
    /// # Errors
    /// Where the hub refuses something that it should not.
    pub fn play(mut self, fold: &Fold, timeline: &Timeline) -> anyhow::Result<Played> {
        let provider = self.site.add_provider("judged service")?;
        self.set_tariffs(&provider)?;
        let (mut fleets, mut payers) = (Vec::new(), Vec::new());
        for (place, judged) in fold.judged.iter().enumerate() {
            let unit = judged.fleet.unit;
            let actors = timeline.actors.iter().filter(|actor| actor.fleet == place);
            let used = actors.fold(1_u64, |sum, actor| sum.saturating_add(actor.units).saturating_add(actor.events));
            let deposit = used.saturating_mul(ROOM);
            let fleet = self.site.open_fleet(&judged.fleet.name, deposit, &provider, rating_group(unit))?;
            fleets.push(fleet);
        }
        let expiry = UnixSeconds(self.clock.origin_ms / 1000 + MANDATE_SECONDS);
        let mut terms: Vec<Vec<MandateTerms>> = vec![Vec::new(); fleets.len()];
        for actor in &timeline.actors {
            let fleet = &fleets[actor.fleet];
            let key = fleet.seed.signer(&actor.device.to_string())?;
            let unit = fold.judged[actor.fleet].fleet.unit;
            let channel = ChannelId::derive(&fleet.escrow, &key.address());
            let purse = |unit: Unit| {
                let offer = LaneOffer { payee: provider.key.address(), rating_group: RatingGroup(rating_group(unit)) };
                Purse::new(offer, LaneId::derive(&channel, &offer.payee, offer.rating_group))
            };
            let limit = u128::from(actor.units.saturating_add(actor.events).saturating_mul(ROOM));
            terms[actor.fleet].push(MandateTerms {
                device: key.address(),
                limit,
                expiry,
                serial: 1,
                payees: Vec::new(),
            });
            // What is billed by the event has one lane: its units are events.
            let by_unit = (unit != Unit::Events).then(|| purse(unit));
            payers.push(Payer { key, fleet: actor.fleet, by_unit, by_event: Some(purse(Unit::Events)) });
        }
        for (fleet, terms) in fleets.iter().zip(&terms) {
            let bundles = sign_mandates(self.site.payer(&fleet.escrow)?, &fleet.contact.ledger, fleet.escrow, terms)?;
            self.site.import_bundles(&bundles)?;
        }
        // A hub knows a fleet by its escrow, which is known only now.
        let names: Vec<_> = fold.judged.iter().map(|judged| judged.fleet.name.as_str()).collect();
        self.site.stop_hub()?;
        configure(&self.folder, fleets.iter().map(|fleet| fleet.escrow).zip(names))?;
        self.site.start_hub()?;
        let devices = payers.iter().map(|payer| payer.key.address().to_string()).collect();
        let remote: SocketAddr = self.site.contact().hub.parse().context("the hub's address")?;
        let config =
            config::client_config(Trust::Pin(self.site.contact().pin), b"farthing/1", IDLE_TIMEOUT, Some(KEEP_ALIVE))?;
        let client = Client::new(ClientSettings { remote, config, sockets: 1 }, clock::now())?;
        let begun = clock::now();
        let mut player = Player::attach(client, fleets, payers)?;
        let clock = &self.clock;
        player.play(timeline.rounds(), |at| clock.set(at))?;
        let seconds = clock::now().duration_since(begun).as_secs_f64();
        let payments = player.payments;
        drop(player);
        self.site.stop_hub()?;
        Ok(Played {
            scores: self.folder.join("scores.csv"),
            origin_seconds: self.clock.origin_ms / 1000,
            devices,
            payments,
            seconds,
        })
    }

    /// A base unit for each unit, so that totals are units.
    fn set_tariffs(&self, provider: &Provider) -> anyhow::Result<()> {
        let price: PriceOption = "1/1".parse()?;
        for (unit, tariff_unit) in [
            (Unit::Octets, TariffUnit::Octets),
            (Unit::Events, TariffUnit::Events),
            (Unit::Seconds, TariffUnit::Seconds),
        ] {
            self.site.set_tariff(provider, rating_group(unit), &price.tariff(tariff_unit, 1)?)?;
        }
        Ok(())
    }
}
