//! What was paid and acknowledged, counted while it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use farthing_client::ClientError;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::report::Latencies;

/// Counters that all devices of a run share.
#[derive(Debug, Default)]
pub struct Meter {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
    latencies: Mutex<Latencies>,
    bar: Option<ProgressBar>,
}

/// A meter's counts at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeterReading {
    /// Payments handed to the SDK.
    pub sent: u64,
    /// Payments covered by a durable acknowledgement.
    pub acknowledged: u64,
    /// Failures by reason. One refusal may concern several payments, and is no loss: the total is sent again.
    pub refused: BTreeMap<String, u64>,
}

impl Meter {
    /// A meter that moves `bar` with every acknowledged payment.
    #[must_use]
    pub fn with_bar(bar: ProgressBar) -> Self {
        Self { bar: Some(bar), ..Self::default() }
    }

    /// Counts a payment handed to the SDK.
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts acknowledged payments.
    pub(super) fn acknowledged(&self, payments: u64) {
        self.acknowledged.fetch_add(payments, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(payments);
        }
    }

    /// Counts a failure.
    pub(super) fn refused(&self, error: &ClientError) {
        let reason = match error {
            ClientError::Refused(refusal) => refusal.name().to_owned(),
            other => other.to_string(),
        };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refused.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds a device's latencies.
    pub(super) fn add_latencies(&self, latencies: &Latencies) {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(latencies);
    }

    /// The counts now.
    #[must_use]
    pub fn read(&self) -> MeterReading {
        MeterReading {
            sent: self.sent.load(Ordering::Relaxed),
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The latencies of the devices that have ended.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
