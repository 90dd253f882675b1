//! Profiles in which devices come, go, or just stay.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::args::BenchArgs;
use super::crowd::Crowd;
use super::driver::Mode;
use super::process::Memory;
use super::run::{Run, open};
use super::shape::{Profile, Shape};
use super::side::drain;
use crate::clock;

/// How long a storm may last.
const STORM_MAX: Duration = Duration::from_secs(900);

/// How often a storm is looked at.
pub(super) const STEP: Duration = Duration::from_millis(5);

impl Run {
    /// The calm that a storm is compared with: those who will be measured pay at their rate. The crowd is there already.
    fn before(&mut self) -> anyhow::Result<Crowd> {
        self.first_payments()?;
        let crowd = Crowd::begin(self.crowd.take().context("a storm needs a crowd")?)?;
        let honest = u32::try_from(self.hub.driver.members.len())?;
        let rate = self.args.rate.unwrap_or_else(|| f64::from(honest));
        self.hub.driver.set_mode(open(&self.shape, rate));
        self.hub.driver.run(clock::now() + self.args.warm_up, |_| false)?;
        let before = self.hub.period("before the storm", self.args.duration, |_| false)?;
        self.result.periods.push(before);
        Ok(crowd)
    }

    /// Some pay on while the others vanish and come back.
    pub(super) fn reconnect_storm(&mut self) -> anyhow::Result<()> {
        let crowd = self.before()?;
        let dropped = self.shape.connections - self.hub.driver.members.len();
        let begun = clock::now();
        crowd.come_back(self.args.storm.silent, self.args.storm.back_within)?;
        self.hub.begin()?;
        let mut said = begun;
        while crowd.settled()? < dropped && clock::now() < begun + STORM_MAX {
            self.hub.driver.run(clock::now() + STEP, |_| false)?;
            let now = clock::now();
            if now.duration_since(said) >= Duration::from_secs(1) {
                said = now;
                eprintln!("        {} of {dropped} are back", crowd.settled()?);
            }
        }
        let back = clock::now().duration_since(begun);
        let settled = crowd.settled()?;
        let during = self.hub.end("during the storm")?;
        self.result.periods.push(during);
        ensure!(settled >= dropped, "only {settled} of {dropped} devices came back");
        self.result.back_after_seconds = Some(back.as_secs_f64());
        self.finish_storm(crowd)
    }

    /// Some pay on while strangers connect.
    pub(super) fn handshake_storm(&mut self) -> anyhow::Result<()> {
        let crowd = self.before()?;
        crowd.knock(self.args.storm.handshakes, self.args.storm.leave)?;
        let during = self.hub.period("during the storm", self.args.duration, |_| false)?;
        self.result.periods.push(during);
        self.finish_storm(crowd)
    }

    fn finish_storm(&mut self, crowd: Crowd) -> anyhow::Result<()> {
        self.compare();
        drain(&mut self.hub.driver)?;
        let crowd = crowd.end()?;
        self.result.take_in(&crowd);
        if self.args.profile == Profile::HandshakeStorm {
            self.result.strangers = Some(crowd.strangers);
        }
        Ok(())
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

/// Connections whose payments are measured: all but the crowd of a reconnect storm.
pub(super) fn honest(args: &BenchArgs, shape: &Shape) -> usize {
    match args.profile {
        Profile::ReconnectStorm => args.storm.honest.min(shape.connections.saturating_sub(1)).max(1),
        _ => shape.connections,
    }
}

fn each(before: Memory, after: Memory, count: usize) -> f64 {
    let grown = after.anonymous.saturating_sub(before.anonymous);
    let kib = u32::try_from(grown >> 10).map_or(f64::MAX, f64::from);
    kib * 1024.0 / u32::try_from(count).map_or(1.0, f64::from)
}
