//! Every message against cbor2: the same bytes for the same value, and no other bytes for it.

use farthing_channel::codec::{CodecError, decode_exact, encode_to_vec};
use farthing_channel::lane::SignedVoucher;
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{
    Answer, Attached, ClosedLane, Hello, LaneOffer, LaneRef, Notice, Payment, Payments, Request, Response, Role,
    ServiceMessage,
};
use minicbor::{Decode, Encode};

use crate::samples::*;
use crate::{bytes, list, text, vectors};

fn hello(name: &str) -> Hello {
    assert_eq!(name, "hello");
    Hello::Hub { nonce: NONCE, hub: HUB, chain_id: 0x66_6172_7468, contract: CONTRACT, time: NOW }
}

fn payment(name: &str) -> Payment {
    let tick = |lane, index| Payment::Tick { lane, index, link: LINK };
    match name {
        "tick by handle" => tick(HANDLE, INDEX),
        "tick by lane" => tick(LaneRef::Id(LANE), 1),
        "tick by the longest handle" => tick(LaneRef::Handle(u32::MAX), 4096),
        "voucher by handle" => Payment::Voucher { lane: HANDLE, voucher: VOUCHER },
        "voucher by lane" => Payment::Voucher {
            lane: LaneRef::Id(LANE),
            voucher: SignedVoucher { amount: u64::MAX, signature: SIGNATURE },
        },
        "anchor by handle" => Payment::Anchor { lane: HANDLE, anchor: ANCHOR },
        "anchor at its longest" => Payment::Anchor { lane: LaneRef::Id(LANE), anchor: LONGEST_ANCHOR },
        _ => panic!("{name}"),
    }
}

fn answer(name: &str) -> Answer {
    match name {
        "acknowledged at its shortest" => {
            Answer::Acknowledged { lane: HANDLE, authorised: 0, anchor: None, index: None, grant: None }
        }
        "acknowledged with all" => Answer::Acknowledged {
            lane: LaneRef::Id(LANE),
            authorised: 1_000_000,
            anchor: Some(ANCHOR.terms.tag()),
            index: Some(INDEX),
            grant: Some(grant()),
        },
        "acknowledged with an anchor" => {
            Answer::Acknowledged { lane: HANDLE, authorised: 23, anchor: Some(u64::MAX), index: Some(0), grant: None }
        }
        "payment refused, lane unread" => Answer::Refused { lane: None, refusal: Refusal::Malformed, authorised: None },
        "payment refused" => {
            Answer::Refused { lane: Some(HANDLE), refusal: Refusal::WrongTick, authorised: Some(1_000_000) }
        }
        _ => panic!("{name}"),
    }
}

fn request(name: &str) -> Request {
    let attach = |role, escrow, mandate, lanes| Request::Attach { role, signature: SIGNATURE, escrow, mandate, lanes };
    let offer = LaneOffer { payee: PAYEE, rating_group: GROUP };
    match name {
        "attach a device" => attach(Role::Device, Some(ESCROW), Some(direct()), vec![offer]),
        "attach with a tree's mandate" => attach(Role::Device, Some(ESCROW), Some(tree()), vec![]),
        "attach a provider" => attach(Role::Provider, None, None, vec![]),
        "ask for a receipt" => Request::Receipt { lane: HANDLE },
        "ask for a lane" => Request::Query { lane: LaneRef::Id(LANE) },
        "ask for a tariff" => Request::Tariff { hash: TARIFF },
        "close" => Request::Close { channel: CHANNEL },
        "payment stream" => Request::PaymentStream {},
        "subscribe to all" => Request::Subscribe { rating_groups: vec![] },
        "subscribe to some" => Request::Subscribe { rating_groups: vec![farthing_channel::id::RatingGroup(1), GROUP] },
        _ => panic!("{name}"),
    }
}

