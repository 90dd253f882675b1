//! The server's side of TLS for QUIC, which is forgotten once it has done its work.
//!
//! quinn-proto keeps a connection's TLS state for as long as the connection lives, and derives the keys of the next key
//! update at once. Together that is a fifth of what an idle connection costs. But after the handshake, when the
//! session ticket has been sent, a QUIC server needs of TLS only the secrets from which later keys follow (RFC 9001,
//! section 6; TLS's own KeyUpdate is forbidden there). So this session lets go of everything else then, and derives
//! keys when they are first used.

use std::any::Any;
use std::fmt;
use std::io::Cursor;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::BytesMut;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    self, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{KeyChange, PacketKeySet, Secrets, ServerConnection, Suite, Version};

/// The tag of every AEAD that QUIC knows (RFC 9001, section 5.3).
const TAG_BYTES: usize = 16;

/// TLS for all connections of a hub.
pub(super) struct Tls {
    /// For what needs no session: initial keys and Retry.
    quinn: QuicServerConfig,
    config: Arc<rustls::ServerConfig>,
    initial: Suite,
}

impl Tls {
    /// TLS by this configuration. None where its provider lacks the cipher suite of QUIC's first packets.
    pub(super) fn new(config: rustls::ServerConfig) -> Option<Self> {
        let config = Arc::new(config);
        let quinn = QuicServerConfig::try_from(Arc::clone(&config)).ok()?;
        let suites = &config.crypto_provider().cipher_suites;
        let initial = suites.iter().find(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256)?;
        let initial = initial.tls13()?.quic_suite()?;
        Some(Self { quinn, config, initial })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn tls_version(version: u32) -> Result<Version, UnsupportedVersion> {
    match version {
        0xff00_001d..=0xff00_0020 => Ok(Version::V1Draft),
        0x0000_0001 | 0xff00_0021..=0xff00_0022 => Ok(Version::V1),
        _ => Err(UnsupportedVersion),
    }
}

impl crypto::ServerConfig for Tls {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.quinn.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.quinn.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, params: &TransportParameters) -> Box<dyn crypto::Session> {
        // Not called for a version that `initial_keys` rejects.
        let version = tls_version(version).unwrap_or(Version::V1);
        let mut encoded = Vec::new();
        params.write(&mut encoded);
        let handshake = ServerConnection::new(Arc::clone(&self.config), version, encoded).map(Box::new);
        Box::new(Session { version, initial: self.initial, handshake: handshake.into(), secrets: None, newest: None })
    }
}

/// How far the handshake is.
enum Handshake {
    Running {
        tls: Box<ServerConnection>,
        is_hello_told: bool,
    },
    /// It is over, and nothing of it is needed any more.
    Done,
    /// It could not begin.
    Failed(String),
}

impl From<Result<Box<ServerConnection>, rustls::Error>> for Handshake {
    fn from(tls: Result<Box<ServerConnection>, rustls::Error>) -> Self {
        match tls {
            Ok(tls) => Self::Running { tls, is_hello_told: false },
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// One connection's TLS.
struct Session {
    version: Version,
    initial: Suite,
    handshake: Handshake,
    /// From which the keys after the first ones follow; known once the handshake is nearly done.
    secrets: Option<Arc<Mutex<Secrets>>>,
    /// The latest keys handed out for a key update.
    newest: Option<Arc<NextKeys>>,
}

impl Session {
    fn tls(&self) -> Option<&ServerConnection> {
        match &self.handshake {
            Handshake::Running { tls, .. } => Some(tls),
            Handshake::Done | Handshake::Failed(_) => None,
        }
    }
}

fn protocol_violation(reason: String) -> TransportError {
    TransportError { code: TransportErrorCode::PROTOCOL_VIOLATION, frame: None, reason }
}

fn boxed(keys: rustls::quic::Keys) -> Keys {
    Keys {
        header: KeyPair { local: Box::new(keys.local.header), remote: Box::new(keys.remote.header) },
        packet: KeyPair { local: Box::new(keys.local.packet), remote: Box::new(keys.remote.packet) },
    }
}

impl crypto::Session for Session {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        let side = match side {
            Side::Client => rustls::Side::Client,
            Side::Server => rustls::Side::Server,
        };
        boxed(self.initial.keys(dst_cid, side, self.version))
    }

    /// Nobody asks: there is one protocol, and server names do not matter.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        let keys = self.tls()?.zero_rtt_keys()?;
        Some((Box::new(keys.header), Box::new(keys.packet)))
    }

    /// For clients only.
    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(|tls| tls.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let (tls, is_hello_told) = match &mut self.handshake {
            Handshake::Running { tls, is_hello_told } => (tls, is_hello_told),
            Handshake::Done => return Err(protocol_violation("TLS message after the handshake".to_owned())),
            Handshake::Failed(reason) => return Err(protocol_violation(std::mem::take(reason))),
        };
        tls.read_hs(bytes).map_err(|error| match tls.alert() {
            Some(alert) => {
                let code = TransportErrorCode::crypto(alert.into());
                TransportError { code, frame: None, reason: error.to_string() }
            }
            None => protocol_violation(format!("TLS error: {error}")),
        })?;
        // rustls does not say when the client's first message is complete; these follow from it.
        let is_hello_read = tls.alpn_protocol().is_some() || tls.server_name().is_some() || !tls.is_handshaking();
        Ok(is_hello_read && !std::mem::replace(is_hello_told, true))
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(bytes) = self.tls().and_then(|tls| tls.quic_transport_parameters()) else {
            return Ok(None);
        };
        Ok(Some(TransportParameters::read(Side::Server, &mut Cursor::new(bytes))?))
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let Handshake::Running { tls, .. } = &mut self.handshake else {
            return None;
        };
        let before = out.len();
        match tls.write_hs(out) {
            Some(KeyChange::Handshake { keys }) => Some(boxed(keys)),
            Some(KeyChange::OneRtt { keys, next }) => {
                self.secrets = Some(Arc::new(Mutex::new(next)));
                Some(boxed(keys))
            }
            None => {
                // Everything is said, the session ticket included.
                if out.len() == before && !tls.is_handshaking() && self.secrets.is_some() {
                    self.handshake = Handshake::Done;
                }
                None
            }
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let secrets = self.secrets.as_ref()?;
        // Each generation follows from the one before, so that one has to be derived first.
        if let Some(newest) = &self.newest {
            newest.keys();
        }
        let next = Arc::new(NextKeys { secrets: Arc::clone(secrets), keys: OnceLock::new() });
        self.newest = Some(Arc::clone(&next));
        let key = |is_local| Box::new(NextKey { generation: Arc::clone(&next), is_local });
        Some(KeyPair { local: key(true), remote: key(false) })
    }

    /// For clients only.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    /// Not offered: nothing in the protocol needs it, for many QUIC libraries do not have it.
    fn export_keying_material(&self, _: &mut [u8], _: &[u8], _: &[u8]) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

/// One generation of keys, derived when it is first used.
struct NextKeys {
    secrets: Arc<Mutex<Secrets>>,
    keys: OnceLock<PacketKeySet>,
}

impl NextKeys {
    fn keys(&self) -> &PacketKeySet {
        self.keys.get_or_init(|| self.secrets.lock().unwrap_or_else(PoisonError::into_inner).next_packet_keys())
    }
}

/// One direction of a generation.
struct NextKey {
    generation: Arc<NextKeys>,
    is_local: bool,
}

impl NextKey {
    #[expect(clippy::borrowed_box, reason = "quinn-proto speaks to rustls's keys through the box")]
    fn key(&self) -> &Box<dyn rustls::quic::PacketKey> {
        let keys = self.generation.keys();
        if self.is_local { &keys.local } else { &keys.remote }
    }
}

impl PacketKey for NextKey {
    fn encrypt(&self, packet: u64, buffer: &mut [u8], header_len: usize) {
        PacketKey::encrypt(self.key(), packet, buffer, header_len);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        PacketKey::decrypt(self.key(), packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        TAG_BYTES
    }

    fn confidentiality_limit(&self) -> u64 {
        PacketKey::confidentiality_limit(self.key())
    }

    fn integrity_limit(&self) -> u64 {
        PacketKey::integrity_limit(self.key())
    }
}
