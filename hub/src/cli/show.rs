//! Answers for people.

use super::print::{columns, fields, grouped};
use crate::admin::protocol::{
    ChannelDetail, ChannelSummary, EscrowSummary, LaneDetail, LaneSummary, Page, ProviderSummary, Status, TariffDetail,
    TariffSummary,
};
use crate::admin::risk_form::{FleetForm, FleetsSeen};

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// A list, and how to go on where it does.
fn list<const N: usize>(heads: [&str; N], rows: &[[String; N]], next: Option<&str>) -> String {
    let mut text = columns(heads, rows);
    if let Some(next) = next {
        text.push_str(&format!("more: --after {next}\n"));
    }
    text
}

/// A limit that is no limit.
fn amount(value: u64) -> String {
    if value == u64::MAX { "unlimited".to_owned() } else { grouped(value.into()) }
}

/// A span of time in its two greatest units.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, name) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// How the hub stands.
pub(super) fn status(status: &Status) -> String {
    let faults = if status.faults.is_empty() { "none".to_owned() } else { status.faults.join("; ") };
    let epoch = if status.epoch_closed == 0 {
        "none".to_owned()
    } else {
        format!("{} (journal block {})", status.epoch_closed, status.epoch_sequence)
    };
    let whole = |value: u64| grouped(value.into());
    fields(&[
        ("version", status.version.clone()),
        ("hub address", status.hub.to_string()),
        ("account", status.account.to_string()),
        ("certificate pin", status.certificate_pin.clone()),
        ("quic", status.quic.clone()),
        ("http", status.http.clone()),
        ("ledger", format!("chain {} contract {}", status.chain_id, status.contract)),
        ("serving", yes_no(status.serving)),
        ("faults", faults),
        ("term", status.term.to_string()),
        ("restored backup", yes_no(status.restored)),
        ("up for", span(status.uptime_seconds)),
        ("connections", whole(status.connections)),
        ("escrows", whole(status.escrows)),
        ("channels", whole(status.channels)),
        ("lanes", whole(status.lanes)),
        ("providers", whole(status.providers)),
        ("deposits", format!("{} base units", grouped(status.deposit_base_units))),
        ("authorised", format!("{} base units", grouped(status.authorised_base_units))),
        ("settled", format!("{} base units", grouped(status.settled_base_units))),
        ("journal", format!("block {} durable", whole(status.journal_sequence))),
        (
            "since start",
            format!("{} records, {} bytes journaled", whole(status.journal_records), whole(status.journal_bytes)),
        ),
        ("ledger events", whole(status.ledger_cursor)),
        ("epoch closed", epoch),
    ])
}

/// Fleets as wholes.
pub(super) fn fleets(seen: &FleetsSeen) -> String {
    let row = |fleet: &FleetForm| {
        let name = if fleet.fleet.is_empty() { "(no name)" } else { &fleet.fleet };
        let unusual: Vec<&str> =
            fleet.movements.iter().filter(|movement| movement.unusual).map(|movement| movement.kind.as_str()).collect();
        [
            name.to_owned(),
            fleet.unit.clone(),
            fleet.lanes.to_string(),
            fleet.finding.clone().unwrap_or_else(|| "nothing".to_owned()),
            fleet.since.map_or_else(|| "-".to_owned(), |since| since.to_string()),
            fleet.moving.to_string(),
            if unusual.is_empty() { "-".to_owned() } else { unusual.join(" ") },
        ]
    };
    let rows: Vec<_> = seen.fleets.iter().map(row).collect();
    let mut text = columns(["fleet", "unit", "lanes", "finding", "since", "moving", "in"], &rows);
    for fleet in seen.fleets.iter().filter(|fleet| fleet.finding.is_some()) {
        for channel in &fleet.channels {
            text.push_str(&format!("{} {}: channel {channel}\n", fleet.fleet, fleet.unit));
        }
    }
    text
}

