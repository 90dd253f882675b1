//! TLS and QUIC settings of simulated devices.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use farthing_channel::id::Hash32;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, EndpointConfig, IdleTimeout, RandomConnectionIdGenerator, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Bytes of the ids by which simulated devices know their connections. Every packet to a device carries one, so it
/// is short; it must tell all connections of a socket apart and still be rare enough that a guess finds none.
pub const CONNECTION_ID_BYTES: usize = 4;

/// Room for datagrams that wait to be read or sent, per connection.
const DATAGRAM_BUFFER_BYTES: usize = 64 * 1024;

/// A device sends requests of a few hundred bytes and reads answers of a few KiB.
const STREAM_WINDOW_BYTES: u32 = 32 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// As the hub's own, for the same reason: thousands of handshakes at once take longer than QUIC's usual guess.
const FIRST_RTT_GUESS: Duration = Duration::from_millis(500);

/// Which server is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The one whose certificate has this SHA-256.
    Pin(Hash32),
    /// Whoever answers: for a bench of the generator itself, in which no money moves.
    Anyone,
}

/// Accepts a certificate by its hash. The handshake's signature is left unchecked: the generator measures what a
/// handshake costs the hub, and would itself be the bottleneck of a storm if it verified each.
#[derive(Debug)]
struct Pinned {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.trust {
            Trust::Pin(pin) if sha256(end_entity) != pin => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Trust::Pin(_) | Trust::Anyone => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(bitcoin_hashes::sha256::hash(bytes).to_byte_array())
}

/// The settings of all clients. `alpn` names the protocol, `idle_timeout` ends a silent connection, `keep_alive` lets a
/// client ping before that.
///
/// # Errors
/// Where the libraries lack what QUIC demands.
pub fn client_config(
    trust: Trust,
    alpn: &[u8],
    idle_timeout: Duration,
    keep_alive: Option<Duration>,
) -> anyhow::Result<ClientConfig> {
    let mut provider = ring::default_provider();
    // The suite that QUIC makes mandatory, and the cheapest with AES instructions.
    provider.cipher_suites.retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let verifier = Arc::new(Pinned { trust, provider: Arc::clone(&provider) });
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    // All devices of one process would take their sessions from one store, and one another's. A full handshake each is
    // what a device without memory costs.
    tls.resumption = Resumption::disabled();
    tls.enable_sni = false;
    let crypto = QuicClientConfig::try_from(tls).context("TLS lacks QUIC's cipher suite")?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport(idle_timeout, keep_alive)?));
    Ok(config)
}

/// Small connections, as the hub's are.
///
/// # Errors
/// Where the idle timeout is longer than QUIC can say.
pub fn transport(idle_timeout: Duration, keep_alive: Option<Duration>) -> anyhow::Result<TransportConfig> {
    let mut quic = TransportConfig::default();
    quic.max_idle_timeout(Some(IdleTimeout::try_from(idle_timeout).context("the idle timeout is too long")?))
        .keep_alive_interval(keep_alive)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(2))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES)
        .crypto_buffer_size(16 * 1024)
        .initial_rtt(FIRST_RTT_GUESS)
        .mtu_discovery_config(None)
        .enable_segmentation_offload(false);
    Ok(quic)
}

/// What belongs to one socket: short connection ids, and nothing larger than an Ethernet frame.
///
/// # Errors
/// Never with these constants.
pub fn endpoint_config() -> anyhow::Result<EndpointConfig> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(1472).context("the largest packet")?;
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID_BYTES)));
    Ok(config)
}
