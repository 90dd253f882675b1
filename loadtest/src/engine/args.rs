//! The command line of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::shape::Profile;

/// Load of a chosen shape from one thread, up to a hundred thousand connections, and what it costs the hub.
///
/// Without --rate the loop is closed: every connection keeps --in-flight packets under way. With --rate it is open:
/// payments come at their times, and latencies count from those.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// What the devices do.
    #[arg(long, value_enum, default_value_t = Profile::Tick)]
    pub profile: Profile,
    /// Connections. Default: the profile's.
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Lanes behind each connection. Default: the profile's.
    #[arg(long, value_name = "N")]
    pub lanes_per_connection: Option<usize>,
    /// Lanes in all, spread over the connections.
    #[arg(long, value_name = "N")]
    pub lanes: Option<usize>,
    /// Packets under way on each connection of a closed loop.
    #[arg(long, value_name = "K")]
    pub in_flight: Option<u32>,
    /// Payments per second of all devices together: an open loop.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<f64>,
    /// Ticks of distinct lanes in one packet of the batch profile.
    #[arg(long, value_name = "T", default_value_t = 16)]
    pub ticks_per_packet: usize,
    /// Vouchers of distinct lanes in one packet of the voucher profile.
    #[arg(long, value_name = "V", default_value_t = 8)]
    pub vouchers_per_packet: usize,
    /// Channels that an own hub knows, most of which stay idle. Default: 1,000,000 for idle-channels, otherwise as many as
    /// are used
    #[arg(long, value_name = "N")]
    pub channels: Option<usize>,
    /// Seconds of load before anything is measured.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub warm_up: Duration,
    /// Seconds of each measured period.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Measured periods, each after a warm-up of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: u32,
    /// The hub's data plane on the machine's first core, all else on the second.
    #[arg(long)]
    pub pin: bool,
    /// Measure a bare QUIC echo beside the hub, cycle by cycle in turn.
    #[arg(long)]
    pub echo: bool,
    /// Measure a second own hub beside the first, cycle by cycle in turn, which has this further setting in place of what
    /// --hub-setting says, such as FARTHING_HUB__RISK_MODEL__MODE=off.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, conflicts_with_all = ["echo", "fleet", "keep"])]
    pub beside: Vec<(String, String)>,
    /// Bytes of each datagram to the echo.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub message_bytes: usize,
    /// Bytes of each of its answers.
    #[arg(long, value_name = "BYTES", default_value_t = 16)]
    pub answer_bytes: usize,
    /// UDP sockets, and so source ports. Default: one for every 25,000 connections.
    #[arg(long, value_name = "N")]
    pub sockets: Option<u16>,
    /// Handshakes and attaches under way at once while the fleet gathers.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub gather: usize,
    /// Memory for hash chains made ahead of time, MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub chains_mib: usize,
    /// Vouchers signed ahead of time, per second of load. Further ones are signed as they are sent.
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    pub presigned_per_second: u64,
    /// Seconds after which an unacknowledged payment is said again.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub repeat_after: Duration,
    /// What storms and idle crowds need.
    #[command(flatten)]
    pub storm: StormArgs,
    /// Pay at this hub instead of an own one.
    #[arg(long, value_name = "HOST:PORT", requires = "fleet")]
    pub hub: Option<String>,
    /// The fleet that pays, as a JSON description. Without it an own site is set up.
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// The process of the hub named by --hub, where it runs on this machine and its cost is to be told.
    #[arg(long, value_name = "PID", requires = "hub")]
    pub hub_pid: Option<u32>,
    /// A further setting of the own hub, such as FARTHING_HUB__JOURNAL__SEGMENT_MIB=256.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub hub_setting: Vec<(String, String)>,
    /// A program, with its arguments, that starts the own hub, such as "perf record -g".
    #[arg(long, value_name = "COMMAND", conflicts_with = "fleet")]
    pub hub_launcher: Option<String>,
    /// Keep the own site in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR", conflicts_with = "fleet")]
    pub keep: Option<PathBuf>,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the latencies to this file: an HdrHistogram interval log, a line for every second.
    #[arg(long, value_name = "FILE")]
    pub histogram: Option<PathBuf>,
}

/// What storms and idle crowds need.
#[derive(Debug, Clone, Args)]
pub struct StormArgs {
    /// Connections that go on paying through a storm; at --rate, or one packet each per second.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub honest: usize,
    /// Seconds over which the dropped devices of a reconnect storm come back.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub back_within: Duration,
    /// Devices of a reconnect storm vanish without a goodbye, so that the hub holds their dead connections.
    #[arg(long)]
    pub silent: bool,
    /// Handshakes per second of a handshake storm.
    #[arg(long, value_name = "RATE", default_value = "2000", value_parser = rate)]
    pub handshakes: f64,
    /// Strangers of a handshake storm leave as soon as they are in; otherwise they stay until the hub ends it.
    #[arg(long)]
    pub leave: bool,
    /// Seconds after which a device gives up an attempt to connect and begins anew; the SDK's are 10.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub attempt_max: Duration,
    /// Seconds an idle crowd is watched.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub hold: Duration,
    /// Seconds between two pings of a silent connection; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value = "100", value_parser = seconds)]
    pub keep_alive: Duration,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate: f64 = text.parse().map_err(|_| "expected a number")?;
    if rate.is_finite() && rate > 0.0 && rate <= 1e9 { Ok(rate) } else { Err("expected a number above zero") }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds")
}

/// Reads `NAME=VALUE`.
pub(crate) fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
