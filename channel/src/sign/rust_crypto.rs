//! `k256`: the same signatures in pure Rust, for microcontrollers without a C compiler.

use core::convert::Infallible;

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, SigningKey, VerifyingKey};

use super::{Recover, Signature, SignatureError, Signer, address_of_point};
use crate::id::{Address, Digest};

/// Verifies in pure Rust.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustCrypto;

fn address_of(key: &VerifyingKey) -> Address {
    address_of_point(key.to_sec1_point(false).as_bytes().get(1..).unwrap_or_default())
}

impl Recover for RustCrypto {
    fn recover(&self, digest: &Digest, signature: &Signature) -> Result<Address, SignatureError> {
        let (r, s, parity) = signature.parts();
        let signature = EcdsaSignature::from_scalars(r, s).map_err(|_| SignatureError::OutOfRange)?;
        VerifyingKey::recover_from_prehash(&digest.0, &signature, RecoveryId::new(parity, false))
            .map(|key| address_of(&key))
            .map_err(|_| SignatureError::NotOnCurve)
    }
}

/// A key in memory; `k256` erases it when it goes.
pub struct RustCryptoKey {
    secret: SigningKey,
}

impl RustCryptoKey {
    /// The key with these secret bytes.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] for zero or a value not below the group order.
    pub fn from_bytes(secret: [u8; 32]) -> Result<Self, SignatureError> {
        SigningKey::from_slice(&secret).map(|secret| Self { secret }).map_err(|_| SignatureError::BadKey)
    }
}

impl core::fmt::Debug for RustCryptoKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RustCryptoKey({})", self.address())
    }
}

impl Signer for RustCryptoKey {
    type Error = Infallible;

    fn address(&self) -> Address {
        address_of(self.secret.verifying_key())
    }

    fn sign(&self, digest: &Digest) -> Result<Signature, Infallible> {
        let (signature, recovery) = self.secret.sign_prehash_recoverable(&digest.0);
        let mut compact = [0; 64];
        compact.copy_from_slice(&signature.to_bytes());
        // k256 normalises to a low s, and the recovery id with it.
        if recovery.is_y_odd() {
            compact[32] |= 0x80;
        }
        Ok(Signature { compact })
    }
}
