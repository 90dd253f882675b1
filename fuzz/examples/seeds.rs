//! Writes the seeds of the targets `wire` and `record`: one of every message and record there is.
//!
//! Run it in `fuzz/` when a message is added: `cargo run --example seeds`. The seeds of `operations` are what long runs
//! of `cargo xtask fuzz operations` have found, made as few as possible by libFuzzer's `-merge=1`.

use std::path::Path;

use farthing_channel::codec::{encode_into, encode_to_vec};
use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, Evidence, SignedAnchor, SignedVoucher, TickProof};
use farthing_channel::mandate::{Authority, MandateBundle, MandateTerms};
use farthing_channel::record::block::{BlockHeader, ChainCursor, encode_block};
use farthing_channel::record::segment::SegmentHeader;
use farthing_channel::record::{EscrowImage, EscrowState, LaneImage, Record};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::tariff::{Days, Price, Span, Tariff, Tier, Tiers, Unit, Window};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{
    Answer, Attached, ClosedLane, Grant, Hello, LaneOffer, LaneRef, LaneView, Notice, Payment, Request, Response, Role,
    ServiceMessage, SignedReceipt, SignedReport,
};

type Failure = Box<dyn std::error::Error>;
type Seeds = Vec<(&'static str, Vec<u8>)>;

const LANE: LaneId = LaneId([2; 32]);
const DEVICE: Address = Address([10; 20]);
const PAYEE: Address = Address([20; 20]);
const ESCROW: EscrowId = EscrowId([1; 32]);
const SIGNATURE: UncheckedSignature = UncheckedSignature([5; 64]);
const GROUP: RatingGroup = RatingGroup(1);
const TARIFF: TariffHash = TariffHash([7; 32]);
const AT: UnixSeconds = UnixSeconds(1_700_000_000);
const VOUCHER: SignedVoucher = SignedVoucher { amount: 1_000, signature: SIGNATURE };
const ANCHOR: SignedAnchor = SignedAnchor {
    terms: AnchorTerms {
        base_amount: 1_000,
        base_ticks: 3,
        tick_amount: 2,
        ticks_per_amount: 7,
        length: 4_096,
        tariff: TARIFF,
        root: Hash32([6; 32]),
    },
    signature: SIGNATURE,
};
const TICK: TickProof = TickProof { anchor: ANCHOR, index: 40, link: Preimage([8; 32]) };

fn main() -> Result<(), Failure> {
    write("wire", wire()?)?;
    write("record", record()?)
}

fn write(target: &str, seeds: Seeds) -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in seeds {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

fn wire() -> Result<Seeds, Failure> {
    let mut seeds = requests();
    seeds.extend(responses()?);
    seeds.extend(payments());
    seeds.push(("hello", encode_to_vec(&hello())));
    let report = ServiceMessage::Report(report());
    seeds.push(("service_report", encode_to_vec(&report)));
    let (device, rating_group, grant) = (DEVICE, GROUP, grant());
    let authorised = Notice::Authorised { lane: LANE, device, rating_group, authorised: 1_000, grant };
    seeds.push(("notice_authorised", encode_to_vec(&authorised)));
    let reported = Notice::Reported { lane: LANE, revision: 2, grant: self::grant() };
    seeds.push(("notice_reported", encode_to_vec(&reported)));
    let refused = Notice::ReportRefused { lane: LANE, refusal: Refusal::ReportNotNewer };
    seeds.push(("notice_refused", encode_to_vec(&refused)));
    seeds.push(("mandate_direct", encode_to_vec(&direct())));
    seeds.push(("mandate_tree", encode_to_vec(&tree())));
    seeds.push(("evidence_voucher", encode_to_vec(&Evidence::Voucher(VOUCHER))));
    seeds.push(("evidence_tick", encode_to_vec(&Evidence::Tick(TICK))));
    seeds.push(("tariff", tariff()?.to_cbor()));
    Ok(seeds)
}

fn hello() -> Hello {
    let (nonce, hub, contract) = (Hash32([4; 32]), Address([3; 20]), Address([9; 20]));
    Hello::Hub { nonce, hub, chain_id: 31_337, contract, time: AT }
}

fn requests() -> Seeds {
    let lane = LaneRef::Handle(3);
    let device = Request::Attach {
        role: Role::Device,
        signature: SIGNATURE,
        escrow: Some(ESCROW),
        mandate: Some(direct()),
        lanes: vec![LaneOffer { payee: PAYEE, rating_group: GROUP }],
    };
    let provider =
        Request::Attach { role: Role::Provider, signature: SIGNATURE, escrow: None, mandate: None, lanes: Vec::new() };
    vec![
        ("request_attach_device", encode_to_vec(&device)),
        ("request_attach_provider", encode_to_vec(&provider)),
        ("request_receipt", encode_to_vec(&Request::Receipt { lane })),
        ("request_query", encode_to_vec(&Request::Query { lane: LaneRef::Id(LANE) })),
        ("request_tariff", encode_to_vec(&Request::Tariff { hash: TARIFF })),
        ("request_close", encode_to_vec(&Request::Close { channel: ChannelId([4; 32]) })),
        ("request_payment_stream", encode_to_vec(&Request::PaymentStream {})),
        ("request_subscribe", encode_to_vec(&Request::Subscribe { rating_groups: vec![GROUP] })),
    ]
}

fn responses() -> Result<Seeds, Failure> {
    let attached = Attached {
        address: DEVICE,
        channel: Some(ChannelId([4; 32])),
        limit: Some(700_000),
        authorised: Some(1_000),
        expiry: Some(AT),
        serial: Some(1),
        lanes: vec![lane_view()],
    };
    let closed = vec![ClosedLane { receipt: receipt() }];
    Ok(vec![
        ("response_attached", encode_to_vec(&Response::Attached(attached))),
        ("response_receipt", encode_to_vec(&Response::Receipt(receipt()))),
        ("response_lane", encode_to_vec(&Response::Lane(lane_view()))),
        ("response_tariff", encode_to_vec(&Response::Tariff(tariff()?.to_cbor().into()))),
        ("response_closed", encode_to_vec(&Response::Closed(closed))),
        ("response_ready", encode_to_vec(&Response::Ready {})),
        ("response_refused", encode_to_vec(&Response::Refused { refusal: Refusal::NoMandate })),
    ])
}

fn payments() -> Seeds {
    let lane = LaneRef::Handle(3);
    let tick = Payment::Tick { lane, index: 40, link: TICK.link };
    let voucher = Payment::Voucher { lane: LaneRef::Id(LANE), voucher: VOUCHER };
    let anchor = Payment::Anchor { lane, anchor: ANCHOR };
    let mut datagram = Vec::new();
    for payment in [&tick, &voucher, &anchor] {
        encode_into(payment, &mut datagram);
    }
    let acknowledged = Answer::Acknowledged {
        lane,
        authorised: 1_000,
        anchor: Some(ANCHOR.terms.tag()),
        index: Some(40),
        grant: Some(grant()),
    };
    let refused = Answer::Refused { lane: Some(lane), refusal: Refusal::MandateLimit, authorised: Some(1_000) };
    vec![
        ("payment_tick", encode_to_vec(&tick)),
        ("payment_voucher", encode_to_vec(&voucher)),
        ("payment_anchor", encode_to_vec(&anchor)),
        ("payment_datagram", datagram),
        ("answer_acknowledged", encode_to_vec(&acknowledged)),
        ("answer_refused", encode_to_vec(&refused)),
    ]
}

fn direct() -> MandateBundle {
    let authority = Authority::Direct { signature: SIGNATURE };
    MandateBundle { escrow: ESCROW, mandates: vec![mandate(DEVICE)], authority }
}

fn tree() -> MandateBundle {
    let siblings = vec![Hash32([1; 32]), Hash32([2; 32])];
    let authority = Authority::Tree { signature: SIGNATURE, first_index: 4, siblings };
    let mandates = vec![mandate(DEVICE), mandate(Address([11; 20]))];
    MandateBundle { escrow: ESCROW, mandates, authority }
}

fn mandate(device: Address) -> MandateTerms {
    MandateTerms { device, limit: 700_000, expiry: AT, serial: 1, payees: vec![PAYEE] }
}

fn grant() -> Grant {
    Grant { units: 65_536, validity_seconds: 600, pace_ms: 50, final_unit: true, reasons: vec![1, 4] }
}

fn report() -> SignedReport {
    SignedReport { lane: LANE, revision: 2, used_units: 512, credited: 1, signature: SIGNATURE }
}

fn receipt() -> SignedReceipt {
    SignedReceipt { lane: LANE, authorised: 1_000, used: 512, tariff: TARIFF, time: AT, signature: SIGNATURE }
}

fn lane_view() -> LaneView {
    LaneView {
        handle: 3,
        lane: LANE,
        payee: PAYEE,
        rating_group: GROUP,
        authorised: 1_000,
        voucher: Some(VOUCHER),
        anchors: vec![TICK],
        tariff: TARIFF,
        tariff_base_amount: 10,
        tariff_base_units: 20,
        used_units: 512,
        credited: 1,
        grant: grant(),
    }
}

fn tariff() -> Result<Tariff, Failure> {
    let tiers = |amount| -> Result<Tiers, Failure> {
        let tier = Tier { up_to: 4_096, price: Price::new(amount, 4_096)? };
        Ok(Tiers::new(vec![tier], Price::new(1, 1_000)?)?)
    };
    let evening = Span::new(Days::WORKDAYS, 18 * 60, 22 * 60)?;
    let window = Window::new(vec![evening], tiers(7)?)?;
    Ok(Tariff::new(1, Unit::Octets, 64, tiers(3)?, vec![window])?)
}

fn records() -> Result<Vec<(&'static str, Record)>, Failure> {
    let (escrow, device, lane) = (ESCROW, DEVICE, LANE);
    let image = EscrowImage {
        id: ESCROW,
        payer: Address([30; 20]),
        payee: Address([3; 20]),
        token: Address::ZERO,
        salt: Hash32([1; 32]),
        authorized_signer: Address::ZERO,
        deposit: 1_000_000,
        settled: 10,
        state: EscrowState::Open,
    };
    let lane_image = LaneImage {
        lane,
        escrow,
        device,
        payee: PAYEE,
        rating_group: GROUP,
        tariff: TARIFF,
        tariff_base_amount: 10,
        tariff_base_units: 20,
    };
    let tariff = tariff()?.to_cbor().into();
    let name = "weather".to_string();
    Ok(vec![
        ("term", Record::Term { term: 1, at: AT, restored: false }),
        ("escrow", Record::Escrow(image)),
        ("ledger_cursor", Record::LedgerCursor { cursor: 12 }),
        ("revoked", Record::Revoked { escrow, device, serial: 1, at: AT }),
        ("mandates", Record::Mandates(tree())),
        ("provider", Record::Provider { address: PAYEE, name, active: true }),
        ("tariff", Record::Tariff { payee: PAYEE, rating_group: GROUP, tariff }),
        ("lane", Record::Lane(lane_image)),
        ("anchor", Record::Anchor { lane, anchor: ANCHOR }),
        ("voucher", Record::Voucher { lane, voucher: VOUCHER }),
        ("tick", Record::Tick { lane, anchor: 9, index: 40, link: TICK.link }),
        ("report", Record::Report(report())),
        ("status", Record::Status { channel: ChannelId([4; 32]), status: 1 }),
        ("epoch_closed", Record::EpochClosed { epoch: 1, sequence: 7 }),
    ])
}

fn record() -> Result<Seeds, Failure> {
    let mut seeds = Seeds::new();
    let mut body = Vec::new();
    let records = records()?;
    for (name, record) in &records {
        seeds.push((name, encode_to_vec(record)));
        encode_into(record, &mut body);
    }
    let genesis = ChainCursor::genesis(&[3; 20], 0);
    let header = BlockHeader {
        thread: 0,
        term: 1,
        sequence: 1,
        unix_ms: 1_700_000_000_000,
        record_count: u32::try_from(records.len())?,
        previous_hash: genesis.hash,
    };
    let mut block = Vec::new();
    encode_block(&header, &body, &mut block)?;
    let segment = SegmentHeader { hub: [3; 20], thread: 0, first_sequence: 1, previous_hash: genesis.hash };
    seeds.push(("segment_header", segment.encode().to_vec()));
    seeds.push(("segment_name", segment.name().file_name().into_bytes()));
    seeds.push(("block", block));
    seeds.push(("body", body));
    Ok(seeds)
}
