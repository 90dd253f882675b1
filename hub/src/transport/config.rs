//! What an operator may set about the transport, and how it becomes QUIC and TLS configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::NewRenoConfig;
use quinn_proto::{EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::server::ServerSessionMemoryCache;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::cid::{ResetKey, ThreadCidGenerator, TransportKeys};
use super::streams::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use super::tls::Tls;

/// The protocol's name in the TLS handshake; it carries the version.
pub const ALPN: &[u8] = b"farthing/1";

/// The largest UDP payload taken from a peer: an Ethernet frame less the IPv4 and UDP headers.
pub(super) const UDP_PAYLOAD_BYTES_MAX: u16 = 1472;

/// One handshake message buffer. A client without a certificate needs a few KiB at most.
const CRYPTO_BUFFER_BYTES: usize = 16 * 1024;

/// How long a proven address stays proven. A client that was made to prove its address may then
/// be left unanswered for a while, and must not be turned away for having waited.
const RETRY_TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// Attempts to connect that may wait for their turn: about a second's work. What comes while so
/// many wait is dropped, and repeated by its sender.
const INCOMING_MAX: usize = 1024;
const INCOMING_BUFFER_BYTES: u64 = 16 * 1024;

/// quinn-proto keeps room for every stream that may be opened. Seven is the most that its tables hold in their smallest
/// size but one; the next size costs each connection a kilobyte.
const STREAMS_PER_CONNECTION: u32 = 7;

/// Least time between two stateless resets.
const RESET_INTERVAL: Duration = Duration::from_micros(200);

/// Room for the largest UDP payload's datagram, several times over.
const DATAGRAM_BUFFER_BYTES_MIN: u64 = 8 * 1024;

const IDLE_TIMEOUT_MS_MIN: u64 = 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A limit's name, value, least and greatest value.
type Range = (&'static str, u64, u64, u64);

/// Why the transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Certificate or key cannot be used for TLS.
    #[error("the certificate or its key cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The TLS library lacks the cipher suite that QUIC demands.
    #[error("the TLS library lacks the cipher suite TLS13_AES_128_GCM_SHA256")]
    Cipher,
    /// A limit is out of its range.
    #[error("{name} must lie between {min} and {max}")]
    Limit {
        /// The field of [`TransportLimits`].
        name: &'static str,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// The thread's number is not below the number of threads, or is bound already.
    #[error("there is no free data-plane thread number {0}")]
    Thread(u16),
    /// The socket could not be opened or watched.
    #[error("the UDP socket could not be set up: {0}")]
    Socket(#[from] std::io::Error),
}

/// The server's certificate chain, leaf first, and the leaf's private key.
pub struct Identity {
    /// DER certificates, leaf first.
    pub certificate_chain: Vec<CertificateDer<'static>>,
    /// The leaf's key in DER.
    pub private_key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.certificate_chain.len()).finish_non_exhaustive()
    }
}

/// Bounds for everything a peer can make grow. Totals are for all threads together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportLimits {
    /// Connections at once.
    pub connections_max: u32,
    /// Connections at once from one address (an IPv6 /64 counts as one). Large by default, for
    /// carriers put thousands of devices behind one address.
    pub connections_per_address_max: u32,
    /// Handshakes in progress at once; attempts beyond it are left unanswered, so that the
    /// client's own retransmission, which backs off, is the queue.
    pub handshakes_max: u32,
    /// From this many handshakes in progress on, a client proves its address first (Retry).
    pub handshakes_before_retry: u32,
    /// Handshakes in progress at once from one address.
    pub handshakes_per_address_max: u32,
    /// Sustained rate of attempts from one address.
    pub attempts_per_address_per_second: u32,
    /// Attempts from one address that may come at once.
    pub attempts_per_address_burst: u32,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// A silent connection is forgotten after this time; the client may ask for less.
    pub idle_timeout: Duration,
    /// Bidirectional streams a client may have open at once.
    pub streams_per_connection_max: u32,
    /// Unread bytes a client may send on one stream.
    pub stream_receive_window_bytes: u32,
    /// Unread bytes a client may send on all streams of a connection.
    pub receive_window_bytes: u32,
    /// Bytes sent on a connection's streams and not yet acknowledged.
    pub send_window_bytes: u32,
    /// Bytes that may wait, beyond the send window, for a client that does not read. One more and
    /// the stream is reset.
    pub send_queue_bytes_max: u32,
    /// Received datagrams of a connection that wait for the application.
    pub datagram_receive_buffer_bytes: u32,
    /// Datagrams of a connection that wait for the congestion window.
    pub datagram_send_buffer_bytes: u32,
    /// The round-trip time assumed before the first measurement. Longer than QUIC's usual 333 ms:
    /// when ten thousand devices come at once, a shorter one makes them all repeat themselves.
    pub initial_rtt: Duration,
    /// Sessions that can be resumed, on all threads. A client resumes only if it is among the
    /// latest this many.
    pub resumable_sessions_max: u32,
    /// Whether resumed clients may send early data (0-RTT).
    pub early_data: bool,
    /// The time a stopping driver takes at most to say goodbye.
    pub drain_timeout: Duration,
}