/// A page of channels.
pub(super) fn channels(page: &Page<ChannelSummary>) -> String {
    let row = |channel: &ChannelSummary| {
        [
            channel.channel.to_string(),
            channel.device.to_string(),
            if channel.revoked { "revoked".to_owned() } else { channel.status.clone() },
            channel.authorised_base_units.to_string(),
            if channel.limit_base_units == u64::MAX { "-".to_owned() } else { channel.limit_base_units.to_string() },
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    list(["channel", "device", "status", "authorised", "limit"], &rows, page.next.as_deref())
}

/// A channel and its lanes.
pub(super) fn channel(channel: &ChannelDetail) -> String {
    let summary = &channel.summary;
    let payees: Vec<String> = channel.payees.iter().map(ToString::to_string).collect();
    let mut text = fields(&[
        ("channel", summary.channel.to_string()),
        ("escrow", summary.escrow.to_string()),
        ("device", summary.device.to_string()),
        ("status", summary.status.clone()),
        ("revoked", yes_no(summary.revoked)),
        ("limit", amount(summary.limit_base_units)),
        ("authorised", grouped(summary.authorised_base_units.into())),
        (
            "expiry",
            if summary.expiry == u64::MAX { "never".to_owned() } else { format!("Unix second {}", summary.expiry) },
        ),
        ("serial", summary.serial.map_or_else(|| "none (lone payer)".to_owned(), |serial| serial.to_string())),
        ("payees", if payees.is_empty() { "anyone".to_owned() } else { payees.join(" ") }),
    ]);
    let row = |lane: &LaneSummary| {
        [
            lane.lane.to_string(),
            lane.payee.to_string(),
            lane.rating_group.to_string(),
            lane.authorised_base_units.to_string(),
            lane.used_units.to_string(),
            lane.credited_base_units.to_string(),
        ]
    };
    let rows: Vec<_> = channel.lanes.iter().map(row).collect();
    text.push('\n');
    text.push_str(&columns(["lane", "payee", "group", "authorised", "used", "credited"], &rows));
    text
}

/// A lane and what proves it.
pub(super) fn lane(lane: &LaneDetail) -> String {
    let summary = &lane.summary;
    let [numerator, denominator] = lane.proven_fraction;
    let mut text = fields(&[
        ("lane", summary.lane.to_string()),
        ("channel", lane.channel.to_string()),
        ("escrow", lane.escrow.to_string()),
        ("device", lane.device.to_string()),
        ("payee", summary.payee.to_string()),
        ("rating group", summary.rating_group.to_string()),
        ("tariff", summary.tariff.to_string()),
        ("authorised", format!("{} base units on disk", grouped(summary.authorised_base_units.into()))),
        ("proven", format!("{} + {numerator}/{denominator} base units", grouped(lane.proven_base_units.into()))),
        ("evidence", lane.evidence.clone()),
        ("used", format!("{} units", grouped(summary.used_units.into()))),
        ("credited", format!("{} base units", grouped(summary.credited_base_units.into()))),
        (
            "tariff began",
            format!(
                "at {} base units, {} units",
                grouped(lane.tariff_base_amount.into()),
                grouped(lane.tariff_base_units.into())
            ),
        ),
    ]);
    if !lane.anchors.is_empty() {
        let rows: Vec<_> = lane
            .anchors
            .iter()
            .map(|anchor| {
                [
                    anchor.base_amount.to_string(),
                    format!("{}/{}", anchor.tick_amount, anchor.ticks_per_amount),
                    anchor.index.to_string(),
                    anchor.length.to_string(),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&columns(["anchor from", "per tick", "paid", "ticks"], &rows));
    }
    text
}

fn escrow_row(escrow: &EscrowSummary) -> [String; 6] {
    [
        escrow.escrow.to_string(),
        escrow.state.clone(),
        escrow.usage.clone(),
        escrow.deposit_base_units.to_string(),
        escrow.authorised_base_units.to_string(),
        escrow.settled_base_units.to_string(),
    ]
}

/// A page of escrows.
pub(super) fn escrows(page: &Page<EscrowSummary>) -> String {
    let rows: Vec<_> = page.items.iter().map(escrow_row).collect();
    list(["escrow", "state", "pays by", "deposit", "authorised", "settled"], &rows, page.next.as_deref())
}

/// An escrow.
pub(super) fn escrow(escrow: &EscrowSummary) -> String {
    fields(&[
        ("escrow", escrow.escrow.to_string()),
        ("payer", escrow.payer.to_string()),
        ("signer", escrow.signer.to_string()),
        ("token", escrow.token.to_string()),
        ("state", escrow.state.clone()),
        ("pays by", escrow.usage.clone()),
        ("deposit", grouped(escrow.deposit_base_units.into())),
        ("authorised", grouped(escrow.authorised_base_units.into())),
        ("settled", grouped(escrow.settled_base_units.into())),
    ])
}

/// Providers.
pub(super) fn providers(providers: &[ProviderSummary]) -> String {
    let row = |provider: &ProviderSummary| {
        let state = if provider.active { "enabled" } else { "disabled" };
        [provider.address.to_string(), provider.name.clone(), state.to_owned()]
    };
    columns(["provider", "name", "state"], &providers.iter().map(row).collect::<Vec<_>>())
}

/// Prices in force.
pub(super) fn tariffs(tariffs: &[TariffSummary]) -> String {
    let row = |tariff: &TariffSummary| {
        let windows = if tariff.windows > 0 { format!("; {} windows", tariff.windows) } else { String::new() };
        [
            tariff.payee.to_string(),
            tariff.rating_group.to_string(),
            format!("{} {}{windows}", tariff.prices.join(", then "), tariff.unit),
            tariff.increment.to_string(),
            tariff.tariff.to_string(),
        ]
    };
    let heads = ["provider", "group", "base units per", "increment", "tariff"];
    columns(heads, &tariffs.iter().map(row).collect::<Vec<_>>())
}

/// A tariff, as a file that `tariff add --file` reads.
pub(super) fn tariff(tariff: &TariffDetail) -> String {
    let terms = toml::to_string(&tariff.terms).unwrap_or_else(|error| format!("# {error}\n"));
    format!("# tariff {}\n{terms}", tariff.tariff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        assert_eq!([span(0), span(61), span(90_061), span(7200)], ["0 s", "1 min 1 s", "1 d 1 h", "2 h"]);
    }
}
