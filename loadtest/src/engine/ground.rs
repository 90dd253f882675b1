//! The hub that is loaded, and the devices that load it.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZero;

use anyhow::Context as _;
use farthing_channel::id::{ChannelId, LaneId};
use farthing_channel::mandate::sign_mandates;
use farthing_channel::sign::{LibSecpKey, Signer as _};

use super::args::BenchArgs;
use super::lane::Lane;
use super::process::Memory;
use super::shape::Shape;
use crate::fleet::{Fleet, FleetDescription};
use crate::site::{LedgerKind, Site, SiteFolder, SiteOptions};

/// What each device may owe, base units: more than any run pays.
const LIMIT: u64 = 1_000_000_000;

const RATING_GROUP: u32 = 1;

/// A hub and a fleet whose devices it knows.
#[derive(Debug)]
pub struct Ground {
    /// The site, where it is our own. Before its folder, for it ends first.
    pub site: Option<Site>,
    folder: Option<SiteFolder>,
    /// Hub, escrow, payee.
    pub fleet: Fleet,
    /// The hub's process, where its cost can be told.
    pub hub_pid: Option<u32>,
    /// Where devices reach the hub.
    pub remote: SocketAddr,
    /// Memory of an own hub before it had any channel.
    pub empty_hub: Option<Memory>,
    /// Keys of the devices, by place.
    pub keys: Vec<LibSecpKey>,
}

impl Ground {
    /// The ground that the arguments name, or an own site for this shape.
    ///
    /// # Errors
    /// Where the site cannot be set up, or the fleet is none.
    pub fn prepare(args: &BenchArgs, shape: &Shape) -> anyhow::Result<Self> {
        match &args.fleet {
            Some(path) => {
                let fleet = FleetDescription::load(path, args.hub.as_deref())?;
                let keys = derive_keys(&fleet, shape.lanes())?;
                let remote = resolve(&fleet)?;
                Ok(Self { site: None, folder: None, fleet, hub_pid: args.hub_pid, remote, empty_hub: None, keys })
            }
            None => own(args, shape),
        }
    }

    /// The lane of the device at `place`, of which nothing has been paid.
    #[must_use]
    pub fn lane(&self, key: LibSecpKey, place: usize, shape: &Shape, chain_length: u16) -> Lane {
        let channel = ChannelId::derive(&self.fleet.escrow, &key.address());
        let id = LaneId::derive(&channel, &self.fleet.lane.payee, self.fleet.lane.rating_group);
        Lane::new(key, id, shape.means(place), chain_length)
    }

    /// Stops the own hub in good order.
    ///
    /// # Errors
    /// Where it does not end as it should.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let finished = self.site.take().map_or(Ok(()), Site::finish);
        drop(self.folder);
        finished
    }
}

fn resolve(fleet: &Fleet) -> anyhow::Result<SocketAddr> {
    let hub = &*fleet.contact.hub;
    hub.to_socket_addrs().with_context(|| format!("cannot resolve {hub}"))?.next().context("the hub has no address")
}

/// Limits that would rightly stop so many devices of one address.
fn settings(args: &BenchArgs, shape: &Shape) -> Vec<(String, String)> {
    // Devices that vanished without a goodbye stay until their idle timeout.
    let connections = (shape.connections * 2 + args.storm.honest + 100_000).to_string();
    let many = "1000000";
    let defaults = [
        ("TRANSPORT__CONNECTIONS_MAX", connections.as_str()),
        ("TRANSPORT__CONNECTIONS_PER_ADDRESS_MAX", &connections),
        ("TRANSPORT__HANDSHAKES_PER_ADDRESS_MAX", many),
        ("TRANSPORT__ATTEMPTS_PER_ADDRESS_PER_SECOND", many),
        ("TRANSPORT__ATTEMPTS_PER_ADDRESS_BURST", many),
        ("SOURCE__HASHES_PER_SECOND", "1000000000"),
        ("SOURCE__HASHES_BURST", "1000000000"),
        ("SOURCE__SIGNATURES_PER_SECOND", many),
        ("SOURCE__SIGNATURES_BURST", many),
        ("SOURCE__CHANNELS_PER_CONNECTION_MAX", "10000000"),
        // One core for the data plane and one for the generator, unless the arguments say otherwise.
        ("DATA_PLANE__THREADS", "1"),
        ("LOG__FILTER", "warn"),
    ];
    let defaults = defaults.map(|(name, value)| (format!("FARTHING_HUB__{name}"), value.to_owned()));
    defaults.into_iter().chain(args.hub_setting.iter().cloned()).collect()
}

