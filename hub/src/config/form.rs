//! The file's shape. Every key has a default, so a file says only what differs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::settings::LogFormat;
use crate::gate::SourceLimits;
use crate::risk::RiskLimits;
use crate::risk::engine::ModelMode;
use crate::transport::TransportLimits;

/// The UDP port where the operator names none.
pub(super) const QUIC_PORT: u16 = 4433;
/// The port that the list of Prometheus exporters leaves to private use.
const HTTP_PORT: u16 = 9464;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Form {
    pub(super) hub: HubForm,
    pub(super) listen: ListenForm,
    pub(super) tls: TlsForm,
    pub(super) ledger: LedgerForm,
    pub(super) transport: TransportForm,
    pub(super) source: SourceLimits,
    pub(super) risk: RiskLimits,
    pub(super) risk_model: RiskModelForm,
    pub(super) journal: JournalForm,
    pub(super) table: TableForm,
    pub(super) drain: DrainForm,
    pub(super) log: LogForm,
    pub(super) data_plane: DataPlaneForm,
    pub(super) rehearsal: RehearsalForm,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RehearsalForm {
    /// Empty: the system's clock.
    pub(super) clock_file: PathBuf,
    /// Empty: none.
    pub(super) score_log: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HubForm {
    pub(super) data_dir: PathBuf,
    pub(super) key_file: PathBuf,
}

impl Default for HubForm {
    fn default() -> Self {
        Self { data_dir: "data".into(), key_file: "hub.key".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenForm {
    pub(super) quic: SocketAddr,
    pub(super) admin: PathBuf,
    pub(super) http: SocketAddr,
}

impl Default for ListenForm {
    fn default() -> Self {
        Self {
            quic: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), QUIC_PORT),
            admin: "admin.sock".into(),
            http: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), HTTP_PORT),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsForm {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Default for TlsForm {
    fn default() -> Self {
        Self { certificate: "hub-cert.pem".into(), key: "hub-cert.key".into() }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LedgerKind {
    Embedded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LedgerForm {
    pub(super) kind: LedgerKind,
    pub(super) path: PathBuf,
    pub(super) poll_interval_ms: u64,
}

impl Default for LedgerForm {
    fn default() -> Self {
        Self { kind: LedgerKind::Embedded, path: "ledger.redb".into(), poll_interval_ms: 200 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct JournalForm {
    pub(super) segment_mib: u64,
    pub(super) checkpoint_interval_ms: u64,
    pub(super) checkpoint_journal_mib: u64,
    pub(super) checkpoint_cache_mib: u32,
}

impl Default for JournalForm {
    fn default() -> Self {
        Self { segment_mib: 64, checkpoint_interval_ms: 5_000, checkpoint_journal_mib: 16, checkpoint_cache_mib: 32 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TableForm {
    pub(super) idle_seconds: u64,
    pub(super) channels_in_memory_max: u32,
}

impl Default for TableForm {
    fn default() -> Self {
        Self { idle_seconds: 60, channels_in_memory_max: 200_000 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DrainForm {
    pub(super) deadline_seconds: u64,
    pub(super) goodbye_ms: u64,
}

impl Default for DrainForm {
    fn default() -> Self {
        Self { deadline_seconds: 10, goodbye_ms: milliseconds(TransportLimits::default().drain_timeout) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogForm {
    pub(super) format: LogFormat,
    pub(super) filter: String,
}

impl Default for LogForm {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RiskModelForm {
    pub(super) mode: ModelMode,
    pub(super) weights: Option<PathBuf>,
    /// Fleets by escrow id.
    pub(super) fleets: BTreeMap<String, String>,
}

/// Most data-plane threads: far more than one site has devices for.
pub(super) const DATA_PLANE_THREADS_MAX: u16 = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DataPlaneForm {
    pub(super) threads: u16,
}

impl Default for DataPlaneForm {
    fn default() -> Self {
        // One core is left to the journal and the control plane.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = u16::try_from(cores.saturating_sub(1)).unwrap_or(DATA_PLANE_THREADS_MAX);
        Self { threads: threads.clamp(1, DATA_PLANE_THREADS_MAX) }
    }
}

/// [`TransportLimits`] with times in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TransportForm {
    pub(super) connections_max: u32,
    pub(super) connections_per_address_max: u32,
    pub(super) handshakes_max: u32,
    pub(super) handshakes_before_retry: u32,
    pub(super) handshakes_per_address_max: u32,
    pub(super) attempts_per_address_per_second: u32,
    pub(super) attempts_per_address_burst: u32,
    pub(super) handshake_timeout_ms: u64,
    pub(super) idle_timeout_ms: u64,
    pub(super) streams_per_connection_max: u32,
    pub(super) stream_receive_window_bytes: u32,
    pub(super) receive_window_bytes: u32,
    pub(super) send_window_bytes: u32,
    pub(super) send_queue_bytes_max: u32,
    pub(super) datagram_receive_buffer_bytes: u32,
    pub(super) datagram_send_buffer_bytes: u32,
    pub(super) initial_rtt_ms: u64,
    pub(super) resumable_sessions_max: u32,
    pub(super) early_data: bool,
}

impl Default for TransportForm {
    fn default() -> Self {
        let limits = TransportLimits::default();
        Self {
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            handshakes_max: limits.handshakes_max,
            handshakes_before_retry: limits.handshakes_before_retry,
            handshakes_per_address_max: limits.handshakes_per_address_max,
            attempts_per_address_per_second: limits.attempts_per_address_per_second,
            attempts_per_address_burst: limits.attempts_per_address_burst,
            handshake_timeout_ms: milliseconds(limits.handshake_timeout),
            idle_timeout_ms: milliseconds(limits.idle_timeout),
            streams_per_connection_max: limits.streams_per_connection_max,
            stream_receive_window_bytes: limits.stream_receive_window_bytes,
            receive_window_bytes: limits.receive_window_bytes,
            send_window_bytes: limits.send_window_bytes,
            send_queue_bytes_max: limits.send_queue_bytes_max,
            datagram_receive_buffer_bytes: limits.datagram_receive_buffer_bytes,
            datagram_send_buffer_bytes: limits.datagram_send_buffer_bytes,
            initial_rtt_ms: milliseconds(limits.initial_rtt),
            resumable_sessions_max: limits.resumable_sessions_max,
            early_data: limits.early_data,
        }
    }
}

impl TransportForm {
    pub(super) fn limits(&self, goodbye_ms: u64) -> TransportLimits {
        TransportLimits {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            handshakes_max: self.handshakes_max,
            handshakes_before_retry: self.handshakes_before_retry,
            handshakes_per_address_max: self.handshakes_per_address_max,
            attempts_per_address_per_second: self.attempts_per_address_per_second,
            attempts_per_address_burst: self.attempts_per_address_burst,
            handshake_timeout: Duration::from_millis(self.handshake_timeout_ms),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            streams_per_connection_max: self.streams_per_connection_max,
            stream_receive_window_bytes: self.stream_receive_window_bytes,
            receive_window_bytes: self.receive_window_bytes,
            send_window_bytes: self.send_window_bytes,
            send_queue_bytes_max: self.send_queue_bytes_max,
            datagram_receive_buffer_bytes: self.datagram_receive_buffer_bytes,
            datagram_send_buffer_bytes: self.datagram_send_buffer_bytes,
            initial_rtt: Duration::from_millis(self.initial_rtt_ms),
            resumable_sessions_max: self.resumable_sessions_max,
            early_data: self.early_data,
            drain_timeout: Duration::from_millis(goodbye_ms),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
