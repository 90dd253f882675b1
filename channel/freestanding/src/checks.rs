//! What a device and a hub do, once each: pay by voucher, by anchor and by tick, over messages as they travel.

use farthing_channel::chain::{self, ChainPurpose, DeviceChain};
use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::eip712::{Domain, TypedData, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{
    AnchorTerms, LaneState, Outcome, SignedAnchor, SignedVoucher, verify_anchor, verify_evidence, verify_voucher,
};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{RustCrypto, RustCryptoKey, Signer as _, UncheckedSignature, sign_typed};
use farthing_channel::wire::{LaneRef, Payment};

/// The text names the check that does not hold.
pub(crate) type Checked<T> = Result<T, &'static str>;

struct Device {
    key: RustCryptoKey,
    domain: Domain,
    lane: LaneId,
}

/// Every check.
pub(crate) fn run() -> Checked<()> {
    let key = RustCryptoKey::from_bytes([7; 32]).map_err(|_| "a secret key is accepted")?;
    let channel = ChannelId::derive(&EscrowId([1; 32]), &key.address());
    let lane = LaneId::derive(&channel, &Address([3; 20]), RatingGroup(4));
    let device = Device { key, domain: Domain::new(1, Address([9; 20])), lane };
    let state = voucher(&device, LaneState::new(lane))?;
    let state = ticks(&device, state)?;
    let evidence = state.evidence().ok_or("a paid lane has a proof")?;
    let address = device.key.address();
    let proven = verify_evidence(&RustCrypto, &device.domain, &lane, &address, &evidence);
    holds(proven == Ok(state.total()), "the proof proves the total")
}

fn holds(condition: bool, check: &'static str) -> Checked<()> {
    if condition { Ok(()) } else { Err(check) }
}

impl Device {
    fn sign(&self, data: &impl TypedData) -> Checked<UncheckedSignature> {
        let signature = sign_typed(&self.key, &self.domain, data);
        signature.map(UncheckedSignature::from).map_err(|_| "typed data is signed")
    }
}

/// The payment as the other side reads it from the wire.
fn travel(payment: &Payment) -> Checked<Payment> {
    let bytes = encode_to_vec(payment);
    let (_, cut) = bytes.split_last().ok_or("a message takes room")?;
    holds(decode_exact::<Payment>(cut).is_err(), "a message cut short is refused")?;
    decode_exact(&bytes).map_err(|_| "a message is decoded")
}

fn commit(state: LaneState, outcome: Outcome) -> Checked<LaneState> {
    match outcome {
        Outcome::Advance(proposal) => Ok(state.commit(&proposal)),
        Outcome::Known => Err("a payment raises the total"),
    }
}

fn voucher(device: &Device, state: LaneState) -> Checked<LaneState> {
    let typed = Voucher { lane: device.lane, cumulative_amount: 1_000 };
    let voucher = SignedVoucher { amount: 1_000, signature: device.sign(&typed)? };
    let sent = Payment::Voucher { lane: LaneRef::Id(device.lane), voucher };
    let Payment::Voucher { voucher, .. } = travel(&sent)? else {
        return Err("a voucher arrives as one");
    };
    let (domain, address) = (&device.domain, device.key.address());
    let raised = SignedVoucher { amount: 1_001, ..voucher };
    let refused = verify_voucher(&RustCrypto, domain, &device.lane, &address, &raised);
    holds(refused == Err(Refusal::WrongSigner), "a voucher for another total is refused")?;
    let checked =
        verify_voucher(&RustCrypto, domain, &device.lane, &address, &voucher).map_err(|_| "a voucher verifies")?;
    let outcome = state.propose_voucher(&checked);
    let state = commit(state, outcome)?;
    holds(state.total().amount() == 1_000, "a voucher raises the total to its amount")?;
    Ok(state)
}

fn ticks(device: &Device, state: LaneState) -> Checked<LaneState> {
    let purpose = ChainPurpose {
        lane: device.lane,
        base_amount: 1_000,
        base_ticks: 0,
        tick_amount: 3,
        ticks_per_amount: 2,
        length: 300,
        tariff: TariffHash::ZERO,
    };
    let seed = chain::seed(&[5; 32], &device.domain, &purpose);
    let mut chain = DeviceChain::new(&device.lane, seed, purpose.length).ok_or("a chain is built")?;
    let terms = AnchorTerms::of_chain(&purpose, chain.root());
    let anchor = SignedAnchor { terms, signature: device.sign(&terms.typed(&device.lane))? };
    let lane = LaneRef::Id(device.lane);
    let Payment::Anchor { anchor, .. } = travel(&Payment::Anchor { lane, anchor })? else {
        return Err("an anchor arrives as one");
    };
    let address = device.key.address();
    let checked = verify_anchor(&RustCrypto, &device.domain, &device.lane, &address, &anchor)
        .map_err(|_| "an anchor verifies")?;
    let outcome = state.propose_anchor(&checked).map_err(|_| "an anchor is accepted")?;
    let state = commit(state, outcome)?;
    let (link, _) = chain.preimage(201).ok_or("a preimage is shown")?;
    let Payment::Tick { index, link, .. } = travel(&Payment::Tick { lane, index: 201, link })? else {
        return Err("a tick arrives as one");
    };
    let wrong = state.propose_tick(index, &Preimage([0; 32]));
    holds(wrong == Err(Refusal::WrongTick), "a wrong preimage is refused")?;
    let outcome = state.propose_tick(index, &link).map_err(|_| "a tick is accepted")?;
    let state = commit(state, outcome)?;
    holds(state.total().amount() == 1_301, "201 ticks of three halves are 301 whole units")?;
    Ok(state)
}
