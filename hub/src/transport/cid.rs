//! Connection ids that carry the number of the thread that owns the connection.
//!
//! `nonce[4] | thread[2] XOR mask | check[2]`: the mask and the check are a keyed hash of the
//! nonce (and, for the check, of the thread). An observer can neither link two ids nor read the
//! thread; a datagram for nobody is recognised and dropped for the price of a hash. The keys come
//! from the TLS key, so that after a restart the hub still knows its own ids and answers them with
//! a stateless reset: a client then learns at once, not after its idle timeout, that it must
//! connect again.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::{CryptoError, HmacKey};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use rustls::crypto::tls13::{Hkdf, OkmBlock};
use rustls_pki_types::PrivateKeyDer;

/// Bytes of every connection id the hub gives out.
pub(super) const CID_BYTES: usize = 8;

/// Random bytes are drawn from the system in blocks of this size, for many ids at once.
const NONCE_POOL_BYTES: usize = 512;

const NONCE_BYTES: usize = 4;
const LONG_HEADER: u8 = 0x80;
/// Flags, version and the length of the destination id come before the id in a long header.
const LONG_HEADER_CID_LENGTH_AT: usize = 5;

/// The secrets behind connection ids and stateless resets, the same on all threads.
pub(super) struct TransportKeys {
    cid: [u8; 16],
    reset: OkmBlock,
    hkdf: &'static dyn Hkdf,
}

impl fmt::Debug for TransportKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportKeys").finish_non_exhaustive()
    }
}

impl TransportKeys {
    /// Derives the keys from the TLS private key. `None` only if the TLS library were built
    /// without the one cipher suite that QUIC itself demands.
    pub(super) fn derive(private_key: &PrivateKeyDer<'_>) -> Option<Self> {
        let hkdf = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?.hkdf_provider;
        let expander = hkdf.extract_from_secret(Some(b"farthing transport keys"), private_key.secret_der());
        let cid_block = expander.expand_block(&[b"connection ids"]);
        let cid = cid_block.as_ref().first_chunk::<16>().copied()?;
        Some(Self { cid, reset: expander.expand_block(&[b"stateless resets"]), hkdf })
    }

    fn hash(&self, nonce: &[u8], thread: Option<u16>) -> u64 {
        // SipHash with the key in front of the message. The ids are routing hints, not
        // authentication: nothing breaks for others if someone forges one.
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.cid);
        hasher.write(nonce);
        if let Some(thread) = thread {
            hasher.write(&thread.to_be_bytes());
        }
        hasher.finish()
    }

    fn encode(&self, nonce: [u8; NONCE_BYTES], thread: u16) -> [u8; CID_BYTES] {
        let [mask_high, mask_low, ..] = self.hash(&nonce, None).to_be_bytes();
        let [check_high, check_low, ..] = self.hash(&nonce, Some(thread)).to_be_bytes();
        let [thread_high, thread_low] = thread.to_be_bytes();
        let [a, b, c, d] = nonce;
        [a, b, c, d, thread_high ^ mask_high, thread_low ^ mask_low, check_high, check_low]
    }

    /// The thread that gave out this id, or `None` if it is none of ours.
    pub(super) fn thread_of(&self, cid: &[u8]) -> Option<u16> {
        let &[a, b, c, d, masked_high, masked_low, check_high, check_low] = <&[u8; CID_BYTES]>::try_from(cid).ok()?;
        let nonce = [a, b, c, d];
        let [mask_high, mask_low, ..] = self.hash(&nonce, None).to_be_bytes();
        let thread = u16::from_be_bytes([masked_high ^ mask_high, masked_low ^ mask_low]);
        let [expected_high, expected_low, ..] = self.hash(&nonce, Some(thread)).to_be_bytes();
        ([check_high, check_low] == [expected_high, expected_low]).then_some(thread)
    }

    /// The thread that owns the connection this QUIC packet belongs to, if its destination id is
    /// one of ours. A client's very first packets bear an id of its own choice.
    pub(super) fn thread_of_packet(&self, packet: &[u8]) -> Option<u16> {
        let flags = *packet.first()?;
        if flags & LONG_HEADER == 0 {
            return self.thread_of(packet.get(1..)?.get(..CID_BYTES)?);
        }
        let length = usize::from(*packet.get(LONG_HEADER_CID_LENGTH_AT)?);
        self.thread_of(packet.get(LONG_HEADER_CID_LENGTH_AT + 1..)?.get(..length)?)
    }
}

