//! What no honest client sends, each with the refusal that it gets; and that nothing has changed after it.

pub(crate) mod bench;
pub(crate) mod rows;

use std::time::Duration;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::{Attach, Domain};
use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::mandate::sign_mandate;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{LaneOffer, LaneRef, Request, Response, Role};
use farthing_client::DeviceKey;

use crate::support::{LIMIT, RATING_GROUP};
use bench::{Bench, Proof, Row};
use rows::{ALLOWED, anchor, bad_encodings, bad_signatures, bad_terms, chain, honest, signed_total, tick, voucher};

#[test]
fn bad_payments_are_refused_and_change_nothing() {
    let mut bench = Bench::new();
    let domain = bench.domain;
    let (key, first) = bench.admit("payer", ALLOWED);
    let second = bench.lane(&key, RATING_GROUP + 1);
    let offer = LaneOffer { rating_group: RatingGroup(RATING_GROUP + 1), ..bench.world.fleet.lane };
    let attached = bench.attach(&Proof { lanes: vec![bench.world.fleet.lane, offer], ..bench.proof(&key) });
    assert_eq!((attached.lanes[0].handle, attached.lanes[1].lane), (0, second));
    let (rich, rich_lane) = bench.admit("rich", 10 * LIMIT);
    bench.watched.push(second);

    let (terms, mut links) = chain(first, 10, 600);
    let mut link = |index| links.preimage(index).unwrap().0;
    bench.acknowledged("a voucher", &honest(&key, &domain, first, 10), 10);
    bench.acknowledged("an anchor", &anchor(&key, &domain, first, terms), 10);
    bench.acknowledged("a tick", &tick(first, 1, link(1)), 11);
    bench.acknowledged("a tick that skips", &tick(first, 3, link(3)), 13);

    bench.payments_are_refused(bad_signatures(&key, &rich, &domain, [first, second]));
    bench.payments_are_refused(bad_terms(&key, &domain, first, terms));
    bench.payments_are_refused(bad_encodings(4, link(4)));
    bench.payments_are_refused(vec![
        ("the link of another index", tick(first, 4, link(5)), Refusal::WrongTick),
        ("no link of the chain", tick(first, 4, Preimage([1; 32])), Refusal::WrongTick),
        ("a tick too far ahead", tick(first, 260, link(260)), Refusal::TickGap),
        ("a wrong tick too far ahead", tick(first, 260, link(4)), Refusal::TickGap),
        ("a tick beyond the chain", tick(first, 601, link(4)), Refusal::IndexOutOfRange),
        ("the greatest index", tick(first, u16::MAX, link(4)), Refusal::IndexOutOfRange),
        ("a tick without an anchor", tick(second, 1, link(1)), Refusal::NoAnchor),
        ("more than the deposit", honest(&rich, &domain, rich_lane, LIMIT), Refusal::EscrowLimit),
        ("an unknown lane", honest(&key, &domain, bench.lane(&key, 9), 20), Refusal::UnknownLane),
        (
            "an unknown handle",
            voucher(LaneRef::Handle(77), 20, signed_total(&key, &domain, first, 20)),
            Refusal::UnknownLane,
        ),
    ]);

    let before = bench.standing();
    let known = [
        ("the voucher again", honest(&key, &domain, first, 10)),
        ("an older voucher", honest(&key, &domain, first, 4)),
        ("the anchor again", anchor(&key, &domain, first, terms)),
        ("the tick again", tick(first, 3, link(3))),
        ("a tick that was skipped", tick(first, 2, link(2))),
        ("an older tick", tick(first, 1, link(1))),
    ];
    for (what, message) in known {
        bench.acknowledged(what, &message, 13);
        bench.expect(what, bench.standing(), before.clone());
    }
    // All of that stood in nobody's way, and limits are met exactly.
    bench.acknowledged("the furthest tick", &tick(first, 259, link(259)), 269);
    bench.acknowledged("all that is allowed", &honest(&key, &domain, first, ALLOWED), ALLOWED);
    bench.acknowledged("all that is left", &honest(&rich, &domain, rich_lane, LIMIT - ALLOWED), LIMIT - ALLOWED);
    bench.finish();
}

