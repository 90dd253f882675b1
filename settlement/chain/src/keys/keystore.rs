//! Encrypted key files: Web3 Secret Storage, version 3, which wallets and nodes read and write.

use std::path::Path;

use aes::Aes128;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use ctr::Ctr128BE;
use farthing_channel::id::{Address, keccak256};
use farthing_channel::sign::{LibSecpKey, Signer as _};
use scrypt::{Params, scrypt};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{KeyError, key, unreadable};

/// What guessing a password costs: N is 2 to this power, which takes 128 MiB and some tenths of a second, the least that OWASP's
/// Password Storage Cheat Sheet recommends with r = 8 and p = 1.
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;
const DERIVED_BYTES: usize = 32;

/// Whether `text` looks like a keystore rather than a secret in the clear.
#[must_use]
pub fn is_keystore(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The address that a keystore says it is of; it may leave it out, and nothing proves it without the password.
#[must_use]
pub fn address(text: &str) -> Option<Address> {
    let keystore: Value = serde_json::from_str(text).ok()?;
    let address = keystore.get("address")?.as_str()?;
    format!("0x{}", address.trim_start_matches("0x")).parse().ok()
}

/// The key in the keystore at `path`.
///
/// # Errors
/// [`KeyError::Unreadable`], for a wrong password too.
pub fn decrypt(path: &Path, password: &str) -> Result<LibSecpKey, KeyError> {
    let secret = eth_keystore::decrypt_key(path, password.as_bytes());
    let secret = Zeroizing::new(secret.map_err(|error| match error {
        eth_keystore::KeystoreError::MacMismatch => unreadable(path.display(), "the password is wrong"),
        error => unreadable(path.display(), error),
    })?);
    let decrypted = key(path.display(), &secret)?;
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path.display(), error))?;
    match address(&text) {
        Some(said) if said != decrypted.address() => {
            let why = format!("it says {said}, and its key is that of {}", decrypted.address());
            Err(unreadable(path.display(), why))
        }
        _ => Ok(decrypted),
    }
}

/// A keystore with `key` under `password`.
///
/// # Errors
/// [`KeyError::Unreadable`] where the system gives no randomness.
pub fn encrypt(key: &LibSecpKey, password: &str) -> Result<String, KeyError> {
    let what = "of a new keystore";
    let (mut salt, mut iv, mut id) = ([0; 32], [0; 16], [0; 16]);
    for bytes in [&mut salt[..], &mut iv, &mut id] {
        getrandom::fill(bytes).map_err(|error| unreadable(what, error))?;
    }
    let mut derived = Zeroizing::new([0; DERIVED_BYTES]);
    let params = Params::new(LOG_N, R, P).map_err(|error| unreadable(what, error))?;
    scrypt(password.as_bytes(), &salt, &params, &mut *derived).map_err(|error| unreadable(what, error))?;
    let (for_cipher, for_mac) = derived.split_at(DERIVED_BYTES / 2);
    let mut cipher = Ctr128BE::<Aes128>::new_from_slices(for_cipher, &iv).map_err(|error| unreadable(what, error))?;
    let mut secret = Zeroizing::new(key.secret_bytes());
    cipher.apply_keystream(&mut *secret);
    let address = key.address().to_string().trim_start_matches("0x").to_ascii_lowercase();
    let keystore = json!({
        "version": 3,
        "id": uuid(id),
        "address": address,
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex::encode(iv) },
            "ciphertext": hex::encode(*secret),
            "kdf": "scrypt",
            "kdfparams": { "dklen": DERIVED_BYTES, "n": 1_u32 << LOG_N, "r": R, "p": P, "salt": hex::encode(salt) },
            "mac": hex::encode(keccak256(&[for_mac, &*secret])),
        },
    });
    Ok(format!("{keystore:#}\n"))
}

/// Random bytes as a UUID of version 4 (RFC 9562).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let (head, tail) = digits.split_at(20);
    let (head, fourth) = head.split_at(16);
    let (head, third) = head.split_at(12);
    let (first, second) = head.split_at(8);
    [first, second, third, fourth, tail].join("-")
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

    fn unlock(text: &str, password: &str) -> Result<LibSecpKey, KeyError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        std::fs::write(&path, text).unwrap();
        decrypt(&path, password)
    }

    #[test]
    fn a_foreign_keystore_opens_with_its_password_and_no_other() {
        assert_eq!(hex::encode(unlock(KEYSTORE, "testpassword").unwrap().secret_bytes()), SECRET);
        assert!(unlock(KEYSTORE, "another").unwrap_err().to_string().contains("the password is wrong"));
        assert!(is_keystore(KEYSTORE) && !is_keystore(SECRET) && address(KEYSTORE).is_none());
    }

    /// Read back by another implementation of the format than wrote it.
    #[test]
    fn a_keystore_of_ours_is_read_by_others() {
        let secret: [u8; 32] = hex::decode(SECRET).unwrap().try_into().unwrap();
        let ours = LibSecpKey::from_bytes(secret).unwrap();
        let text = encrypt(&ours, "päss wörd").unwrap();
        assert_eq!(unlock(&text, "päss wörd").unwrap().secret_bytes(), secret);
        assert_eq!(address(&text), Some(ours.address()));
        assert!(!text.contains(SECRET));
        let lied = text.replace(ours.address().to_string().trim_start_matches("0x"), &"11".repeat(20));
        let lied =
            lied.replace(&ours.address().to_string().trim_start_matches("0x").to_ascii_lowercase(), &"11".repeat(20));
        assert!(unlock(&lied, "päss wörd").is_err());
    }

    #[test]
    fn random_bytes_become_a_uuid() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
