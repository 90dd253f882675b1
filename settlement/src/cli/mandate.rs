//! Mandates: signing them for one device or a whole fleet, and taking them back.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use farthing_channel::codec::encode_into;
use farthing_channel::id::{Address, EscrowId};
use farthing_channel::mandate::{MandateTerms, sign_mandate, sign_mandates};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{LedgerView as _, RevokeMandate, Signed, SignedOperation};
use serde::Serialize;

use super::clock::now;
use super::key_file::copy_of;
use super::output::print;
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum MandateCommand {
    /// Sign mandates into a file of bundles: a CBOR sequence that a hub imports and devices can carry.
    Sign(SignArguments),
    /// Take back a device's mandates on the ledger.
    Revoke {
        /// The escrow.
        escrow: EscrowId,
        /// The device.
        device: Address,
        /// The highest serial that is void; all of them where it is left out.
        #[arg(long, default_value_t = u64::MAX)]
        serial: u64,
        /// The key of the escrow's signer.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("who").required(true).args(["device", "devices"])))]
pub(super) struct SignArguments {
    /// The escrow they draw on.
    #[arg(long)]
    escrow: EscrowId,
    /// The key of the escrow's signer.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// One device.
    #[arg(long, value_name = "ADDRESS")]
    device: Option<Address>,
    /// Many devices: a file with one per line, `address[,limit[,expiry[,serial]]]`.
    #[arg(long, value_name = "FILE")]
    devices: Option<PathBuf>,
    /// Most a device may ever spend: base units, or tokens with a point.
    #[arg(long)]
    limit: String,
    /// When they end: Unix seconds, or days from now such as `30d`.
    #[arg(long, default_value = "365d")]
    expires: String,
    /// A higher serial replaces a lower one.
    #[arg(long, default_value_t = 1)]
    serial: u64,
    /// A payee the devices may pay; anyone where none is named.
    #[arg(long = "payee", value_name = "ADDRESS")]
    payees: Vec<Address>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct SignedView {
    file: String,
    mandates: usize,
    bundles: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct RevokedView {
    escrow: String,
    device: String,
    serial: u64,
}

pub(super) fn run(common: &Common, command: &MandateCommand) -> anyhow::Result<Outcome> {
    match command {
        MandateCommand::Sign(arguments) => sign(common, arguments)?,
        MandateCommand::Revoke { escrow, device, serial, key } => {
            let key = common.load_key(key)?;
            let ledger = common.open_ledger(vec![copy_of(&key)?])?;
            let operation = RevokeMandate { escrow: *escrow, device: *device, serial: *serial };
            let Ok(signed) = Signed::sign(&key, &ledger.identity().domain(), operation);
            ledger.submit(&SignedOperation::RevokeMandate(signed), now())?;
            let view = RevokedView { escrow: escrow.to_string(), device: device.to_string(), serial: *serial };
            print(common, &view, format!("mandates of {device} up to serial {serial} are void"))?;
        }
    }
    Ok(Outcome::Done)
}

fn sign(common: &Common, arguments: &SignArguments) -> anyhow::Result<()> {
    let domain = common.open_reader()?.identity().domain();
    let key = common.load_key(&arguments.key)?;
    let payees: BTreeSet<Address> = arguments.payees.iter().copied().collect();
    let terms = |device| -> anyhow::Result<MandateTerms> {
        Ok(MandateTerms {
            device,
            limit: common.amount(&arguments.limit)?,
            expiry: expiry(&arguments.expires)?,
            serial: arguments.serial,
            payees: payees.iter().copied().collect(),
        })
    };
    let bundles = match (&arguments.device, &arguments.devices) {
        (Some(device), _) => {
            let Ok(bundle) = sign_mandate(&key, &domain, arguments.escrow, terms(*device)?);
            vec![bundle]
        }
        (None, Some(file)) => {
            let mandates = read_devices(common, file, terms)?;
            let Ok(bundles) = sign_mandates(&key, &domain, arguments.escrow, &mandates);
            bundles
        }
        (None, None) => bail!("name a device or a file of devices"),
    };
    let mut bytes = Vec::new();
    bundles.iter().for_each(|bundle| encode_into(bundle, &mut bytes));
    let path = &arguments.out;
    let mut file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let view = SignedView {
        file: path.display().to_string(),
        mandates: bundles.iter().map(|bundle| bundle.mandates.len()).sum(),
        bundles: bundles.len(),
        bytes: bytes.len(),
    };
    print(common, &view, format!("{} mandates in {} bundles: {}", view.mandates, view.bundles, view.file))
}

/// Unix seconds, or a number of days from now.
fn expiry(text: &str) -> anyhow::Result<UnixSeconds> {
    const DAY: u64 = 86_400;
    let wrong = || anyhow!("{text} is neither Unix seconds nor days such as 30d");
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days.parse().map_err(|_| wrong())?;
        let seconds = days.checked_mul(DAY).and_then(|seconds| seconds.checked_add(now().0));
        return seconds.map(UnixSeconds).ok_or_else(wrong);
    }
    text.parse().map(UnixSeconds).map_err(|_| wrong())
}

/// Mandates from a file of devices; empty lines, comments and a header are passed over.
fn read_devices(
    common: &Common,
    path: &Path,
    terms: impl Fn(Address) -> anyhow::Result<MandateTerms>,
) -> anyhow::Result<Vec<MandateTerms>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut mandates = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (place == 0 && !line.starts_with("0x")) {
            continue;
        }
        let about = || format!("{}, line {}", path.display(), place.saturating_add(1));
        let mut fields = line.split(',').map(str::trim);
        let device: Address = fields.next().unwrap_or_default().parse().map_err(|e| anyhow!("{}: {e}", about()))?;
        if !seen.insert(device) {
            bail!("{}: {device} occurs twice", about());
        }
        let mut mandate = terms(device)?;
        if let Some(limit) = fields.next().filter(|field| !field.is_empty()) {
            mandate.limit = common.amount(limit).with_context(about)?;
        }
        if let Some(expires) = fields.next().filter(|field| !field.is_empty()) {
            mandate.expiry = expiry(expires).with_context(about)?;
        }
        if let Some(serial) = fields.next().filter(|field| !field.is_empty()) {
            mandate.serial = serial.parse().with_context(about)?;
        }
        mandates.push(mandate);
    }
    if mandates.is_empty() {
        bail!("{} names no device", path.display());
    }
    Ok(mandates)
}
