//! What the data-plane threads share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use farthing_udp::Datagram;
use quinn_proto::ServerConfig;

use super::admission::Admission;
use super::cid::TransportKeys;
use super::config::{Identity, TransportError, TransportLimits, server_config};
use super::counters::TransportCounters;

/// Datagrams that may wait for another thread, per thread. They are rare (a device changed its
/// address), and QUIC repeats what is dropped.
const HANDOVER_QUEUE_MAX: usize = 4096;

/// One thread's place in the fabric.
#[derive(Debug)]
struct Post {
    sender: Sender<Datagram>,
    receiver: Receiver<Datagram>,
    /// Set once, when the thread's driver is bound.
    waker: OnceLock<Arc<mio::Waker>>,
    counters: TransportCounters,
}

/// The configuration, session store, admission limits, queues and counters that all data-plane
/// threads of a hub share.
pub struct Fabric {
    limits: TransportLimits,
    server: Arc<ServerConfig>,
    keys: Arc<TransportKeys>,
    admission: Mutex<Admission>,
    posts: Vec<Post>,
    /// The kernel keeps handshakes and established connections in different sockets.
    sorted: AtomicBool,
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric")
            .field("limits", &self.limits)
            .field("threads", &self.posts.len())
            .finish_non_exhaustive()
    }
}

impl Fabric {
    /// Prepares the transport for `threads` drivers (at least one).
    ///
    /// # Errors
    ///
    /// A limit out of range, or a certificate that TLS cannot use.
    pub fn new(identity: Identity, limits: TransportLimits, threads: u16) -> Result<Arc<Self>, TransportError> {
        limits.check()?;
        let keys = TransportKeys::derive(&identity.private_key).ok_or(TransportError::Cipher)?;
        let server = server_config(identity, &limits)?;
        let posts = (0..threads.max(1))
            .map(|_| {
                let (sender, receiver) = crossbeam_channel::bounded(HANDOVER_QUEUE_MAX);
                Post { sender, receiver, waker: OnceLock::new(), counters: TransportCounters::default() }
            })
            .collect();
        Ok(Arc::new(Self {
            admission: Mutex::new(Admission::new(&limits)),
            limits,
            server: Arc::new(server),
            keys: Arc::new(keys),
            posts,
            sorted: AtomicBool::new(true),
        }))
    }

    /// How many drivers share this fabric.
    pub fn threads(&self) -> u16 {
        u16::try_from(self.posts.len()).unwrap_or(u16::MAX)
    }

    /// The limits in force.
    pub fn limits(&self) -> &TransportLimits {
        &self.limits
    }

    /// The counters of every thread, in the threads' order.
    pub fn counters(&self) -> impl Iterator<Item = &TransportCounters> {
        self.posts.iter().map(|post| &post.counters)
    }

    pub(super) fn counters_of(&self, thread: u16) -> &TransportCounters {
        &self.posts[usize::from(thread)].counters
    }

    pub(super) fn server(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    pub(super) fn keys(&self) -> &Arc<TransportKeys> {
        &self.keys
    }

    /// Locked for a few map operations, once or twice in a connection's life.
    pub(super) fn admission(&self) -> MutexGuard<'_, Admission> {
        // No call into `Admission` can panic half-way through a change that matters: at worst a
        // count is off by the connection that was being decided on.
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the kernel does not tell handshakes from established connections.
    pub(super) fn leave_unsorted(&self) {
        self.sorted.store(false, Ordering::Relaxed);
    }

    /// Whether each thread has a socket for handshakes alone.
    pub(super) fn is_sorted(&self) -> bool {
        self.sorted.load(Ordering::Relaxed)
    }

    /// Takes a thread's place. `Err` gives the waker back if the place is taken or does not exist.
    pub(super) fn join(&self, thread: u16, waker: Arc<mio::Waker>) -> Result<(), Arc<mio::Waker>> {
        match self.posts.get(usize::from(thread)) {
            Some(post) => post.waker.set(waker),
            None => Err(waker),
        }
    }

    /// The thread that owns the connection of this packet, if that can be told from the packet.
    pub(super) fn owner(&self, packet: &[u8]) -> Option<u16> {
        let thread = self.keys.thread_of_packet(packet)?;
        Some(thread % self.threads())
    }

    /// Passes a datagram on to `thread`. False if its queue is full or nobody is there.
    pub(super) fn hand_over(&self, thread: u16, datagram: Datagram) -> bool {
        let Some(post) = self.posts.get(usize::from(thread)) else {
            return false;
        };
        let Some(waker) = post.waker.get() else {
            return false;
        };
        post.sender.try_send(datagram).is_ok() && waker.wake().is_ok()
    }

    /// Takes a datagram that another thread passed on to `thread`.
    pub(super) fn take_handed_over(&self, thread: u16) -> Option<Datagram> {
        self.posts[usize::from(thread)].receiver.try_recv().ok()
    }
}
