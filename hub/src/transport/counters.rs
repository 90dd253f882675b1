//! What one data-plane thread counts about its traffic.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. One thread writes it, any thread may read it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning thread calls this, which is why a load and a store suffice and no
    /// bus lock is paid per packet.
    pub(super) fn add(&self, n: u64) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one data-plane thread.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// UDP datagrams received.
    pub packets_in: Counter,
    /// UDP payload bytes received.
    pub bytes_in: Counter,
    /// UDP datagrams handed to the kernel.
    pub packets_out: Counter,
    /// UDP payload bytes handed to the kernel.
    pub bytes_out: Counter,
    /// UDP datagrams that the kernel refused; QUIC repeats what mattered in them.
    pub packets_unsent: Counter,
    /// Connections accepted into a handshake.
    pub connections_accepted: Counter,
    /// Connections whose handshake completed.
    pub connections_established: Counter,
    /// Accepted connections that are gone.
    pub connections_closed: Counter,
    /// Attempts whose first packet was not valid QUIC and TLS.
    pub connections_failed: Counter,
    /// Attempts refused because the hub holds as many connections as it may.
    pub refused_full: Counter,
    /// Attempts refused because their address holds as many connections as it may.
    pub refused_address: Counter,
    /// Attempts refused because the hub is being stopped.
    pub refused_draining: Counter,
    /// Attempts left unanswered because too many handshakes are in progress.
    pub unanswered_busy: Counter,
    /// Attempts left unanswered because their address makes too many.
    pub unanswered_rate: Counter,
    /// Retry packets sent, to make a client prove its address first.
    pub retries: Counter,
    /// Handshakes given up because they took too long.
    pub handshake_timeouts: Counter,
    /// Connections that carried early data (0-RTT).
    pub connections_early: Counter,
    /// Changes of a peer's address.
    pub migrations: Counter,
    /// UDP datagrams passed on to the thread that owns their connection.
    pub handed_over: Counter,
    /// UDP datagrams dropped because that thread's queue was full.
    pub handover_dropped: Counter,
    /// QUIC datagrams handed to the application.
    pub datagrams_in: Counter,
    /// QUIC datagrams accepted from the application.
    pub datagrams_out: Counter,
    /// QUIC datagrams from the application that could not be queued.
    pub datagrams_dropped: Counter,
    /// Frames handed to the application.
    pub frames_in: Counter,
    /// Frames accepted from the application.
    pub frames_out: Counter,
    /// Streams reset for a frame that was too long, or for too many that were never completed.
    pub streams_reset_framing: Counter,
    /// Streams reset because their reader was too slow.
    pub streams_reset_slow: Counter,
}

impl TransportCounters {
    /// Connections that exist now, those still closing included.
    pub fn connections_open(&self) -> u64 {
        self.connections_accepted.get().saturating_sub(self.connections_closed.get())
    }
}
