//! libsecp256k1: the hub's and every host's backend.

use core::convert::Infallible;

use secp256k1::ecdsa::{self, RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};

use super::{KnownKey, Recover, Signature, SignatureError, Signer, address_of_point};
use crate::id::{Address, Digest};

/// Verifies through libsecp256k1.
#[derive(Debug, Clone, Copy, Default)]
pub struct LibSecp;

fn address_of(key: &PublicKey) -> Address {
    address_of_point(&key.serialize_uncompressed()[1..])
}

/// `r || s` as libsecp256k1 takes it, and the parity.
fn plain(signature: &Signature) -> ([u8; 64], bool) {
    let (r, s, parity) = signature.parts();
    let mut rs = [0; 64];
    rs[..32].copy_from_slice(&r);
    rs[32..].copy_from_slice(&s);
    (rs, parity)
}

impl Recover for LibSecp {
    fn recover(&self, digest: &Digest, signature: &Signature) -> Result<Address, SignatureError> {
        LibSecpPublicKey::recover(digest, signature).map(|key| key.address())
    }
}

/// A public key, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibSecpPublicKey(PublicKey);

impl LibSecpPublicKey {
    /// The key that made `signature` over `digest`.
    ///
    /// # Errors
    /// [`SignatureError::NotOnCurve`].
    pub fn recover(digest: &Digest, signature: &Signature) -> Result<Self, SignatureError> {
        let (rs, parity) = plain(signature);
        let recovery = if parity { RecoveryId::One } else { RecoveryId::Zero };
        RecoverableSignature::from_compact(&rs, recovery)
            .and_then(|signature| signature.recover_ecdsa(Message::from_digest(digest.0)))
            .map(Self)
            .map_err(|_| SignatureError::NotOnCurve)
    }
}

impl KnownKey for LibSecpPublicKey {
    fn address(&self) -> Address {
        address_of(&self.0)
    }

    fn verify(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        let (rs, _) = plain(signature);
        ecdsa::Signature::from_compact(&rs)
            .and_then(|signature| ecdsa::verify(&signature, Message::from_digest(digest.0), &self.0))
            .map_err(|_| SignatureError::WrongSigner)
    }
}

/// A key in memory. Its `Debug` shows the address only; the secret is erased when it goes.
pub struct LibSecpKey {
    secret: SecretKey,
    address: Address,
}

impl LibSecpKey {
    /// The key with these secret bytes.
    ///
    /// # Errors
    /// [`SignatureError::BadKey`] for zero or a value not below the group order.
    pub fn from_bytes(secret: [u8; 32]) -> Result<Self, SignatureError> {
        let secret = SecretKey::from_secret_bytes(secret).map_err(|_| SignatureError::BadKey)?;
        let address = address_of(&PublicKey::from_secret_key(&secret));
        Ok(Self { secret, address })
    }

    /// The secret bytes, for whoever has to store or derive from them.
    #[must_use]
    pub fn secret_bytes(&self) -> [u8; 32] {
        self.secret.to_secret_bytes()
    }
}

impl core::fmt::Debug for LibSecpKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LibSecpKey({})", self.address)
    }
}

impl Drop for LibSecpKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl Signer for LibSecpKey {
    type Error = Infallible;

    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: &Digest) -> Result<Signature, Infallible> {
        let signed = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret);
        let (recovery, mut compact) = signed.serialize_compact();
        if recovery.to_u8() & 1 == 1 {
            compact[32] |= 0x80;
        }
        // libsecp256k1 always returns a low s.
        Ok(Signature { compact })
    }
}
