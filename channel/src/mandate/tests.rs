use super::*;
use crate::sign::{LibSecp, LibSecpKey};
use alloc::vec;

fn payer() -> LibSecpKey {
    LibSecpKey::from_bytes([7; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(1, Address([9; 20]))
}

fn terms(n: u32) -> MandateTerms {
    let mut device = Address([1; 20]);
    device.0[..4].copy_from_slice(&n.to_be_bytes());
    MandateTerms { device, limit: 1000, expiry: UnixSeconds(5), serial: 1, payees: vec![] }
}

#[test]
fn bundles_of_any_tree_verify_and_so_does_each_single_mandate() {
    for count in [1, 2, 3, 255, 256, 257, 300, 513, 700] {
        let all: Vec<_> = (0..count).map(terms).collect();
        let bundles = sign_mandates(&payer(), &domain(), EscrowId([3; 32]), &all).unwrap();
        let listed: Vec<_> = bundles.iter().flat_map(|bundle| bundle.mandates.clone()).collect();
        assert_eq!(listed, all);
        for bundle in bundles {
            for position in [0, bundle.mandates.len() / 2, bundle.mandates.len() - 1] {
                let single = bundle.single(position).unwrap();
                assert!(single.verify(&LibSecp, &domain(), &payer().address()).is_ok(), "{count} {position}");
            }
            assert!(bundle.verify(&LibSecp, &domain(), &payer().address()).is_ok(), "{count}");
        }
    }
}

#[test]
fn nothing_else_verifies() {
    let all: Vec<_> = (0..10).map(terms).collect();
    let bundle = sign_mandates(&payer(), &domain(), EscrowId([3; 32]), &all).unwrap().remove(0);
    let good = bundle.single(4).unwrap();
    let refused = |bundle: MandateBundle| bundle.verify(&LibSecp, &domain(), &payer().address()).is_err();
    let mut raised = good.clone();
    raised.mandates[0].limit += 1;
    assert!(refused(raised));
    let mut moved = good.clone();
    let Authority::Tree { first_index, .. } = &mut moved.authority else { panic!() };
    *first_index += 16;
    assert!(refused(moved), "an index beyond the tree must not alias a leaf");
    let mut elsewhere = good.clone();
    elsewhere.escrow = EscrowId([4; 32]);
    assert!(refused(elsewhere));
    assert!(good.clone().verify(&LibSecp, &Domain::new(2, Address([9; 20])), &payer().address()).is_err());
    assert!(good.verify(&LibSecp, &domain(), &Address([1; 20])).is_err());
}

#[test]
fn payees_bind() {
    let one = Address([1; 20]);
    let two = Address([2; 20]);
    let bound = MandateTerms { payees: vec![one], ..terms(1) };
    assert!(bound.allows(&one) && !bound.allows(&two));
    let signed = sign_mandate(&payer(), &domain(), EscrowId([3; 32]), bound).unwrap();
    let mut widened = signed.clone();
    widened.mandates[0].payees.push(two);
    assert!(widened.verify(&LibSecp, &domain(), &payer().address()).is_err());
    let mut unsorted = signed.clone();
    unsorted.mandates[0].payees = vec![two, one];
    assert!(unsorted.verify(&LibSecp, &domain(), &payer().address()).is_err());
    assert!(signed.verify(&LibSecp, &domain(), &payer().address()).is_ok());
}
