use super::*;
use crate::eip712::Voucher;
use crate::id::LaneId;

fn key() -> LibSecpKey {
    LibSecpKey::from_bytes([7; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(1, Address([9; 20]))
}

#[test]
fn signs_and_recovers() {
    let voucher = Voucher { lane: LaneId([3; 32]), cumulative_amount: 77 };
    let signature = sign_typed(&key(), &domain(), &voucher).unwrap();
    assert_eq!(verify_typed(&LibSecp, &domain(), &voucher, &signature, &key().address()), Ok(()));
    let other = Voucher { cumulative_amount: 78, ..voucher };
    assert_eq!(
        verify_typed(&LibSecp, &domain(), &other, &signature, &key().address()),
        Err(SignatureError::WrongSigner)
    );
    assert_eq!(Signature::from_rsv(&signature.to_rsv()), Ok(signature));
}

#[test]
fn refuses_what_is_not_canonical() {
    let mut zero_r = [0; 64];
    zero_r[63] = 1;
    assert_eq!(Signature::from_compact(zero_r), Err(SignatureError::OutOfRange));
    let mut zero_s = [0; 64];
    zero_s[31] = 1;
    assert_eq!(Signature::from_compact(zero_s), Err(SignatureError::OutOfRange));
    let mut high_s = [1; 64];
    high_s[32..].copy_from_slice(&HALF_ORDER);
    assert!(Signature::from_compact(high_s).is_ok());
    high_s[63] += 1;
    assert_eq!(Signature::from_compact(high_s), Err(SignatureError::HighS));
    let mut big_r = [1; 64];
    big_r[..32].copy_from_slice(&ORDER);
    assert_eq!(Signature::from_compact(big_r), Err(SignatureError::OutOfRange));
    assert_eq!(Signature::from_slice(&[0; 63]), Err(SignatureError::BadLength));
}

#[test]
fn a_malleated_signature_is_refused() {
    let voucher = Voucher { lane: LaneId([3; 32]), cumulative_amount: 77 };
    let mut rsv = sign_typed(&key(), &domain(), &voucher).unwrap().to_rsv();
    // s' = n - s with the other parity signs the same message.
    let mut borrow = 0u16;
    for i in (0..32).rev() {
        let difference = 0x100 + u16::from(ORDER[i]) - u16::from(rsv[32 + i]) - borrow;
        rsv[32 + i] = u8::try_from(difference & 0xff).unwrap();
        borrow = 1 - (difference >> 8);
    }
    rsv[64] = 27 + 28 - rsv[64];
    assert_eq!(Signature::from_rsv(&rsv), Err(SignatureError::HighS));
}

#[test]
fn a_point_off_the_curve_recovers_to_nobody() {
    // No point of secp256k1 has x = 5.
    let mut compact = [0; 64];
    compact[31] = 5;
    compact[63] = 1;
    let signature = Signature::from_compact(compact).unwrap();
    assert_eq!(LibSecp.recover(&Digest([1; 32]), &signature), Err(SignatureError::NotOnCurve));
}

#[cfg(feature = "k256")]
#[test]
fn both_backends_agree() {
    for seed in 1..40u8 {
        let digest = Digest(crate::id::keccak256(&[&[seed]]));
        let rust = RustCryptoKey::from_bytes([seed; 32]).unwrap();
        let c = LibSecpKey::from_bytes([seed; 32]).unwrap();
        assert_eq!(rust.address(), c.address());
        assert_eq!(rust.sign(&digest), c.sign(&digest));
        let signature = c.sign(&digest).unwrap();
        assert_eq!(RustCrypto.recover(&digest, &signature), LibSecp.recover(&digest, &signature));
    }
}
