//! One encoding for a record, and bodies that are whole or nothing.

use proptest::prelude::*;

use super::*;
use crate::codec::{decode_exact, encode_to_vec};
use crate::lane::AnchorTerms;
use crate::mandate::{Authority, MandateTerms};
use crate::sign::UncheckedSignature;

fn hashes() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn signatures() -> impl Strategy<Value = UncheckedSignature> {
    any::<u8>().prop_map(|byte| UncheckedSignature([byte; 64]))
}

fn escrows() -> impl Strategy<Value = Record> {
    let state = prop_oneof![Just(EscrowState::Open), Just(EscrowState::CloseRequested), Just(EscrowState::Finalized)];
    (hashes(), addresses(), any::<u64>(), any::<u64>(), state).prop_map(|(hash, address, deposit, settled, state)| {
        Record::Escrow(EscrowImage {
            id: EscrowId(hash),
            payer: address,
            payee: address,
            token: Address::ZERO,
            salt: Hash32(hash),
            authorized_signer: address,
            deposit,
            settled,
            state,
        })
    })
}

fn mandates() -> impl Strategy<Value = Record> {
    let terms = (addresses(), any::<u128>(), any::<u64>(), prop::collection::vec(addresses(), 0..3)).prop_map(
        |(device, limit, serial, payees)| MandateTerms { device, limit, expiry: UnixSeconds(serial), serial, payees },
    );
    let authority = prop_oneof![
        signatures().prop_map(|signature| Authority::Direct { signature }),
        (signatures(), any::<u64>(), prop::collection::vec(hashes().prop_map(Hash32), 0..4))
            .prop_map(|(signature, first_index, siblings)| Authority::Tree { signature, first_index, siblings }),
    ];
    (hashes(), prop::collection::vec(terms, 0..4), authority).prop_map(|(escrow, mandates, authority)| {
        Record::Mandates(MandateBundle { escrow: EscrowId(escrow), mandates, authority })
    })
}

fn changes() -> impl Strategy<Value = Record> {
    prop_oneof![
        (hashes(), any::<u64>(), signatures()).prop_map(|(lane, amount, signature)| {
            Record::Voucher { lane: LaneId(lane), voucher: SignedVoucher { amount, signature } }
        }),
        (hashes(), any::<u64>(), any::<u16>(), hashes()).prop_map(|(lane, anchor, index, link)| {
            Record::Tick { lane: LaneId(lane), anchor, index, link: Preimage(link) }
        }),
        (hashes(), any::<u64>(), any::<u32>(), signatures()).prop_map(|(hash, base, tick_amount, signature)| {
            Record::Anchor {
                lane: LaneId(hash),
                anchor: SignedAnchor {
                    terms: AnchorTerms {
                        base_amount: base,
                        base_ticks: base,
                        tick_amount,
                        ticks_per_amount: tick_amount,
                        length: 4096,
                        tariff: TariffHash(hash),
                        root: Hash32(hash),
                    },
                    signature,
                },
            }
        }),
    ]
}

fn others() -> impl Strategy<Value = Record> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, at, restored)| Record::Term {
            term,
            at: UnixSeconds(at),
            restored
        }),
        any::<u64>().prop_map(|cursor| Record::LedgerCursor { cursor }),
        (hashes(), addresses(), any::<u64>()).prop_map(|(escrow, device, serial)| {
            Record::Revoked { escrow: EscrowId(escrow), device, serial, at: UnixSeconds(serial) }
        }),
        (addresses(), any::<String>(), any::<bool>())
            .prop_map(|(address, name, active)| { Record::Provider { address, name, active } }),
        (addresses(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(payee, tariff)| {
            Record::Tariff { payee, rating_group: RatingGroup(1), tariff: tariff.into() }
        }),
        (hashes(), addresses(), any::<u64>()).prop_map(|(hash, address, number)| {
            Record::Lane(LaneImage {
                lane: LaneId(hash),
                escrow: EscrowId(hash),
                device: address,
                payee: address,
                rating_group: RatingGroup(2),
                tariff: TariffHash(hash),
                tariff_base_amount: number,
                tariff_base_units: number,
            })
        }),
        (hashes(), any::<u64>(), signatures()).prop_map(|(lane, number, signature)| {
            Record::Report(SignedReport {
                lane: LaneId(lane),
                revision: number,
                used_units: number,
                credited: number,
                signature,
            })
        }),
        (hashes(), any::<u8>()).prop_map(|(channel, status)| Record::Status { channel: ChannelId(channel), status }),
        (any::<u64>(), any::<u64>()).prop_map(|(epoch, sequence)| Record::EpochClosed { epoch, sequence }),
    ]
}

fn decisions() -> impl Strategy<Value = Record> {
    prop_oneof![
        (hashes(), any::<u64>(), any::<i32>(), prop::collection::vec(any::<u16>(), 0..20)).prop_map(risk_change),
        (hashes(), any::<u64>(), any::<u8>()).prop_map(|(channel, number, level)| {
            let (at, until) = (UnixSeconds(number), UnixSeconds(number));
            Record::RiskOverride(RiskOverride { channel: ChannelId(channel), at, level, until })
        }),
    ]
}

fn risk_change((lane, number, odds, features): ([u8; 32], u64, i32, Vec<u16>)) -> Record {
    Record::Risk(RiskChange {
        lane: LaneId(lane),
        at: UnixSeconds(number),
        standing: 3,
        since: UnixSeconds(number),
        level: 6,
        overridden: odds > 0,
        odds,
        revision: "weights".into(),
        reasons: features.clone(),
        features,
        signals: alloc::vec![number; 4],
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![escrows(), mandates(), changes(), others(), decisions()]
}

#[test]
fn an_empty_body_holds_nothing() {
    assert_eq!(records(&[]), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn records_have_one_encoding(record in any_record(), at: prop::sample::Index, byte: u8) {
        let encoded = encode_to_vec(&record);
        prop_assert_eq!(&decode_exact::<Record>(&encoded), &Ok(record.clone()));
        let mut changed = encoded.clone();
        changed[at.index(encoded.len())] ^= byte.max(1);
        if let Ok((other, taken)) = decode_first::<Record>(&changed) {
            prop_assert_eq!(&encode_to_vec(&other)[..], &changed[..taken]);
            prop_assert_ne!(&other, &record);
        }
    }

    #[test]
    fn a_body_is_read_in_order_or_not_at_all(
        kept in prop::collection::vec(any_record(), 0..6),
        at: prop::sample::Index,
    ) {
        let parts: Vec<Vec<u8>> = kept.iter().map(encode_to_vec).collect();
        let body = parts.concat();
        prop_assert_eq!(&records(&body), &Ok(kept.clone()));
        let end = at.index(body.len().saturating_add(1));
        let mut boundary = 0;
        let whole = end == 0 || parts.iter().any(|part| {
            boundary += part.len();
            boundary == end
        });
        prop_assert_eq!(records(&body[..end]).is_ok(), whole);
    }

    #[test]
    fn a_change_is_the_same_read_back(record in changes()) {
        let (lane, change) = record.as_change().unwrap();
        prop_assert_eq!(Record::of_change(lane, &change), record);
    }

    #[test]
    fn what_is_no_change_says_so(record in others()) {
        prop_assert!(record.as_change().is_none());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = records(&noise);
    }
}
