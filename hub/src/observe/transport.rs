//! The transport's own counters, summed over data-plane threads whenever the metrics are read.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::transport::{Fabric, TransportCounters};

type Read = fn(&TransportCounters) -> u64;

/// Counters by name, help and where they are read.
const COUNTERS: &[(&str, &str, Read)] = &[
    ("udp_packets_received_total", "UDP datagrams received", |c| c.packets_in.get()),
    ("udp_received_bytes_total", "UDP payload bytes received", |c| c.bytes_in.get()),
    ("udp_packets_sent_total", "UDP datagrams handed to the kernel", |c| c.packets_out.get()),
    ("udp_sent_bytes_total", "UDP payload bytes handed to the kernel", |c| c.bytes_out.get()),
    ("udp_packets_unsent_total", "UDP datagrams that the kernel refused", |c| c.packets_unsent.get()),
    ("connections_accepted_total", "Connections accepted into a handshake", |c| c.connections_accepted.get()),
    ("connections_established_total", "Connections whose handshake completed", |c| c.connections_established.get()),
    ("connections_failed_total", "Attempts that were not valid QUIC and TLS", |c| c.connections_failed.get()),
    ("connections_early_total", "Connections that carried early data", |c| c.connections_early.get()),
    ("handshake_timeouts_total", "Handshakes given up because they took too long", |c| c.handshake_timeouts.get()),
    ("retries_total", "Retry packets sent", |c| c.retries.get()),
    ("handed_over_total", "UDP datagrams passed on to the thread of their connection", |c| c.handed_over.get()),
    ("handover_dropped_total", "UDP datagrams dropped at a full thread", |c| c.handover_dropped.get()),
    ("datagrams_received_total", "QUIC datagrams received", |c| c.datagrams_in.get()),
    ("datagrams_sent_total", "QUIC datagrams sent", |c| c.datagrams_out.get()),
    ("datagrams_dropped_total", "QUIC datagrams that could not be queued", |c| c.datagrams_dropped.get()),
    ("frames_received_total", "Stream frames received", |c| c.frames_in.get()),
    ("frames_sent_total", "Stream frames sent", |c| c.frames_out.get()),
    ("streams_reset_framing_total", "Streams reset for broken framing", |c| c.streams_reset_framing.get()),
    ("streams_reset_slow_total", "Streams reset because their reader was too slow", |c| c.streams_reset_slow.get()),
];

/// Refused connection attempts, by reason.
const REFUSED: &[(&str, Read)] = &[
    ("full", |c| c.refused_full.get()),
    ("address", |c| c.refused_address.get()),
    ("draining", |c| c.refused_draining.get()),
    ("busy", |c| c.unanswered_busy.get()),
    ("rate", |c| c.unanswered_rate.get()),
];

#[derive(Debug)]
pub(super) struct TransportMetrics {
    fabric: Arc<Fabric>,
    counters: Vec<(IntCounter, Read)>,
    refused: Vec<(IntCounter, Read)>,
    connections: IntGauge,
}

impl TransportMetrics {
    pub(super) fn new(registry: &Registry, fabric: Arc<Fabric>) -> Result<Self, prometheus::Error> {
        let mut counters = Vec::with_capacity(COUNTERS.len());
        for (name, help, read) in COUNTERS {
            let counter = IntCounter::new(*name, *help)?;
            registry.register(Box::new(counter.clone()))?;
            counters.push((counter, *read));
        }
        let help = "Connection attempts refused or left unanswered, by reason";
        let by_reason = IntCounterVec::new(Opts::new("connections_refused_total", help), &["reason"])?;
        registry.register(Box::new(by_reason.clone()))?;
        let refused = REFUSED.iter().map(|(reason, read)| (by_reason.with_label_values(&[*reason]), *read)).collect();
        let connections = IntGauge::new("connections", "Connections open")?;
        registry.register(Box::new(connections.clone()))?;
        Ok(Self { fabric, counters, refused, connections })
    }

    /// Connections open now, over all threads.
    pub(super) fn connections_open(&self) -> u64 {
        self.fabric.counters().map(TransportCounters::connections_open).sum()
    }

    /// Brings the metrics up to what the threads have counted.
    pub(super) fn refresh(&self) {
        let sum = |read: Read| self.fabric.counters().map(read).fold(0_u64, u64::saturating_add);
        for (counter, read) in self.counters.iter().chain(&self.refused) {
            counter.inc_by(sum(*read).saturating_sub(counter.get()));
        }
        self.connections.set(i64::try_from(sum(TransportCounters::connections_open)).unwrap_or(i64::MAX));
    }
}
