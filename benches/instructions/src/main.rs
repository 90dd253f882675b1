//! `instructions SHAPE`: pushes a fixed number of payments through the hub's own data plane, in process.
//!
//! No sockets, no clock in the data plane's way, fixed keys, every packet in the same order: so that callgrind counts
//! the same instructions each time. What is counted happens in [`callgrind_measured`] and nowhere else:
//! `valgrind --tool=callgrind --toggle-collect='*callgrind_measured*'`. The journal's thread runs beside it, on files,
//! and is not counted except in the shape `journal`.
//!
//! Prints one line of JSON: payments, and allocations on the data plane's thread per payment, those of ours apart.

mod client;
mod counting;
mod fleet;
mod journal;
mod site;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use farthing_benches::clock::Stopwatch;

use fleet::{Fleet, Meter, Unmetered};

/// A way of paying.
#[derive(Debug, Clone, Copy)]
struct Shape {
    links: u16,
    devices_per_link: u16,
    /// Ticks of each device in a datagram; vouchers where none.
    ticks: Option<u16>,
    rounds_warm: u16,
    rounds: u16,
}

const CHAIN_LENGTH_LONG: u16 = 4_096;
const CHAIN_LENGTH_SHORT: u16 = 128;

fn shape(name: &str) -> Option<Shape> {
    let shape = match name {
        "tick" => Shape { links: 48, devices_per_link: 1, ticks: Some(1), rounds_warm: 24, rounds: 32 },
        "batch" => Shape { links: 2, devices_per_link: 16, ticks: Some(1), rounds_warm: 24, rounds: 32 },
        "stream" => Shape { links: 2, devices_per_link: 1, ticks: Some(24), rounds_warm: 24, rounds: 32 },
        "voucher" => Shape { links: 2, devices_per_link: 8, ticks: None, rounds_warm: 2, rounds: 4 },
        _ => return None,
    };
    Some(shape)
}

/// Counts instructions, by its name, and allocations.
#[derive(Debug, Default)]
struct Counted {
    allocations: u64,
}

impl Meter for Counted {
    fn hub<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let mut result = None;
        let info = allocation_counter::measure(|| result = Some(callgrind_measured(work)));
        self.allocations += info.count_total;
        // The closure above has run.
        result.unwrap_or_else(|| unreachable!("a measured function runs once"))
    }
}

/// What runs below this is counted. Its name is known to whoever starts callgrind.
#[inline(never)]
fn callgrind_measured<R>(work: impl FnOnce() -> R) -> R {
    std::hint::black_box(work())
}

fn round(fleet: &mut Fleet, shape: &Shape, meter: &mut impl Meter) -> anyhow::Result<()> {
    let together = usize::from(shape.devices_per_link);
    for first in (0..fleet.len()).step_by(together) {
        match shape.ticks {
            Some(ticks) => fleet.send_ticks(first..first + together, ticks)?,
            None => fleet.send_vouchers(first..first + together)?,
        }
    }
    fleet.settle(meter)
}

fn measure(shape: &Shape) -> anyhow::Result<serde_json::Value> {
    let length = if shape.ticks.is_some_and(|ticks| ticks > 1) { CHAIN_LENGTH_LONG } else { CHAIN_LENGTH_SHORT };
    let now = Stopwatch::start().started();
    let mut fleet = Fleet::attach(shape.links, shape.devices_per_link, length, now)?;
    for _ in 0..shape.rounds_warm {
        round(&mut fleet, shape, &mut Unmetered)?;
    }
    let before = fleet.site.plane.allocations();
    let mut counted = Counted::default();
    for _ in 0..shape.rounds {
        round(&mut fleet, shape, &mut counted)?;
    }
    let ours = fleet.site.plane.allocations() - before;
    let datagrams = u64::from(shape.links) * u64::from(shape.rounds);
    let payments = datagrams * u64::from(shape.devices_per_link) * u64::from(shape.ticks.unwrap_or(1));
    fleet.site.finish()?;
    Ok(serde_json::json!({
        "payments": payments,
        "datagrams": datagrams,
        "allocations_ours": ours,
        "allocations_transport": counted.allocations - ours,
    }))
}

fn run() -> anyhow::Result<serde_json::Value> {
    let name = std::env::args().nth(1).context("name a shape: tick, batch, stream, voucher, journal")?;
    if name == "journal" {
        return journal::measure();
    }
    let Some(shape) = shape(&name) else {
        bail!("no shape {name}");
    };
    measure(&shape)
}

fn main() -> ExitCode {
    match run() {
        Ok(counts) => {
            println!("{counts}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}