fn response(name: &str) -> Response {
    match name {
        "attached device" => Response::Attached(Attached {
            address: DEVICE,
            channel: Some(CHANNEL),
            limit: Some(1_000_000_000),
            authorised: Some(1_000_000),
            expiry: Some(UnixSeconds(1_900_000_000)),
            serial: Some(1),
            lanes: vec![view(), new_view()],
        }),
        "attached provider" => Response::Attached(Attached {
            address: PAYEE,
            channel: None,
            limit: None,
            authorised: None,
            expiry: None,
            serial: None,
            lanes: vec![],
        }),
        "receipt" => Response::Receipt(RECEIPT),
        "lane" => Response::Lane(new_view()),
        "tariff" => Response::Tariff(tariff_bytes().into()),
        "closed" => Response::Closed(vec![ClosedLane { receipt: RECEIPT }]),
        "ready" => Response::Ready {},
        "request refused" => Response::Refused { refusal: Refusal::UnknownEscrow },
        _ => panic!("{name}"),
    }
}

fn service_message(name: &str) -> ServiceMessage {
    assert_eq!(name, "report");
    ServiceMessage::Report(REPORT)
}

fn notice(name: &str) -> Notice {
    match name {
        "authorised" => Notice::Authorised {
            lane: LANE,
            device: DEVICE,
            rating_group: GROUP,
            authorised: 1_000_000,
            grant: grant(),
        },
        "reported" => Notice::Reported { lane: LANE, revision: 9, grant: last_grant() },
        "report refused" => Notice::ReportRefused { lane: LANE, refusal: Refusal::ReportNotNewer },
        _ => panic!("{name}"),
    }
}

fn check<T>(name: &str, cbor: &[u8], value: &T)
where
    T: for<'b> Decode<'b, ()> + Encode<()> + PartialEq + std::fmt::Debug,
{
    assert_eq!(hex::encode(encode_to_vec(value)), hex::encode(cbor), "{name}");
    assert_eq!(decode_exact::<T>(cbor).as_ref(), Ok(value), "{name}");
    for end in 0..cbor.len() {
        assert!(decode_exact::<T>(&cbor[..end]).is_err(), "{name} cut at {end}");
    }
}

#[test]
fn every_message_is_what_cbor2_makes_of_it() {
    for entry in list(&vectors("wire"), "messages") {
        let (name, cbor) = (text(entry, "name"), bytes(entry, "cbor"));
        match text(entry, "as") {
            "hello" => check(name, &cbor, &hello(name)),
            "payment" => {
                check(name, &cbor, &payment(name));
                let twice = [cbor.clone(), cbor.clone()].concat();
                let read: Result<Vec<_>, _> = Payments::new(&twice).collect();
                assert_eq!(read, Ok(vec![payment(name); 2]), "{name}");
            }
            "answer" => check(name, &cbor, &answer(name)),
            "request" => check(name, &cbor, &request(name)),
            "response" => check(name, &cbor, &response(name)),
            "service-message" => check(name, &cbor, &service_message(name)),
            "notice" => check(name, &cbor, &notice(name)),
            kind => panic!("unknown kind {kind}"),
        }
    }
}

#[test]
fn every_other_encoding_is_refused() {
    fn error<T: for<'b> Decode<'b, ()> + Encode<()> + std::fmt::Debug>(cbor: &[u8]) -> CodecError {
        decode_exact::<T>(cbor).expect_err(&hex::encode(cbor))
    }
    for entry in list(&vectors("wire"), "refused") {
        let cbor = bytes(entry, "cbor");
        let error = match text(entry, "as") {
            "payment" => error::<Payment>(&cbor),
            "answer" => error::<Answer>(&cbor),
            "request" => error::<Request>(&cbor),
            "response" => error::<Response>(&cbor),
            "notice" => error::<Notice>(&cbor),
            kind => panic!("unknown kind {kind}"),
        };
        assert_eq!(format!("{error:?}"), text(entry, "error"), "{entry}");
    }
}
