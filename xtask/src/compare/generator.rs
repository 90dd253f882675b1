//! What the load generator is told for each shape, for the hub and for the bare echo beside it.

use serde_json::Value;

use crate::generator::{Generator, number};
use crate::process::Failure;

/// A generator that is busier than this may be the bottleneck itself.
const GENERATOR_BUSY_MAX: f64 = 0.97;

/// How the generator pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Tick,
    Batch,
    Stream,
    Voucher,
}

impl Profile {
    /// As many connections as the peers of the shape have, and one message under way on each where the peers have one.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tick => &["tick", "--connections", "1000", "--in-flight", "1"],
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
    /// Of the bare echo, where one ran in turn with the hub.
    pub(super) echo: Option<f64>,
}

/// The size of a tick on an open lane, and of its acknowledgement: what the echo is sent and answers.
const TICK_BYTES: &str = "44";
const ACKNOWLEDGEMENT_BYTES: &str = "25";

/// One run. The servers have the first core and the generator the second; hub and echo take turns within it.
pub(super) fn rates(generator: &Generator, profile: Profile, seconds: u32) -> Result<Rates, Failure> {
    let seconds = seconds.to_string();
    let mut arguments = vec!["--pin", "--duration", &seconds, "--profile"];
    arguments.extend(profile.arguments());
    let with_echo = profile == Profile::Tick;
    if with_echo {
        arguments.extend(["--echo", "--message-bytes", TICK_BYTES, "--answer-bytes", ACKNOWLEDGEMENT_BYTES]);
    }
    let result = generator.bench(&arguments)?;
    let echo = with_echo.then(|| rate(&result, "echo")).transpose()?;
    Ok(Rates { hub: rate(&result, "hub")?, echo })
}

/// The rate of a server's measured period.
fn rate(result: &Value, server: &str) -> Result<f64, Failure> {
    // A result that names no server knows of none but the hub.
    let is_of = |period: &&Value| period["server"].as_str().unwrap_or("hub") == server;
    let period = result["periods"].as_array().and_then(|periods| periods.iter().find(is_of));
    let period = period.ok_or_else(|| Failure::new(format!("the load generator tells no period of the {server}")))?;
    let busy = number(period, "/generator_busy")?;
    if busy > GENERATOR_BUSY_MAX {
        eprintln!("the generator was busy for {:.0}% of the time: it may be what was measured", busy * 100.0);
    }
    number(period, "/payments_per_second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_told_apart_by_their_server() {
        let result = serde_json::json!({ "periods": [
            { "server": "hub", "generator_busy": 0.5, "payments_per_second": 2.0 },
            { "server": "echo", "generator_busy": 0.5, "payments_per_second": 4.0 },
        ]});
        assert!((rate(&result, "hub").unwrap() - 2.0).abs() < f64::EPSILON);
        assert!((rate(&result, "echo").unwrap() - 4.0).abs() < f64::EPSILON);
        assert!(rate(&serde_json::json!({ "periods": [] }), "hub").is_err());
    }
}
