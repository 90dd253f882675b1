//! Messages, good ones and every kind of bad one.

use farthing_channel::chain::{ChainPurpose, DeviceChain};
use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{UncheckedSignature, sign_typed};
use farthing_channel::wire::{LaneRef, Payment};
use farthing_client::DeviceKey;

use super::bench::Row;
use crate::support::RATING_GROUP;

/// What the device of these messages may owe.
pub(crate) const ALLOWED: u64 = 1_000;

pub(crate) fn signed_total(key: &DeviceKey, domain: &Domain, lane: LaneId, amount: u64) -> UncheckedSignature {
    sign_typed(key, domain, &Voucher { lane, cumulative_amount: amount.into() }).unwrap().into()
}

pub(crate) fn voucher(lane: LaneRef, amount: u64, signature: UncheckedSignature) -> Vec<u8> {
    encode_to_vec(&Payment::Voucher { lane, voucher: SignedVoucher { amount, signature } })
}

/// A voucher as it should be.
pub(crate) fn honest(key: &DeviceKey, domain: &Domain, lane: LaneId, amount: u64) -> Vec<u8> {
    voucher(LaneRef::Id(lane), amount, signed_total(key, domain, lane, amount))
}

pub(crate) fn anchor(key: &DeviceKey, domain: &Domain, lane: LaneId, terms: AnchorTerms) -> Vec<u8> {
    anchor_as(key, domain, lane, lane, terms)
}

/// An anchor signed for one lane and sent on another.
fn anchor_as(key: &DeviceKey, domain: &Domain, signed: LaneId, sent: LaneId, terms: AnchorTerms) -> Vec<u8> {
    let signature = sign_typed(key, domain, &terms.typed(&signed)).unwrap().into();
    encode_to_vec(&Payment::Anchor { lane: LaneRef::Id(sent), anchor: SignedAnchor { terms, signature } })
}

pub(crate) fn tick(lane: LaneId, index: u16, link: Preimage) -> Vec<u8> {
    encode_to_vec(&Payment::Tick { lane: LaneRef::Id(lane), index, link })
}

/// A chain of one base unit a tick.
pub(crate) fn chain(lane: LaneId, base_amount: u64, length: u16) -> (AnchorTerms, DeviceChain) {
    let tariff = TariffHash::ZERO;
    let purpose =
        ChainPurpose { lane, base_amount, base_ticks: 0, tick_amount: 1, ticks_per_amount: 1, length, tariff };
    let chain = DeviceChain::new(&lane, Preimage([7; 32]), length).unwrap();
    (AnchorTerms::of_chain(&purpose, chain.root()), chain)
}

/// Signatures that are none, or are somebody else's, or over something else.
pub(crate) fn bad_signatures(
    key: &DeviceKey,
    other: &DeviceKey,
    domain: &Domain,
    [first, second]: [LaneId; 2],
) -> Vec<Row> {
    let amount = 500;
    let sent = |signature| voucher(LaneRef::Id(first), amount, signature);
    let of = |key: &DeviceKey, domain: Domain, lane, amount| sent(signed_total(key, &domain, lane, amount));
    let values = |r: [u8; 32], s: [u8; 32]| {
        let mut compact = [0; 64];
        compact[..32].copy_from_slice(&r);
        compact[32..].copy_from_slice(&s);
        sent(UncheckedSignature(compact))
    };
    let small = |value| std::array::from_fn(|place| if place == 31 { value } else { 0 });
    // The greatest number that fits beside the parity: far above half the order.
    let high = std::array::from_fn(|place| if place == 0 { 0x7f } else { 0xff });
    let honest = signed_total(key, domain, first, amount).0;
    let r = std::array::from_fn(|place| honest[place]);
    let s = std::array::from_fn(|place| honest[place + 32]);
    let (chain_id, contract) = (domain.chain_id(), domain.contract());
    let escrow = ChannelId::derive(&EscrowId([9; 32]), &key.address());
    let (terms, _) = chain(first, 20, 5);
    let mut altered = anchor(key, domain, first, AnchorTerms { base_amount: 21, ..terms });
    let place = altered.iter().position(|byte| *byte == 21).unwrap();
    altered[place] = 20;
    vec![
        ("signed for the second lane", of(key, *domain, second, amount), Refusal::WrongSigner),
        ("under another chain id", of(key, Domain::new(chain_id + 1, contract), first, amount), Refusal::WrongSigner),
        ("by another contract", of(key, Domain::new(chain_id, Address([9; 20])), first, amount), Refusal::WrongSigner),
        (
            "for a lane of another escrow",
            of(key, *domain, LaneId::derive(&escrow, &Address([3; 20]), RatingGroup(RATING_GROUP)), amount),
            Refusal::WrongSigner,
        ),
        ("over another total", of(key, *domain, first, amount - 1), Refusal::WrongSigner),
        ("by another device", of(other, *domain, first, amount), Refusal::WrongSigner),
        ("an anchor over other terms", altered, Refusal::WrongSigner),
        ("an anchor for the second lane", anchor_as(key, domain, second, first, terms), Refusal::WrongSigner),
        ("a high s", values(r, high), Refusal::BadSignature),
        ("an r of zero", values([0; 32], s), Refusal::BadSignature),
        ("an s of zero", values(r, [0; 32]), Refusal::BadSignature),
        ("an r above the order", values([0xff; 32], s), Refusal::BadSignature),
        ("an r off the curve", values(small(5), small(1)), Refusal::BadSignature),
    ]
}

