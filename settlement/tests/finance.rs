//! What finance books and sends, judged by the programs it is for: hledger, beancount, and the schema of ISO 20022.
//!
//! `FARTHING_HLEDGER` names an hledger, `FARTHING_PYTHON` a Python with the packages of `xtask/python/`. Without them what
//! they judge is left out, and said so; `cargo xtask test` sets both.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use farthing_channel::sign::Signer as _;
use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::outputs_of;
use farthing_settlement::text::TokenFormat;
use world::{World, day, settle};

fn token() -> TokenFormat {
    TokenFormat { decimals: 6, symbol: "USDC".to_owned() }
}

/// A world with a settled epoch, and the epoch's folder.
fn settled() -> (World, PathBuf) {
    let mut world = World::new(2);
    day(&mut world);
    let epoch = settle(&world);
    let folder = epoch_folder(&world.settlement(), epoch);
    write(&world, &folder);
    (world, folder)
}

fn write(world: &World, folder: &Path) {
    let book = world.book();
    let outputs = outputs_of(&book, 1).unwrap().unwrap();
    let approvers = world.whose(&outputs);
    write_folder(folder, &book, &outputs, &approvers, &token()).unwrap();
}

/// Whether the program takes the file; `None` where it is not to be had.
fn takes(variable: &str, arguments: &[&str], file: &Path) -> Option<bool> {
    let Some(program) = std::env::var_os(variable) else {
        eprintln!("{variable} names no program: left out");
        return None;
    };
    let mut command = Command::new(program);
    if let Some(libraries) = std::env::var_os("FARTHING_HLEDGER_LIBRARIES") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let output = command.args(arguments).arg(file).output().unwrap();
    eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(output.status.success())
}

fn hledger_takes(file: &Path) -> Option<bool> {
    takes("FARTHING_HLEDGER", &["check", "--strict", "--file"], file)
}

fn beancount_takes(file: &Path) -> Option<bool> {
    let check = "import sys; from beancount.scripts.check import main; main(args=[\"--no-cache\", sys.argv[1]])";
    takes("FARTHING_PYTHON", &["-c", check], file)
}

/// A program's judgement of a file; `None` where the program is not to be had.
type Judge = fn(&Path) -> Option<bool>;

#[test]
fn hledger_and_beancount_take_the_books_and_see_one_base_unit() {
    let (_world, folder) = settled();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/accounting/tests");
    let programs: [(&str, Judge); 2] = [(FileNames::HLEDGER, hledger_takes), (FileNames::BEANCOUNT, beancount_takes)];
    for (name, takes) in programs {
        let file = folder.join(name);
        let Some(taken) = takes(&file) else { continue };
        assert!(taken, "{name} of a night");
        assert_eq!(takes(&golden.join(name)), Some(true), "the golden {name}");
        // Of 10,000 base units in escrow 1,473 were collected. One more would be somebody's.
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("0.008527"), "{text}");
        let asserted = if name == FileNames::HLEDGER { "= 0.008527" } else { "0.008527 ~" };
        let wrong = text.replace(asserted, &asserted.replace('7', "8"));
        assert_ne!(wrong, text);
        let altered = folder.join(format!("altered-{name}"));
        std::fs::write(&altered, wrong).unwrap();
        assert_eq!(takes(&altered), Some(false), "{name} with a wrong balance");
        // And an entry that does not sum to zero.
        let wrong = text.replacen("0.001473", "0.001474", 1);
        assert_ne!(wrong, text);
        std::fs::write(&altered, wrong).unwrap();
        assert_eq!(takes(&altered), Some(false), "{name} with a wrong entry");
    }
}

#[test]
fn the_same_epoch_gives_the_same_bytes() {
    let (world, folder) = settled();
    let again = world.directory.path().join("again");
    write(&world, &again);
    for entry in std::fs::read_dir(&again).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(std::fs::read(folder.join(&name)).unwrap(), std::fs::read(again.join(&name)).unwrap(), "{name:?}");
    }
}

/// Reads a bank's file against the schema, and prints the number and the sum of its transfers.
const SCHEMA_CHECK: &str = r#"
import pathlib, sys
from decimal import Decimal
import sepaxml
from lxml import etree
schema = pathlib.Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"
document = etree.parse(sys.argv[1])
etree.XMLSchema(etree.parse(str(schema))).assertValid(document)
names = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
amounts = [Decimal(a.text) for a in document.findall(".//p:InstdAmt", names)]
header = document.find(".//p:GrpHdr", names)
assert int(header.findtext("p:NbOfTxs", None, names)) == len(amounts)
assert Decimal(header.findtext("p:CtrlSum", None, names)) == sum(amounts)
ends = [e.text for e in document.findall(".//p:EndToEndId", names)]
assert len(set(ends)) == len(ends)
print(len(amounts), sum(amounts))
"#;

#[test]
fn a_bank_takes_the_orders_and_rests_are_carried() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bank/tests/pain.001.xml");
    let taken = takes("FARTHING_PYTHON", &["-c", SCHEMA_CHECK], &golden);
    assert_ne!(taken, Some(false));
    let (world, _) = settled();
    let site = world.directory.path().to_owned();
    let accounts = [world.hub.address(), world.providers[0].address(), world.providers[1].address()];
    // The program opens the ledger itself; the folder stays.
    let World { directory: _directory, ledger, .. } = world;
    drop(ledger);
    let text = include_str!("../src/bank/tests/bank.toml");
    let order = |bank: &str| {
        std::fs::write(site.join("bank.toml"), bank).unwrap();
        // A token of three decimals: the legs of 1,423 and 50 base units are 1.42 and 0.05 of the currency, and a rest.
        let mut command = Command::new(env!("CARGO_BIN_EXE_farthing-settle"));
        command.arg("--site").arg(&site).args(["--json", "--decimals", "3", "bank-order"]).output().unwrap()
    };
    let file = site.join("settlement/epoch-1").join(FileNames::CREDIT_TRANSFER);
    let nobody = order(text);
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("has no participant"));
    assert!(!file.exists());
    let mut bank = text.to_owned();
    for (place, account) in accounts.iter().enumerate() {
        bank = bank.replace(&format!("0x{}", format!("{:02}", place + 1).repeat(20)), &account.to_string());
    }
    let ordered = order(&bank);
    let view: serde_json::Value = serde_json::from_slice(&ordered.stdout).unwrap();
    assert_eq!((view["transactions"].as_u64(), view["control_sum"].as_str()), (Some(2), Some("1.47")));
    assert_eq!((view["rests"][0]["base_units"].as_u64(), view["rests"].as_array().unwrap().len()), (Some(3), 1));
    let bytes = std::fs::read(&file).unwrap();
    assert!(order(&bank).status.success());
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the same run gives the same bytes");
    assert_ne!(takes("FARTHING_PYTHON", &["-c", SCHEMA_CHECK], &file), Some(false));
    let altered = std::fs::read_to_string(&file).unwrap().replacen(">1.42<", ">1.43<", 1);
    std::fs::write(&file, altered).unwrap();
    assert_ne!(takes("FARTHING_PYTHON", &["-c", SCHEMA_CHECK], &file), Some(true));
}
