//! Commands and options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, TariffHash};

pub use super::risk_args::{FitArgs, OverrideArgs, ReplayArgs, RiskCommand};
use crate::admin::tariff_form::{PriceText, UnitName};
use crate::config::FILE_NAME;

/// The Farthing hub: verifies and keeps every payment, limits the risk, tells providers to serve.
#[derive(Debug, Parser)]
#[command(name = "farthing-hub", version)]
pub struct Cli {
    /// The configuration file; environment variables FARTHING_HUB__SECTION__KEY override it.
    #[arg(long, global = true, env = "FARTHING_HUB_CONFIG", default_value = FILE_NAME)]
    pub config: PathBuf,
    /// Print JSON with stable field names: ids as 0x and hexadecimal digits, amounts as integers in base units.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new hub: configuration, key and certificate.
    Init(InitArgs),
    /// Run the hub until SIGTERM or SIGINT.
    Run,
    /// Check the configuration, key and certificate as `run` would read them.
    CheckConfig,
    /// Print the certificate's fingerprint (SHA-256), which clients pin.
    Pin,
    /// Show how the running hub stands.
    Status,
    /// Devices under their mandates.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Single totals with their proofs.
    #[command(subcommand)]
    Lane(LaneCommand),
    /// Deposits on the base ledger.
    #[command(subcommand)]
    Escrow(EscrowCommand),
    /// Who may be paid.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// What services cost.
    #[command(subcommand)]
    Tariff(TariffCommand),
    /// How far lanes are trusted.
    #[command(subcommand)]
    Risk(RiskCommand),
}

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The hub's directory; made if it is not there.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// The base ledger's file; it need not exist yet. Default: ledger.redb in the hub's directory.
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// The address for devices and providers.
    #[arg(long, default_value = "0.0.0.0:4433")]
    pub listen: SocketAddr,
    /// Another name or address that the certificate is good for, besides localhost. May be repeated.
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// Replace configuration and certificate. An existing hub key is always kept: it is the hub's identity.
    #[arg(long)]
    pub force: bool,
}

/// What to do with channels.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// List channels, ascending by id.
    List {
        /// Only channels of this escrow.
        #[arg(long)]
        escrow: Option<EscrowId>,
        /// Begin after this channel.
        #[arg(long)]
        after: Option<ChannelId>,
        /// Entries at most.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show a channel and its lanes.
    Show {
        /// Its id.
        channel: ChannelId,
    },
    /// Refuse its payments until it is thawed.
    Freeze {
        /// Its id.
        channel: ChannelId,
    },
    /// Accept its payments again.
    Thaw {
        /// Its id.
        channel: ChannelId,
    },
    /// Close it; only a mandate with a higher serial opens it again.
    Close {
        /// Its id.
        channel: ChannelId,
    },
    /// Take up mandates from a file: a CBOR sequence of mandate bundles.
    Import {
        /// The file.
        file: PathBuf,
    },
}

/// What to do with lanes.
#[derive(Debug, Subcommand)]
pub enum LaneCommand {
    /// Show a lane and what proves it.
    Show {
        /// Its id.
        lane: LaneId,
    },
}

/// What to do with escrows.
#[derive(Debug, Subcommand)]
pub enum EscrowCommand {
    /// List escrows, ascending by id.
    List {
        /// Begin after this escrow.
        #[arg(long)]
        after: Option<EscrowId>,
        /// Entries at most.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show an escrow.
    Show {
        /// Its id.
        escrow: EscrowId,
    },
}

/// What to do with providers.
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Add a provider, or rename one.
    Add {
        /// Its key's address, which is also its account.
        address: Address,
        /// For people.
        #[arg(long)]
        name: String,
    },
    /// List providers.
    List,
    /// Let devices pay it again.
    Enable {
        /// Its address.
        address: Address,
    },
    /// Let devices open no lanes to it.
    Disable {
        /// Its address.
        address: Address,
    },
}

/// What to do with tariffs.
#[derive(Debug, Subcommand)]
pub enum TariffCommand {
    /// Set the price of a service, for lanes opened or resumed from now on.
    Add(TariffAddArgs),
    /// List the prices in force.
    List,
    /// Show a tariff that is or was in force.
    Show {
        /// Its hash.
        tariff: TariffHash,
    },
}

/// Options of `tariff add`.
#[derive(Debug, Args)]
pub struct TariffAddArgs {
    /// The provider's address.
    #[arg(long)]
    pub payee: Address,
    /// Which of its services.
    #[arg(long)]
    pub rating_group: u32,
    /// A TOML file with the whole tariff; the only way to give tiers and time windows.
    #[arg(long, conflicts_with_all = ["unit", "price", "increment", "number"])]
    pub file: Option<PathBuf>,
    /// What is counted.
    #[arg(long, required_unless_present = "file")]
    pub unit: Option<UnitName>,
    /// Base units per units, as AMOUNT/UNITS: 3/1024.
    #[arg(long, required_unless_present = "file")]
    pub price: Option<PriceText>,
    /// Units are priced in multiples of this, each started one in full.
    #[arg(long, default_value_t = 1)]
    pub increment: u64,
    /// The publisher's own number of the tariff.
    #[arg(long, default_value_t = 1)]
    pub number: u32,
}
