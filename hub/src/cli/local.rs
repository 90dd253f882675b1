//! What needs the hub's files alone, no running hub.

use std::path::PathBuf;

use farthing_channel::id::Address;
use farthing_channel::sign::Signer as _;
use serde::Serialize;

use super::failure::Failure;
use super::print::{Printer, fields};
use crate::admin::encoded::Text;
use crate::config::material::pin_text;
use crate::config::{Config, LedgerConfig};

#[derive(Debug, Serialize)]
struct Checked {
    config: PathBuf,
    ok: bool,
    hub: Text<Address>,
    account: Text<Address>,
    certificate_pin: String,
    quic: String,
    http: String,
    admin: PathBuf,
    data_dir: PathBuf,
    ledger: PathBuf,
    ledger_exists: bool,
}

/// Says that settings, key and certificate are good.
///
/// # Errors
/// [`Failure::Usage`] where they are not.
pub fn check_config(config: &Config, printer: Printer) -> Result<(), Failure> {
    let key = config.load_key()?;
    let identity = config.load_identity()?;
    let pin = config.load_pin()?;
    // Binds nothing; it finds out whether key and certificate belong together.
    crate::transport::Fabric::new(identity, config.transport.clone(), config.data_plane_threads)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let LedgerConfig::Embedded { path: ledger, .. } = &config.ledger;
    let checked = Checked {
        config: config.file.clone(),
        ok: true,
        hub: Text(key.address()),
        account: Text(key.address()),
        certificate_pin: pin_text(&pin),
        quic: config.listen.quic.to_string(),
        http: config.listen.http.to_string(),
        admin: config.listen.admin.clone(),
        data_dir: config.hub.data_dir.clone(),
        ledger: ledger.clone(),
        ledger_exists: ledger.exists(),
    };
    printer.print(&checked, |checked| {
        let missing = if checked.ledger_exists { "" } else { " (not there yet; `run` needs it)" };
        let pairs = [
            ("hub address", checked.hub.to_string()),
            ("account", checked.account.to_string()),
            ("certificate pin", checked.certificate_pin.clone()),
            ("quic", checked.quic.clone()),
            ("http", checked.http.clone()),
            ("admin", checked.admin.display().to_string()),
            ("data", checked.data_dir.display().to_string()),
            ("ledger", format!("{}{missing}", checked.ledger.display())),
        ];
        format!("{}: ok\n{}", checked.config.display(), fields(&pairs))
    })
}

#[derive(Debug, Serialize)]
struct Pin {
    certificate_pin: String,
}

/// Prints the certificate's pin.
///
/// # Errors
/// [`Failure::Usage`] where there is no certificate.
pub fn pin(config: &Config, printer: Printer) -> Result<(), Failure> {
    let pin = Pin { certificate_pin: pin_text(&config.load_pin()?) };
    printer.print(&pin, |pin| pin.certificate_pin.clone())
}
