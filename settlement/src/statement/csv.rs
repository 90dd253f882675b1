//! The statement's tables as CSV. Amounts are base units, so that every sum can be checked.

use crate::night::EpochOutputs;

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