/// Stateless reset tokens: HMAC-SHA256 of the connection id.
pub(super) struct ResetKey(pub(super) Arc<TransportKeys>);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let tag = self.0.hkdf.hmac_sign(&self.0.reset, data);
        signature_out.copy_from_slice(tag.as_ref());
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let tag = self.0.hkdf.hmac_sign(&self.0.reset, data);
        let expected = tag.as_ref();
        if expected.len() != signature.len() {
            return Err(CryptoError);
        }
        // Compared without an early exit, so that the time says nothing about the position.
        let difference = expected.iter().zip(signature).fold(0_u8, |sum, (left, right)| sum | (left ^ right));
        if difference == 0 { Ok(()) } else { Err(CryptoError) }
    }
}

/// Makes the ids of one thread.
pub(super) struct ThreadCidGenerator {
    keys: Arc<TransportKeys>,
    thread: u16,
    threads: u16,
    pool: Box<[u8; NONCE_POOL_BYTES]>,
    pool_used: usize,
}

impl ThreadCidGenerator {
    pub(super) fn new(keys: Arc<TransportKeys>, thread: u16, threads: u16) -> Self {
        Self { keys, thread, threads, pool: Box::new([0; NONCE_POOL_BYTES]), pool_used: NONCE_POOL_BYTES }
    }

    fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        if self.pool_used + NONCE_BYTES > NONCE_POOL_BYTES {
            getrandom::fill(&mut self.pool[..]).expect("the operating system gives random bytes once it has booted");
            self.pool_used = 0;
        }
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&self.pool[self.pool_used..self.pool_used + NONCE_BYTES]);
        self.pool_used += NONCE_BYTES;
        nonce
    }
}

impl ConnectionIdGenerator for ThreadCidGenerator {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce = self.nonce();
        ConnectionId::new(&self.keys.encode(nonce, self.thread))
    }

    fn validate(&self, cid: &ConnectionId) -> Result<(), InvalidCid> {
        match self.keys.thread_of(cid) {
            // An earlier run may have had more threads; its ids are answered by one of ours.
            Some(thread) if thread % self.threads == self.thread => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls_pki_types::PrivatePkcs8KeyDer;

    use super::*;

    fn keys(seed: u8) -> TransportKeys {
        TransportKeys::derive(&PrivatePkcs8KeyDer::from(vec![seed; 40]).into()).unwrap()
    }

    proptest! {
        #[test]
        fn the_thread_comes_back_out_of_the_id(nonce: [u8; 4], thread: u16) {
            let keys = keys(1);
            let cid = keys.encode(nonce, thread);
            prop_assert_eq!(keys.thread_of(&cid), Some(thread));
            let mut short = vec![0x40];
            short.extend_from_slice(&cid);
            short.extend_from_slice(&[0; 20]);
            prop_assert_eq!(keys.thread_of_packet(&short), Some(thread));
            let mut long = vec![0xe0, 0, 0, 0, 1, 8];
            long.extend_from_slice(&cid);
            prop_assert_eq!(keys.thread_of_packet(&long), Some(thread));
        }

        #[test]
        fn no_packet_is_too_short_or_too_odd(packet: Vec<u8>) {
            let _ = keys(1).thread_of_packet(&packet);
        }
    }

    #[test]
    fn ids_survive_a_restart_but_not_another_key() {
        let mut generator = ThreadCidGenerator::new(Arc::new(keys(1)), 3, 4);
        let mut known_to_a_stranger = 0;
        for _ in 0..1000 {
            let cid = generator.generate_cid();
            assert_eq!(keys(1).thread_of(&cid), Some(3));
            assert!(generator.validate(&cid).is_ok());
            known_to_a_stranger += u32::from(keys(2).thread_of(&cid).is_some());
        }
        assert!(known_to_a_stranger < 3);
    }

    #[test]
    fn a_foreign_thread_is_not_valid_here_but_an_older_higher_one_is_mapped() {
        let shared = Arc::new(keys(1));
        let generator = ThreadCidGenerator::new(Arc::clone(&shared), 1, 2);
        let cid = |thread| ConnectionId::new(&shared.encode([1, 2, 3, 4], thread));
        assert!(generator.validate(&cid(0)).is_err());
        assert!(generator.validate(&cid(1)).is_ok());
        assert!(generator.validate(&cid(3)).is_ok());
    }

    #[test]
    fn reset_tokens_are_stable_and_keyed() {
        let key = ResetKey(Arc::new(keys(1)));
        let mut token = [0; 32];
        key.sign(b"id", &mut token);
        assert!(ResetKey(Arc::new(keys(1))).verify(b"id", &token).is_ok());
        assert!(ResetKey(Arc::new(keys(2))).verify(b"id", &token).is_err());
        assert!(key.verify(b"other", &token).is_err());
    }
}