/// Terms out of range and amounts beyond the limits, all with good signatures. `held` is an anchor of the lane.
pub(crate) fn bad_terms(key: &DeviceKey, domain: &Domain, lane: LaneId, held: AnchorTerms) -> Vec<Row> {
    let (good, _) = chain(lane, 30, 5);
    let row = |what, terms, refusal| (what, anchor(key, domain, lane, terms), refusal);
    let mut root = held.root;
    root.0[31] ^= 1;
    let largest = AnchorTerms { base_ticks: u64::MAX, tick_amount: u32::MAX, ..good };
    vec![
        row("no tick amount", AnchorTerms { tick_amount: 0, ..good }, Refusal::BadAnchorTerms),
        row("no ticks per amount", AnchorTerms { ticks_per_amount: 0, ..good }, Refusal::BadAnchorTerms),
        row("a chain of nothing", AnchorTerms { length: 0, ..good }, Refusal::BadAnchorTerms),
        row("a chain too long", AnchorTerms { length: 4097, ..good }, Refusal::BadAnchorTerms),
        row("a top above 64 bits", AnchorTerms { base_amount: u64::MAX - 4, ..good }, Refusal::Overflow),
        row("ticks above 64 bits", largest, Refusal::Overflow),
        row("a tariff where there is none", AnchorTerms { tariff: TariffHash([9; 32]), ..good }, Refusal::WrongTariff),
        row("a chain below the total", AnchorTerms { base_amount: 0, ..good }, Refusal::AnchorSpent),
        row("another anchor's tag", AnchorTerms { root, ..held }, Refusal::AnchorConflict),
        row("a base above the mandate", AnchorTerms { base_amount: ALLOWED + 1, ..good }, Refusal::MandateLimit),
        ("a total above the mandate", honest(key, domain, lane, ALLOWED + 1), Refusal::MandateLimit),
        ("the greatest total", honest(key, domain, lane, u64::MAX), Refusal::MandateLimit),
        ("nothing", honest(key, domain, lane, 0), Refusal::ZeroAmount),
        // The terms come before the proof.
        ("nothing, and no proof", voucher(LaneRef::Id(lane), 0, UncheckedSignature([0; 64])), Refusal::ZeroAmount),
    ]
}

/// The next tick of the lane with handle 0, encoded in every way but the right one.
pub(crate) fn bad_encodings(index: u8, link: Preimage) -> Vec<Row> {
    let proof = [&[2, 0x58, 0x20], &link.0[..]].concat();
    let message = |parts: &[&[u8]]| parts.concat();
    let (handle, index): (&[u8], &[u8]) = (&[0, 0], &[1, index]);
    let whole = message(&[&[0x82, 1, 0xa3], handle, index, &proof]);
    let cut = whole[..whole.len() - 1].to_vec();
    let short_link = message(&[&[0x82, 1, 0xa3], handle, index, &[2, 0x58, 0x1f], &link.0[..31]]);
    vec![
        ("cut short", cut, Refusal::Malformed),
        ("a link of 31 bytes", short_link, Refusal::Malformed),
        ("no link", message(&[&[0x82, 1, 0xa2], handle, index]), Refusal::Malformed),
        ("no CBOR", vec![0xff], Refusal::Malformed),
        ("an unknown code", message(&[&[0x82, 9, 0xa3], handle, index, &proof]), Refusal::Malformed),
        ("a long integer", message(&[&[0x82, 1, 0xa3, 0, 0x18, 0], index, &proof]), Refusal::NotCanonical),
        ("keys in another order", message(&[&[0x82, 1, 0xa3], index, handle, &proof]), Refusal::NotCanonical),
        ("a key twice", message(&[&[0x82, 1, 0xa4], handle, index, index, &proof]), Refusal::NotCanonical),
        ("an unknown key", message(&[&[0x82, 1, 0xa4], handle, index, &proof, &[3, 0]]), Refusal::NotCanonical),
        ("no length", message(&[&[0x82, 1, 0xbf], handle, index, &proof, &[0xff]]), Refusal::NotCanonical),
    ]
}
