//! What the demo's three providers sell, and to whom.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use farthing_channel::tariff::{Tariff, Unit};
use farthing_client::PayMode;

use super::DemoArgs;
use crate::load::CHAIN_LENGTH;
use crate::trace::{self, Bill, PriceOption, Trace};

/// A service, its price, and the fleet that uses it.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The provider.
    pub(crate) provider: &'static str,
    /// The fleet.
    pub(crate) fleet: &'static str,
    /// Its number at the provider.
    pub(crate) rating_group: u32,
    /// Its price.
    pub(crate) tariff: Tariff,
    /// The price for people.
    pub(crate) price: &'static str,
    /// How the devices pay.
    pub(crate) mode: PayMode,
    /// How many devices share a connection.
    pub(crate) devices_per_connection: usize,
    /// Whether the trace was recorded.
    pub(crate) recorded: bool,
    /// What is used.
    pub(crate) trace: Trace,
    /// What that costs.
    pub(crate) bill: Bill,
}

/// What differs between the services before their traces are read.
struct Plan {
    provider: &'static str,
    fleet: &'static str,
    /// Where the recorded trace lies among the traces.
    folder: &'static str,
    unit: Unit,
    /// Base units per units.
    price: &'static str,
    increment: u64,
    said: &'static str,
    mode: PayMode,
    devices_per_connection: usize,
    /// Its part of the devices, in hundredths.
    share_percent: usize,
}

/// Each started minute of a ride, each kilobyte carried, each reading: one price of every kind.
const PLANS: [Plan; 3] = [
    Plan {
        provider: "City Cycles",
        fleet: "bicycles",
        folder: "bikeshare14-bayarea",
        unit: Unit::Seconds,
        price: "5/60",
        increment: 60,
        said: "5 per started 60 s",
        mode: PayMode::Voucher,
        devices_per_connection: 1,
        share_percent: 58,
    },
    Plan {
        provider: "Longwave Carrier",
        fleet: "sensors",
        folder: "campusiot-lorawan",
        unit: Unit::Octets,
        price: "3/100",
        increment: 1,
        said: "3 per 100 bytes",
        mode: PayMode::Voucher,
        devices_per_connection: 10,
        share_percent: 25,
    },
    Plan {
        provider: "Pulse Data",
        fleet: "meters",
        folder: "ampds2-water-gas",
        unit: Unit::Events,
        price: "2/1",
        increment: 1,
        said: "2 per event",
        mode: PayMode::ticks(2, CHAIN_LENGTH),
        devices_per_connection: 20,
        share_percent: 17,
    },
];

/// Where the recorded traces lie, if anywhere.
pub(crate) fn traces_folder(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(folder) = named {
        return Some(folder.to_owned());
    }
    let beside_workspace = workspace().and_then(|root| Some(root.parent()?.join("shared/traces")));
    let here = Some(PathBuf::from("../shared/traces"));
    [beside_workspace, here].into_iter().flatten().find(|folder| folder.is_dir())
}

/// The workspace this program was built in: the folder above `target`.
pub(crate) fn workspace() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let target = program.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"))?;
    let root = target.parent()?;
    root.join("Cargo.toml").is_file().then(|| root.to_path_buf())
}

/// The three services with what will be used of them.
pub(crate) fn services(args: &DemoArgs) -> anyhow::Result<Vec<Service>> {
    let folder = traces_folder(args.traces.as_deref());
    PLANS.iter().map(|plan| service(plan, args, folder.as_deref())).collect()
}

fn service(plan: &Plan, args: &DemoArgs, folder: Option<&Path>) -> anyhow::Result<Service> {
    let devices = (args.devices * plan.share_percent).div_ceil(100).max(1);
    let file = folder.map(|folder| folder.join(plan.folder).join("events.csv.gz")).filter(|file| file.is_file());
    let trace = match &file {
        Some(file) => trace::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => trace::generate(plan.unit, devices, args.rows.div_ceil(devices), 1),
    };
    let trace = trace.first_rows(args.rows).spread(devices);
    let price: PriceOption = plan.price.parse()?;
    let tariff = price.tariff(trace.unit, plan.increment)?;
    let bill = Bill::of(&trace, &tariff)?;
    Ok(Service {
        provider: plan.provider,
        fleet: plan.fleet,
        rating_group: 1,
        tariff,
        price: plan.said,
        mode: plan.mode,
        devices_per_connection: plan.devices_per_connection,
        recorded: file.is_some(),
        trace,
        bill,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_services_have_the_devices_that_were_asked_for() {
        let nowhere = tempfile::tempdir().unwrap();
        let args = DemoArgs {
            json: None,
            site: None,
            traces: Some(nowhere.path().to_path_buf()),
            rows: 2_000,
            devices: 1_200,
            ledger: crate::site::LedgerKind::Embedded,
            day_seconds: 1,
        };
        let services = services(&args).unwrap();
        assert_eq!(PLANS.iter().map(|plan| plan.share_percent).sum::<usize>(), 100);
        assert!(services.iter().map(|service| service.trace.devices.len()).sum::<usize>() >= 1_200);
        assert!(services.iter().all(|service| !service.recorded && service.bill.total > 0));
    }
}
