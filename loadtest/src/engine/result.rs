//! What a run came to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::BenchArgs;
use super::driver::{Driver, Strangers};
use super::measure::Second;
use super::process::{CpuTime, Memory};
use super::shape::{Profile, Shape};
use crate::report::{Percentiles, Table, grouped};

/// One measured period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Period {
    /// What was measured, where a profile measures several things.
    pub name: String,
    /// `hub`, or what stood beside it: `echo`, or a second hub, `beside`.
    pub server: String,
    /// Seconds.
    pub seconds: f64,
    /// Payments acknowledged in it.
    pub acknowledged: u64,
    /// The same per second.
    pub payments_per_second: f64,
    /// Microseconds from due (open loop) or sent (closed loop) to acknowledged.
    pub latency: Percentiles,
    /// The same as a curve: `[nines, microseconds]`, where 2 nines are 99%.
    pub latency_curve: Vec<[f64; 2]>,
    /// CPU seconds of the hub, where its process is known.
    pub hub_cpu: Option<CpuTime>,
    /// Payments per CPU second of the hub's process.
    pub payments_per_hub_cpu_second: Option<f64>,
    /// Payments per CPU second of its data-plane threads.
    pub payments_per_data_plane_second: Option<f64>,
    /// Share of the period for which the generator's thread was busy. Near 1 it is the generator that was measured.
    pub generator_busy: f64,
    /// UDP payload per acknowledged payment, from devices to hub.
    pub bytes_to_hub: f64,
    /// The same back.
    pub bytes_from_hub: f64,
    /// UDP datagrams per acknowledged payment, from devices to hub.
    pub packets_to_hub: f64,
    /// The same back.
    pub packets_from_hub: f64,
    /// Packets of devices that QUIC believes lost.
    pub packets_lost: u64,
    /// Payments said again because nothing was heard.
    pub repeated: u64,
    /// Memory of the hub at the period's end.
    pub hub_memory: Option<Memory>,
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct BenchResult {
    /// What the devices did.
    pub profile: Profile,
    /// The same in numbers.
    pub shape: Shape,
    /// Payments per second that were asked for; absent in a closed loop.
    pub rate: Option<f64>,
    /// Whether data plane and generator had a core each.
    pub pinned: bool,
    /// Links per chain.
    pub chain_length: u16,
    /// Milliseconds until all were attached.
    pub gather_ms: u128,
    /// Measured periods.
    pub periods: Vec<Period>,
    /// The hub against a bare echo, where one ran beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo: Option<Comparison>,
    /// The hub against one with other settings beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Comparison>,
    /// Memory of the hub with the fleet's mandates, before anyone connected.
    pub hub_memory_before: Option<Memory>,
    /// Memory of the hub for each connection and what hangs on it, bytes; profile `idle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_bytes_per_connection: Option<f64>,
    /// Memory of the hub for each channel, bytes; profile `idle-channels`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_bytes_per_channel: Option<f64>,
    /// Milliseconds from the start of a hub with these channels until it served; profile `idle-channels`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_ms: Option<u128>,
    /// Seconds until all were back and had paid; profile `reconnect-storm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_after_seconds: Option<f64>,
    /// Connections that attached nothing; profile `handshake-storm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strangers: Option<Strangers>,
    /// p99 during the storm as a multiple of the p99 before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_during_by_before: Option<f64>,
    /// Attempts to connect that got no answer in time, and were begun anew.
    pub attempts_given_up: u64,
    /// Lanes of which the hub knew less than it had acknowledged: must be none.
    pub lost: u64,
    /// Refusals by code.
    pub refused: BTreeMap<u16, u64>,
    /// Connections that ended, and why.
    pub dropped: BTreeMap<String, u64>,
    /// Datagrams that QUIC did not take.
    pub unsent: u64,
    /// Every second of the run.
    pub seconds: Vec<Second>,
    /// Every second of what stood beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside_seconds: Vec<Second>,
}

/// The hub against what stood beside it under the same load, medians over the cycles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Payments per second by the other's, or by echoes per second.
    pub per_second: f64,
    /// The same per CPU second of the threads that carry the load.
    pub per_thread_second: Option<f64>,
}

impl Comparison {
    /// Compares periods of the hub and of the other server, cycle by cycle.
    #[must_use]
    pub fn of(periods: &[Period], other: &str) -> Option<Self> {
        let of = |server| periods.iter().filter(move |period| period.server == server);
        let pairs = || of("hub").zip(of(other));
        let per_second = median(pairs().map(|(hub, other)| hub.payments_per_second / other.payments_per_second))?;
        let per_thread_second = median(pairs().filter_map(|(hub, other)| {
            Some(hub.payments_per_data_plane_second? / other.payments_per_data_plane_second?)
        }));
        Some(Self { per_second, per_thread_second })
    }
}

/// The middle one, or the lower of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

