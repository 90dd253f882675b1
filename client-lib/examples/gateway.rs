//! A gateway: many meters behind one connection, each with a key and mandate of its own, paying by ticks.
//!
//! ```sh
//! cargo run -p farthing-client --example gateway -- \
//!     --hub 127.0.0.1:4433 --pin 0xPIN --devices meters/ --payee 0xPROVIDER --rounds 10
//! ```
//!
//! The directory holds `NAME.key` (64 hexadecimal digits, mode 0600) and `NAME.mandate` (the CBOR of a `MandateBundle`
//! with that meter's mandate alone) for each meter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use farthing_client::channel::codec::decode_exact;
use farthing_client::channel::id::{Address, Hash32, RatingGroup};
use farthing_client::channel::wire::LaneOffer;
use farthing_client::{Connector, ConnectorConfig, DeviceConfig, FileKey, Gateway, Lane, PayMode, Trust};

#[derive(Debug, Parser)]
struct Args {
    /// The hub, as host:port.
    #[arg(long)]
    hub: String,
    /// SHA-256 of the hub's certificate.
    #[arg(long)]
    pin: Hash32,
    /// Directory with NAME.key and NAME.mandate for each meter.
    #[arg(long)]
    devices: PathBuf,
    /// Whom the meters pay.
    #[arg(long)]
    payee: Address,
    /// For which of the payee's services.
    #[arg(long, default_value_t = 1)]
    rating_group: u32,
    /// Payments of each meter.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Milliseconds between rounds.
    #[arg(long, default_value_t = 1000)]
    pause_ms: u64,
}

/// The configuration of each meter in the directory, by name.
fn meters(directory: &Path, lane: LaneOffer) -> anyhow::Result<Vec<(String, DeviceConfig)>> {
    let mut meters = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let key_path = entry?.path();
        if key_path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        let mandate_path = key_path.with_extension("mandate");
        let bytes = std::fs::read(&mandate_path).with_context(|| mandate_path.display().to_string())?;
        let bundle = decode_exact(&bytes).context("not a mandate bundle")?;
        let mut config = DeviceConfig::with_mandate(FileKey::load(&key_path)?, bundle);
        config.pay_mode = PayMode::ticks(1, 512);
        config.lanes = vec![lane];
        let name = key_path.file_stem().unwrap_or_default();
        meters.push((name.to_string_lossy().into_owned(), config));
    }
    Ok(meters)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let offer = LaneOffer { payee: args.payee, rating_group: RatingGroup(args.rating_group) };
    let connector = Connector::new(ConnectorConfig::new(args.hub.as_str(), Trust::Pin(args.pin)))?;
    let gateway = Gateway::start(&connector)?;
    gateway.connected().await?;
    let mut lanes: Vec<(String, Lane)> = Vec::new();
    for (name, config) in meters(&args.devices, offer)? {
        let device = gateway.add(config)?;
        lanes.push((name, device.lane(offer.payee, offer.rating_group)?));
    }
    println!("{} meters", lanes.len());
    for round in 1..=args.rounds {
        // All first, then the waiting: what is due together travels together.
        for (name, lane) in &lanes {
            if let Err(error) = lane.send(1) {
                println!("{name}: {error}");
            }
        }
        let mut durable = 0;
        for (name, lane) in &lanes {
            match lane.settle().await {
                Ok(_) => durable += 1,
                Err(error) => println!("{name}: {error}"),
            }
        }
        println!("round {round}: {durable} payments durable");
        tokio::time::sleep(Duration::from_millis(args.pause_ms)).await;
    }
    gateway.shutdown();
    connector.wait_idle().await;
    Ok(())
}