#[test]
fn a_voucher_is_worth_the_same_with_either_parity_from_the_hub_to_the_ledger() {
    let mut bench = Bench::new();
    let (key, lane) = bench.admit("payer", ALLOWED);
    bench.attach(&bench.proof(&key));
    let signature = signed_total(&key, &bench.domain, lane, 40).check().unwrap().with_other_parity();
    bench.acknowledged("a voucher of the other parity", &voucher(LaneRef::Id(lane), 40, signature.into()), 40);
    let night = bench.world.site.settle_night().unwrap();
    assert_eq!((night.settled, night.carried), (40, 0));
    let folder = night.statement_html.parent().unwrap().to_str().unwrap();
    let verified = bench.world.site.ask_settle(&["verify", folder]).unwrap();
    assert_eq!(verified["holds"], true, "{verified}");
    bench.finish();
}

/// Attaches as they should be in all but one respect, of a device with a mandate and of others.
fn bad_attaches(bench: &Bench, key: &DeviceKey, unpaid: Address) -> Vec<Row> {
    let good = bench.proof(key);
    let provider = &bench.world.provider.key;
    let offer = |payee| vec![LaneOffer { payee, ..bench.world.fleet.lane }];
    let crowd = (1..=13).map(|group| LaneOffer { rating_group: RatingGroup(group), ..bench.world.fleet.lane });
    let other_nonce = Attach { binding: Attach::binding(&Hash32([9; 32]), &bench.wire.certificate), ..good.signed };
    let other_certificate = Attach { binding: Attach::binding(&bench.wire.nonce, &[9; 300]), ..good.signed };
    let other_hub = Attach { hub: Address([9; 20]), ..good.signed };
    let as_provider = Attach { role: Role::Provider.code(), ..good.signed };
    let provides = Proof { role: Role::Provider, signed: as_provider, escrow: None, lanes: Vec::new(), ..good.clone() };
    let payer = bench.world.site.payer(&bench.world.fleet.escrow).unwrap();
    let row = |what, proof: Proof, refusal| (what, encode_to_vec(&proof.request(&bench.domain)), refusal);
    vec![
        row("for another nonce", Proof { signed: other_nonce, ..good.clone() }, Refusal::NoMandate),
        row("for another certificate", Proof { signed: other_certificate, ..good.clone() }, Refusal::NoMandate),
        row("for another hub", Proof { signed: other_hub, ..good.clone() }, Refusal::NoMandate),
        row("in another role", Proof { signed: as_provider, ..good.clone() }, Refusal::NoMandate),
        row("a device without a mandate", bench.proof(&bench.key("nobody")), Refusal::NoMandate),
        row("under no escrow", Proof { escrow: None, ..good.clone() }, Refusal::Malformed),
        row("an unknown escrow", Proof { escrow: Some(EscrowId([9; 32])), ..good.clone() }, Refusal::UnknownEscrow),
        row("an unknown payee", Proof { lanes: offer(Address([9; 20])), ..good.clone() }, Refusal::UnknownPayee),
        row("a payee not allowed", Proof { lanes: offer(unpaid), ..good.clone() }, Refusal::PayeeNotAllowed),
        row("too many lanes", Proof { lanes: crowd.collect(), ..good.clone() }, Refusal::TooManyLanes),
        row("the escrow's own signer", bench.proof(payer), Refusal::EscrowMixed),
        row("a device as a provider", provides.clone(), Refusal::UnknownPayee),
        row(
            "a provider for another nonce",
            Proof { key: provider.clone(), signed: Attach { role: 1, ..other_nonce }, ..provides.clone() },
            Refusal::UnknownPayee,
        ),
        row(
            "a provider with an escrow",
            Proof { key: provider.clone(), escrow: good.escrow, ..provides },
            Refusal::Malformed,
        ),
    ]
}

