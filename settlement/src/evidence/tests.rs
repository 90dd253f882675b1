use farthing_channel::chain::{ChainPurpose, DeviceChain};
use farthing_channel::eip712::{Report, Voucher};
use farthing_channel::id::{EscrowId, RatingGroup};
use farthing_channel::lane::AnchorTerms;
use farthing_channel::sign::{LibSecp, LibSecpKey, Signer as _, sign_typed};

use super::*;

struct Lane {
    domain: Domain,
    device: LibSecpKey,
    payee: LibSecpKey,
    proof: LaneProof,
}

impl Lane {
    fn new() -> Self {
        let device = LibSecpKey::from_bytes([1; 32]).unwrap();
        let payee = LibSecpKey::from_bytes([2; 32]).unwrap();
        let escrow = EscrowId([3; 32]);
        let channel = ChannelId::derive(&escrow, &device.address());
        let image = LaneImage {
            lane: LaneId::derive(&channel, &payee.address(), RatingGroup(1)),
            escrow,
            device: device.address(),
            payee: payee.address(),
            rating_group: RatingGroup(1),
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        };
        Self { domain: Domain::new(9, Address([9; 20])), device, payee, proof: LaneProof::new(image).unwrap() }
    }

    fn keys(&self) -> LaneKeys<'_> {
        LaneKeys { domain: &self.domain, payer: self.device.address() }
    }

    fn voucher(&self, amount: u64, signer: &LibSecpKey) -> SignedVoucher {
        let typed = Voucher { lane: self.proof.image.lane, cumulative_amount: amount.into() };
        let Ok(signature) = sign_typed(signer, &self.domain, &typed);
        SignedVoucher { amount, signature: signature.into() }
    }

    fn anchor(&self, base_amount: u64, length: u16) -> (SignedAnchor, DeviceChain) {
        let lane = self.proof.image.lane;
        let purpose = ChainPurpose {
            lane,
            base_amount,
            base_ticks: 0,
            tick_amount: 3,
            ticks_per_amount: 2,
            length,
            tariff: TariffHash::ZERO,
        };
        let seed = chain::seed(&self.device.secret_bytes(), &self.domain, &purpose);
        let chain = DeviceChain::new(&lane, seed, length).unwrap();
        let terms = AnchorTerms::of_chain(&purpose, chain.root());
        let Ok(signature) = sign_typed(&self.device, &self.domain, &terms.typed(&lane));
        (SignedAnchor { terms, signature: signature.into() }, chain)
    }

    fn report(&self, revision: u64, credited: u64, signer: &LibSecpKey) -> SignedReport {
        let lane = self.proof.image.lane;
        let typed = Report { lane, revision, used_units: 10, credited_amount: credited.into() };
        let Ok(signature) = sign_typed(signer, &self.domain, &typed);
        SignedReport { lane, revision, used_units: 10, credited, signature: signature.into() }
    }
}

#[test]
fn the_greatest_true_voucher_counts() {
    let mut lane = Lane::new();
    let stranger = LibSecpKey::from_bytes([5; 32]).unwrap();
    for voucher in [lane.voucher(10, &lane.device), lane.voucher(99, &stranger), lane.voucher(40, &lane.device)] {
        lane.proof.offer_voucher(voucher);
    }
    let mut proof = lane.proof.clone();
    let failed = proof.check_vouchers(&lane.keys(), &LibSecp);
    assert_eq!(proof.total(), Total::whole(40));
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0.amount, failed[0].1), (99, Refusal::WrongSigner));
    // The same again, and less, changes nothing.
    proof.offer_voucher(lane.voucher(40, &lane.device));
    assert!(proof.check_vouchers(&lane.keys(), &LibSecp).is_empty());
    assert_eq!(proof.total(), Total::whole(40));
}

