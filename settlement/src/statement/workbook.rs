//! The statement as a workbook (XLSX): what finance sorts, filters and adds up itself.
//!
//! A number in a workbook holds 15 digits. Amounts are whole base units, so what has no more digits is a number and exact; what
//! has more is text with all of its digits, and a note on the first sheet says so.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};

use super::{Statement, reconciliation_rows};
use crate::night::EpochOutputs;
use crate::stage::positions::CarryReason;
use crate::text::{TokenFormat, utc};

mod sheet;

use sheet::{Cell, Column, Sheet};

/// Why a workbook could not be written; into memory that is a bug.
pub type WorkbookError = XlsxError;

/// Rows of one sheet. More lanes than these are in the other tables alone: a sheet ends at 1,048,576 rows, and long before that
/// a workbook takes minutes to open.
pub const SHEET_ROWS_MAX: usize = 100_000;

const NUMBERS: &str = "Amounts are whole base units unless a column says tokens. Those of more than 15 digits are text, because a number in a \
     workbook holds no more; sums over such a column leave them out.";

/// The workbook of an epoch.
///
/// # Errors
/// [`WorkbookError`].
pub fn workbook(outputs: &EpochOutputs, statement: &Statement, token: &TokenFormat) -> Result<Vec<u8>, WorkbookError> {
    let mut book = Workbook::new();
    // The time is the epoch's, so that the same epoch gives the same bytes.
    let at = i64::try_from(statement.closed_at.unwrap_or(statement.cut_off_at)).unwrap_or(0);
    let properties = DocProperties::new()
        .set_title(format!("Settlement statement, epoch {}", statement.epoch))
        .set_author("farthing-settle")
        .set_creation_datetime(&ExcelDateTime::from_timestamp(at)?);
    book.set_properties(&properties);
    summary(&mut book, statement, token)?;
    transfers(&mut book, statement, token)?;
    positions(&mut book, outputs)?;
    lanes(&mut book, outputs)?;
    reconciliation(&mut book, outputs, statement)?;
    book.save_to_buffer()
}

fn summary(book: &mut Workbook, statement: &Statement, token: &TokenFormat) -> Result<(), WorkbookError> {
    let columns =
        [Column::text("Figure", 44.0), Column::number("Base units or count", 24.0), Column::text("In tokens", 30.0)];
    let mut sheet = Sheet::new(book, "Summary", &columns)?;
    let totals = &statement.totals;
    let state = if statement.closed { "settled and reconciled" } else { "proposed, not settled" };
    for (what, is) in [
        ("Hub", statement.hub_name.clone()),
        ("Hub's account", statement.hub.clone()),
        ("Epoch", statement.epoch.to_string()),
        ("State", state.to_owned()),
        ("Cut off", utc(statement.cut_off_at)),
        ("Closed", statement.closed_at.map(utc).unwrap_or_default()),
        ("Proposal", statement.proposal.clone()),
        ("Root of lane records", statement.journal_root.clone()),
    ] {
        sheet.row(&[Cell::Text(what), Cell::Text(&is)])?;
    }
    for approval in &statement.approvals {
        let when = utc(approval.at);
        sheet.row(&[Cell::Text("Approved by"), Cell::Text(&approval.approver), Cell::Text(&when)])?;
    }
    for (what, amount) in [
        ("Collected from payers", totals.collected),
        ("Paid to providers", totals.paid),
        ("Kept by the hub as a provider", totals.kept_by_hub),
        ("Carried to the next epoch", totals.carried),
        ("Overpaid before refunds", totals.overpaid),
        ("Authorised since opening", totals.authorised),
        ("Settled since opening", totals.settled),
        ("Positions before netting", totals.gross),
        ("Transfers after netting", totals.net),
    ] {
        sheet.row(&[Cell::Text(what), Cell::Amount(amount), Cell::Text(&token.amount(amount))])?;
    }
    for (what, count) in [
        ("Lanes", totals.lanes),
        ("Positions", totals.positions),
        ("Transfers", totals.legs),
        ("Disputed records", u64::try_from(statement.disputes.len()).unwrap_or(u64::MAX)),
    ] {
        sheet.row(&[Cell::Text(what), Cell::Amount(count.into())])?;
    }
    sheet.row(&[])?;
    sheet.note(NUMBERS)
}

