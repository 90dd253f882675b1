//! The settings, with types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::checkpoint::Pace;
use crate::gate::SourceLimits;
use crate::recovery::StateSizes;
use crate::risk::RiskLimits;
use crate::risk::engine::ModelSettings;
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
    /// `[risk_model]`
    pub risk_model: ModelSettings,
    /// `[journal]`
    pub journal: JournalSettings,
    /// `[table]`
    pub table: TableSettings,
    /// `[drain]`
    pub drain: DrainConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[data_plane]` `threads`: how many threads carry payments.
    pub data_plane_threads: u16,
    /// `[rehearsal]`, on a ledger that is a rehearsal's.
    pub rehearsal: Option<RehearsalConfig>,
}

/// What a hub does in a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalConfig {
    /// Where the time of day is read from.
    pub clock_file: PathBuf,
    /// Where the risk model's scores are written.
    pub score_log: Option<PathBuf>,
}

impl Config {
    /// What recovery has to know.
    pub fn sizes(&self) -> StateSizes {
        StateSizes {
            segment_bytes: self.journal.segment_bytes,
            checkpoint_cache_bytes: self.journal.checkpoint_cache_bytes,
            units_in_memory_max: self.table.channels_in_memory_max,
        }
    }

    /// When checkpoints are made, and what stays in memory after them.
    pub fn pace(&self) -> Pace {
        Pace {
            interval: self.journal.checkpoint_interval,
            journal_bytes: self.journal.checkpoint_journal_bytes,
            idle: self.table.idle,
            units_in_memory_max: self.table.channels_in_memory_max,
        }
    }
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
    /// A redb file, shared with `farthing-settle`: the embedded ledger, or the mirror of one on a chain.
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
    /// Journal bytes after which a checkpoint is made ahead of time: what a start reads again, at most.
    pub checkpoint_journal_bytes: u64,
    /// Pages of the checkpoint file in memory, bytes.
    pub checkpoint_cache_bytes: usize,
}

/// How long idle channels stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSettings {
    /// Time after which an idle channel leaves memory.
    pub idle: Duration,
    /// Channels in memory from which on every idle one leaves at the next checkpoint.
    pub channels_in_memory_max: usize,
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
