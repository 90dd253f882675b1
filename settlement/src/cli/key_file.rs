//! Secret keys in files: 64 hexadecimal digits, readable by their owner alone, or keystores under a password.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Subcommand;
use farthing_chain::keys::{from_digits, keystore};
use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use serde::Serialize;
use zeroize::Zeroizing;

use super::output::print;
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Draw a fresh key into a new file, and print its address.
    New {
        /// The file; it must not exist.
        file: PathBuf,
        /// Encrypt it under a password (Web3 Secret Storage).
        #[arg(long)]
        keystore: bool,
        /// The password's file (/dev/fd/N for a descriptor); else it is FARTHING_NEW_KEYSTORE_PASSWORD, or asked for.
        #[arg(long, requires = "keystore", value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Print the address of a key.
    Show {
        /// The file.
        file: PathBuf,
    },
    /// Put a key under a password, or under another one. The file is replaced as a whole.
    Password {
        /// The file.
        file: PathBuf,
        /// The new password's file (/dev/fd/N for a descriptor); else it is FARTHING_NEW_KEYSTORE_PASSWORD, or asked for.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct KeyView {
    file: String,
    address: String,
    keystore: bool,
}

pub(super) fn run(common: &Common, command: &KeyCommand) -> anyhow::Result<Outcome> {
    let (file, address) = match command {
        KeyCommand::New { file, keystore, new_password_file } => {
            (file, create(common, file, *keystore, new_password_file.as_deref())?)
        }
        KeyCommand::Show { file } => (file, address_of(common, file)?),
        KeyCommand::Password { file, new_password_file } => {
            (file, change_password(common, file, new_password_file.as_deref())?)
        }
    };
    let keystore = keystore::is_keystore(&read(file)?);
    let address = address.to_string();
    print(common, &KeyView { file: file.display().to_string(), address: address.clone(), keystore }, address)?;
    Ok(Outcome::Done)
}

fn create(common: &Common, path: &Path, encrypted: bool, password: Option<&Path>) -> anyhow::Result<Address> {
    ensure!(!path.exists(), "cannot create {}: it exists", path.display());
    let mut secret = Zeroizing::new([0; 32]);
    // A value outside the group is drawn about once in 2^128 tries; then once more.
    let key = loop {
        getrandom::fill(&mut *secret).map_err(|error| anyhow!("no randomness: {error}"))?;
        if let Ok(key) = LibSecpKey::from_bytes(*secret) {
            break key;
        }
    };
    let text = if encrypted {
        keystore::encrypt(&key, &common.new_password(path, password)?)?
    } else {
        format!("{}\n", hex::encode(*secret))
    };
    write_new(path, &Zeroizing::new(text))?;
    Ok(key.address())
}

/// A keystore's own word where it has one; whoever uses the key finds out whether it is true.
fn address_of(common: &Common, path: &Path) -> anyhow::Result<Address> {
    match keystore::address(&read(path)?) {
        Some(address) => Ok(address),
        None => Ok(common.load_key(path)?.address()),
    }
}

fn change_password(common: &Common, path: &Path, password: Option<&Path>) -> anyhow::Result<Address> {
    let key = common.load_key(path)?;
    let text = keystore::encrypt(&key, &common.new_password(path, password)?)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    write_new(&beside, &text)?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot replace {}", path.display()))?;
    Ok(key.address())
}

/// Writes a new file that its owner alone may read.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("key {}", path.display()))?;
    Ok(Zeroizing::new(text))
}

/// The same key once more, for whoever keeps it.
pub(super) fn copy_of(key: &LibSecpKey) -> anyhow::Result<LibSecpKey> {
    Ok(LibSecpKey::from_bytes(key.secret_bytes())?)
}

impl Common {
    /// Reads a key; one in the clear that others may read is refused, because it is no secret any more.
    pub(super) fn load_key(&self, path: &Path) -> anyhow::Result<LibSecpKey> {
        let text = read(path)?;
        if keystore::is_keystore(&text) {
            return Ok(keystore::decrypt(path, &self.password(path)?)?);
        }
        let mode = std::fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("key {} may be read by others (mode {:03o}); chmod 600 it", path.display(), mode & 0o777);
        }
        Ok(from_digits(&path.display().to_string(), &text)?)
    }
}
