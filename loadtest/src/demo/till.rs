//! A provider at work: hears what is paid, and reports what it served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use farthing_channel::id::LaneId;
use farthing_client::{Connector, DeviceKey, Provider, ProviderConfig};
use tokio::task::{JoinHandle, JoinSet};

/// Reports on their way at once.
const REPORTS_AT_ONCE: usize = 64;

#[derive(Debug, Default)]
struct Told {
    notices: u64,
    authorised: HashMap<LaneId, u64>,
}

/// A provider that listens.
#[derive(Debug)]
pub(crate) struct Till {
    provider: Provider,
    told: Arc<Mutex<Told>>,
    listening: JoinHandle<()>,
}

impl Till {
    /// Subscribes at the hub.
    pub(crate) async fn open(connector: &Connector, key: DeviceKey) -> anyhow::Result<Self> {
        let config = ProviderConfig { key, rating_groups: Vec::new() };
        let (provider, mut notices) = Provider::connect(connector, config).await?;
        let told = Arc::new(Mutex::new(Told::default()));
        let heard = Arc::clone(&told);
        let listening = tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let mut told = heard.lock().unwrap_or_else(PoisonError::into_inner);
                told.notices = told.notices.saturating_add(1);
                let total = told.authorised.entry(notice.lane).or_default();
                *total = notice.authorised.max(*total);
            }
        });
        Ok(Self { provider, told, listening })
    }

    fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notices so far.
    pub(crate) fn notices(&self) -> u64 {
        self.told(|told| told.notices)
    }

    /// What it was told is authorised to it, base units.
    pub(crate) fn authorised(&self) -> u128 {
        self.told(|told| told.authorised.values().map(|total| u128::from(*total)).sum())
    }

    /// Reports what each lane used; every report must be granted at least that.
    pub(crate) async fn report(&self, used: &[(LaneId, u64)]) -> anyhow::Result<()> {
        let mut reports = JoinSet::new();
        let mut waiting = used.iter().copied();
        loop {
            while reports.len() < REPORTS_AT_ONCE
                && let Some((lane, units)) = waiting.next()
            {
                let provider = self.provider.clone();
                reports.spawn(async move { (lane, units, provider.report(lane, 1, units, 0).await) });
            }
            let Some(done) = reports.join_next().await else {
                return Ok(());
            };
            let (lane, units, grant) = done.context("a report ended early")?;
            let grant = grant.with_context(|| format!("the report of lane {lane} failed"))?;
            ensure!(grant.units >= units, "lane {lane}: {units} units were served, {} granted", grant.units);
        }
    }

    /// Goes home.
    pub(crate) async fn close(self) {
        self.provider.shutdown();
        let _ = self.listening.await;
    }
}
