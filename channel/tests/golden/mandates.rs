//! Mandates against a tree built in Python, eth-account's signatures and cbor2's encoding.

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId};
use farthing_channel::mandate::{Authority, MandateBundle, MandateTerms, sign_mandate, sign_mandates};
use farthing_channel::sign::{LibSecp, LibSecpKey, Signer};
use farthing_channel::time::UnixSeconds;
use serde_json::Value;

use crate::{array, bytes, list, parse, vectors};

struct Payer {
    domain: Domain,
    key: LibSecpKey,
}

fn payer(vectors: &Value) -> Payer {
    let entry = &list(vectors, "domain")[0];
    let key = LibSecpKey::from_bytes(array(entry, "secret")).unwrap();
    assert_eq!(key.address(), parse(entry, "signer"));
    Payer { domain: Domain::new(parse(entry, "chain_id"), parse(entry, "contract")), key }
}

fn hex_list(entry: &Value, key: &str) -> Vec<Vec<u8>> {
    let entries = entry[key].as_array().unwrap();
    entries.iter().map(|hexed| hex::decode(hexed.as_str().unwrap()).unwrap()).collect()
}

fn terms(entry: &Value) -> MandateTerms {
    MandateTerms {
        device: parse(entry, "device"),
        limit: parse(entry, "limit"),
        expiry: UnixSeconds(parse(entry, "expiry")),
        serial: parse(entry, "serial"),
        payees: hex_list(entry, "payees").into_iter().map(|payee| Address(payee.try_into().unwrap())).collect(),
    }
}

fn all_terms(entry: &Value) -> Vec<MandateTerms> {
    list(entry, "mandates").iter().map(terms).collect()
}

/// Decodes a foreign bundle, encodes it back and verifies it.
fn verified(payer: &Payer, encoded: &[u8]) -> MandateBundle {
    let bundle: MandateBundle = decode_exact(encoded).unwrap();
    assert_eq!(encode_to_vec(&bundle), encoded);
    bundle.verify(&LibSecp, &payer.domain, &payer.key.address()).unwrap().into_inner()
}

#[test]
fn single_mandates_are_signed_alike() {
    let vectors = vectors("mandates");
    let payer = payer(&vectors);
    for entry in list(&vectors, "direct") {
        let escrow: EscrowId = parse(entry, "escrow");
        let ours = sign_mandate(&payer.key, &payer.domain, escrow, all_terms(entry).remove(0));
        let foreign = hex_list(entry, "bundles").remove(0);
        assert_eq!(encode_to_vec(&ours.unwrap()), foreign);
        verified(&payer, &foreign);
    }
}

#[test]
fn trees_are_signed_and_cut_alike() {
    let vectors = vectors("mandates");
    let payer = payer(&vectors);
    for entry in list(&vectors, "trees") {
        let mandates = all_terms(entry);
        let ours = sign_mandates(&payer.key, &payer.domain, parse(entry, "escrow"), &mandates).unwrap();
        let foreign = hex_list(entry, "bundles");
        assert_eq!(ours.iter().map(encode_to_vec).collect::<Vec<_>>(), foreign);
        for encoded in &foreign {
            let bundle = verified(&payer, encoded);
            let Authority::Tree { signature, .. } = bundle.authority else {
                panic!("a tree's bundle is under its root")
            };
            assert_eq!(signature.0, *bytes(entry, "signature"));
        }
        for single in list(entry, "singles") {
            let place: usize = single[0].as_str().unwrap().parse().unwrap();
            let foreign = hex::decode(single[1].as_str().unwrap()).unwrap();
            let ours = ours[place / 256].single(place % 256).unwrap();
            assert_eq!(encode_to_vec(&ours), foreign, "mandate {place}");
            assert_eq!(verified(&payer, &foreign).mandates, [mandates[place].clone()]);
        }
    }
}
