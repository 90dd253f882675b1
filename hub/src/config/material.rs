//! The hub's key and certificate, from the files that the settings name.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use farthing_channel::id::Hash32;
use farthing_channel::sign::LibSecpKey;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::settings::{Config, TlsConfig};
use crate::transport::Identity;

/// Bits of a file's mode that let anyone but its owner at it.
const MODE_OTHERS: u32 = 0o077;

/// Why key or certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// The file cannot be read.
    #[error("{what} {}: {error}", path.display())]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others than its owner may read or change a secret.
    #[error("{}: mode {mode:04o} lets others at the secret; run chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No secp256k1 key.
    #[error("hub key {}: expected 64 hexadecimal digits that are a secp256k1 key", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// No PEM of the right kind.
    #[error("{what} {}: {reason}", path.display())]
    BadPem {
        /// What it should be.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn read_secret(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
    let unreadable = |error| MaterialError::Unreadable { what, path: path.to_owned(), error };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & MODE_OTHERS != 0 {
        return Err(MaterialError::Exposed { path: path.to_owned(), mode });
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}

/// Reads a secret key from a file of 64 hexadecimal digits that only its owner can read.
///
/// # Errors
/// [`MaterialError`].
pub fn load_key(path: &Path) -> Result<LibSecpKey, MaterialError> {
    let text = read_secret("hub key", path)?;
    let bad = || MaterialError::BadKey { path: path.to_owned() };
    let digits = text.trim_ascii();
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| bad())?;
    LibSecpKey::from_bytes(*secret).map_err(|_| bad())
}

/// Reads certificate chain and private key.
///
/// # Errors
/// [`MaterialError`].
pub fn load_identity(tls: &TlsConfig) -> Result<Identity, MaterialError> {
    let certificate_chain = load_certificates(&tls.certificate)?;
    let what = "TLS key";
    let pem = read_secret(what, &tls.key)?;
    let private_key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| MaterialError::BadPem {
        what,
        path: tls.key.clone(),
        reason: error.to_string(),
    })?;
    Ok(Identity { certificate_chain, private_key })
}

fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let what = "certificate";
    let pem = std::fs::read(path).map_err(|error| MaterialError::Unreadable { what, path: path.to_owned(), error })?;
    let bad = |reason: String| MaterialError::BadPem { what, path: path.to_owned(), reason };
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() { Err(bad("holds no certificate".into())) } else { Ok(chain) }
}

/// What clients pin: the SHA-256 of the certificate's DER encoding.
pub fn pin_of(certificate: &[u8]) -> Hash32 {
    let mut pin = Hash32::ZERO;
    // The suite that QUIC itself demands; its hash is SHA-256.
    if let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() {
        let digest = suite.common.hash_provider.hash(certificate);
        pin.0.copy_from_slice(digest.as_ref());
    }
    pin
}

/// A pin as people pass it on: 64 hexadecimal digits.
pub fn pin_text(pin: &Hash32) -> String {
    hex::encode(pin.0)
}

impl Config {
    /// The hub's key.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn load_key(&self) -> Result<LibSecpKey, MaterialError> {
        load_key(&self.hub.key_file)
    }

    /// The server's certificate and its key.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn load_identity(&self) -> Result<Identity, MaterialError> {
        load_identity(&self.tls)
    }

    /// The pin of the server's certificate. Reads no secret.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn load_pin(&self) -> Result<Hash32, MaterialError> {
        let chain = load_certificates(&self.tls.certificate)?;
        Ok(chain.first().map_or(Hash32::ZERO, |leaf| pin_of(leaf)))
    }
}