impl BenchResult {
    /// The result of a run that has not begun.
    #[must_use]
    pub fn new(args: &BenchArgs, shape: Shape, chain_length: u16) -> Self {
        Self {
            profile: args.profile,
            shape,
            rate: args.rate,
            pinned: args.pin,
            chain_length,
            gather_ms: 0,
            periods: Vec::new(),
            echo: None,
            beside: None,
            hub_memory_before: None,
            hub_bytes_per_connection: None,
            hub_bytes_per_channel: None,
            restart_ms: None,
            back_after_seconds: None,
            strangers: None,
            p99_during_by_before: None,
            attempts_given_up: 0,
            lost: 0,
            refused: BTreeMap::new(),
            dropped: BTreeMap::new(),
            unsent: 0,
            seconds: Vec::new(),
            beside_seconds: Vec::new(),
        }
    }

    /// Counts what went wrong for these connections.
    pub(super) fn take_in(&mut self, driver: &Driver) {
        let measure = &driver.measure;
        self.attempts_given_up += driver.given_up;
        self.lost += measure.lost;
        self.unsent += measure.unsent;
        for (code, times) in &measure.refused {
            *self.refused.entry(*code).or_default() += times;
        }
        for (reason, times) in &measure.dropped {
            *self.dropped.entry(reason.clone()).or_default() += times;
        }
    }

    /// What the run as a whole came to, with labels.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        let bytes = |value: f64| format!("{value:.0}");
        let ratio = |value: f64| format!("{value:.3}");
        let per_thread = self.echo.and_then(|echo| echo.per_thread_second);
        let optional = [
            ("hub by echo, per second", self.echo.map(|echo| ratio(echo.per_second))),
            ("hub by echo, per serving CPU second", per_thread.map(ratio)),
            ("hub by beside, per second", self.beside.map(|beside| ratio(beside.per_second))),
            (
                "hub by beside, per serving CPU second",
                self.beside.and_then(|beside| beside.per_thread_second).map(ratio),
            ),
            ("hub memory before, MiB", self.hub_memory_before.map(|memory| mib(memory.resident))),
            ("hub bytes per connection", self.hub_bytes_per_connection.map(bytes)),
            ("hub bytes per channel", self.hub_bytes_per_channel.map(bytes)),
            ("hub restarted after, ms", self.restart_ms.map(grouped)),
            ("all back after, s", self.back_after_seconds.map(|value| format!("{value:.2}"))),
            ("strangers let in", self.strangers.map(|strangers| strangers.connected.to_string())),
            ("p99 during by before", self.p99_during_by_before.map(ratio)),
        ];
        let mut figures = vec![
            ("connections", self.shape.connections.to_string()),
            ("lanes", self.shape.lanes().to_string()),
            ("all attached after, ms", grouped(self.gather_ms)),
        ];
        figures.extend(optional.into_iter().filter_map(|(label, value)| Some((label, value?))));
        figures.push(("attempts given up", self.attempts_given_up.to_string()));
        figures.push(("acknowledged and lost", self.lost.to_string()));
        figures
    }

    /// Says it.
    pub fn say(&self) {
        for period in &self.periods {
            say_period(period);
        }
        let mut table = Table::new(["in all", ""]);
        for (label, value) in self.figures() {
            table.row([label.to_owned(), value]);
        }
        print!("{table}");
        for (code, times) in &self.refused {
            println!("  refused {times} times with code {code}");
        }
        for (reason, times) in &self.dropped {
            println!("  {times} connections: {reason}");
        }
    }
}

fn mib(bytes: u64) -> String {
    (bytes >> 20).to_string()
}

fn say_period(period: &Period) {
    let mut table = Table::new([&period.server, &period.name]);
    let mut row = |label: &str, value: String| table.row([label.to_owned(), value]);
    row("payments acknowledged", grouped(period.acknowledged.into()));
    row("per second", format!("{:.0}", period.payments_per_second));
    if let Some(rate) = period.payments_per_hub_cpu_second {
        row("per CPU second of the process", format!("{rate:.0}"));
    }
    if let Some(rate) = period.payments_per_data_plane_second {
        row("per CPU second of its serving threads", format!("{rate:.0}"));
    }
    if let Some(cpu) = &period.hub_cpu {
        row("its CPU seconds", format!("{:.2} of {:.2}", cpu.process, period.seconds));
        for (name, seconds) in cpu.threads.iter().filter(|(_, seconds)| **seconds >= 0.01) {
            row(&format!("  {name}"), format!("{seconds:.2}"));
        }
    }
    row("generator busy", format!("{:.0}%", period.generator_busy * 100.0));
    let latency = &period.latency;
    for (label, value) in [
        ("latency p50, us", latency.p50_us),
        ("latency p90, us", latency.p90_us),
        ("latency p99, us", latency.p99_us),
        ("latency p99.9, us", latency.p999_us),
        ("latency max, us", latency.max_us),
    ] {
        row(label, grouped(value.into()));
    }
    row("bytes per payment, to and from hub", format!("{:.1} + {:.1}", period.bytes_to_hub, period.bytes_from_hub));
    row("packets per payment", format!("{:.3} + {:.3}", period.packets_to_hub, period.packets_from_hub));
    row("packets lost, payments repeated", format!("{}, {}", period.packets_lost, period.repeated));
    if let Some(memory) = period.hub_memory {
        row("hub memory, MiB", mib(memory.resident));
    }
    println!("{table}");
}
