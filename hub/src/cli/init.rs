//! A new hub's directory: configuration, key, certificate.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use serde::Serialize;
use zeroize::Zeroizing;

use super::args::InitArgs;
use super::failure::Failure;
use super::print::{Printer, fields};
use crate::admin::encoded::Text;
use crate::config::material::{load_key, pin_of, pin_text};
use crate::config::template::{Choices, render};
use crate::config::{Config, FILE_NAME};

const KEY_FILE: &str = "hub.key";
const CERTIFICATE_FILE: &str = "hub-cert.pem";
const CERTIFICATE_KEY_FILE: &str = "hub-cert.key";
const DATA_DIR: &str = "data";
const LEDGER_FILE: &str = "ledger.redb";

const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
/// Nobody but the hub has business in its journal.
const DIRECTORY_MODE: u32 = 0o700;

/// What `init` made.
#[derive(Debug, Clone, Serialize)]
pub struct Initialised {
    /// The configuration file.
    pub config: PathBuf,
    /// The hub's address, to which devices attach.
    pub hub: Text<Address>,
    /// The file with its key.
    pub key_file: PathBuf,
    /// Whether the key is new; an existing one is kept.
    pub key_created: bool,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// SHA-256 of the certificate, hexadecimal digits.
    pub certificate_pin: String,
    /// The address for devices and providers.
    pub listen: String,
    /// The base ledger's file.
    pub ledger: PathBuf,
    /// Whether it is there.
    pub ledger_exists: bool,
}

/// Makes a hub's directory and says what comes next.
///
/// # Errors
/// [`Failure`]; without `--force`, where a configuration exists.
pub fn init(options: &InitArgs, printer: Printer) -> Result<(), Failure> {
    let made = make(options)?;
    printer.print(&made, describe)
}

/// Makes a hub's directory.
///
/// # Errors
/// As [`init`].
pub fn make(options: &InitArgs) -> Result<Initialised, Failure> {
    let dir = std::path::absolute(&options.dir).map_err(|error| Failure::io(options.dir.display(), &error))?;
    let config = dir.join(FILE_NAME);
    if config.exists() && !options.force {
        let message = format!("{} exists; --force replaces configuration and certificate", config.display());
        return Err(Failure::Failed { code: "exists".to_owned(), message });
    }
    let ledger = match &options.ledger {
        // Given on the command line, so it starts where the caller stands, not at the hub's directory.
        Some(path) => std::path::absolute(path).map_err(|error| Failure::io(path.display(), &error))?,
        None => PathBuf::from(LEDGER_FILE),
    };
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !options.listen.ip().is_unspecified() {
        names.push(options.listen.ip().to_string());
    }
    names.extend(options.names.iter().cloned());
    names.sort();
    names.dedup();
    let certified = rcgen::generate_simple_self_signed(names)
        .map_err(|error| Failure::Usage(format!("cannot make a certificate for these names: {error}")))?;

    make_dir(&dir)?;
    make_dir(&dir.join(DATA_DIR))?;
    let key_file = dir.join(KEY_FILE);
    let (key, key_created) = hub_key(&key_file)?;
    let certificate = dir.join(CERTIFICATE_FILE);
    let secret = Zeroizing::new(certified.signing_key.serialize_pem());
    write_file(&dir.join(CERTIFICATE_KEY_FILE), secret.as_bytes(), SECRET_MODE)?;
    write_file(&certificate, certified.cert.pem().as_bytes(), PUBLIC_MODE)?;
    let listen = options.listen.to_string();
    let text = render(&Choices { quic: &listen, ledger: &ledger });
    // Last, for a directory with a configuration is a whole one.
    write_file(&config, text.as_bytes(), PUBLIC_MODE)?;
    Config::load_with(&config, [])?;

    let ledger = dir.join(ledger);
    Ok(Initialised {
        hub: Text(key.address()),
        config,
        key_file,
        key_created,
        certificate,
        certificate_pin: pin_text(&pin_of(certified.cert.der())),
        listen,
        ledger_exists: ledger.exists(),
        ledger,
    })
}

fn make_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|error| Failure::io(path.display(), &error))
}

/// The key in the file, or a new one put there.
fn hub_key(path: &Path) -> Result<(LibSecpKey, bool), Failure> {
    if path.exists() {
        return Ok((load_key(path)?, false));
    }
    loop {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice())
            .map_err(|error| Failure::Failed { code: "io".to_owned(), message: format!("no randomness: {error}") })?;
        // All but one in 2^127 random values are keys.
        if let Ok(key) = LibSecpKey::from_bytes(*secret) {
            let text = Zeroizing::new(format!("{}\n", hex::encode(*secret)));
            write_file(path, text.as_bytes(), SECRET_MODE)?;
            return Ok((key, true));
        }
    }
}

/// Writes a whole file or none: under another name first, synced, then renamed.
fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || -> io::Result<()> {
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The mode belongs to creation: a secret is never readable to others, not even for a moment.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().map_err(|error| Failure::io(path.display(), &error))
}

fn describe(made: &Initialised) -> String {
    let key = if made.key_created { "new" } else { "kept" };
    let mut text = fields(&[
        ("hub address", made.hub.to_string()),
        ("certificate pin", made.certificate_pin.clone()),
        ("configuration", made.config.display().to_string()),
        ("hub key", format!("{} ({key})", made.key_file.display())),
        ("certificate", made.certificate.display().to_string()),
        ("ledger", made.ledger.display().to_string()),
        ("listens on", made.listen.clone()),
    ]);
    text.push_str("\nNext:\n");
    let config = made.config.display();
    let first = if made.ledger_exists {
        "make sure that the hub's address has an account on this ledger (`farthing-settle`)".to_owned()
    } else {
        format!(
            "make the ledger {} with the hub's address as an account: `farthing-settle ledger init`",
            made.ledger.display()
        )
    };
    let steps = [
        first,
        "keep a copy of the hub key where nobody else can read it".to_owned(),
        format!("check:  farthing-hub --config {config} check-config"),
        format!("start:  farthing-hub --config {config} run"),
        "give devices and providers the hub address and the pin".to_owned(),
    ];
    for (number, step) in (1_u8..).zip(steps) {
        text.push_str(&format!("  {number}. {step}\n"));
    }
    text
}
