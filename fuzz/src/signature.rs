//! Signatures that cost nothing to make and check, so that a run spends its time in the rules.

use farthing_channel::id::{Address, Digest};
use farthing_channel::sign::{Recover, Signature, SignatureError, UncheckedSignature};

/// "Signs" by writing the signer's address, mixed with the digest, into `r`: it names its signer for this digest,
/// and some other address for every other one, which is all the rules ask of a signature.
#[must_use]
pub fn sign(signer: &Address, digest: &Digest) -> UncheckedSignature {
    let mut compact = [0; 64];
    // A leading one keeps `r` above zero and below the order; a last one makes `s` the smallest there is.
    compact[0] = 1;
    compact[63] = 1;
    for (place, (key, mixed)) in compact[1..21].iter_mut().zip(signer.0.iter().zip(&digest.0)) {
        *place = key ^ mixed;
    }
    UncheckedSignature(compact)
}

/// Reads what [`sign`] wrote.
#[derive(Debug, Clone, Copy)]
pub struct Mixed;

impl Recover for Mixed {
    fn recover(&self, digest: &Digest, signature: &Signature) -> Result<Address, SignatureError> {
        let mut address = Address::ZERO;
        let mixed = &signature.as_compact()[1..21];
        for (place, (mixed, digest)) in address.0.iter_mut().zip(mixed.iter().zip(&digest.0)) {
            *place = mixed ^ digest;
        }
        Ok(address)
    }
}
