//! The settings, with types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::gate::SourceLimits;
use crate::risk::RiskLimits;
use crate::transport::TransportLimits;

/// Everything an operator can set. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// `[hub]`
    pub hub: HubConfig,
    /// `[listen]`
    pub listen: ListenConfig,
    /// `[tls]`
    pub tls: TlsConfig,
    /// `[ledger]`
    pub ledger: LedgerConfig,
    /// `[transport]`, and `goodbye_ms` of `[drain]` as its drain timeout.
    pub transport: TransportLimits,
    /// `[source]`
    pub source: SourceLimits,
    /// `[risk]`
    pub risk: RiskLimits,
    /// `[journal]`
    pub journal: JournalSettings,
    /// `[drain]`
    pub drain: DrainConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[data_plane]` `threads`: how many threads carry payments.
    pub data_plane_threads: u16,
}

/// Who the hub is and where its state lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// The directory of journal and checkpoints.
    pub data_dir: PathBuf,
    /// The file with the hub's secret key. Its address is also the hub's account on the ledger.
    pub key_file: PathBuf,
}

/// Where the hub can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    /// Devices and providers: QUIC over UDP.
    pub quic: SocketAddr,
    /// The operator: a Unix socket.
    pub admin: PathBuf,
    /// Metrics and health: HTTP over TCP.
    pub http: SocketAddr,
}

/// The server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with the certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Where money really moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerConfig {
    /// A redb file, shared with `farthing-settle`.
    Embedded {
        /// The file.
        path: PathBuf,
        /// How often the hub looks for new events.
        poll_interval: Duration,
    },
}

/// Sizes and times of journal and checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSettings {
    /// The size of a segment file.
    pub segment_bytes: u64,
    /// The time between two checkpoints.
    pub checkpoint_interval: Duration,
}

/// How the hub stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainConfig {
    /// The time a stop may take in all.
    pub deadline: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// Directives as of `tracing_subscriber::EnvFilter`; known to parse.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
