//! What the devices were promised before a power cut, and what the hub remembers of it.

use std::time::Duration;

use anyhow::Context as _;
use farthing_client::Standing;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fleet::Member;

/// One device's view of the cut.
#[derive(Debug)]
struct Promise {
    name: String,
    acknowledged: u64,
    standing: watch::Receiver<Standing>,
}

/// The highest totals that were acknowledged before the hub was killed.
#[derive(Debug)]
pub(crate) struct Witness {
    promises: Vec<Promise>,
}

/// A device to which the hub no longer shows all that it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Place among the members.
    pub(crate) member: usize,
    /// What was acknowledged, base units.
    pub(crate) acknowledged: u64,
    /// What the hub says now.
    pub(crate) shown: u64,
}

impl Witness {
    /// Notes what was acknowledged so far. To be called while no hub runs: what the hub says next is then what it
    /// says after its restart.
    pub(crate) fn note(members: &[Member]) -> Self {
        let promises = members.iter().map(|member| {
            let mut standing = member.device.standing();
            standing.mark_unchanged();
            Promise { name: member.name.clone(), acknowledged: member.lane.acknowledged().total(), standing }
        });
        Self { promises: promises.collect() }
    }

    /// Waits until each device is attached again, and compares what the hub said on attaching, which is before the
    /// device paid anything on its new connection.
    pub(crate) async fn compare(self, patience: Duration) -> anyhow::Result<Vec<Loss>> {
        let mut comparing = JoinSet::new();
        for (member, mut promise) in self.promises.into_iter().enumerate() {
            comparing.spawn(async move {
                let shown = tokio::time::timeout(patience, next_attach(&mut promise.standing)).await;
                let shown = shown.ok().flatten();
                let shown = shown.with_context(|| format!("device {} does not come back", promise.name))?;
                let lost = shown < promise.acknowledged;
                anyhow::Ok(lost.then_some(Loss { member, acknowledged: promise.acknowledged, shown }))
            });
        }
        let mut losses = Vec::new();
        while let Some(compared) = comparing.join_next().await {
            losses.extend(compared.context("a comparison ended early")??);
        }
        Ok(losses)
    }
}

async fn next_attach(standing: &mut watch::Receiver<Standing>) -> Option<u64> {
    loop {
        standing.changed().await.ok()?;
        if let Standing::Attached(terms) = &*standing.borrow_and_update() {
            return Some(terms.authorised);
        }
    }
}
