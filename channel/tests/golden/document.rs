//! PROTOCOL.md against the code: what it lists is what there is.

use farthing_channel::eip712::{Anchor, Attach, Mandate, MandateRoot, Receipt, Report, TypedData, Voucher};
use farthing_channel::limits;
use farthing_channel::refusal::{Blame, Refusal};
use farthing_channel::wire::close_code;

use crate::{list, text, vectors};

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../PROTOCOL.md")).unwrap()
}

/// The cells of every table row whose first cell satisfies `is_wanted`.
fn rows(document: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .filter(|cells: &Vec<String>| is_wanted(&cells[0]))
        .collect()
}

#[test]
fn the_table_of_refusals_is_complete() {
    let document = document();
    let start = document.find("### Table of refusals").unwrap();
    let end = document[start + 4..].find("\n## ").unwrap();
    let section = &document[start..start + 4 + end];
    let listed = rows(section, |first| first.parse::<u16>().is_ok());
    let expected: Vec<Vec<String>> = Refusal::ALL
        .iter()
        .map(|refusal| {
            let blame = match refusal.blame() {
                Blame::Sender => "sender",
                Blame::Payer => "payer",
                Blame::Hub => "hub",
            };
            let retry = if refusal.retry_helps() { "yes" } else { "no" };
            vec![refusal.code().to_string(), refusal.name().to_owned(), blame.to_owned(), retry.to_owned()]
        })
        .collect();
    let listed: Vec<Vec<String>> = listed.iter().map(|cells| cells[..4].to_vec()).collect();
    assert_eq!(listed, expected);
}

#[test]
fn the_signed_types_are_quoted_exactly() {
    let document = document();
    for quoted in
        [Voucher::TYPE, Anchor::TYPE, Mandate::TYPE, MandateRoot::TYPE, Receipt::TYPE, Attach::TYPE, Report::TYPE]
    {
        assert!(document.contains(quoted), "{quoted}");
    }
}

#[test]
fn the_limits_are_quoted_exactly() {
    let document = document();
    let numbers = [
        ("`CHAIN_LENGTH_MAX`", usize::from(limits::CHAIN_LENGTH_MAX)),
        ("`TICK_GAP_MAX`", usize::from(limits::TICK_GAP_MAX)),
        ("`ANCHORS_PER_LANE_MAX`", limits::ANCHORS_PER_LANE_MAX),
        ("`LANES_PER_CHANNEL_MAX`", limits::LANES_PER_CHANNEL_MAX),
        ("`LANES_PER_ATTACH_MAX`", limits::LANES_PER_ATTACH_MAX),
        ("`PAYEES_PER_MANDATE_MAX`", limits::PAYEES_PER_MANDATE_MAX),
        ("`MANDATE_TREE_DEPTH_MAX`", limits::MANDATE_TREE_DEPTH_MAX),
        ("`MANDATES_PER_BUNDLE_MAX`", 1 << limits::MANDATE_BUNDLE_HEIGHT_MAX),
        ("`FRAME_BYTES_MAX`", limits::FRAME_BYTES_MAX),
        ("`PAYMENT_BYTES_MAX`", limits::PAYMENT_BYTES_MAX),
    ];
    for (name, value) in numbers {
        let row = rows(&document, |first| first == name);
        assert_eq!(row.len(), 1, "{name}");
        assert_eq!(row[0][1], value.to_string(), "{name}");
    }
}

#[test]
fn the_application_errors_are_listed() {
    let document = document();
    let start = document.find("Application error codes").unwrap();
    let end = start + document[start..].find("\n## ").unwrap();
    let listed: Vec<u32> = rows(&document[start..end], |first| first.parse::<u32>().is_ok())
        .iter()
        .map(|cells| cells[0].parse().unwrap())
        .collect();
    let expected = [
        0,
        close_code::SHUTDOWN,
        close_code::FRAME_TOO_LONG,
        close_code::SLOW_READER,
        close_code::HANDSHAKE_TIMEOUT,
        close_code::PROTOCOL,
        close_code::IDLE,
        close_code::CROWDED,
        close_code::FRAMES_INCOMPLETE,
    ];
    assert_eq!(listed, expected);
}

#[test]
fn every_message_and_record_is_in_the_cddl() {
    let document = document();
    let (wire, disk) = document.split_once("\n# On disk").unwrap();
    for (part, file, name) in [(wire, "wire", "messages"), (disk, "records", "records")] {
        for entry in list(&vectors(file), name) {
            let shown = text(entry, "diagnostic");
            let (code, _) = shown.split_once(", {").unwrap();
            assert!(part.contains(&format!("= {code}, {{")), "{shown}");
        }
    }
}
