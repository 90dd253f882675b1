//! Device keys: whoever signs, behind one type, and the secret that hash chains grow from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use farthing_channel::id::{Address, Digest};
use farthing_channel::sign::{LibSecpKey, Signature, Signer};
use zeroize::{Zeroize as _, Zeroizing};

/// Why a key cannot be used, or did not sign.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {reason}")]
    File {
        /// The file.
        path: Arc<str>,
        /// What the system said.
        reason: Arc<str>,
    },
    /// Others than the owner may read the file.
    #[error("key file {0} can be read by others; set its mode to 0600")]
    Exposed(Arc<str>),
    /// Not 64 hexadecimal digits, or no secret key.
    #[error("not a secret key")]
    NotAKey,
    /// The keeper of the key failed.
    #[error("the key did not sign: {0}")]
    Signer(Arc<str>),
}

impl KeyError {
    /// Whether trying again may help: only for a keeper that failed.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        matches!(self, Self::Signer(_))
    }

    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string().into(), reason: error.to_string().into() }
    }
}

/// 32 secret bytes from which the seeds of all hash chains are derived. Whoever has them and an anchor can spend
/// that chain. Erased when dropped.
#[derive(Clone)]
pub struct ChainSecret(Zeroizing<[u8; 32]>);

impl ChainSecret {
    /// These bytes. They must be kept as long as the key: a device that lost its memory grows its chains again from
    /// them.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ChainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainSecret(..)")
    }
}

/// [`Signer`] without its error type, so that one field can hold any of them.
trait AnySigner: Send + Sync {
    fn sign(&self, digest: &Digest) -> Result<Signature, KeyError>;
}

impl<S: Signer + Send + Sync> AnySigner for S {
    fn sign(&self, digest: &Digest) -> Result<Signature, KeyError> {
        Signer::sign(self, digest).map_err(|error| KeyError::Signer(error.to_string().into()))
    }
}

/// A device's or provider's key: a signer of any kind and the chain secret beside it. Cloning shares it.
#[derive(Clone)]
pub struct DeviceKey {
    address: Address,
    signer: Arc<dyn AnySigner>,
    chain_secret: ChainSecret,
}

impl DeviceKey {
    /// A key in a secure element or key management service, which does not show its secret; `chain_secret` is kept
    /// apart. `signer` is called from the connection's task, so it should answer within milliseconds.
    #[must_use]
    pub fn new(signer: impl Signer + Send + Sync + 'static, chain_secret: ChainSecret) -> Self {
        Self { address: signer.address(), signer: Arc::new(signer), chain_secret }
    }

    /// A key in memory. Its secret is the chain secret too.
    #[must_use]
    pub fn in_memory(key: LibSecpKey) -> Self {
        let chain_secret = ChainSecret::new(key.secret_bytes());
        Self::new(key, chain_secret)
    }

    /// The key with these secret bytes.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] for zero or a value not below the group order.
    pub fn from_secret(secret: [u8; 32]) -> Result<Self, KeyError> {
        LibSecpKey::from_bytes(secret).map(Self::in_memory).map_err(|_| KeyError::NotAKey)
    }

    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    pub(crate) fn chain_secret(&self) -> &ChainSecret {
        &self.chain_secret
    }
}

impl Signer for DeviceKey {
    type Error = KeyError;

    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: &Digest) -> Result<Signature, KeyError> {
        self.signer.sign(digest)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.address)
    }
}

/// A key in a file: 64 hexadecimal digits, readable by the owner alone.
pub struct FileKey(LibSecpKey);

impl FileKey {
    /// Reads the key.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Exposed`], [`KeyError::NotAKey`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        refuse_exposed(path)?;
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|e| KeyError::file(path, &e))?);
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, &mut secret[..]).map_err(|_| KeyError::NotAKey)?;
        LibSecpKey::from_bytes(*secret).map(Self).map_err(|_| KeyError::NotAKey)
    }

    /// Draws a new key and writes it to `path`, which must not exist.
    ///
    /// # Errors
    /// [`KeyError::File`], also where the system has no randomness.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        use std::io::Write as _;
        let path = path.as_ref();
        let key = Self::draw(path)?;
        let mut text = Zeroizing::new(hex::encode(Zeroizing::new(key.0.secret_bytes()).as_slice()));
        text.push('\n');
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| KeyError::file(path, &e))?;
        Ok(key)
    }

    /// A few random values are out of range with a chance of 2^-128 each; the third is as good as never needed.
    fn draw(path: &Path) -> Result<Self, KeyError> {
        for _ in 0..3 {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|e| KeyError::file(path, &std::io::Error::other(e.to_string())))?;
            let key = LibSecpKey::from_bytes(secret);
            secret.zeroize();
            if let Ok(key) = key {
                return Ok(Self(key));
            }
        }
        Err(KeyError::NotAKey)
    }

    /// The key's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({})", self.0.address())
    }
}

impl From<FileKey> for DeviceKey {
    fn from(key: FileKey) -> Self {
        Self::in_memory(key.0)
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).map_err(|e| KeyError::file(path, &e))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed(path.display().to_string().into()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path) -> Result<(), KeyError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_key_reads_back_and_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        let created = FileKey::create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = FileKey::load(&path).unwrap();
        assert_eq!(created.address(), loaded.address());
        let shown = format!("{loaded:?} {:?}", DeviceKey::from(created));
        assert!(!shown.contains(text.trim()));
        assert!(FileKey::create(&path).is_err(), "never overwritten");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        FileKey::create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(FileKey::load(&path), Err(KeyError::Exposed(_))));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        FileKey::create(&path).unwrap();
        for text in ["", "12", &"0".repeat(64), &"f".repeat(64)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(FileKey::load(&path), Err(KeyError::NotAKey)));
        }
    }
}
