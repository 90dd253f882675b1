//! The shared side of connections: sockets, TLS, and what they are allowed to hold.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::config::ConnectorConfig;
use crate::error::ClientError;
use crate::trust::tls_config;

/// Unread bytes the hub may have sent on one stream: two of the largest frames.
const STREAM_WINDOW_BYTES: u32 = 32 * 1024;
/// Unread bytes the hub may have sent on all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes sent on streams and not yet acknowledged by the peer's transport.
const SEND_WINDOW_BYTES: u64 = 64 * 1024;
/// Datagrams that wait for the application, or for the congestion window. A gateway's thousand lanes need more than a
/// device's one; unused room costs nothing.
const DATAGRAM_BUFFER_BYTES: usize = 64 * 1024;
/// The hub opens one unidirectional stream, for its first words, and no others.
const HUB_STREAMS_MAX: u32 = 1;
/// When a whole fleet comes at once, a shorter first guess makes every device repeat itself.
const FIRST_RTT_GUESS: Duration = Duration::from_millis(500);

/// Where connections come from: sockets and TLS state, shared by any number of devices, gateways and providers of one
/// process. Cloning shares it. Must be made and used inside a tokio runtime.
#[derive(Debug, Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ConnectorConfig,
    endpoints: Vec<Endpoint>,
    next: AtomicUsize,
    client: quinn::ClientConfig,
}

impl Connector {
    /// Opens the sockets.
    ///
    /// # Errors
    /// [`ClientError::Config`] where TLS or the sockets cannot be set up.
    pub fn new(config: ConnectorConfig) -> Result<Self, ClientError> {
        let tls = tls_config(&config.trust, config.early_data)?;
        let quic = QuicClientConfig::try_from(tls).map_err(|error| ClientError::config(error.to_string()))?;
        let mut client = quinn::ClientConfig::new(Arc::new(quic));
        client.transport_config(Arc::new(transport(&config)?));
        let endpoints = (0..config.sockets.max(1)).map(|_| endpoint(config.bind)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { shared: Arc::new(Shared { config, endpoints, next: AtomicUsize::new(0), client }) })
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &ConnectorConfig {
        &self.shared.config
    }

    /// Begins a connection. The name is looked up each time, so a hub may move.
    pub(crate) async fn dial(&self) -> Result<quinn::Connecting, ClientError> {
        let config = &self.shared.config;
        let unreachable = |reason: String| ClientError::Unreachable(reason.into());
        let place = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let endpoint = &self.shared.endpoints[place % self.shared.endpoints.len()];
        let local = endpoint.local_addr().map_err(|error| unreachable(error.to_string()))?;
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(&*config.hub)
            .await
            .map_err(|error| unreachable(format!("{}: {error}", config.hub)))?
            .collect();
        // A socket of one family reaches only that family, unless it is the mapped kind, which reaches both.
        let address = addresses
            .iter()
            .find(|address| address.is_ipv4() == local.is_ipv4())
            .or(addresses.first())
            .copied()
            .ok_or_else(|| unreachable(format!("{} has no address", config.hub)))?;
        let address = match address {
            SocketAddr::V4(v4) if local.is_ipv6() => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            other => other,
        };
        Ok(endpoint.connect_with(self.shared.client.clone(), address, &config.server_name)?)
    }

    /// Waits until closed connections have told their peers so.
    pub async fn wait_idle(&self) {
        for endpoint in &self.shared.endpoints {
            endpoint.wait_idle().await;
        }
    }
}

/// A socket that reaches both families where the system can, and IPv4 alone otherwise.
fn endpoint(bind: Option<SocketAddr>) -> Result<Endpoint, ClientError> {
    let any_v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    let any_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let socket = match bind {
        Some(address) => UdpSocket::bind(address),
        // Linux maps IPv4 into an unbound IPv6 socket unless told otherwise; other systems differ, so they use IPv4.
        None if cfg!(target_os = "linux") => UdpSocket::bind(any_v6).or_else(|_| UdpSocket::bind(any_v4)),
        None => UdpSocket::bind(any_v4),
    };
    let socket = socket.map_err(|error| ClientError::config(format!("UDP socket: {error}")))?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(quinn::TokioRuntime))
        .map_err(|error| ClientError::config(format!("UDP socket: {error}")))
}

fn transport(config: &ConnectorConfig) -> Result<TransportConfig, ClientError> {
    let mut transport = TransportConfig::default();
    let idle =
        IdleTimeout::try_from(config.idle_timeout).map_err(|_| ClientError::config("the idle timeout is too long"))?;
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(config.keep_alive)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(HUB_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES)
        .initial_rtt(FIRST_RTT_GUESS)
        // Payments fit the smallest packet; probing for larger ones would cost a device more than it brings.
        .mtu_discovery_config(None::<MtuDiscoveryConfig>);
    Ok(transport)
}
