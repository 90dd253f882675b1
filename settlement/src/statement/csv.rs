//! The statement's tables as CSV. Amounts are base units, so that every sum can be checked.

use std::collections::BTreeMap;

use crate::night::EpochOutputs;
use crate::stage::positions::LaneLine;
use crate::stage::three_way::{Row, RowKind, ThreeWay};

/// Why a table could not be written; into memory that is a bug.
pub type CsvError = csv::Error;

fn table<R>(header: &[&str], rows: impl Iterator<Item = R>) -> Result<Vec<u8>, CsvError>
where
    R: IntoIterator<Item = String>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Who owes whom, before netting.
///
/// # Errors
/// [`CsvError`].
pub fn positions_csv(outputs: &EpochOutputs) -> Result<Vec<u8>, CsvError> {
    let rows = outputs
        .positions
        .positions
        .iter()
        .map(|position| [position.debtor.to_string(), position.creditor.to_string(), position.amount.to_string()]);
    table(&["debtor", "creditor", "amount_base_units"], rows)
}

/// The transfers.
///
/// # Errors
/// [`CsvError`].
pub fn legs_csv(outputs: &EpochOutputs) -> Result<Vec<u8>, CsvError> {
    let rows = outputs.netting.legs.iter().enumerate().map(|(leg, transfer)| {
        [leg.to_string(), transfer.from.to_string(), transfer.to.to_string(), transfer.amount.to_string()]
    });
    table(&["leg", "from", "to", "amount_base_units"], rows)
}

/// Every lane.
///
/// # Errors
/// [`CsvError`].
pub fn lanes_csv(outputs: &EpochOutputs) -> Result<Vec<u8>, CsvError> {
    let rows = outputs.positions.lanes.iter().map(|line| {
        [
            line.lane.to_string(),
            line.escrow.to_string(),
            line.device.to_string(),
            line.payee.to_string(),
            line.rating_group.to_string(),
            line.authorised.to_string(),
            line.credited.to_string(),
            line.collected_before.to_string(),
            line.collect.to_string(),
            line.carried.to_string(),
            line.overpaid.to_string(),
            line.reason.map_or("", crate::stage::positions::CarryReason::text).to_owned(),
        ]
    });
    let header = [
        "lane",
        "escrow",
        "device",
        "payee",
        "rating_group",
        "authorised_base_units",
        "credited_base_units",
        "collected_before_base_units",
        "collect_base_units",
        "carried_base_units",
        "overpaid_base_units",
        "carried_because",
    ];
    table(&header, rows)
}

/// Every row of the three-way reconciliation: escrows, participants, then lanes as in [`lanes_csv`].
///
/// # Errors
/// [`CsvError`].
pub fn reconciliation_csv(outputs: &EpochOutputs, sides: &ThreeWay) -> Result<Vec<u8>, CsvError> {
    let header = [
        "kind",
        "id",
        "status",
        "lanes_base_units",
        "journal_base_units",
        "ledger_base_units",
        "difference_base_units",
        "payable_lanes_base_units",
        "payable_journal_base_units",
    ];
    table(&header, reconciliation_rows(outputs, sides).map(|row| reconciliation_record(&row)))
}

/// The rows, those of lanes on which everybody agrees included.
pub fn reconciliation_rows<'a>(outputs: &'a EpochOutputs, sides: &'a ThreeWay) -> impl Iterator<Item = Row> + 'a {
    let (of_lanes, others): (Vec<&Row>, Vec<&Row>) = sides.rows.iter().partition(|row| row.kind == RowKind::Lane);
    let mut differing: BTreeMap<&str, &Row> = of_lanes.into_iter().map(|row| (row.id.as_str(), row)).collect();
    let lines = &outputs.positions.lanes;
    let mut known = Vec::new();
    if !differing.is_empty() {
        known.extend(lines.iter().map(|line| differing.remove(line.lane.to_string().as_str())));
    }
    let facts = &outputs.cut_off.ledger;
    let of_lines = lines.iter().enumerate().filter(|(_, line)| facts.is_collectable(&line.escrow));
    let of_lines = of_lines
        .map(move |(place, line)| known.get(place).copied().flatten().cloned().unwrap_or_else(|| matched(line)));
    others.into_iter().cloned().chain(of_lines).chain(differing.into_values().cloned())
}

fn matched(line: &LaneLine) -> Row {
    Row::matched_lane(&line.lane, line.total(), line.authorised.saturating_sub(line.credited))
}

fn reconciliation_record(row: &Row) -> [String; 9] {
    let text = |amount: Option<i128>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    [
        row.kind.name().to_owned(),
        row.id.clone(),
        row.status.name().to_owned(),
        text(row.settled.lanes),
        text(row.settled.journal),
        text(row.settled.ledger),
        row.difference.to_string(),
        text(row.payable.map(|payable| payable.lanes)),
        text(row.payable.map(|payable| payable.journal)),
    ]
}
