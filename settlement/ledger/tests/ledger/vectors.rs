//! What foreign implementations of EIP-712 and of the tree say (`vectors/ledger.py`).

use std::str::FromStr;

use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::{Address, ChannelId, Digest, EscrowId, EscrowTerms, Hash32, LaneId, RatingGroup};
use farthing_channel::sign::{Signature, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::EMBEDDED_CHAIN_ID;
use farthing_ledger::tree::{BatchTree, LaneLeaf};
use farthing_ledger::*;
use serde_json::Value;

use crate::world::key;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/ledger.json")).unwrap()
}

fn get<T: FromStr<Err: std::fmt::Debug>>(value: &Value, name: &str) -> T {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).parse().unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn check(vector: &Value, operation: &impl TypedData) {
    let domain = Domain::new(EMBEDDED_CHAIN_ID, Address([0xc0; 20]));
    assert_eq!(domain.digest(operation), get::<Digest>(vector, "digest"), "{vector}");
    let rsv = hex::decode(&vector["signature"].as_str().unwrap()[2..]).unwrap();
    let signature = sign_typed(&key(7), &domain, operation).unwrap();
    assert_eq!(Signature::from_slice(&rsv), Ok(signature), "both sides sign by RFC 6979");
    assert!(!key(7).address().is_zero());
}

fn terms(m: &Value) -> EscrowTerms {
    EscrowTerms {
        payer: get(m, "payer"),
        payee: get(m, "payee"),
        token: get(m, "token"),
        salt: get(m, "salt"),
        authorized_signer: get(m, "authorizedSigner"),
    }
}

fn kind(m: &Value) -> AccountKind {
    [AccountKind::Payer, AccountKind::Hub, AccountKind::Provider][get::<usize>(m, "kind")]
}

fn leg(m: &Value) -> Leg {
    Leg { from: get(m, "from"), to: get(m, "to"), amount: get(m, "amount") }
}

fn cursor(m: &Value) -> JournalCursor {
    JournalCursor {
        thread: get(m, "thread"),
        term: get(m, "term"),
        sequence: get(m, "sequence"),
        block_hash: get(m, "blockHash"),
    }
}

fn check_escrow_operation(name: &str, vector: &Value, m: &Value) -> bool {
    let escrow = || get::<EscrowId>(m, "escrowId");
    match name {
        "OpenEscrow" => check(vector, &OpenEscrow { terms: terms(m), deposit: get(m, "deposit") }),
        "TopUp" => check(vector, &TopUp { escrow: escrow(), counter: get(m, "counter"), amount: get(m, "amount") }),
        "RequestClose" => check(vector, &RequestClose { escrow: escrow(), counter: get(m, "counter") }),
        "Withdraw" => check(vector, &Withdraw { escrow: escrow(), counter: get(m, "counter") }),
        "CloseEscrow" => check(vector, &CloseEscrow { escrow: escrow(), total: get(m, "total") }),
        "RevokeMandate" => {
            check(vector, &RevokeMandate { escrow: escrow(), device: get(m, "device"), serial: get(m, "serial") });
        }
        "SettleBatch" => {
            let batch = SettleBatch {
                escrow: escrow(),
                prev_settled: get(m, "prevSettled"),
                total: get(m, "total"),
                root: get(m, "root"),
                channels: get(m, "channels"),
                lanes: get(m, "lanes"),
                journal_root: get(m, "journalRoot"),
                epoch: get(m, "epoch"),
            };
            check(vector, &batch);
        }
        _ => return false,
    }
    true
}

fn check_participant_operation(name: &str, vector: &Value, m: &Value) -> bool {
    match name {
        "Issue" => {
            check(
                vector,
                &Issue { reference: get(m, "reference"), account: get(m, "account"), amount: get(m, "amount") },
            );
        }
        "RegisterAccount" => {
            let (account, label, revision) = (get(m, "account"), get(m, "label"), get(m, "revision"));
            check(vector, &RegisterAccount { account, kind: kind(m), label, revision });
        }
        "Payout" => {
            let (reference, account, amount) = (get(m, "reference"), get(m, "account"), get(m, "amount"));
            check(vector, &Payout { reference, account, amount });
        }
        "SetParticipant" => {
            let set = SetParticipant {
                account: get(m, "account"),
                net_debit_cap: get(m, "netDebitCap"),
                approvers: list(&m["approvers"]).iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect(),
                revision: get(m, "revision"),
            };
            check(vector, &set);
        }
        "TransferBatch" => {
            let legs = list(&m["legs"]).iter().map(leg).collect();
            check(vector, &TransferBatch { proposal: get(m, "proposalId"), epoch: get(m, "epoch"), legs });
        }
        "SetPayout" => {
            let (account, payout, revision) = (get(m, "account"), get(m, "payout"), get(m, "revision"));
            check(vector, &SetPayout { account, payout, revision });
        }
        "CloseEpoch" => {
            let close = CloseEpoch {
                hub: get(m, "hub"),
                epoch: get(m, "epoch"),
                proposal: get(m, "proposalId"),
                cursors: list(&m["cursors"]).iter().map(cursor).collect(),
                journal_root: get(m, "journalRoot"),
            };
            check(vector, &close);
        }
        _ => return false,
    }
    true
}

#[test]
fn digests_are_those_of_a_wallet() {
    let vectors = vectors();
    assert_eq!(list(&vectors["operations"]).len(), 28, "two of each operation");
    for vector in list(&vectors["operations"]) {
        let name = vector["kind"].as_str().unwrap();
        let m = &vector["message"];
        assert!(check_escrow_operation(name, vector, m) || check_participant_operation(name, vector, m), "{name}");
    }
}

#[test]
fn escrow_ids_are_those_of_the_abi() {
    for vector in list(&vectors()["escrows"]) {
        let id = terms(vector).id(&Address([0xc0; 20]), EMBEDDED_CHAIN_ID);
        assert_eq!(id, get::<EscrowId>(vector, "id"));
    }
}

#[test]
fn trees_have_the_root_that_python_finds() {
    for vector in list(&vectors()["trees"]) {
        let escrow: EscrowId = get(vector, "escrow");
        let mut tree = BatchTree::default();
        for channel in list(&vector["channels"]) {
            let device = get(channel, "device");
            let id = ChannelId::derive(&escrow, &device);
            let leaf = |lane: &Value| {
                let (payee, rating_group) = (get(lane, "payee"), RatingGroup(get(lane, "group")));
                LaneLeaf {
                    lane: LaneId::derive(&id, &payee, rating_group),
                    payee,
                    rating_group,
                    total: get(lane, "total"),
                }
            };
            let lanes = list(&channel["lanes"]).iter().map(leaf).collect();
            let expiry = UnixSeconds(get(channel, "expiry"));
            assert!(tree.push(device, get(channel, "limit"), expiry, get(channel, "serial"), lanes).is_some());
        }
        let root = tree.root().unwrap();
        assert_eq!((root.hash, root.sum), (get::<Hash32>(vector, "root"), get::<u64>(vector, "total")), "{vector}");
    }
}
