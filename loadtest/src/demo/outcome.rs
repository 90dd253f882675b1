//! Whether it all adds up, and how that is said.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::day::Day;
use super::service::Service;
use crate::report::{Table, grouped};
use crate::site::{Night, Site};

/// What a demo came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DemoResult {
    /// Devices of all fleets.
    pub devices: usize,
    /// Payments covered by a durable acknowledgement.
    pub payments_acknowledged: u64,
    /// What the hub says is owed, base units.
    pub authorised_base_units: u128,
    /// What the night moved out of the escrows, base units.
    pub settled_base_units: u128,
    /// What is owed and was left for a later night, base units.
    pub carried_base_units: u128,
    /// What payers took back after the night, base units; on a ledger whose time can be made to pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_base_units: Option<u128>,
    /// Providers that were paid.
    pub providers: usize,
    /// Transfers of the night.
    pub legs: usize,
    /// How often the hub was killed and started again.
    pub hub_restarts: u32,
    /// Payments that were acknowledged before a kill and unknown to the hub after it.
    pub lost_acknowledged_payments: u64,
    /// Whether every sum is the same wherever it is taken: devices, hub, providers, settlement, ledger.
    pub conserved: bool,
    /// The night's statement.
    pub statement_html: String,
}

impl DemoResult {
    pub(super) fn of(
        services: &[Service],
        day: &Day,
        night: &Night,
        withdrawn: Option<u128>,
        hub_restarts: u32,
    ) -> Self {
        let authorised: u128 = day.fleets.iter().map(|fleet| fleet.authorised).sum();
        let acknowledged: u128 = day.fleets.iter().map(|fleet| fleet.acknowledged).sum();
        let told: u128 = day.fleets.iter().map(|fleet| fleet.told).sum();
        let billed: u128 = services.iter().map(|service| service.bill.total).sum();
        let owed = night.settled.checked_add(night.carried);
        let conserved = acknowledged == billed
            && authorised == billed
            && told == billed
            && owed == Some(billed)
            && night.paid_out == night.settled
            && night.ledger_adds_up;
        Self {
            devices: services.iter().map(|service| service.trace.devices.len()).sum(),
            payments_acknowledged: day.fleets.iter().map(|fleet| fleet.payments).sum(),
            authorised_base_units: authorised,
            settled_base_units: night.settled,
            carried_base_units: night.carried,
            withdrawn_base_units: withdrawn,
            providers: services.len(),
            legs: night.legs,
            hub_restarts,
            lost_acknowledged_payments: day.lost_payments,
            conserved,
            statement_html: night.statement_html.display().to_string(),
        }
    }

    /// # Errors
    /// Where a payment was lost, a sum differs, or the night left its statement out.
    pub(super) fn require_success(&self, services: &[Service], day: &Day) -> anyhow::Result<()> {
        let lost = self.lost_acknowledged_payments;
        ensure!(lost == 0, "{lost} acknowledged payments were lost");
        let billed: u128 = services.iter().map(|service| service.bill.total).sum();
        ensure!(self.conserved, "the sums differ: {billed} base units were used, {self:?}, {day:?}");
        let statement = std::path::Path::new(&self.statement_html);
        ensure!(statement.is_file(), "there is no statement at {}", statement.display());
        Ok(())
    }
}

pub(super) fn print(services: &[Service], day: &Day, night: &Night, result: &DemoResult, site: &Site, took: Duration) {
    let count = |number: usize| grouped(u128::try_from(number).unwrap_or(u128::MAX));
    let mut table =
        Table::new(["fleet", "devices", "connections", "payments", "notices", "acknowledged", "authorised", "told"]);
    for (service, fleet) in services.iter().zip(&day.fleets) {
        table.row([
            format!("{} -> {}", service.fleet, service.provider),
            count(service.trace.devices.len()),
            count(fleet.connections),
            grouped(fleet.payments.into()),
            grouped(fleet.notices.into()),
            grouped(fleet.acknowledged),
            grouped(fleet.authorised),
            grouped(fleet.told),
        ]);
    }
    println!("\n{table}");
    let told = day.latencies.percentiles();
    let mut table = Table::new(["the day and its night", ""]);
    table.row(["payments acknowledged".into(), grouped(result.payments_acknowledged.into())]);
    table.row(["  of these before the power cut".into(), grouped(day.payments_before_cut.into())]);
    table.row(["  of these lost".into(), grouped(result.lost_acknowledged_payments.into())]);
    table.row(["hub killed and started again".into(), result.hub_restarts.to_string()]);
    table.row(["  serving again after, ms".into(), grouped(day.restart.as_millis())]);
    table.row([
        "latency p50 / p99, us".into(),
        format!("{} / {}", grouped(told.p50_us.into()), grouped(told.p99_us.into())),
    ]);
    table.row(["authorised, base units".into(), grouped(result.authorised_base_units)]);
    table.row(["settled, base units".into(), grouped(result.settled_base_units)]);
    table.row(["carried over, base units".into(), grouped(result.carried_base_units)]);
    if let Some(withdrawn) = result.withdrawn_base_units {
        table.row(["withdrawn by payers, base units".into(), grouped(withdrawn)]);
    }
    table.row(["transfers on the ledger".into(), count(result.legs)]);
    table.row(["epoch".into(), night.epoch.to_string()]);
    table.row(["everything adds up".into(), if result.conserved { "yes" } else { "NO" }.into()]);
    print!("{table}");
    println!("\nIn {:.1} s. The statement: {}", took.as_secs_f64(), result.statement_html);
    println!("Look around:\n{}", site.how_to_look_around());
}
