//! Who signs transactions: a key from a file, an encrypted keystore or the environment, or somebody far away.

use std::path::PathBuf;

use farthing_channel::id::{Address, Digest};
use farthing_channel::sign::{LibSecpKey, Signature, Signer};
use zeroize::Zeroizing;

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

/// Where a key in memory comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable with 64 hexadecimal digits.
    Environment(String),
    /// An encrypted keystore file (Web3 Secret Storage, version 3), and the file or variable with its password.
    Keystore {
        /// The keystore.
        path: PathBuf,
        /// Where its password is.
        password: PasswordSource,
    },
}

/// Where a keystore's password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// An environment variable.
    Environment(String),
    /// The first line of a file.
    File(PathBuf),
}

impl PasswordSource {
    fn read(&self) -> Result<Zeroizing<String>, KeyError> {
        match self {
            Self::Environment(name) => variable(name),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| unreadable(path.display(), error))?;
                let text = Zeroizing::new(text);
                Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
            }
        }
    }
}

impl KeySource {
    /// The key.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`].
    pub fn load(&self) -> Result<LibSecpKey, KeyError> {
        match self {
            Self::Environment(name) => {
                let text = variable(name)?;
                let digits = text.trim();
                let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits));
                key(name, &Zeroizing::new(bytes.map_err(|error| unreadable(name, error))?))
            }
            Self::Keystore { path, password } => {
                let password = password.read()?;
                let secret = eth_keystore::decrypt_key(path, password.as_bytes());
                let secret = secret.map_err(|error| unreadable(path.display(), error))?;
                key(path.display(), &Zeroizing::new(secret))
            }
        }
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

    /// The keystore of the Web3 Secret Storage definition's PBKDF2 test vector.
    const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
        "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    const SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    #[test]
    fn a_keystore_opens_with_its_password_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (path, password) = (folder.path().join("key.json"), folder.path().join("password"));
        std::fs::write(&path, KEYSTORE).unwrap();
        std::fs::write(&password, "testpassword\n").unwrap();
        let source = KeySource::Keystore { path, password: PasswordSource::File(password.clone()) };
        assert_eq!(hex::encode(source.load().unwrap().secret_bytes()), SECRET);
        std::fs::write(&password, "another").unwrap();
        assert!(source.load().is_err());
    }

    #[test]
    fn a_missing_variable_says_its_name() {
        let source = KeySource::Environment("FARTHING_NO_SUCH_KEY".into());
        assert!(source.load().unwrap_err().to_string().contains("FARTHING_NO_SUCH_KEY"));
    }
}
