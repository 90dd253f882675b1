//! Who signs transactions: a key from a file, an encrypted keystore or the environment, or somebody far away.

use farthing_channel::id::{Address, Digest};
use farthing_channel::sign::{LibSecpKey, Signature, Signer};
use zeroize::Zeroizing;

pub mod keystore;

/// Why there is no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("key {what}: {why}")]
    Unreadable {
        /// Where it should be.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Whoever keeps it did not sign.
    #[error("the key of {account} does not sign: {why}")]
    NotSigned {
        /// Whose key.
        account: Address,
        /// What its keeper said.
        why: String,
    },
}

/// Signs for one account. A key management service or a hardware module implements this; a key in memory does.
pub trait TransactionSigner: std::fmt::Debug + Send + Sync {
    /// The account.
    fn account(&self) -> Address;

    /// A low-s signature over `digest`.
    ///
    /// # Errors
    /// [`KeyError::NotSigned`].
    fn sign_digest(&self, digest: &Digest) -> Result<Signature, KeyError>;
}

impl<S> TransactionSigner for S
where
    S: Signer + std::fmt::Debug + Send + Sync,
{
    fn account(&self) -> Address {
        Signer::address(self)
    }

    fn sign_digest(&self, digest: &Digest) -> Result<Signature, KeyError> {
        let failed = |error: S::Error| KeyError::NotSigned { account: Signer::address(self), why: error.to_string() };
        self.sign(digest).map_err(failed)
    }
}

/// The key whose 64 hexadecimal digits an environment variable holds.
///
/// # Errors
/// [`KeyError::Unreadable`].
pub fn from_variable(name: &str) -> Result<LibSecpKey, KeyError> {
    from_digits(name, &variable(name)?)
}

/// The key that 64 hexadecimal digits are; `what` tells where they are from.
///
/// # Errors
/// [`KeyError::Unreadable`].
pub fn from_digits(what: &str, digits: &str) -> Result<LibSecpKey, KeyError> {
    let digits = digits.trim();
    let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits)).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if bytes.len() == 32 => key(what, &bytes),
        _ => Err(unreadable(what, "expected 64 hexadecimal digits")),
    }
}

fn variable(name: &str) -> Result<Zeroizing<String>, KeyError> {
    std::env::var(name).map(Zeroizing::new).map_err(|error| unreadable(name, error))
}

fn key(what: impl std::fmt::Display, secret: &[u8]) -> Result<LibSecpKey, KeyError> {
    let secret: [u8; 32] = secret.try_into().map_err(|_| unreadable(&what, "expected 32 bytes"))?;
    LibSecpKey::from_bytes(secret).map_err(|error| unreadable(what, error))
}

fn unreadable(what: impl std::fmt::Display, why: impl std::fmt::Display) -> KeyError {
    KeyError::Unreadable { what: what.to_string(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_says_its_name() {
        let error = from_variable("FARTHING_NO_SUCH_KEY").unwrap_err();
        assert!(error.to_string().contains("FARTHING_NO_SUCH_KEY"));
    }

    #[test]
    fn what_are_not_the_digits_of_a_key_is_refused() {
        assert!(from_digits("a test", &"01".repeat(32)).is_ok());
        for digits in ["", "01", &"00".repeat(32), &"ff".repeat(32), &"0g".repeat(32)] {
            assert!(from_digits("a test", digits).is_err(), "{digits}");
        }
    }
}