fn own(args: &BenchArgs, shape: &Shape) -> anyhow::Result<Ground> {
    let folder = SiteFolder::new(args.keep.as_deref())?;
    let launcher = args.hub_launcher.as_deref().unwrap_or_default();
    let options = SiteOptions {
        hub_environment: settings(args, shape),
        hub_launcher: launcher.split_whitespace().map(str::to_owned).collect(),
        start_deadline: None,
        rehearsal_clock: None,
        ledger: LedgerKind::Embedded,
    };
    let mut site = Site::create_with(folder.path(), &options)?;
    site.start_hub()?;
    let provider = site.add_provider("loaded service")?;
    let paying = shape.lanes();
    let devices = args.channels.unwrap_or(0).max(paying);
    let deposit = LIMIT.saturating_mul(u64::try_from(devices)?);
    let fleet = site.open_fleet("loading devices", deposit, &provider, RATING_GROUP)?;
    let mut hub_pid = hub_process(&site, args)?;
    let empty_hub = Some(Memory::of(hub_pid)?);
    let mut keys = derive_keys(&fleet, devices)?;
    let terms: Vec<_> = keys.iter().map(|key| fleet.terms_of(key.address(), LIMIT)).collect();
    let bundles = sign_mandates(site.payer(&fleet.escrow)?, &fleet.contact.ledger, fleet.escrow, &terms)?;
    let accepted = site.import_bundles(&bundles)?;
    anyhow::ensure!(accepted == u64::try_from(devices)?, "the hub took up {accepted} of {devices} mandates");
    if devices > paying {
        // What the import of so many took to work with is not what they cost.
        site.stop_hub()?;
        site.start_hub()?;
        hub_pid = hub_process(&site, args)?;
        keys.truncate(paying);
        keys.shrink_to_fit();
    }
    let remote = resolve(&fleet)?;
    Ok(Ground { site: Some(site), folder: Some(folder), fleet, hub_pid: Some(hub_pid), remote, empty_hub, keys })
}

/// The hub's own process, also where a launcher started it.
fn hub_process(site: &Site, args: &BenchArgs) -> anyhow::Result<u32> {
    let mut pid = site.hub_process_id()?;
    if args.hub_launcher.is_none() {
        return Ok(pid);
    }
    loop {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"))?;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        match children.split_whitespace().next().and_then(|child| child.parse().ok()) {
            Some(child) if name.trim() != "farthing-hub" => pid = child,
            _ => return Ok(pid),
        }
    }
}

/// The name of the device at `place`, from which its key is derived.
#[must_use]
pub fn name(place: usize) -> String {
    format!("device-{place}")
}

/// Keys of the first `count` devices, derived on all cores.
fn derive_keys(fleet: &Fleet, count: usize) -> anyhow::Result<Vec<LibSecpKey>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = count.div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..count)
            .step_by(share)
            .map(|from| {
                let to = from.saturating_add(share).min(count);
                scope.spawn(move || (from..to).map(|place| fleet.seed.signer(&name(place))).collect())
            })
            .collect();
        let mut keys = Vec::with_capacity(count);
        for part in parts {
            let part: anyhow::Result<Vec<LibSecpKey>> =
                part.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?;
            keys.extend(part?);
        }
        Ok(keys)
    })
}
