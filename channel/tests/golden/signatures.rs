//! Digests and signatures of everything that is signed, against eth-account.

use farthing_channel::eip712::{Anchor, Attach, Domain, Mandate, MandateRoot, Receipt, Report, TypedData, Voucher};
use farthing_channel::id::{Address, Digest};
use farthing_channel::sign::{
    LibSecp, LibSecpKey, Recover, Signature, SignatureError, Signer, sign_typed, verify_typed,
};
use farthing_channel::time::UnixSeconds;
use serde_json::Value;

use crate::{array, bytes, list, parse, text, vectors};

/// The domains of the vectors; their separators are compared on the way.
fn domains(vectors: &Value) -> Vec<Domain> {
    let read = |entry| {
        let domain = Domain::new(parse(entry, "chain_id"), parse(entry, "contract"));
        assert_eq!(domain.separator(), &array(entry, "separator"));
        domain
    };
    list(vectors, "domains").iter().map(read).collect()
}

fn check<T: TypedData>(entry: &Value, domain: &Domain, data: &T) {
    let name = format!("{} {}", text(entry, "type"), text(entry, "name"));
    assert_eq!(T::TYPE, text(entry, "type_string"), "{name}");
    assert_eq!(data.struct_hash(), array(entry, "struct_hash"), "{name}");
    assert_eq!(domain.digest(data), Digest(array(entry, "digest")), "{name}");
    let key = LibSecpKey::from_bytes(array(entry, "secret")).unwrap();
    assert_eq!(key.address(), parse(entry, "address"), "{name}");
    // RFC 6979 on both sides: the very same signature, not just a valid one.
    let signature = sign_typed(&key, domain, data).unwrap();
    assert_eq!(signature.as_compact(), &array(entry, "compact"), "{name}");
    assert_eq!(signature.to_rsv(), array(entry, "rsv"), "{name}");
    for form in ["compact", "rsv"] {
        assert_eq!(Signature::from_slice(&bytes(entry, form)), Ok(signature), "{name}");
    }
    assert_eq!(verify_typed(&LibSecp, domain, data, &signature, &key.address()), Ok(()), "{name}");
    #[cfg(feature = "k256")]
    {
        use farthing_channel::sign::{RustCrypto, RustCryptoKey};
        let key = RustCryptoKey::from_bytes(array(entry, "secret")).unwrap();
        assert_eq!(sign_typed(&key, domain, data).unwrap(), signature, "{name}");
        assert_eq!(verify_typed(&RustCrypto, domain, data, &signature, &key.address()), Ok(()), "{name}");
    }
}

#[test]
fn a_stock_wallet_signs_the_same_bytes() {
    let vectors = vectors("signatures");
    let domains = domains(&vectors);
    for entry in list(&vectors, "signed") {
        let domain = &domains[parse::<usize>(entry, "domain")];
        let message = &entry["message"];
        match text(entry, "type") {
            "Voucher" => check(entry, domain, &voucher(message)),
            "Anchor" => check(entry, domain, &anchor(message)),
            "Mandate" => check(entry, domain, &mandate(message)),
            "MandateRoot" => {
                check(entry, domain, &MandateRoot { escrow: parse(message, "escrowId"), root: parse(message, "root") })
            }
            "Receipt" => check(entry, domain, &receipt(message)),
            "Attach" => check(
                entry,
                domain,
                &Attach {
                    binding: parse(message, "binding"),
                    hub: parse(message, "hub"),
                    role: parse(message, "role"),
                },
            ),
            "Report" => check(entry, domain, &report(message)),
            other => panic!("unknown type {other}"),
        }
    }
}

fn voucher(message: &Value) -> Voucher {
    Voucher { lane: parse(message, "channelId"), cumulative_amount: parse(message, "cumulativeAmount") }
}

fn anchor(message: &Value) -> Anchor {
    Anchor {
        lane: parse(message, "channelId"),
        base_amount: parse(message, "baseAmount"),
        base_ticks: parse(message, "baseTicks"),
        tick_amount: parse(message, "tickAmount"),
        ticks_per_amount: parse(message, "ticksPerAmount"),
        length: parse(message, "length"),
        tariff: parse(message, "tariff"),
        root: parse(message, "root"),
    }
}

fn mandate(message: &Value) -> Mandate {
    Mandate {
        escrow: parse(message, "escrowId"),
        device: parse(message, "device"),
        limit: parse(message, "limit"),
        expiry: UnixSeconds(parse(message, "expiry")),
        serial: parse(message, "serial"),
        payees: parse(message, "payees"),
    }
}

fn receipt(message: &Value) -> Receipt {
    Receipt {
        lane: parse(message, "channelId"),
        authorised: parse(message, "authorised"),
        used: parse(message, "used"),
        tariff: parse(message, "tariff"),
        time: UnixSeconds(parse(message, "time")),
    }
}

fn report(message: &Value) -> Report {
    Report {
        lane: parse(message, "channelId"),
        revision: parse(message, "revision"),
        used_units: parse(message, "usedUnits"),
        credited_amount: parse(message, "creditedAmount"),
    }
}

#[test]
fn every_bad_signature_is_refused_for_its_own_reason() {
    for entry in list(&vectors("signatures"), "refused") {
        let digest = Digest(array(entry, "digest"));
        let expected = parse::<Address>(entry, "address");
        let parsed = Signature::from_slice(&bytes(entry, "signature"));
        let judge = |recover: &dyn Recover| {
            let signer = recover.recover(&digest, &parsed?)?;
            if signer == expected { Ok(()) } else { Err(SignatureError::WrongSigner) }
        };
        assert_eq!(format!("{:?}", judge(&LibSecp).unwrap_err()), text(entry, "error"), "{entry}");
        #[cfg(feature = "k256")]
        assert_eq!(judge(&farthing_channel::sign::RustCrypto), judge(&LibSecp), "{entry}");
    }
}
