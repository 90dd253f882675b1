//! Every record of the journal against cbor2.

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::{Address, TariffHash};
use farthing_channel::record::{EscrowImage, EscrowState, LaneImage, Record, RiskChange, RiskOverride, records};
use farthing_channel::time::UnixSeconds;

use crate::samples::*;
use crate::{bytes, list, parse, text, vectors};

fn escrow(state: EscrowState) -> Record {
    Record::Escrow(EscrowImage {
        id: ESCROW,
        payer: DEVICE,
        payee: HUB,
        token: Address([0x15; 20]),
        salt: ROOT,
        authorized_signer: Address([0x16; 20]),
        deposit: u64::MAX,
        settled: 0,
        state,
    })
}

const LANE_IMAGE: LaneImage = LaneImage {
    lane: LANE,
    escrow: ESCROW,
    device: DEVICE,
    payee: PAYEE,
    rating_group: GROUP,
    tariff: TARIFF,
    tariff_base_amount: 10,
    tariff_base_units: 20,
};

fn record(name: &str) -> Record {
    match name {
        "term" => Record::Term { term: 1, at: NOW, restored: false },
        "term of a restored backup" => Record::Term { term: u64::MAX, at: UnixSeconds(0), restored: true },
        "escrow" => escrow(EscrowState::Open),
        "escrow asked to close" => escrow(EscrowState::CloseRequested),
        "escrow over" => escrow(EscrowState::Finalized),
        "ledger cursor" => Record::LedgerCursor { cursor: 1000 },
        "revoked" => Record::Revoked { escrow: ESCROW, device: DEVICE, serial: 7, at: NOW },
        "mandate" => Record::Mandates(direct()),
        "mandates of a tree" => Record::Mandates(tree()),
        "provider" => Record::Provider { address: PAYEE, name: "Grüne Ströme ⚡".to_owned(), active: true },
        "tariff" => Record::Tariff { payee: PAYEE, rating_group: GROUP, tariff: tariff_bytes().into() },
        "lane" => Record::Lane(LANE_IMAGE),
        "lane without tariff" => Record::Lane(LaneImage {
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
            ..LANE_IMAGE
        }),
        _ => lane_record(name),
    }
}

/// A level of a lane in trouble, which an operator decided.
fn risk_change() -> RiskChange {
    RiskChange {
        lane: LANE,
        at: UnixSeconds(1_700_000_000),
        standing: 3,
        since: UnixSeconds(1_699_999_990),
        level: 6,
        overridden: true,
        odds: -300,
        revision: "shipped-1".to_owned(),
        features: vec![0, 2048, 17],
        reasons: vec![8, 17],
        signals: vec![1, u64::MAX, 0, 65_536],
    }
}

fn lane_record(name: &str) -> Record {
    match name {
        "anchor" => Record::Anchor { lane: LANE, anchor: ANCHOR },
        "voucher" => Record::Voucher { lane: LANE, voucher: VOUCHER },
        "tick" => Record::Tick { lane: LANE, anchor: ANCHOR.terms.tag(), index: INDEX, link: LINK },
        "report" => Record::Report(REPORT),
        "status" => Record::Status { channel: CHANNEL, status: 2 },
        "epoch closed" => Record::EpochClosed { epoch: 5, sequence: 123_456 },
        "risk" => Record::Risk(risk_change()),
        "risk in shadow mode" => Record::Risk(RiskChange { level: 0, overridden: false, odds: 300, ..risk_change() }),
        "risk override" => Record::RiskOverride(RiskOverride {
            channel: CHANNEL,
            at: UnixSeconds(1_700_000_000),
            level: 0,
            until: UnixSeconds(1_700_003_600),
        }),
        _ => panic!("{name}"),
    }
}

#[test]
fn every_record_is_what_cbor2_makes_of_it() {
    let vectors = vectors("records");
    let mut all = Vec::new();
    for entry in list(&vectors, "records") {
        let (name, cbor) = (text(entry, "name"), bytes(entry, "cbor"));
        let record = record(name);
        assert_eq!(hex::encode(encode_to_vec(&record)), hex::encode(&cbor), "{name}");
        assert_eq!(decode_exact(&cbor).as_ref(), Ok(&record), "{name}");
        all.push(record);
    }
    let body = &list(&vectors, "bodies")[0];
    assert_eq!(all.len(), parse::<usize>(body, "records"));
    assert_eq!(records(&bytes(body, "body")), Ok(all));
}

#[test]
fn a_body_with_a_bad_record_is_bad_as_a_whole() {
    for entry in list(&vectors("records"), "refused") {
        let error = records(&bytes(entry, "body")).unwrap_err();
        assert_eq!(format!("{error:?}"), text(entry, "error"), "{entry}");
    }
}
