//! The workbook and the Parquet files of an epoch, read by programs that are not ours: openpyxl and DuckDB.
//!
//! `FARTHING_PYTHON` names a Python with the packages of `xtask/python/`; `cargo xtask test` sets it. Without it these tests say so and
//! pass.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::{EpochOutputs, outputs_of};
use farthing_settlement::statement::lanes_parquet;
use farthing_settlement::text::TokenFormat;
use world::{World, key, settle};

/// An epoch with amounts on both sides of what a number in a workbook holds, one of them carried.
fn settled() -> (World, PathBuf, EpochOutputs) {
    let mut world = World::new(2);
    let payer = key(4);
    let escrow = world.escrow(&payer, 4_000_000_000_000_000);
    let mut records = world.mandates(&payer, escrow, &[10, 11], 3_000_000_000_000_000, 1);
    let amounts = [(10, 0, 999_999_999_999_999), (10, 1, 1_000_000_000_000_000), (11, 0, 3_000_000_000_000_007)];
    for (device, provider, amount) in amounts {
        let (lane, opened) = world.lane(escrow, device, provider, 1);
        records.extend([opened, world.voucher(&lane, amount)]);
    }
    world.journal.write(&records);
    settle(&world);
    let book = world.book();
    let outputs = outputs_of(&book, 1).unwrap().unwrap();
    let folder = epoch_folder(&world.settlement(), 1);
    let token = TokenFormat { decimals: 6, symbol: "EUR".to_owned() };
    write_folder(&folder, &book, &outputs, &world.whose(&outputs), &token).unwrap();
    drop(book);
    (world, folder, outputs)
}

/// Runs a check in Python on a path; whether it holds, or `None` without a Python.
fn holds(check: &str, path: &Path) -> Option<bool> {
    let Some(python) = std::env::var_os("FARTHING_PYTHON") else {
        eprintln!("FARTHING_PYTHON names no program: left out");
        return None;
    };
    let output = Command::new(python).args(["-c", check]).arg(path).output().unwrap();
    eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(output.status.success())
}

/// Every sheet against the tables beside it, cell by cell.
const WORKBOOK_CHECK: &str = r##"
import csv, json, pathlib, sys, openpyxl
folder = pathlib.Path(sys.argv[1])
book = openpyxl.load_workbook(folder / "statement.xlsx")
assert book.sheetnames == ["Summary", "Transfers", "Positions", "Lanes", "Reconciliation"], book.sheetnames
statement = json.loads((folder / "statement.json").read_text())
kinds = set()
def exact(cell):
    if isinstance(cell.value, str):
        assert len(cell.value.lstrip("-")) > 15 and cell.number_format == "@", cell
    else:
        assert float(cell.value).is_integer() and cell.number_format == "#,##0", cell
    kinds.add(type(cell.value))
    return int(cell.value)
def table(name):
    return list(csv.DictReader((folder / name).open()))
def rows(name):
    return list(book[name].iter_rows(min_row=2))
for sheet in book:
    assert sheet.freeze_panes == "A2" and sheet.print_title_rows == "$1:$1", sheet
    for cell in sheet[1]:
        assert cell.font.bold and sheet.column_dimensions[cell.column_letter].width >= len(cell.value) * 0.8, cell
lanes = table("lanes.csv")
assert len(lanes) == len(rows("Lanes")) == 3
for line, row in zip(lanes, rows("Lanes")):
    line = list(line.values())
    assert [cell.value for cell in row[:4]] == line[:4]
    assert [exact(cell) for cell in row[4:11]] == [int(value) for value in line[4:11]]
    assert (row[11].value or "") == line[11]
for line, row in zip(table("positions.csv"), rows("Positions"), strict=True):
    assert [row[0].value, row[1].value, exact(row[2])] == [line["debtor"], line["creditor"], int(line["amount_base_units"])]
for line, row in zip(table("legs.csv"), rows("Transfers"), strict=True):
    assert [exact(row[0]), row[2].value, row[4].value, exact(row[5])] == [int(line["leg"]), line["from"], line["to"], int(line["amount_base_units"])]
of_sums = len(statement["reconciliation"]["conservation"])
reconciled = rows("Reconciliation")
for sum, row in zip(statement["reconciliation"]["conservation"], reconciled):
    assert [row[1].value, exact(row[3]), exact(row[4]), exact(row[6])] == [sum["what"], sum["one"], sum["other"], 0]