/// Attaches with mandates that do not hold.
fn bad_mandates(bench: &Bench, key: &DeviceKey) -> Vec<Row> {
    let (escrow, domain) = (bench.world.fleet.escrow, &bench.domain);
    let payer = bench.world.site.payer(&escrow).unwrap();
    let terms = |name| bench.world.fleet.terms(name, ALLOWED).unwrap();
    let newcomer = bench.key("newcomer");
    let row = |what, key: &DeviceKey, mandate, refusal| {
        let proof = Proof { mandate: Some(mandate), ..bench.proof(key) };
        (what, encode_to_vec(&proof.request(domain)), refusal)
    };
    let own = sign_mandate(&newcomer, domain, escrow, terms("newcomer")).unwrap();
    let mut raised = bench.mandate("newcomer", ALLOWED, |_| {});
    raised.mandates[0].limit += 1;
    let mut opened = bench.mandate("newcomer", ALLOWED, |_| {});
    opened.mandates[0].payees.clear();
    let elsewhere = sign_mandate(payer, domain, EscrowId([9; 32]), terms("newcomer")).unwrap();
    let ledger = Domain::new(domain.chain_id() + 1, domain.contract());
    let other_ledger = sign_mandate(payer, &ledger, escrow, terms("newcomer")).unwrap();
    let mut renewed = terms("payer");
    renewed.serial = 2;
    let renewed = sign_mandate(key, domain, escrow, renewed).unwrap();
    let expired = bench.mandate("newcomer", ALLOWED, |terms| terms.expiry = UnixSeconds(1));
    vec![
        row("signed by the device", &newcomer, own, Refusal::BadMandate),
        row("a raised limit", &newcomer, raised, Refusal::BadMandate),
        row("payees struck out", &newcomer, opened, Refusal::BadMandate),
        row("of another escrow", &newcomer, elsewhere, Refusal::BadMandate),
        row("of another ledger", &newcomer, other_ledger, Refusal::BadMandate),
        row("renewed by the device", key, renewed, Refusal::BadMandate),
        row("of another device", key, bench.mandate("newcomer", ALLOWED, |_| {}), Refusal::BadMandate),
        row("expired", &newcomer, expired, Refusal::MandateExpired),
    ]
}

#[test]
fn bad_attaches_and_requests_are_refused_and_change_nothing() {
    let mut bench = Bench::new();
    let domain = bench.domain;
    let (key, lane) = bench.admit("payer", ALLOWED);
    let unpaid = bench.world.site.add_provider("Another Service").unwrap().key.address();
    bench.acknowledged("a voucher", &honest(&key, &domain, lane, 5), 5);
    bench.requests_are_refused(bad_attaches(&bench, &key, unpaid));
    bench.requests_are_refused(bad_mandates(&bench, &key));

    let Request::Attach { role, escrow, mandate, lanes, .. } = bench.proof(&key).request(&domain) else {
        unreachable!("it is an attach");
    };
    let signature = UncheckedSignature([0; 64]);
    let unsigned = encode_to_vec(&Request::Attach { role, signature, escrow, mandate, lanes });
    let cut = unsigned[..unsigned.len() - 1].to_vec();
    let row = |what, request: Request, refusal| (what, encode_to_vec(&request), refusal);
    bench.requests_are_refused(vec![
        ("no signature", unsigned, Refusal::BadAttach),
        ("an attach cut short", cut, Refusal::Malformed),
        ("an unknown request", vec![0x82, 0x18, 39, 0xa0], Refusal::Malformed),
        ("an unknown key", vec![0x82, 0x18, 37, 0xa1, 0, 0], Refusal::NotCanonical),
        row("a receipt by handle", Request::Receipt { lane: LaneRef::Handle(77) }, Refusal::UnknownLane),
        row("a receipt", Request::Receipt { lane: LaneRef::Id(LaneId([9; 32])) }, Refusal::UnknownLane),
        row("a query", Request::Query { lane: LaneRef::Id(LaneId([9; 32])) }, Refusal::UnknownLane),
        row("a tariff", Request::Tariff { hash: TariffHash([9; 32]) }, Refusal::UnknownTariff),
        row("closing a channel", Request::Close { channel: ChannelId([9; 32]) }, Refusal::NotAttached),
        row("subscribing", Request::Subscribe { rating_groups: Vec::new() }, Refusal::NotAttached),
    ]);

    // A mandate that is not newer is no news, whatever it says.
    let before = bench.standing();
    let older = bench.mandate("payer", 2 * ALLOWED, |terms| terms.serial = 0);
    for mandate in [bench.mandate("payer", ALLOWED, |_| {}), bench.mandate("payer", 2 * ALLOWED, |_| {}), older] {
        let attached = bench.attach(&Proof { mandate: Some(mandate), ..bench.proof(&key) });
        bench.expect("an old mandate", (attached.limit, attached.serial), (Some(ALLOWED), Some(1)));
        bench.expect("an old mandate", bench.standing(), before.clone());
    }
    bench.acknowledged("another voucher", &honest(&key, &domain, lane, 6), 6);
    bench.finish();
}

