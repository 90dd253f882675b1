//! Profiles in which devices come, go, or just stay.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::args::BenchArgs;
use super::driver::Mode;
use super::process::Memory;
use super::run::{Run, open};
use super::schedule::Schedule;
use super::shape::Shape;
use crate::clock;

/// How long a storm may last.
const STORM_MAX: Duration = Duration::from_secs(900);

/// Turns of the storm's own schedule: how often it is looked at.
const STEP: Duration = Duration::from_millis(5);

impl Run {
    /// The rate of the devices that pay through a storm.
    fn honest_rate(&self, honest: usize) -> f64 {
        self.args.rate.unwrap_or_else(|| u32::try_from(honest).map_or(1.0, f64::from))
    }

    /// The calm that a storm is compared with: the first `honest` devices pay at their rate.
    fn before(&mut self, honest: usize) -> anyhow::Result<()> {
        self.first_payments()?;
        let mode = open(&self.shape, self.honest_rate(honest), honest);
        self.hub.driver.set_mode(mode);
        self.hub.driver.run(clock::now() + self.args.warm_up, |_| false)?;
        let before = self.hub.period("before the storm", self.args.duration, |_| false)?;
        self.result.periods.push(before);
        Ok(())
    }

    /// Some pay on while the others vanish and come back.
    pub(super) fn reconnect_storm(&mut self) -> anyhow::Result<()> {
        let all = self.shape.connections;
        let honest = honest(&self.args, &self.shape);
        self.before(honest)?;

        self.hub.driver.count_below(honest);
        self.hub.driver.pay_on_return = true;
        for place in honest..all {
            self.hub.driver.dismiss(place, self.args.storm.silent);
        }
        let begun = clock::now();
        // All at once, or evenly over the time they take to notice. Attempts beyond what the hub answers wait for
        // QUIC's own retransmission, as those of real devices do.
        self.hub.driver.set_gathering_max(all);
        let back_within = self.args.storm.back_within;
        let dropped = all - honest;
        let per_second = u32::try_from(dropped).map_or(1.0, f64::from) / back_within.as_secs_f64().max(0.001);
        let mut schedule = Schedule::new(begun, per_second);
        let mut called = honest;
        let mut back = None;
        self.hub.begin()?;
        while back.is_none() && clock::now() < begun + STORM_MAX {
            let now = clock::now();
            while called < all && schedule.take_due(now).is_some() {
                self.hub.driver.call([called]);
                called += 1;
            }
            if self.hub.driver.run(now + STEP, |driver| driver.ready() == all && !driver.is_crowd_waiting())? {
                back = Some(clock::now().duration_since(begun));
            }
        }
        let during = self.hub.end("during the storm")?;
        self.result.periods.push(during);
        let back = back.with_context(|| format!("only {} of {all} devices came back", self.hub.driver.ready()))?;
        self.result.back_after_seconds = Some(back.as_secs_f64());
        self.compare();
        self.hub.drain()
    }

    /// Some pay on while strangers connect.
    pub(super) fn handshake_storm(&mut self) -> anyhow::Result<()> {
        self.before(self.shape.connections)?;
        self.hub.driver.strangers.leave = self.args.storm.leave;
        let begun = clock::now();
        let mut schedule = Schedule::new(begun, self.args.storm.handshakes);
        self.hub.begin()?;
        while clock::now() < begun + self.args.duration {
            let now = clock::now();
            while schedule.take_due(now).is_some() {
                self.hub.driver.begin_stranger();
            }
            self.hub.driver.run(now + STEP, |_| false)?;
        }
        let during = self.hub.end("during the storm")?;
        self.result.periods.push(during);
        self.result.strangers = Some(self.hub.driver.strangers);
        self.compare();
        self.hub.drain()
    }

    fn compare(&mut self) {
        if let [before, during] = self.result.periods.as_slice() {
            let [before, during] = [before, during].map(|period| Duration::from_micros(period.latency.p99_us));
            self.result.p99_during_by_before = Some(during.as_secs_f64() / before.as_secs_f64().max(1e-6));
        }
    }

    /// What a silent connection costs the hub.
    pub(super) fn idle(&mut self) -> anyhow::Result<()> {
        self.hub.driver.set_mode(Mode::Still);
        let silent = self.hub.period("silent", self.args.storm.hold, |_| false)?;
        self.result.periods.push(silent);
        let before = self.result.hub_memory_before;
        let after = self.result.periods.last().and_then(|period| period.hub_memory);
        self.result.hub_bytes_per_connection =
            before.zip(after).map(|(before, after)| each(before, after, self.shape.connections));
        Ok(())
    }

    /// What a channel with one lane costs the hub when nobody is connected, and how long it takes to start with them.
    pub(super) fn idle_channels(&mut self) -> anyhow::Result<()> {
        for place in 0..self.shape.connections {
            self.hub.driver.dismiss(place, false);
        }
        self.hub.driver.run(clock::now() + self.args.storm.hold, |_| false)?;
        let site = self.ground.site.as_mut().context("idle-channels needs an own hub")?;
        let empty = self.ground.empty_hub.context("idle-channels needs an own hub")?;
        site.stop_hub()?;
        let restart = site.start_hub()?;
        self.result.restart_ms = Some(restart.as_millis());
        let pid = site.hub_process_id()?;
        self.ground.hub_pid = Some(pid);
        let channels = site.status()?.channels;
        let expected = u64::try_from(self.shape.lanes())?;
        ensure!(channels == expected, "the hub knows {channels} of {expected} channels after its restart");
        self.result.hub_bytes_per_channel = Some(each(empty, Memory::of(pid)?, self.shape.lanes()));
        Ok(())
    }
}

/// Members of a reconnect storm that go on paying: the first so many.
pub(super) fn honest(args: &BenchArgs, shape: &Shape) -> usize {
    args.storm.honest.min(shape.connections.saturating_sub(1)).max(1)
}

fn each(before: Memory, after: Memory, count: usize) -> f64 {
    let grown = after.anonymous.saturating_sub(before.anonymous);
    let kib = u32::try_from(grown >> 10).map_or(f64::MAX, f64::from);
    kib * 1024.0 / u32::try_from(count).map_or(1.0, f64::from)
}
