//! The programs under test, and small sites of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use farthing_client::{Connector, ConnectorConfig, Device, Lane, PayMode};
use farthing_loadtest::fleet::Fleet;
use farthing_loadtest::site::{FOLDER_VARIABLE, Provider, Site, SiteOptions};
use tempfile::TempDir;

/// Every call of a test gives up after this; long, for tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const RATING_GROUP: u32 = 1;

/// More than any device of these tests pays.
pub(crate) const LIMIT: u64 = 1_000_000;

/// The folder of the programs, which are built where nobody has named one.
pub(crate) fn programs() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(find_or_build).clone()
}

fn find_or_build() -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return folder.into();
    }
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap().to_path_buf();
    // One test of a run builds; the others wait for it and find its mark.
    let mark = folder.join("farthing-e2e.built");
    let lock = std::fs::File::create(folder.join("farthing-e2e.lock")).unwrap();
    lock.lock().unwrap();
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    if std::fs::read_to_string(&mark).is_ok_and(|built| built == run) {
        return folder;
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", folder.parent().unwrap());
    assert!(build.status().unwrap().success(), "the programs cannot be built");
    std::fs::write(&mark, run).unwrap();
    folder
}

/// A runtime like the one programs have.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A site with a running hub, one provider and one fleet.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) provider: Provider,
    pub(crate) fleet: Fleet,
    pub(crate) folder: TempDir,
}

impl World {
    /// Devices `device-0` and so on have mandates over [`LIMIT`].
    pub(crate) fn new(devices: usize) -> Self {
        Self::with(devices, SiteOptions::default())
    }

    /// As [`Self::new`], with options. Journals are small, checkpoints frequent and data-plane threads two, unless these
    /// say otherwise.
    pub(crate) fn with(devices: usize, mut options: SiteOptions) -> Self {
        programs();
        let defaults = [
            ("JOURNAL__SEGMENT_MIB", "1"),
            ("JOURNAL__CHECKPOINT_INTERVAL_MS", "300"),
            // Connections land on either, whatever the number of cores.
            ("DATA_PLANE__THREADS", "2"),
        ];
        for (key, value) in defaults {
            let name = format!("FARTHING_HUB__{key}");
            if options.hub_environment.iter().all(|(set, _)| *set != name) {
                options.hub_environment.push((name, value.to_owned()));
            }
        }
        let folder = tempfile::Builder::new().prefix("farthing-e2e-").tempdir().unwrap();
        let mut site = Site::create_with(folder.path(), &options).unwrap();
        site.start_hub().unwrap();
        let provider = site.add_provider("Test Service").unwrap();
        let deposit = LIMIT * u64::try_from(devices.max(1)).unwrap();
        let fleet = site.open_fleet("test fleet", deposit, &provider, RATING_GROUP).unwrap();
        let limits: Vec<_> = (0..devices).map(|place| (name(place), LIMIT)).collect();
        if !limits.is_empty() {
            site.import_mandates(&fleet, &limits).unwrap();
        }
        Self { site, provider, fleet, folder }
    }

    /// How devices are to reach the hub, with deadlines of tests.
    pub(crate) fn config(&self) -> ConnectorConfig {
        self.fleet.contact.config(PATIENCE)
    }

    /// A device of the fleet, attached, and its lane. Even ones pay by ticks, odd ones by vouchers.
    pub(crate) async fn device(&self, connector: &Connector, place: usize) -> (Device, Lane) {
        let mode = if place.is_multiple_of(2) { PayMode::ticks(1, 64) } else { PayMode::Voucher };
        let config = self.fleet.device(&name(place), LIMIT, mode).unwrap();
        let device = Device::connect(connector, config).await.unwrap();
        let lane = device.lane(self.fleet.lane.payee, self.fleet.lane.rating_group).unwrap();
        (device, lane)
    }

    /// What all devices owe, as the operator sees it.
    pub(crate) fn authorised(&self) -> u128 {
        let sum = self.site.channel_totals().unwrap().values().map(|total| u128::from(*total)).sum();
        assert_eq!(sum, self.site.status().unwrap().authorised, "channels and escrows add up to the same");
        sum
    }

    /// Lets the first `devices` devices pay `amount` each in steps of one, and waits until it is durable.
    pub(crate) fn pay(&self, devices: usize, amount: u64) {
        runtime().block_on(async {
            let connector = Connector::new(self.config()).unwrap();
            for place in 0..devices {
                let (device, lane) = self.device(&connector, place).await;
                for _ in 1..amount {
                    lane.send(1).unwrap();
                }
                let _ = lane.pay(1).await.unwrap();
                device.shutdown().await.unwrap();
            }
            connector.wait_idle().await;
        });
    }
}

/// The name of a device.
pub(crate) fn name(place: usize) -> String {
    format!("device-{place}")
}

/// Copies a folder and what is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
