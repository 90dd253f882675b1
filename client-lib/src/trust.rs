//! Who the hub is: its certificate, pinned or under an authority.

use std::sync::Arc;

use farthing_channel::id::Hash32;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::Trust;
use crate::error::ClientError;

/// SHA-256 by the hash of the TLS suite that QUIC makes mandatory, so that no further library is needed.
pub(crate) fn sha256(bytes: &[u8]) -> Option<Hash32> {
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?;
    let output = suite.common.hash_provider.hash(bytes);
    output.as_ref().try_into().map(Hash32).ok()
}

/// Accepts one certificate, whatever its name, dates and issuer are.
#[derive(Debug)]
struct PinnedVerifier {
    pin: Hash32,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if sha256(end_entity) == Some(self.pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS configuration for `trust`, with ALPN and resumption.
pub(crate) fn tls_config(trust: &Trust, early_data: bool) -> Result<rustls::ClientConfig, ClientError> {
    let provider = Arc::new(ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| ClientError::config(error.to_string()))?;
    let mut config = match trust {
        Trust::Pin(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedVerifier { pin: *pin, provider }))
            .with_no_client_auth(),
        Trust::CaFile(path) => {
            let unreadable =
                |error: rustls_pki_types::pem::Error| ClientError::config(format!("{}: {error}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(unreadable)?
                .collect::<Result<Vec<_>, _>>()
                .map_err(unreadable)?;
            builder.with_root_certificates(roots(&certificates)?).with_no_client_auth()
        }
        Trust::CaCertificates(certificates) => {
            builder.with_root_certificates(roots(certificates)?).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![farthing_channel::wire::ALPN.to_vec()];
    config.enable_early_data = early_data;
    Ok(config)
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| ClientError::config(format!("authority: {error}")))?;
    }
    if roots.is_empty() {
        return Err(ClientError::config("no certificate authority is given"));
    }
    Ok(roots)
}
