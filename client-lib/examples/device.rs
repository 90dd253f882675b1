//! A device that pays for a service: a few payments a second, by voucher or by tick.
//!
//! ```sh
//! cargo run -p farthing-client --example device -- \
//!     --hub 127.0.0.1:4433 --pin 0xPIN --key device.key --mandate device.mandate \
//!     --payee 0xPROVIDER --rating-group 1 --amount 25 --payments 100
//! ```
//!
//! The pin is what `farthing-hub init` prints. The key file holds 64 hexadecimal digits and has mode 0600; it is drawn
//! where it does not exist. The mandate file is the CBOR of a `MandateBundle` with this device's mandate alone; without
//! one, give `--escrow`, and the hub must hold the mandate already. With `--tick`, each payment is that many ticks of
//! `--tick` base units. With `--state`, a device that is stopped goes on where it was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use farthing_client::channel::codec::decode_exact;
use farthing_client::channel::id::{Address, EscrowId, Hash32, RatingGroup};
use farthing_client::channel::mandate::MandateBundle;
use farthing_client::{Connector, ConnectorConfig, Device, DeviceConfig, FileKey, FileStore, PayMode, Trust};

#[derive(Debug, Parser)]
struct Args {
    /// The hub, as host:port.
    #[arg(long)]
    hub: String,
    /// SHA-256 of the hub's certificate.
    #[arg(long)]
    pin: Hash32,
    /// The device's key file.
    #[arg(long)]
    key: PathBuf,
    /// The device's mandate, a CBOR MandateBundle of one.
    #[arg(long)]
    mandate: Option<PathBuf>,
    /// The escrow, where there is no mandate file.
    #[arg(long)]
    escrow: Option<EscrowId>,
    /// Whom to pay.
    #[arg(long)]
    payee: Address,
    /// For which of the payee's services.
    #[arg(long, default_value_t = 1)]
    rating_group: u32,
    /// Base units of each payment.
    #[arg(long, default_value_t = 1)]
    amount: u64,
    /// How many payments.
    #[arg(long, default_value_t = 10)]
    payments: u32,
    /// Pay by hash-chain ticks worth this many base units instead of by vouchers.
    #[arg(long)]
    tick: Option<u32>,
    /// Milliseconds between payments.
    #[arg(long, default_value_t = 200)]
    pause_ms: u64,
    /// Directory to remember the lane in.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Most base units this device will ever sign for.
    #[arg(long)]
    spending_limit: Option<u64>,
}

fn device_config(args: &Args) -> anyhow::Result<DeviceConfig> {
    let key = if args.key.exists() { FileKey::load(&args.key)? } else { FileKey::create(&args.key)? };
    println!("device {}", key.address());
    let mut config = match (&args.mandate, args.escrow) {
        (Some(path), _) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            let bundle: MandateBundle = decode_exact(&bytes).context("not a mandate bundle")?;
            DeviceConfig::with_mandate(key, bundle)
        }
        (None, Some(escrow)) => DeviceConfig::new(key, escrow),
        (None, None) => anyhow::bail!("give --mandate or --escrow"),
    };
    config.spending_limit = args.spending_limit;
    if let Some(tick_amount) = args.tick {
        config.pay_mode = PayMode::ticks(tick_amount, 1024);
    }
    Ok(config)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut connection = ConnectorConfig::new(args.hub.as_str(), Trust::Pin(args.pin));
    if let Some(directory) = &args.state {
        connection = connection.with_store(Arc::new(FileStore::open(directory)?));
    }
    let connector = Connector::new(connection)?;
    let device = Device::connect(&connector, device_config(&args)?).await?;
    println!("attached channel {}", device.channel_id());
    let lane = device.lane(args.payee, RatingGroup(args.rating_group))?;
    for number in 1..=args.payments {
        match lane.pay(args.amount).await {
            Ok(paid) => println!("payment {number}: {} base units in all", paid.authorised),
            // What was noted goes on by itself; it only has not been confirmed yet.
            Err(error) if error.retry_helps() => println!("payment {number} is late: {error}"),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(args.pause_ms)).await;
    }
    let receipt = lane.receipt().await?;
    println!("receipt by the hub: {} base units on {}", receipt.authorised, receipt.lane);
    device.shutdown().await?;
    connector.wait_idle().await;
    Ok(())
}
