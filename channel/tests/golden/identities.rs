//! Identities against eth-abi and eth-account.

use farthing_channel::eip712::Attach;
use farthing_channel::id::{Address, ChannelId, EscrowTerms, LaneId, RatingGroup};
use farthing_channel::mandate::payees_hash;
use farthing_channel::sign::{LibSecpKey, Signer};

use crate::{array, bytes, list, parse, vectors};

#[test]
fn keys_have_their_addresses() {
    for entry in list(&vectors("identities"), "keys") {
        let key = LibSecpKey::from_bytes(array(entry, "secret")).unwrap();
        assert_eq!(key.address(), parse(entry, "address"));
    }
}

#[test]
fn escrows_are_named_by_their_terms_and_ledger() {
    for entry in list(&vectors("identities"), "escrows") {
        let terms = EscrowTerms {
            payer: parse(entry, "payer"),
            payee: parse(entry, "payee"),
            token: parse(entry, "token"),
            salt: parse(entry, "salt"),
            authorized_signer: parse(entry, "authorized_signer"),
        };
        let id = terms.id(&parse(entry, "contract"), parse(entry, "chain_id"));
        assert_eq!(id, parse(entry, "id"));
    }
}

#[test]
fn lanes_are_named_by_channel_payee_and_group() {
    for entry in list(&vectors("identities"), "lanes") {
        let channel = ChannelId::derive(&parse(entry, "escrow"), &parse(entry, "device"));
        assert_eq!(channel, parse(entry, "channel"));
        let group = RatingGroup(parse(entry, "rating_group"));
        let lane = LaneId::derive(&channel, &parse(entry, "payee"), group);
        assert_eq!(lane, parse(entry, "id"));
        assert_eq!(lane.tag(), array(entry, "tag"));
    }
}

#[test]
fn payees_are_hashed_as_words() {
    for entry in list(&vectors("identities"), "payees") {
        let payees: Vec<Address> =
            entry["payees"].as_array().unwrap().iter().map(|payee| payee.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(payees_hash(&payees), parse(entry, "hash"));
    }
}

#[test]
fn a_binding_names_nonce_and_certificate() {
    for entry in list(&vectors("identities"), "bindings") {
        let binding = Attach::binding(&parse(entry, "nonce"), &bytes(entry, "certificate"));
        assert_eq!(binding, parse(entry, "binding"));
    }
}
