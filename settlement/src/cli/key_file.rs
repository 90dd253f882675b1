//! Secret keys in files: 64 hexadecimal digits, readable by their owner alone.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use serde::Serialize;

use super::output::print;
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Draw a fresh key into a new file, and print its address.
    New {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Print the address of a key.
    Show {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct KeyView {
    file: String,
    address: String,
}

pub(super) fn run(common: &Common, command: &KeyCommand) -> anyhow::Result<Outcome> {
    let (file, key) = match command {
        KeyCommand::New { file } => (file, create(file)?),
        KeyCommand::Show { file } => (file, load(file)?),
    };
    let address = key.address().to_string();
    print(common, &KeyView { file: file.display().to_string(), address: address.clone() }, address)?;
    Ok(Outcome::Done)
}

fn create(path: &Path) -> anyhow::Result<LibSecpKey> {
    let mut secret = [0; 32];
    // A value outside the group is drawn about once in 2^128 tries; then once more.
    let key = loop {
        getrandom::fill(&mut secret).map_err(|error| anyhow!("no randomness: {error}"))?;
        if let Ok(key) = LibSecpKey::from_bytes(secret) {
            break key;
        }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()?;
    Ok(key)
}

/// Reads a key; one that others may read is refused, because it is no secret any more.
pub(super) fn load(path: &Path) -> anyhow::Result<LibSecpKey> {
    let about = || format!("key {}", path.display());
    let mode = std::fs::metadata(path).with_context(about)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("key {} may be read by others (mode {:03o}); chmod 600 it", path.display(), mode & 0o777);
    }
    let text = std::fs::read_to_string(path).with_context(about)?;
    let digits = text.trim();
    let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits));
    let secret: [u8; 32] = bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| anyhow!("key {}: expected 64 hexadecimal digits", path.display()))?;
    LibSecpKey::from_bytes(secret).with_context(about)
}