impl Default for TransportLimits {
    fn default() -> Self {
        Self {
            connections_max: 32_768,
            connections_per_address_max: 16_384,
            handshakes_max: 4_096,
            handshakes_before_retry: 512,
            handshakes_per_address_max: 2_048,
            attempts_per_address_per_second: 2_000,
            attempts_per_address_burst: 4_000,
            handshake_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            streams_per_connection_max: STREAMS_PER_CONNECTION,
            stream_receive_window_bytes: 32 * 1024,
            receive_window_bytes: 64 * 1024,
            send_window_bytes: 64 * 1024,
            send_queue_bytes_max: 256 * 1024,
            datagram_receive_buffer_bytes: 64 * 1024,
            datagram_send_buffer_bytes: 64 * 1024,
            initial_rtt: Duration::from_millis(500),
            resumable_sessions_max: 32_768,
            early_data: true,
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl TransportLimits {
    /// Checks every limit against its range.
    ///
    /// # Errors
    ///
    /// [`TransportError::Limit`] names the first limit that is out of range.
    pub fn check(&self) -> Result<(), TransportError> {
        let counts = self.counts().into_iter();
        let in_range = |(name, value, min, max)| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(TransportError::Limit { name, min, max }) }
        };
        counts.chain(self.bytes()).chain(self.milliseconds()).try_for_each(in_range)
    }

    fn counts(&self) -> [Range; 9] {
        let many = u32::MAX >> 4;
        let range = |name, value, min, max| (name, u64::from(value), min, u64::from(max));
        let Self {
            connections_max,
            connections_per_address_max,
            handshakes_max,
            handshakes_before_retry,
            handshakes_per_address_max,
            attempts_per_address_per_second: rate,
            attempts_per_address_burst: burst,
            streams_per_connection_max: streams,
            resumable_sessions_max,
            ..
        } = *self;
        [
            range("connections_max", connections_max, 1, many),
            range("connections_per_address_max", connections_per_address_max, 1, many),
            range("handshakes_max", handshakes_max, 1, many),
            range("handshakes_before_retry", handshakes_before_retry, 0, many),
            range("handshakes_per_address_max", handshakes_per_address_max, 1, many),
            range("attempts_per_address_per_second", rate, 1, 1_000_000),
            range("attempts_per_address_burst", burst, 1, 1_000_000),
            range("streams_per_connection_max", streams, 1, 1024),
            range("resumable_sessions_max", resumable_sessions_max, 0, 10_000_000),
        ]
    }

    fn bytes(&self) -> [Range; 6] {
        let frame = u64::try_from(FRAME_BYTES_MAX + FRAME_HEADER_BYTES).unwrap_or(u64::MAX);
        let range = |name, value, min| (name, u64::from(value), min, 64 << 20);
        let Self {
            stream_receive_window_bytes: stream_window,
            receive_window_bytes,
            send_window_bytes,
            send_queue_bytes_max,
            datagram_receive_buffer_bytes: datagrams_in,
            datagram_send_buffer_bytes: datagrams_out,
            ..
        } = *self;
        [
            range("stream_receive_window_bytes", stream_window, 1024),
            range("receive_window_bytes", receive_window_bytes, 1024),
            range("send_window_bytes", send_window_bytes, 1024),
            range("send_queue_bytes_max", send_queue_bytes_max, frame),
            range("datagram_receive_buffer_bytes", datagrams_in, DATAGRAM_BUFFER_BYTES_MIN),
            range("datagram_send_buffer_bytes", datagrams_out, DATAGRAM_BUFFER_BYTES_MIN),
        ]
    }

    fn milliseconds(&self) -> [Range; 4] {
        let range = |name, time: Duration, min, max| {
            let value = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            (name, value, min, max)
        };
        [
            range("handshake_timeout", self.handshake_timeout, 100, DAY_MS),
            range("idle_timeout", self.idle_timeout, IDLE_TIMEOUT_MS_MIN, DAY_MS),
            range("initial_rtt", self.initial_rtt, 1, 60_000),
            range("drain_timeout", self.drain_timeout, 1, DAY_MS),
        ]
    }

    fn quic(&self) -> Result<TransportConfig, TransportError> {
        let idle_timeout = IdleTimeout::try_from(self.idle_timeout).map_err(|_out_of_range| TransportError::Limit {
            name: "idle_timeout",
            min: IDLE_TIMEOUT_MS_MIN,
            max: DAY_MS,
        })?;
        let bytes = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let mut quic = TransportConfig::default();
        quic.max_concurrent_bidi_streams(VarInt::from_u32(self.streams_per_connection_max))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .max_idle_timeout(Some(idle_timeout))
            .stream_receive_window(VarInt::from_u32(self.stream_receive_window_bytes))
            .receive_window(VarInt::from_u32(self.receive_window_bytes))
            .send_window(u64::from(self.send_window_bytes))
            .datagram_receive_buffer_size(Some(bytes(self.datagram_receive_buffer_bytes)))
            .datagram_send_buffer_size(bytes(self.datagram_send_buffer_bytes))
            .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
            .initial_rtt(self.initial_rtt)
            .keep_alive_interval(None)
            // Small messages never fill a window; the simplest controller costs least.
            .congestion_controller_factory(Arc::new(NewRenoConfig::default()))
            // Every message fits QUIC's least packet of 1200 bytes, so probing each device's path
            // for more would cost packets and memory and gain nothing.
            .mtu_discovery_config(None)
            // Batches go out across connections instead.
            .enable_segmentation_offload(false);
        Ok(quic)
    }
}

/// TLS 1.3 and QUIC configuration, the same for all threads, so that a session made on one thread
/// can be resumed, and a Retry token be checked, on another.
pub(super) fn server_config(identity: Identity, limits: &TransportLimits) -> Result<ServerConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(identity.certificate_chain, identity.private_key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Resumption from memory only: rustls grants early data to sessions that it can take out of a
    // store, because that is what keeps a session from being used twice. Tickets cannot do that.
    tls.session_storage =
        ServerSessionMemoryCache::new(usize::try_from(limits.resumable_sessions_max).unwrap_or(usize::MAX));
    // One session per connection is enough, for every resumed connection brings a new one.
    tls.send_tls13_tickets = 1;
    // QUIC allows only these two values; the real bound is the receive window.
    tls.max_early_data_size = if limits.early_data { u32::MAX } else { 0 };
    let crypto = Tls::new(tls).ok_or(TransportError::Cipher)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(limits.quic()?))
        .retry_token_lifetime(RETRY_TOKEN_LIFETIME)
        .migration(true)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(INCOMING_BUFFER_BYTES * 64);
    Ok(config)
}

/// What belongs to one thread's endpoint: its connection ids.
pub(super) fn endpoint_config(
    keys: &Arc<TransportKeys>,
    thread: u16,
    threads: u16,
) -> Result<EndpointConfig, TransportError> {
    let mut config = EndpointConfig::new(Arc::new(ResetKey(Arc::clone(keys))));
    config.max_udp_payload_size(UDP_PAYLOAD_BYTES_MAX).map_err(|_out_of_range| TransportError::Cipher)?;
    let keys = Arc::clone(keys);
    config.cid_generator(move || Box::new(ThreadCidGenerator::new(Arc::clone(&keys), thread, threads)));
    // A restarted hub tells thousands of devices that their connections are gone; at quinn's one in 20 ms that takes
    // minutes. A reset is smaller than the packet it answers, so it amplifies nothing.
    config.min_reset_interval(RESET_INTERVAL);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_a_limit_out_of_range_is_named() {
        TransportLimits::default().check().unwrap();
        let limits = TransportLimits { idle_timeout: Duration::ZERO, ..TransportLimits::default() };
        let error = limits.check().unwrap_err();
        assert_eq!(error.to_string(), "idle_timeout must lie between 1000 and 86400000");
    }
}
