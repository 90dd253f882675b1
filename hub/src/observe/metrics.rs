//! Counters and gauges, in Prometheus conventions: base units, `_total` on counters, no label per device.

use std::sync::Arc;

use farthing_channel::refusal::Refusal;
use farthing_risk::fleet::{Finding, Raised};
use farthing_risk::ladder::Level;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use super::transport::TransportMetrics;
use crate::risk::levels::LevelCounts;
use crate::transport::Fabric;

/// What every name begins with.
pub(super) const PREFIX: &str = "farthing_hub";

/// The content type of [`Metrics::render`]'s text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

macro_rules! metrics {
    (counters { $($counter:ident: $counter_help:literal,)* } gauges { $($gauge:ident: $gauge_help:literal,)* }) => {
        /// All counters and gauges. Cheap to change from any thread.
        #[derive(Debug)]
        pub struct Metrics {
            $(#[doc = $counter_help] pub $counter: IntCounter,)*
            $(#[doc = $gauge_help] pub $gauge: IntGauge,)*
            refusals: IntCounterVec,
            risk_changes: IntCounterVec,
            risk_lanes: IntGaugeVec,
            risk_fleets: IntGaugeVec,
            transport: TransportMetrics,
            registry: Registry,
        }

        impl Metrics {
            /// All at zero.
            ///
            /// # Errors
            /// Two metrics of one name, which is a defect.
            pub fn new(fabric: Arc<Fabric>) -> Result<Self, prometheus::Error> {
                let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
                $(let $counter = IntCounter::new(concat!(stringify!($counter), "_total"), $counter_help)?;
                registry.register(Box::new($counter.clone()))?;)*
                $(let $gauge = IntGauge::new(stringify!($gauge), $gauge_help)?;
                registry.register(Box::new($gauge.clone()))?;)*
                let refusals = IntCounterVec::new(Opts::new("refusals_total", "Messages refused, by reason"), &["reason"])?;
                registry.register(Box::new(refusals.clone()))?;
                let changes = "Changes of what is done about a lane, by the level that it came to";
                let risk_changes = IntCounterVec::new(Opts::new("risk_level_changes_total", changes), &["level"])?;
                registry.register(Box::new(risk_changes.clone()))?;
                let lanes = "Lanes in memory about which something is done, by level";
                let risk_lanes = IntGaugeVec::new(Opts::new("risk_lanes", lanes), &["level"])?;
                registry.register(Box::new(risk_lanes.clone()))?;
                let fleets = "Fleets whose lanes move together, by what is found in that; one for each unit they are billed in";
                let risk_fleets = IntGaugeVec::new(Opts::new("risk_fleets", fleets), &["finding"])?;
                registry.register(Box::new(risk_fleets.clone()))?;
                let build = IntGaugeVec::new(Opts::new("build_info", "Version of this hub"), &["version"])?;
                build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
                registry.register(Box::new(build))?;
                let transport = TransportMetrics::new(&registry, fabric)?;
                Ok(Self { $($counter,)* $($gauge,)* refusals, risk_changes, risk_lanes, risk_fleets, transport, registry })
            }
        }
    };
}

metrics! {
    counters {
        payments_received: "Payments read from datagrams and streams, good or bad",
        payments_accepted: "Payments that raised a total or added an anchor",
        payments_known: "Payments that were known already",
        payments_dropped: "Payments dropped unanswered because the journal was behind",
        payments_acknowledged: "Acknowledgements sent, each for everything up to a total",
        authorised_base_units: "Base units by which lanes grew since the hub started",
        notices_sent: "Notices of authorised amounts sent to providers",
        reports_accepted: "Provider reports kept",
        risk_overrides: "Operators' decisions about what is done about a channel",
        receipts_signed: "Receipts signed",
        address_migrations: "Connections whose peer changed its address",
    }
    gauges {
        start_time_seconds: "Unix time at which the hub started",
        ledger_reachable: "Whether the base ledger answered the last time it was asked",
        ledger_cursor: "Number of the last ledger event taken in",
        escrows: "Escrows in the table",
        channels: "Channels in the table",
        lanes: "Lanes in the table",
        journal_durable_sequence: "Last journal block on disk",
        journal_failed: "Whether the journal has stopped for good",
        journal_short_of_space: "Whether the disk has no room for the next journal segment",
        checkpoint_sequence: "Last journal block in the checkpoint",
        serving: "Whether payments are accepted",
        term: "Fencing number of the hub's ownership",
        risk_overridden_lanes: "Lanes in memory about which an operator decided",
        restored: "Whether the hub found itself behind the ledger at its start",
    }
}

impl Metrics {
    /// Counts a refusal.
    pub fn refused(&self, refusal: Refusal) {
        self.refusals.with_label_values(&[refusal.name()]).inc();
    }

    /// Counts a change of what is done about a lane.
    pub fn risk_level_changed(&self, level: u8) {
        let level = Level::from_code(level).unwrap_or_default();
        self.risk_changes.with_label_values(&[level.name()]).inc();
    }

    /// Shows how many lanes stand at which level.
    pub fn show_levels(&self, counts: &LevelCounts) {
        for level in Level::ALL.into_iter().filter(|level| *level > Level::Trusted) {
            self.risk_lanes.with_label_values(&[level.name()]).set(counts.at(level));
        }
        self.risk_overridden_lanes.set(counts.overridden());
    }

    /// Shows what is found of fleets.
    pub fn show_fleets(&self, raised: &[Raised]) {
        for finding in Finding::ALL {
            let found = raised.iter().filter(|raised| raised.finding == finding).count();
            self.risk_fleets.with_label_values(&[finding.name()]).set(i64::try_from(found).unwrap_or(i64::MAX));
        }
    }

    /// Connections open now.
    pub fn connections_open(&self) -> u64 {
        self.transport.connections_open()
    }

    /// The exposition text.
    pub fn render(&self) -> String {
        self.transport.refresh();
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        text
    }
}