fn transfers(book: &mut Workbook, statement: &Statement, token: &TokenFormat) -> Result<(), WorkbookError> {
    let columns = [
        Column::number("Leg", 8.0),
        Column::text("From", 24.0),
        Column::text("From account", 46.0),
        Column::text("To", 24.0),
        Column::text("To account", 46.0),
        Column::number("Base units", 22.0),
        Column::text("In tokens", 26.0),
    ];
    let mut sheet = Sheet::new(book, "Transfers", &columns)?;
    for leg in &statement.legs {
        let number = u128::try_from(leg.leg).unwrap_or(u128::MAX);
        let (from, to) = (Cell::Text(&leg.from_name), Cell::Text(&leg.to_name));
        let tokens = token.amount(leg.amount);
        let row = [
            Cell::Amount(number),
            from,
            Cell::Text(&leg.from),
            to,
            Cell::Text(&leg.to),
            Cell::Amount(leg.amount),
            Cell::Text(&tokens),
        ];
        sheet.row(&row)?;
    }
    Ok(())
}

fn positions(book: &mut Workbook, outputs: &EpochOutputs) -> Result<(), WorkbookError> {
    let columns = [Column::text("Debtor", 46.0), Column::text("Creditor", 46.0), Column::number("Base units", 22.0)];
    let mut sheet = Sheet::new(book, "Positions", &columns)?;
    let all = &outputs.positions.positions;
    for position in all.iter().take(SHEET_ROWS_MAX) {
        let (debtor, creditor) = (position.debtor.to_string(), position.creditor.to_string());
        sheet.row(&[Cell::Text(&debtor), Cell::Text(&creditor), Cell::Amount(position.amount)])?;
    }
    sheet.rest(all.len(), "positions.csv")
}

fn lanes(book: &mut Workbook, outputs: &EpochOutputs) -> Result<(), WorkbookError> {
    let columns = [
        Column::text("Lane", 68.0),
        Column::text("Escrow", 68.0),
        Column::text("Device", 46.0),
        Column::text("Payee", 46.0),
        Column::number("Rating group", 14.0),
        Column::number("Authorised", 20.0),
        Column::number("Credited", 20.0),
        Column::number("Collected before", 20.0),
        Column::number("Collected now", 20.0),
        Column::number("Carried", 20.0),
        Column::number("Overpaid", 20.0),
        Column::text("Carried because", 40.0),
    ];
    let mut sheet = Sheet::new(book, "Lanes", &columns)?;
    let all = &outputs.positions.lanes;
    for line in all.iter().take(SHEET_ROWS_MAX) {
        let (lane, escrow) = (line.lane.to_string(), line.escrow.to_string());
        let (device, payee) = (line.device.to_string(), line.payee.to_string());
        let texts = [&lane, &escrow, &device, &payee].map(|text| Cell::Text(text));
        let amounts =
            [line.authorised, line.credited, line.collected_before, line.collect, line.carried, line.overpaid];
        let mut row = texts.to_vec();
        row.push(Cell::Amount(line.rating_group.into()));
        row.extend(amounts.map(|amount| Cell::Amount(amount.into())));
        row.push(Cell::Text(line.reason.map_or("", CarryReason::text)));
        sheet.row(&row)?;
    }
    sheet.rest(all.len(), "lanes.csv")
}

fn reconciliation(book: &mut Workbook, outputs: &EpochOutputs, statement: &Statement) -> Result<(), WorkbookError> {
    let columns = [
        Column::text("Kind", 14.0),
        Column::text("Which", 68.0),
        Column::text("Status", 13.0),
        Column::number("Lanes", 20.0),
        Column::number("Journal", 20.0),
        Column::number("Ledger", 20.0),
        Column::number("Difference", 20.0),
    ];
    let mut sheet = Sheet::new(book, "Reconciliation", &columns)?;
    let (Some(sides), Some(summary)) = (outputs.three_way(), &statement.reconciliation) else {
        return sheet.note("Follows when the ledger has carried out the proposal.");
    };
    for sum in &summary.conservation {
        let verdict = if sum.holds() { "conserved" } else { "differs" };
        let difference = sum.one.abs_diff(sum.other);
        let (one, other) = (Cell::Signed(sum.one), Cell::Signed(sum.other));
        let row = [Cell::Text("sum"), Cell::Text(&sum.what), Cell::Text(verdict), one, other, Cell::Empty];
        sheet.row(&[&row[..], &[Cell::Amount(difference)]].concat())?;
    }
    let side = |amount: Option<i128>| amount.map_or(Cell::Empty, Cell::Signed);
    let rows: u64 = summary.totals.iter().map(|kind| kind.rows).sum();
    for row in reconciliation_rows(outputs, sides).take(SHEET_ROWS_MAX) {
        sheet.row(&[
            Cell::Text(row.kind.name()),
            Cell::Text(&row.id),
            Cell::Text(row.status.name()),
            side(row.settled.lanes),
            side(row.settled.journal),
            side(row.settled.ledger),
            Cell::Amount(row.difference),
        ])?;
    }
    sheet.rest(usize::try_from(rows).unwrap_or(usize::MAX), "reconciliation.csv")
}
