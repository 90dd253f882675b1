//! What the load generator is told for each shape, for the hub and for what takes turns with it.

use serde_json::Value;

use crate::generator::{Generator, number};
use crate::process::Failure;

/// A generator that is busier than this may be the bottleneck itself.
const GENERATOR_BUSY_MAX: f64 = 0.97;

/// How the generator pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Tick,
    /// As `Tick`, at a hub whose risk model acts, beside one that has none.
    Risk,
    Batch,
    Stream,
    Voucher,
}

impl Profile {
    /// As many connections as the peers of the shape have, and one message under way on each where the peers have one.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tick | Self::Risk => &["tick", "--connections", "1000", "--in-flight", "1"],
            Self::Batch => &["batch", "--ticks-per-packet", "24", "--in-flight", "8"],
            Self::Stream => &["stream", "--connections", "100", "--in-flight", "6"],
            // Two packets of 8 are the 16 lanes of a connection: no voucher is passed over for a greater one.
            Self::Voucher => &["voucher", "--vouchers-per-packet", "8", "--in-flight", "2"],
        }
    }
}

/// What one run came to, payments or messages per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) hub: f64,
    /// Of what took turns with the hub.
    pub(super) beside: Option<f64>,
}

/// The size of a tick on an open lane, and of its acknowledgement: what the echo is sent and answers.
const TICK_BYTES: &str = "44";
const ACKNOWLEDGEMENT_BYTES: &str = "25";

/// Turns of the risk model's two hubs: they differ by a few percent, and a median of few turns by more.
const TURNS_RISK: u32 = 15;

/// How often two servers take turns within a run, each for its share of the time: a virtual machine's speed changes within
/// seconds, and would fall on one of them.
const TURNS: u32 = 5;

/// One run. The servers have the first core and the generator the second, and take turns within it.
pub(super) fn rates(generator: &Generator, profile: Profile, seconds: u32) -> Result<Rates, Failure> {
    let (turns, beside) = match profile {
        Profile::Tick => (TURNS, Some("echo")),
        Profile::Risk => (TURNS_RISK, Some("beside")),
        _ => (1, None),
    };
    let (cycles, duration) = (turns.to_string(), seconds.div_ceil(turns.min(TURNS)).to_string());
    let mut arguments = vec!["--pin", "--cycles", &cycles, "--duration", &duration, "--profile"];
    arguments.extend(profile.arguments());
    if profile == Profile::Risk {
        arguments.extend(["--hub-setting", "FARTHING_HUB__RISK_MODEL__MODE=enforce"]);
        arguments.extend(["--beside", "FARTHING_HUB__RISK_MODEL__MODE=off"]);
    }
    if profile == Profile::Tick {
        arguments.extend(["--echo", "--message-bytes", TICK_BYTES, "--answer-bytes", ACKNOWLEDGEMENT_BYTES]);
    }
    let result = generator.bench(&arguments)?;
    let hub = measured(&result, "hub")?;
    if let Some(beside) = beside {
        return median_turn(&hub, &measured(&result, beside)?);
    }
    let hub = hub.first().copied().ok_or_else(|| Failure::new("the load generator tells no period of the hub"))?;
    Ok(Rates { hub, beside: None })
}

/// The turn whose ratio is the median of all.
fn median_turn(hub: &[f64], beside: &[f64]) -> Result<Rates, Failure> {
    let mut turns: Vec<(f64, f64)> = hub.iter().copied().zip(beside.iter().copied()).collect();
    turns.sort_by(|(hub, beside), (other_hub, other)| (hub / beside).total_cmp(&(other_hub / other)));
    let middle = turns.get(turns.len() / 2).filter(|_| hub.len() == beside.len());
    let (hub, beside) = middle.ok_or_else(|| Failure::new("both sides have not had as many turns"))?;
    Ok(Rates { hub: *hub, beside: Some(*beside) })
}

/// The rates of a server's measured periods.
fn measured(result: &Value, server: &str) -> Result<Vec<f64>, Failure> {
    // A result that names no server knows of none but the hub.
    let is_of = |period: &&Value| period["server"].as_str().unwrap_or("hub") == server;
    let periods = result["periods"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rates = periods.iter().filter(is_of).map(|period| {
        let busy = number(period, "/generator_busy")?;
        if busy > GENERATOR_BUSY_MAX {
            eprintln!("the generator was busy for {:.0}% of the time: it may be what was measured", busy * 100.0);
        }
        number(period, "/payments_per_second")
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_told_apart_by_their_server() {
        let result = serde_json::json!({ "periods": [
            { "server": "hub", "generator_busy": 0.5, "payments_per_second": 2.0 },
            { "server": "echo", "generator_busy": 0.5, "payments_per_second": 4.0 },
            { "server": "hub", "generator_busy": 0.5, "payments_per_second": 3.0 },
        ]});
        assert_eq!(measured(&result, "hub").unwrap(), [2.0, 3.0]);
        assert_eq!(measured(&result, "echo").unwrap(), [4.0]);
        assert!(measured(&serde_json::json!({ "periods": [{ "server": "hub" }] }), "hub").is_err());
    }

    #[test]
    fn the_turn_in_the_middle_stands_for_all() {
        let rates = median_turn(&[9.0, 1.0, 8.0], &[10.0, 10.0, 10.0]).unwrap();
        assert_eq!((rates.hub, rates.beside), (8.0, Some(10.0)));
        assert!(median_turn(&[1.0], &[]).is_err());
        assert!(median_turn(&[], &[]).is_err());
    }
}
