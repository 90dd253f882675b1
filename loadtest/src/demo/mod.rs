//! A day and a night of a whole site, on real processes and real connections, which must add up.

mod args;
mod day;
mod outcome;
mod service;
mod till;
mod witness;

use std::path::PathBuf;

use anyhow::Context as _;

pub use args::DemoArgs;
pub use outcome::DemoResult;
pub(crate) use service::traces_folder;

use crate::clock;
use crate::report;
use crate::site::{Night, Site, SiteOptions};
use service::Service;

/// Runs the demo, writes its result, prints its table.
///
/// # Errors
/// Where anything fails, a payment was lost, or the night does not add up.
pub async fn run(args: &DemoArgs) -> anyhow::Result<DemoResult> {
    let begun = clock::now();
    let reading = report::spinner("reading traces");
    let services = tokio::task::block_in_place(|| service::services(args))?;
    reading.finish_and_clear();
    for service in &services {
        let origin = if service.recorded { "recorded" } else { "generated" };
        println!(
            "{:<9} {:>4} devices, {:>6} {origin} rows, {:<20} -> {}",
            service.fleet,
            service.trace.devices.len(),
            service.trace.rows.len(),
            service.price,
            service.provider
        );
    }
    let folder = site_folder(args)?;
    let setting_up = report::spinner("setting up ledger, hub, providers, escrows and mandates");
    let (mut site, providers, fleets) = tokio::task::block_in_place(|| set_up(folder, &services, args))?;
    setting_up.finish_and_clear();
    println!("site      {}", site.folder().display());

    let day = day::pass(&mut site, &services, &providers, &fleets, args.day()).await?;
    let settling = report::spinner("settling the night");
    let (night, withdrawn) = tokio::task::block_in_place(|| settle(&mut site))?;
    settling.finish_and_clear();
    let result = DemoResult::of(&services, &day, &night, withdrawn, site.restarts());
    outcome::print(&services, &day, &night, &result, &site, clock::now().duration_since(begun));
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    result.require_success(&services, &day)?;
    Ok(result)
}

/// Where the site is to be: kept, so that the statement can be opened.
fn site_folder(args: &DemoArgs) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &args.site {
        return Ok(folder.clone());
    }
    let parent = match service::workspace() {
        Some(root) => root.join("target").join("demo"),
        None => std::env::temp_dir(),
    };
    std::fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let folder = tempfile::Builder::new().prefix("night-").tempdir_in(parent)?;
    Ok(folder.keep())
}

type SetUp = (Site, Vec<crate::site::Provider>, Vec<crate::fleet::Fleet>);

fn set_up(folder: PathBuf, services: &[Service], args: &DemoArgs) -> anyhow::Result<SetUp> {
    let options = SiteOptions { ledger: args.ledger, ..SiteOptions::default() };
    let mut site = Site::create_with(&folder, &options)?;
    site.start_hub()?;
    let (mut providers, mut fleets) = (Vec::new(), Vec::new());
    for service in services {
        let provider = site.add_provider(service.provider)?;
        site.set_tariff(&provider, service.rating_group, &service.tariff)?;
        // Room for the chains' unpaid ends, which mandates must allow though nobody will pay them.
        let ends = |total: u64| total.saturating_add(1 << 16);
        let deposit = u64::try_from(service.bill.total).context("the day costs more than an escrow holds")?;
        let fleet = site.open_fleet(service.fleet, ends(deposit), &provider, service.rating_group)?;
        let devices = service.trace.devices.iter().zip(&service.bill.devices);
        let limits: Vec<_> = devices.map(|(name, device)| (name.clone(), ends(device.total()))).collect();
        site.import_mandates(&fleet, &limits)?;
        providers.push(provider);
        fleets.push(fleet);
    }
    Ok((site, providers, fleets))
}

/// The night, and what payers took back after it where the ledger's time can be made to pass.
fn settle(site: &mut Site) -> anyhow::Result<(Night, Option<u128>)> {
    let night = site.settle_night()?;
    let withdrawn = site.withdraw_all()?;
    site.stop_hub()?;
    Ok((night, withdrawn))
}