/// Takes back the device's mandates on the ledger, and waits until the hub has heard of it.
fn revoke(bench: &Bench, key: &DeviceKey) {
    let file = bench.world.site.folder().join("keys/payer-test-fleet.key");
    let (escrow, device) = (bench.world.fleet.escrow.to_string(), key.address().to_string());
    let revoke = ["mandate", "revoke", &escrow, &device, "--key", file.to_str().unwrap()];
    bench.world.site.ask_settle(&revoke).unwrap();
    let channel = bench.channel(key).to_string();
    let heard = (0..1_200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        bench.world.site.ask_hub(&["channel", "show", &channel]).unwrap()["revoked"] == true
    });
    assert!(heard, "the hub does not hear of a revocation");
}

#[test]
fn channels_that_may_not_pay_are_refused() {
    let mut bench = Bench::new();
    let domain = bench.domain;
    let devices = ["revoked", "frozen", "closed"].map(|name| bench.admit(name, ALLOWED));
    for (key, lane) in &devices {
        bench.acknowledged("a voucher", &honest(key, &domain, *lane, 5), 5);
    }
    let [(revoked, revoked_lane), (frozen, frozen_lane), (closed, closed_lane)] = devices;
    let freeze = |bench: &Bench, key: &DeviceKey, how| {
        bench.world.site.ask_hub(&["channel", how, &bench.channel(key).to_string()]).unwrap();
    };
    revoke(&bench, &revoked);
    freeze(&bench, &frozen, "freeze");
    let close = Request::Close { channel: bench.channel(&closed) };
    match bench.ask(&close) {
        Response::Closed(lanes) => bench.expect("the last receipt", lanes[0].receipt.authorised, 5),
        other => panic!("closing a channel is answered by {other:?}"),
    }

    let [more, again] = [6, 5];
    bench.payments_are_refused(vec![
        ("a revoked device", honest(&revoked, &domain, revoked_lane, more), Refusal::MandateRevoked),
        ("a revoked device again", honest(&revoked, &domain, revoked_lane, again), Refusal::MandateRevoked),
        ("a frozen channel", honest(&frozen, &domain, frozen_lane, more), Refusal::ChannelFrozen),
        ("a frozen channel, far too much", honest(&frozen, &domain, frozen_lane, LIMIT), Refusal::ChannelFrozen),
        ("a closed channel", honest(&closed, &domain, closed_lane, more), Refusal::ChannelClosed),
        ("a closed channel, nothing", honest(&closed, &domain, closed_lane, 0), Refusal::ChannelClosed),
    ]);
    let attach = |key| encode_to_vec(&bench.proof(key).request(&domain));
    let shown = Proof { mandate: Some(bench.mandate("closed", ALLOWED, |_| {})), ..bench.proof(&closed) };
    let close = Request::Close { channel: bench.channel(&frozen) };
    bench.requests_are_refused(vec![
        ("attaching a revoked device", attach(&revoked), Refusal::MandateRevoked),
        ("attaching to a frozen channel", attach(&frozen), Refusal::ChannelFrozen),
        ("closing a frozen channel", encode_to_vec(&close), Refusal::ChannelFrozen),
        ("attaching to a closed channel", attach(&closed), Refusal::ChannelClosed),
        ("showing its mandate again", encode_to_vec(&shown.request(&domain)), Refusal::ChannelClosed),
    ]);
    freeze(&bench, &revoked, "freeze");
    bench.payments_are_refused(vec![(
        "a revoked device on a frozen channel",
        honest(&revoked, &domain, revoked_lane, more),
        Refusal::MandateRevoked,
    )]);

    // What was thawed, and what a newer mandate opened again, pays with the very payments that were refused.
    freeze(&bench, &frozen, "thaw");
    bench.acknowledged("a thawed channel", &honest(&frozen, &domain, frozen_lane, more), more);
    let newer = bench.mandate("closed", ALLOWED, |terms| terms.serial = 2);
    let _ = bench.attach(&Proof { mandate: Some(newer), ..bench.proof(&closed) });
    bench.acknowledged("a channel opened again", &honest(&closed, &domain, closed_lane, more), more);
    bench.finish();
}