for line, row in zip(table("reconciliation.csv"), reconciled[of_sums:], strict=True):
    line = list(line.values())
    assert [cell.value for cell in row[:3]] == line[:3]
    assert [exact(cell) for cell in row[3:7]] == [int(value) for value in line[3:7]]
summary = {row[0].value: row[1] for row in rows("Summary")}
for name, field in [("Collected from payers", "collected"), ("Carried to the next epoch", "carried"), ("Transfers after netting", "net"),
                    ("Authorised since opening", "authorised"), ("Lanes", "lanes")]:
    assert exact(summary[name]) == statement["totals"][field], name
assert summary["Proposal"].value == statement["proposal"]
assert any("15 digits" in str(name) for name in summary)
assert kinds == {int, str}, kinds
"##;

#[test]
fn a_workbook_holds_every_table_to_the_last_digit() {
    let (_world, folder, outputs) = settled();
    assert!(outputs.positions.lanes.iter().any(|line| line.carried > 0));
    assert_ne!(holds(WORKBOOK_CHECK, &folder), Some(false));
    // It is the check that sees a digit.
    let lanes = folder.join(FileNames::LANES);
    let text = std::fs::read_to_string(&lanes).unwrap();
    std::fs::write(&lanes, text.replacen("999999999999999", "999999999999998", 1)).unwrap();
    assert_ne!(holds(WORKBOOK_CHECK, &folder), Some(true));
}

/// Both files against the tables beside them, row by row, and the types that a reader sees.
const PARQUET_CHECK: &str = r#"
import csv, pathlib, sys, duckdb
folder = pathlib.Path(sys.argv[1])
def compare(name):
    relation = duckdb.read_parquet(str(folder / f"{name}.parquet"))
    lines = list(csv.DictReader((folder / f"{name}.csv").open()))
    assert relation.columns == list(lines[0]), relation.columns
    found = [["" if value is None else str(value) for value in row] for row in relation.fetchall()]
    assert found == [list(line.values()) for line in lines], found
    return dict(zip(relation.columns, map(str, relation.types)))
lanes = compare("lanes")
assert lanes["lane"] == "VARCHAR" and lanes["authorised_base_units"] == "UBIGINT", lanes
assert compare("positions")["amount_base_units"] == "DECIMAL(38,0)"
"#;

#[test]
fn parquet_holds_every_lane_and_position() {
    let (_world, folder, _) = settled();
    assert_ne!(holds(PARQUET_CHECK, &folder), Some(false));
    let positions = folder.join(FileNames::POSITIONS);
    let text = std::fs::read_to_string(&positions).unwrap();
    std::fs::write(&positions, text.replacen("000", "001", 1)).unwrap();
    assert_ne!(holds(PARQUET_CHECK, &folder), Some(true));
}

/// Rows, groups, and exact sums of a larger file.
const GROUPS_CHECK: &str = r#"
import sys, duckdb
path = sys.argv[1]
(rows, authorised, reasons), = duckdb.sql(f"select count(*), sum(authorised_base_units), count(carried_because) from '{path}'").fetchall()
(groups,), = duckdb.sql(f"select num_row_groups from parquet_file_metadata('{path}')").fetchall()
assert (rows, groups, reasons) == (70000, 2, 35000), (rows, groups, reasons)
assert authorised == 35000 * (1000000000000000 + 18446744073709551615), authorised
"#;

#[test]
fn more_lanes_than_a_group_holds_are_written_in_groups() {
    let (world, _, mut outputs) = settled();
    let find = |amount| outputs.positions.lanes.iter().find(|line| line.authorised == amount).unwrap().clone();
    let (mut plain, mut carried) = (find(1_000_000_000_000_000), find(3_000_000_000_000_007));
    plain.reason = None;
    assert!(carried.reason.is_some());
    carried.authorised = u64::MAX;
    outputs.positions.lanes = [plain, carried].into_iter().cycle().take(70_000).collect();
    let path = world.directory.path().join("lanes.parquet");
    lanes_parquet(&outputs, std::fs::File::create(&path).unwrap()).unwrap();
    assert_ne!(holds(GROUPS_CHECK, &path), Some(false));
}
