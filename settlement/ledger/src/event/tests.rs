use farthing_channel::codec::{decode_exact, encode_to_vec};

use super::*;

const ESCROW: EscrowId = EscrowId([0xe5; 32]);
const ACCOUNT: Address = Address([0xac; 20]);
const OTHER: Address = Address([0x07; 20]);
const HASH: Hash32 = Hash32([0x4a; 32]);

fn all() -> Vec<Event> {
    vec![
        Event::Issued { reference: HASH, account: ACCOUNT, amount: 1 },
        Event::AccountRegistered { account: ACCOUNT, kind: AccountKind::Provider, label: "Ä".to_owned() },
        Event::EscrowOpened {
            escrow: ESCROW,
            payer: ACCOUNT,
            payee: OTHER,
            token: Address::ZERO,
            salt: HASH,
            authorized_signer: Address::ZERO,
            deposit: u64::MAX,
        },
        Event::EscrowToppedUp { escrow: ESCROW, amount: 2, deposit: 3 },
        Event::EscrowCloseRequested { escrow: ESCROW, withdrawable_at: UnixSeconds(4) },
        Event::EscrowSettled {
            escrow: ESCROW,
            payee: OTHER,
            prev_settled: 5,
            total: 6,
            root: HASH,
            channels: 7,
            lanes: 8,
            journal_root: Hash32::ZERO,
            epoch: 9,
        },
        Event::EscrowWithdrawn { escrow: ESCROW, payer: ACCOUNT, amount: 10 },
        Event::EscrowFinalized { escrow: ESCROW, settled: 11, refunded: 12 },
        Event::MandateRevoked { escrow: ESCROW, device: OTHER, serial: 13 },
        Event::Transferred {
            proposal: HASH,
            epoch: 14,
            leg: 15,
            from: ACCOUNT,
            to: OTHER,
            credited: ACCOUNT,
            amount: 16,
        },
        Event::PayoutChanged { account: ACCOUNT, payout: OTHER, effective: UnixSeconds(17) },
        Event::EpochClosed(ClosedEpoch {
            hub: OTHER,
            epoch: 18,
            proposal: HASH,
            cursors: vec![JournalCursor { thread: 0, term: 21, sequence: 19, block_hash: HASH }],
            journal_root: HASH,
            at: UnixSeconds(20),
        }),
        Event::PaidOut { reference: HASH, account: ACCOUNT, to: OTHER, amount: 21 },
        Event::BatchPosted {
            id: HASH,
            batch: SettleBatch {
                escrow: ESCROW,
                prev_settled: 1,
                total: 2,
                root: HASH,
                channels: 3,
                lanes: 4,
                journal_root: Hash32::ZERO,
                epoch: 5,
            },
        },
        Event::BatchVoided { escrow: ESCROW, id: HASH },
        Event::ParticipantSet { account: ACCOUNT, net_debit_cap: 22, approvers: vec![OTHER, ACCOUNT] },
    ]
}

/// One byte string of `count` times `byte`, as CBOR in hexadecimal digits.
fn bytes(byte: u8, count: u8) -> String {
    let head = if count < 24 { format!("{:02x}", 0x40 + count) } else { format!("58{count:02x}") };
    head + &format!("{byte:02x}").repeat(usize::from(count))
}

#[test]
fn stored_events_keep_their_encoding() {
    let (escrow, account, other, hash) = (bytes(0xe5, 32), bytes(0xac, 20), bytes(7, 20), bytes(0x4a, 32));
    let (zero, nothing) = (bytes(0, 20), bytes(0, 32));
    let golden = [
        format!("0183{hash}{account}01"),
        format!("0283{account}0262c384"),
        format!("0387{escrow}{account}{other}{zero}{hash}{zero}1bffffffffffffffff"),
        format!("0483{escrow}0203"),
        format!("0582{escrow}04"),
        format!("0689{escrow}{other}0506{hash}0708{nothing}09"),
        format!("0783{escrow}{account}0a"),
        format!("0883{escrow}0b0c"),
        format!("0983{escrow}{other}0d"),
        format!("0a87{hash}0e0f{account}{other}{account}10"),
        format!("0b83{account}{other}11"),
        format!("0c8186{other}12{hash}8184001513{hash}{hash}14"),
        format!("0d84{hash}{account}{other}15"),
        format!("0e82{hash}88{escrow}0102{hash}0304{nothing}05"),
        format!("0f82{escrow}{hash}"),
        format!("1083{account}1682{other}{account}"),
    ];
    assert_eq!(all().len(), golden.len());
    for (event, golden) in all().into_iter().zip(golden) {
        let stored = StoredEvent { at: UnixSeconds(1_000), event };
        let encoded = encode_to_vec(&stored);
        assert_eq!(hex::encode(&encoded), format!("821903e882{golden}"), "{stored:?}");
        assert_eq!(decode_exact::<StoredEvent>(&encoded), Ok(stored));
    }
}

#[test]
fn what_hurts_acts_at_the_head() {
    let at_head: Vec<_> = (1..).zip(all()).filter(|(_, event)| event.acts_at_head()).map(|(code, _)| code).collect();
    assert_eq!(at_head, [5, 7, 8, 9]);
}