#[test]
fn a_voucher_whose_parity_the_hub_did_not_look_at_goes_to_the_ledger_with_the_right_one() {
    let mut lane = Lane::new();
    let right = lane.voucher(40, &lane.device);
    let signature = right.signature.check().unwrap().with_other_parity();
    lane.proof.offer_voucher(SignedVoucher { signature: signature.into(), ..right });
    let mut proof = lane.proof.clone();
    assert!(proof.check_vouchers(&lane.keys(), &LibSecp).is_empty());
    assert_eq!(proof.proven(), Some(Evidence::Voucher(right)));
    assert_eq!(worth(&lane.keys(), &LibSecp, &lane.proof.image.lane, &Evidence::Voucher(right)), Ok(Total::whole(40)));
}

#[test]
fn ticks_are_hashed_on_and_false_ones_change_nothing() {
    let mut lane = Lane::new();
    let (anchor, mut chain) = lane.anchor(100, 1000);
    let known = |_: &TariffHash| true;
    let mut proof = lane.proof.clone();
    proof.accept_anchor(&lane.keys(), &LibSecp, &anchor, known).unwrap();
    assert_eq!(proof.total(), Total::whole(100));
    let tag = anchor.terms.tag();
    let (link, _) = chain.preimage(700).unwrap();
    proof.accept_tick(tag, 700, &link).unwrap();
    assert_eq!(proof.total(), Total::whole(100 + 1050));
    assert_eq!(proof.accept_tick(tag, 701, &link), Err(Refusal::WrongTick));
    assert_eq!(proof.accept_tick(tag, 1001, &link), Err(Refusal::IndexOutOfRange));
    assert_eq!(proof.accept_tick(tag ^ 1, 701, &link), Err(Refusal::NoAnchor));
    assert_eq!(proof.accept_tick(tag, 3, &link), Ok(()));
    let evidence = proof.proven().unwrap();
    lane.proof = proof;
    assert_eq!(worth(&lane.keys(), &LibSecp, &lane.proof.image.lane, &evidence), Ok(Total::whole(1150)));
}

#[test]
fn an_anchor_needs_its_tariff_and_its_signer() {
    let lane = Lane::new();
    let (mut anchor, _) = lane.anchor(100, 10);
    let mut proof = lane.proof.clone();
    anchor.terms.base_amount = 1_000_000;
    let refused = proof.accept_anchor(&lane.keys(), &LibSecp, &anchor, |_| true);
    assert!(matches!(refused, Err(Refusal::WrongSigner | Refusal::BadSignature)));
    anchor.terms.tariff = TariffHash([1; 32]);
    assert_eq!(proof.accept_anchor(&lane.keys(), &LibSecp, &anchor, |_| false), Err(Refusal::UnknownTariff));
    assert_eq!(proof.total(), Total::ZERO);
}

#[test]
fn refunds_are_the_payees_word_and_only_grow() {
    let lane = Lane::new();
    let mut proof = lane.proof.clone();
    proof.accept_report(&lane.domain, &LibSecp, &lane.report(1, 5, &lane.payee)).unwrap();
    let foreign = proof.accept_report(&lane.domain, &LibSecp, &lane.report(2, 50, &lane.device));
    assert_eq!(foreign, Err(Refusal::WrongSigner));
    let shrinking = proof.accept_report(&lane.domain, &LibSecp, &lane.report(2, 4, &lane.payee));
    assert_eq!(shrinking, Err(Refusal::BadCredit));
    proof.accept_report(&lane.domain, &LibSecp, &lane.report(3, 6, &lane.payee)).unwrap();
    proof.accept_report(&lane.domain, &LibSecp, &lane.report(2, 5, &lane.payee)).unwrap();
    assert_eq!(proof.credited(), 6);
}

#[test]
fn a_lane_is_what_its_facts_make_it() {
    let lane = Lane::new();
    let image = LaneImage { rating_group: RatingGroup(2), ..lane.proof.image };
    assert_eq!(LaneProof::new(image), Err(Refusal::UnknownLane));
}
