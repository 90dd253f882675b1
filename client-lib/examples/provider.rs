//! A provider: prints what it is paid and reports what it served.
//!
//! ```sh
//! cargo run -p farthing-client --example provider -- \
//!     --hub 127.0.0.1:4433 --pin 0xPIN --key provider.key --rating-group 1
//! ```
//!
//! The key's address must be registered at the hub as a provider. This one "serves" everything that is granted and
//! says so at once; a real one counts what it really served. Revisions are taken from the clock, so that they grow over
//! restarts too. Ends after `--notices` notices, or never.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use farthing_client::channel::id::{Hash32, RatingGroup};
use farthing_client::{Authorised, Connector, ConnectorConfig, FileKey, Provider, ProviderConfig, Trust};

#[derive(Debug, Parser)]
struct Args {
    /// The hub, as host:port.
    #[arg(long)]
    hub: String,
    /// SHA-256 of the hub's certificate.
    #[arg(long)]
    pin: Hash32,
    /// The provider's key file.
    #[arg(long)]
    key: PathBuf,
    /// Only these rating groups; all where none is given.
    #[arg(long)]
    rating_group: Vec<u32>,
    /// End after so many notices.
    #[arg(long)]
    notices: Option<u64>,
}

#[allow(clippy::disallowed_methods, reason = "an example is a program of its own, and its clock is here")]
fn revision() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_micros())?)
}

async fn serve(provider: &Provider, paid: &Authorised) -> anyhow::Result<()> {
    let lane = paid.lane;
    // What an earlier run of this program reported is not taken back.
    let view = provider.query(lane).await?;
    let used = paid.grant.units.max(view.used_units);
    provider.report(lane, revision()?, used, view.credited).await?;
    println!("{} has authorised {} base units on {lane}; {used} units served", paid.device, paid.authorised);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let connector = Connector::new(ConnectorConfig::new(args.hub.as_str(), Trust::Pin(args.pin)))?;
    let config = ProviderConfig {
        key: FileKey::load(&args.key)?.into(),
        rating_groups: args.rating_group.iter().copied().map(RatingGroup).collect(),
    };
    let (provider, mut notices) = Provider::connect(&connector, config).await?;
    println!("provider {} is subscribed", provider.address());
    let mut left = args.notices.unwrap_or(u64::MAX);
    while left > 0
        && let Some(paid) = notices.recv().await
    {
        left -= 1;
        if let Err(error) = serve(&provider, &paid).await {
            println!("{}: {error}", paid.lane);
        }
    }
    provider.shutdown();
    connector.wait_idle().await;
    Ok(())
}
