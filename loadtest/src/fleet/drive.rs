//! One device's payments, each at its time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use farthing_client::{ClientError, Lane};
use tokio::time::Instant as TokioInstant;

use super::Meter;
use crate::clock;
use crate::report::Latencies;

/// A payment: a total, and when it is meant to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// After the start of the run.
    pub due: Duration,
    /// The lane's total then, base units.
    pub total: u64,
}

/// How payments are sent.
#[derive(Debug, Clone, Copy)]
pub struct Drive<'m> {
    /// When the run began.
    pub start: Instant,
    /// Payments that may be unacknowledged before the next one waits: 1 for a closed loop, the greatest number for an
    /// open one, in which a slow hub does not slow the payments down.
    pub window: usize,
    /// Whether latencies are measured; they count from when a payment was due, so a pause of the hub or of this
    /// program shows in every payment that it delayed.
    pub latencies: bool,
    /// Where it is counted.
    pub meter: &'m Meter,
}

/// Payments on the way: their totals, and when they were due.
struct Pending {
    steps: VecDeque<(u64, Instant)>,
    latencies: Option<Latencies>,
}

impl Pending {
    fn settle(&mut self, total: u64, meter: &Meter) {
        let mut settled = 0;
        let mut now = None;
        while let Some((_, due)) = self.steps.pop_front_if(|(step, _)| *step <= total) {
            settled += 1;
            if let Some(latencies) = &mut self.latencies {
                let now = *now.get_or_insert_with(clock::now);
                latencies.record(now.saturating_duration_since(due));
            }
        }
        if settled > 0 {
            meter.acknowledged(settled);
        }
    }
}

/// Sends the steps of one lane and waits until all are durable. A refusal that passes by itself is counted and waited
/// out; the total goes out again with the SDK's next attempt.
///
/// # Errors
/// The first failure that no waiting mends.
pub async fn drive(lane: &Lane, steps: impl Iterator<Item = Step>, how: Drive<'_>) -> Result<(), ClientError> {
    let mut pending = Pending { steps: VecDeque::new(), latencies: how.latencies.then(Latencies::default) };
    let outcome = drive_steps(lane, steps, how, &mut pending).await;
    if let Some(latencies) = &pending.latencies {
        how.meter.add_latencies(latencies);
    }
    outcome
}

async fn drive_steps(
    lane: &Lane,
    steps: impl Iterator<Item = Step>,
    how: Drive<'_>,
    pending: &mut Pending,
) -> Result<(), ClientError> {
    let mut steps = steps.peekable();
    let mut acknowledged = lane.acknowledged();
    loop {
        pending.settle(acknowledged.total(), how.meter);
        let now = clock::now();
        while pending.steps.len() < how.window
            && let Some(step) = steps.next_if(|step| how.start + step.due <= now)
        {
            lane.send_total(step.total).inspect_err(|error| how.meter.refused(error))?;
            how.meter.sent();
            // A step without a due time of its own counts from when there was room for it.
            let due = if step.due.is_zero() { now } else { how.start + step.due };
            pending.steps.push_back((step.total, due));
        }
        let next = steps.peek().filter(|_| pending.steps.len() < how.window);
        let wake = next.map(|step| TokioInstant::from_std(how.start + step.due));
        if wake.is_none() && pending.steps.is_empty() {
            return Ok(());
        }
        tokio::select! {
            changed = acknowledged.changed() => match changed {
                None => return Err(ClientError::Stopped),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    how.meter.refused(&error);
                    if !error.retry_helps() {
                        return Err(error);
                    }
                }
            },
            () = tokio::time::sleep_until(wake.unwrap_or_else(|| now.into())), if wake.is_some() => {}
        }
    }
}
